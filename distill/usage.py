"""What the command line says of itself: one text for all commands, one for each."""

ABOUT = """distill: distillation against RL, from a teacher's traces to the table that compares them

Usage: distill COMMAND ...

The whole line:
  run RECIPE          all stages in order, then the table: distill run recipes/mini.yaml
  explain RECIPE      what would run, without running it, and a trial of the rewards
  plan RECIPE         what sampling would cost and bring, from a small pilot: fixed and adaptive

One stage (each goes on where it stopped, and does nothing when it is done):
  sample RECIPE       the teacher writes traces
  verify RECIPE       is each trace right; or, with --traces, of a file of traces
  filter RECIPE       which traces to learn from; or, with --traces, of a file of traces
  sft RECIPE          the student learns from the kept traces
  grpo RECIPE         the same base learns without a teacher, by RL
  evaluate RECIPE     every model answers the test sets
  report RECIPE       table, report.md, report.html

Answers and filters:
  check-answer        one answer against its reference: right, by which route, how fast
  check-answers PAIRS the same for a file of pairs, on all cores
  ablate RECIPE       a dataset for each way to filter one pool; or, with --traces, of a file

Looking and making:
  show RUN [TRACE]    what a run folder holds; one trace, its verdict and its fate
  replay RUN          what other ways to sample would have cost on a run's own pass rates
  mini build          make the small models and problems of data/mini again

`distill COMMAND --help` says more. Any key of a recipe is a flag: --sft.learning_rate=1.0e-4"""

RECIPE_FLAGS = """
Flags:
  --out=FOLDER          the run folder; runs/<name of the recipe> without it
  --SECTION.KEY=VALUE   any key of the recipe, such as --sft.epochs=2 or --seed=3"""

POLICY_FLAGS = """
What could be decided either way, as --KEY=VALUE or --policy.KEY=VALUE:
  --unordered_lists=true          "1, 2" is "2, 1"; tuples and intervals keep their order
  --percent_is_share=true         "50%" is "0.5" as well as "50"
  --ignore_missing_units=true     "5" is "5 cm"; units that are both there must agree
  --ignore_names=true             "x = 5" is "5"
  --inequality_is_interval=true   "x > 2" is "(2, oo)"
  --plus_minus_is_pair=true       "+-2" is "2, -2"
  --vector_is_tuple=true          a matrix of one row or column is a tuple
  --ignore_case=true              of words: "Saturday" is "saturday"
  --rounded_digits=6              a decimal of so many digits is the fraction it rounds; null: never
  --relative_tolerance=0.0        of numbers that are not equal exactly: 0.01 takes 9.9 for 10
  --absolute_tolerance=0.0        the same as a difference: 0.1 takes 4.1 for 4.2"""

FILTER_FLAGS = """
Keys of the section filter, --KEY=VALUE of a file, --filter.KEY=VALUE of a recipe; null is no limit
  --accept=rule                   whose word makes it right: none, rule, judge, or, and
  --drop_verdicts=LIST            '[unverified, truncated, no_answer, wrong]' or some of them
  --require_think=true            a thought, whole and at the start (of files: false)
  --allow_unclosed_think=false    --allow_doubled_think=false
  --require_final_answer=true     something after the thought
  --allow_answer_in_thought=false a box in the thought only
  --max_foreign_share=0.001       letters of a script that the question does not use
  --max_other_language_share=0.003   words of another language in the same script
  --max_repeated_share=0.5        loops: words said again, worst 500 in a row
  --max_paragraph_chars=2000      prose without a line break
  --allow_code_blocks=false       --allow_refusals=false
  --forbid=LIST                   '[text, another]' that no completion may hold
  --cases=LIST                    '[{completion: text, reason: kept}]': tried before any work
  --drop_duplicates=true          --near_duplicate_similarity=0.5
  --overlap_ngram=10              words shared with a test question or its solution
  --overlap_char_ngram=20         the same in characters
  --min_pass_rate=null            --max_pass_rate=null: share of a problem's traces that is right
  --keep_per_problem=4            --keep_per_family=null
  --keep=first                    which ones stay: first, shortest, median, random, diverse"""

HELP = {
    "run": f"""distill run RECIPE: all stages in order, then the table

Stopped by Ctrl-C, kill or a power cut, the same command goes on where it was.

Examples:
  distill run recipes/mini.yaml
  distill run recipes/mini.yaml --out=runs/seed-3 --seed=3
{RECIPE_FLAGS}""",
    "sample": f"""distill sample RECIPE: the teacher writes traces

Every problem of problems.train is asked sample.completions_per_problem times, or as adaptive
sampling decides. A completion is stored as soon as it is there, and verified while others are
written. Stopped by Ctrl-C, kill or a budget, the same command goes on where it was.

Engines, as --sample.engine=NAME:
  transformers          in this process, on CPU or GPU; the same seeds give the same traces
  vllm                  vLLM in this process; its own names of keys in sample.vllm
  server                any OpenAI-compatible endpoint: sample.server.url, the key from the
                        environment variable that sample.server.key_variable names
  ray                   Ray Data over many machines: sample.ray.actors engines

Budgets, checked before each request; what is under way when one is reached is still kept:
  --sample.max_tokens_total=N   prompt and completion tokens of the whole run
  --sample.max_usd=X            by sample.price: usd_per_million_in, usd_per_million_out,
                                usd_per_hour
  --sample.max_hours=X          of sampling, over all sessions

Adaptive sampling, on with any key of sample.adaptive; no more tries in all than fixed ones:
  --sample.adaptive.needed=N    kept traces at which a problem is done (filter.keep_per_problem)
  --sample.adaptive.completions_per_kept=16   given up when one more would take more than this
  --sample.adaptive.max_completions_per_problem=64
  --sample.adaptive.least_further_worth=0.5   of a solved problem's next try, beside the traces
                                kept so far for their tokens
  --sample.adaptive.speculation=0.5           tries at once, as a share of those it has had
  --sample.adaptive.truncated_tries=2         all cut by the limit: given up, or asked with
  --sample.adaptive.longer_max_tokens=null    this longer one

Examples:
  distill sample recipes/mini.yaml
  distill sample recipes/mini.yaml --problems.limit=100 --sample.temperature=0.6 --out=runs/try
  distill sample recipes/mini.yaml --sample.adaptive.needed=1 --out=runs/adaptive
  distill sample recipes/server.yaml --sample.max_usd=2 --out=runs/first-look
{RECIPE_FLAGS}""",
    "plan": f"""distill plan RECIPE: what sampling would cost and bring

Asks a few problems, spread evenly over problems.train, 4 times each (the pilot, in RUN/pilot, made
once, within the recipe's own budgets), or takes the traces that the run folder or another run of
the same problems has. Prints, for the recipe's number of tries, for 4 and 16, and for adaptive
sampling: completions, tokens, time, dollars, kept traces and solved problems, each with a 95%
interval, and where a budget of the recipe would stop it. All figures are in RUN/plan.json, the
curves in RUN/plan.png.

Examples:
  distill plan recipes/mini.yaml
  distill plan recipes/mini.yaml --pilot=60 --sample.adaptive.needed=2
  distill plan recipes/mini.yaml --from=runs/mini --out=runs/larger
{RECIPE_FLAGS}
  --pilot=N             problems of the pilot (24), whatever traces there are
  --from=RUN            the traces of another run of the same problems instead of a pilot""",
    "replay": """distill replay RUN: what other ways to sample would have cost

Takes the pass rates and lengths that a run has recorded, and samples the same problems again in a
simulator: as it was done (beside what it really cost: a check that the simulator is honest), with
fixed numbers of tries, and adaptively. Asks no model, writes nothing.

Examples:
  distill replay runs/mini
  distill replay runs/mini --sample.adaptive.needed=1 --sample.adaptive.speculation=0

Flags:
  --SECTION.KEY=VALUE   a key of the run's recipe to change, of the sections sample and filter""",
    "verify": f"""distill verify RECIPE: is each trace right
distill verify --traces=FILE ...: the same for traces that exist already

Examples:
  distill verify recipes/mini.yaml
  distill verify recipes/mini.yaml --verify.policy.rounded_digits=4 --verify.workers=8
  distill verify --traces=traces.jsonl --problem=question --reference=answer \\
      --completion=text --out=verdicts.jsonl
  distill verify --traces=traces.parquet --problem=question --reference=answer.value \\
      --completion=text --label=correct --skip-bad=bad.jsonl --out=verdicts.jsonl
  distill verify --traces=saved_dataset --split=train --verifier=code --problem=question \\
      --tests=tests --completion=text --out=verdicts.jsonl
{RECIPE_FLAGS}

Flags for traces that exist already:
  --traces=FILE         JSONL (also .gz), Parquet, or a folder that `datasets` saved
  --problem=FIELD       field that holds the question; a field inside another is written a.b
  --completion=FIELD    field that holds the raw text of the model
  --reference=FIELD     field that holds the reference answer
  --out=FILE            one line out per row in: id, correct (true, false, null), reason, answer,
                        route, seconds, detail. Stopped, the same command goes on
  --verifier=NAME       math (letters of multiple choice too), choice or code
  --tests=FIELD         of code: field that holds the tests, a record or its text, such as
                        {{"stdin": [{{"input": "1 2", "output": "3"}}]}}, or with
                        {{"entry_point": "add", "calls": [{{"args": [1, 2], "expected": 3}}]}}, or
                        {{"check": "assert add(1, 2) == 3"}}
  --options=FIELD       of multiple choice: field with a list of texts, or a record of letters
  --id_field=FIELD      field that holds the id (id, or the row's number where no row has one)
  --finish_reason=FIELD field with "stop", "length" or null; without it a cut is guessed
  --label=FIELD         field with known labels: prints the agreement
  --split=NAME          of a folder with several
  --skip-bad=FILE       where rows go that cannot be used: line, error, raw (without it the first
                        one stops all, before any work)
  --timeout_seconds=N   of algebra, per trace (3)      --workers=N   processes (all cores)
  --program_seconds=N   CPU time of a program per test (6)
  --program_memory_mb=N its memory (1024)
  --allow_unsafe_code=true   run programs where this machine cannot isolate them
{POLICY_FLAGS}""",
    "check-answer": f"""distill check-answer: is one answer the same as its reference

The answer may be bare, or a text that states it: $...$, a box, <answer>...</answer>, #### 42, or
"The answer is 42.". Prints correct, wrong or undecided (nothing is known: out of time, or the
reference cannot be read), the route that decided, the reason, the seconds.

Examples:
  distill check-answer --answer='1/2' --reference=0.5
  distill check-answer --answer='The answer is 5 cm.' --reference=5 --ignore_missing_units=false

Flags:
  --answer=TEXT         what was answered
  --reference=TEXT      the right answer, or the letter of a multiple choice question
  --timeout_seconds=N   until the verdict is undecided (4)
{POLICY_FLAGS}""",
    "check-answers": f"""distill check-answers PAIRS: many answers against their references

PAIRS is JSONL (also .gz), Parquet, or a folder that `datasets` saved. Its memory does not grow with
the number of pairs. Stopped by Ctrl-C or kill, the same command goes on behind the last whole line
of OUT.partial; OUT is there when all is done.

Examples:
  distill check-answers pairs.jsonl --out=checked.jsonl
  distill check-answers runs.parquet --pred=model.answer --gold=answer --out=checked.jsonl \\
      --skip-bad=bad.jsonl --workers=4

Flags:
  --out=FILE            one line out per row in, in their order: correct (true, false, null),
                        reason, route, seconds, and id where the rows have one
  --pred=FIELD          field that holds the answer (pred); null is no answer
  --gold=FIELD          field that holds the reference (gold)
  --id_field=FIELD      field that holds the id (id)
  --split=NAME          of a folder with several
  --skip-bad=FILE       where rows go that cannot be used: line, error, raw (without it the first
                        one stops all, before any work)
  --timeout_seconds=N   per pair (4)         --workers=N   processes (all cores)
{POLICY_FLAGS}""",
    "ablate": f"""distill ablate RECIPE: one pool of traces, a dataset for each way to filter it
distill ablate --traces=FILE ...: the same for traces that exist already

The verified traces of a run, kept by nobody's word, the rule's, the judge's, either's, both's, and
with each filter left out: RUN/ablation has a dataset and a card for each, and a table of counts.

Examples:
  distill ablate recipes/mini.yaml
  distill ablate recipes/mini.yaml --out=runs/try --filter.keep_per_problem=2
  distill ablate --traces=traces.jsonl --problem=question --completion=text \\
      --verdicts=verdicts.jsonl --out=ablation
{RECIPE_FLAGS}

Flags for traces that exist already: those of `distill filter --traces` but --report, with
  --out=FOLDER          a folder for each dataset, ablation.md and ablation.json""",
    "filter": f"""distill filter RECIPE: which traces to learn from
distill filter --traces=FILE ...: the same for traces that exist already

Every check is a key of the recipe's section filter, listed below. Dropped traces stay, with their
reason. The kept ones also become a Parquet dataset in RUN/dataset.

Examples:
  distill filter recipes/mini.yaml
  distill filter recipes/mini.yaml --filter.max_repeated_share=null --out=runs/loose
  distill filter --traces=traces.jsonl --problem=question --completion=text \\
      --verdicts=verdicts.jsonl --out=decisions.jsonl --max_paragraph_chars=null
  distill filter --traces=traces.parquet --problem=question --completion=text \\
      --reference=answer --test_set=math500.jsonl --skip-bad=bad.jsonl --out=decisions.jsonl
{RECIPE_FLAGS}

Flags for traces that exist already:
  --traces=FILE         JSONL (also .gz), Parquet, or a folder that `datasets` saved
  --problem=FIELD       field that holds the question; a field inside another is written a.b
  --completion=FIELD    field that holds the raw text of the model
  --out=FILE            one line out per row in: id, kept, reason, detail, reasons
  --verdicts=FILE       what `distill verify` wrote about these traces
  --reference=FIELD     or: verify here, against this field
  --policy.KEY=VALUE    of the answers verified here, as of `distill verify`
  --timeout_seconds=N   of algebra, per trace verified here (3)
  --id_field=FIELD      field that holds the id (id, or the row's number where no row has one)
  --finish_reason=FIELD field with "stop", "length" or null; "length" is truncated
  --family=FIELD        field with the kind of problem, for --keep_per_family and --report
  --split=NAME          of a folder with several
  --skip-bad=FILE       where rows go that cannot be used: line, error, raw
  --test_set=SOURCE     problems that must not be learned from: FILE, or FILE?question=FIELD&
                        reference=FIELD&solution=FIELD; with --overlap_ngram=null and
                        --overlap_char_ngram=null only the same questions are looked for
  --report=FILE         figures of the filter as JSON
  --processes=N         all cores without it      --seed=N   of --keep=random (17)
{FILTER_FLAGS}""",
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
