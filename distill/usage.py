"""What the command line says of itself: one text for all commands, one for each."""

ABOUT = """distill: distillation against RL, from a teacher's traces to the table that compares them

Usage: distill COMMAND ...

The whole line:
  run RECIPE          all stages in order, then the table: distill run recipes/mini.yaml
  explain RECIPE      what would run, without running it, and a trial of the rewards

One stage (each goes on where it stopped, and does nothing when it is done):
  sample RECIPE       the teacher writes traces
  verify RECIPE       is each trace right; or, with --traces, of a file of traces
  filter RECIPE       which traces to learn from; or, with --traces, of a file of traces
  sft RECIPE          the student learns from the kept traces
  grpo RECIPE         the same base learns without a teacher, by RL
  evaluate RECIPE     every model answers the test sets
  report RECIPE       table, report.md, report.html

Looking and making:
  show RUN [TRACE]    what a run folder holds; one trace, its verdict and its fate
  mini build          make the small models and problems of data/mini again

`distill COMMAND --help` says more. Any key of a recipe is a flag: --sft.learning_rate=1.0e-4"""

RECIPE_FLAGS = """
Flags:
  --out=FOLDER          the run folder; runs/<name of the recipe> without it
  --SECTION.KEY=VALUE   any key of the recipe, such as --sft.epochs=2 or --seed=3"""

HELP = {
    "run": f"""distill run RECIPE: all stages in order, then the table

Stopped by Ctrl-C, kill or a power cut, the same command goes on where it was.

Examples:
  distill run recipes/mini.yaml
  distill run recipes/mini.yaml --out=runs/seed-3 --seed=3
{RECIPE_FLAGS}""",
    "sample": f"""distill sample RECIPE: the teacher writes traces

Every problem of problems.train is asked sample.completions_per_problem times; a completion is
stored as soon as it is there.

Examples:
  distill sample recipes/mini.yaml
  distill sample recipes/mini.yaml --problems.limit=100 --sample.temperature=0.6 --out=runs/try
{RECIPE_FLAGS}""",
    "verify": f"""distill verify RECIPE: is each trace right
distill verify --traces=FILE ...: the same for traces that exist already

Examples:
  distill verify recipes/mini.yaml
  distill verify --traces=traces.jsonl --problem=question --reference=answer \\
      --completion=text --out=verdicts.jsonl
{RECIPE_FLAGS}

Flags for a file of traces, one JSON object per line:
  --traces=FILE         the traces
  --problem=FIELD       field that holds the question
  --reference=FIELD     field that holds the reference answer
  --completion=FIELD    field that holds the raw text of the model
  --out=FILE            one line out per line in: id, correct (true, false, null), reason, answer
  --id_field=FIELD      field that holds the id (id, or the line number where no line has one)
  --finish_reason=FIELD field with "stop", "length" or null; without it a cut is guessed
  --verifier=NAME       how answers are compared (math)
  --label=FIELD         field with known labels: prints the agreement
  --timeout_seconds=N   per trace (5)          --workers=N   processes""",
    "filter": f"""distill filter RECIPE: which traces to learn from
distill filter --traces=FILE ...: the same for traces that exist already

Every check is a key of the recipe's section filter; null turns it off. Dropped traces stay, with
their reason. The kept ones also become a Parquet dataset in RUN/dataset.

Examples:
  distill filter recipes/mini.yaml
  distill filter recipes/mini.yaml --filter.max_repeated_share=null --out=runs/loose
  distill filter --traces=traces.jsonl --problem=question --completion=text \\
      --verdicts=verdicts.jsonl --out=decisions.jsonl --max_paragraph_chars=null
{RECIPE_FLAGS}

Flags for a file of traces, one JSON object per line:
  --traces=FILE         the traces
  --problem=FIELD       field that holds the question
  --completion=FIELD    field that holds the raw text of the model
  --out=FILE            one line out per line in: id, kept, reason, detail
  --verdicts=FILE       what `distill verify` wrote about these traces
  --reference=FIELD     or: verify here, against this field
  --id_field=FIELD      field that holds the id (id, or the line number where no line has one)
  --finish_reason=FIELD field with "stop", "length" or null; "length" is truncated
  --test_set=SOURCE     problems that must not be learned from; with --overlap_ngram=null only the
                        same questions are looked for
  --KEY=VALUE           any key of the section filter""",
    "sft": f"""distill sft RECIPE: the student learns from the kept traces

Loss on the completion only; goes on from its last whole checkpoint. sft.trl holds keys for trl's
SFTConfig, passed on as written.

Examples:
  distill sft recipes/mini.yaml
  distill sft recipes/mini.yaml --sft.adapter=lora --sft.rank=32 --out=runs/lora
  distill sft recipes/mini.yaml --sft.trl.per_device_train_batch_size=8
{RECIPE_FLAGS}""",
    "grpo": f"""distill grpo RECIPE: the same base learns without a teacher, by RL

One run for each entry of grpo.runs; goes on from its last checkpoint.

Examples:
  distill grpo recipes/mini.yaml
  distill grpo recipes/mini.yaml --grpo.steps=20 --grpo.runs.r1_zero.reward=random --out=runs/try
{RECIPE_FLAGS}""",
    "evaluate": f"""distill evaluate RECIPE: every model answers the test sets

Examples:
  distill evaluate recipes/mini.yaml
  distill evaluate recipes/mini.yaml --evaluate.completions_per_problem=16 --evaluate.k=16
{RECIPE_FLAGS}""",
    "report": f"""distill report RECIPE: table.json, report.md and report.html from what is stored

Examples:
  distill report recipes/mini.yaml
{RECIPE_FLAGS}""",
    "explain": f"""distill explain RECIPE: what would run, without running it

Problems, completions, prompts and updates per step, tokens, memory, paths; then a trial of the
rewards: the reference must score, an empty and a wrong answer must not. Uses no network.

Examples:
  distill explain recipes/mini.yaml
  distill explain recipes/mini.yaml --sft.adapter=lora --sft.batch_size=8
{RECIPE_FLAGS}""",
    "show": """distill show RUN [TRACE]: a look into a run folder, which is only read

Without TRACE: counts, verdicts, the first traces of each fate, the first evaluated completions.
With it: the trace, its verdict and its fate; or the evaluated completion ROW/TEST_SET/PROBLEM#N.

Examples:
  distill show runs/mini
  distill show runs/mini 'chain_sum-0a1b2c3d4e5f#0'
  distill show runs/mini 'sft/easy/chain_sum-0a1b2c3d4e5f#0'""",
    "mini build": """distill mini build: the small models and problems of data/mini, from nothing

Problems, tokenizer, texts, models, their measured accuracy. Two cores, 90 minutes. Stopped, the
same command goes on with the models that are not finished.

Examples:
  distill mini build
  distill mini build --out=/tmp/mini --only=teacher

Flags:
  --out=FOLDER   where to write (data/mini)
  --only=NAME    train just this model
  --jobs=N       models trained at the same time (2), each on one thread
  --share=X      of all training steps, 0 to 1, to try the way without the wait (1)""",
}
