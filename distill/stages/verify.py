"""Is each trace right: reads traces and problems, writes one verdict per trace.

Where the recipe names a judge, a language model is asked as well; its word is kept beside the
verdict and changes nothing in it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from typing import NamedTuple, TypeVar

from distill.chat import opened, render_prompt
from distill.engines.base import Engine, Prompt, SamplingParams, generate
from distill.engines.open import open_engine
from distill.errors import RecordError
from distill.progress import progress
from distill.recipe import Judge, Recipe
from distill.records import Judgement, Problem, Trace, Verdict, VerdictReason
from distill.runlog import derived_seed, log_metrics, summary
from distill.store import RunPaths, Store
from distill.verifiers.judge import judge_prompt, read_judgement
from distill.verifiers.texts.thoughts import read_parts
from distill.verifiers.verdict import Asked, open_verifier

T = TypeVar("T")
BATCH = 64  # verdicts per transaction: what a killed run does again
MAX_REPLY_CHARS = 400  # of a judge's reply that are kept, from its end


def run(recipe: Recipe, paths: RunPaths) -> None:
    """Verify every trace that has no verdict yet, then ask the judge, if there is one.

    Raises: RecordError for a trace whose problem is missing or names an unknown verifier;
        SandboxUnavailable, before any work, for programs on a machine that cannot isolate them;
        EngineError for a judge that cannot be opened.
    """
    with closing(Store(paths.store)) as store:
        problems = {problem.problem_id: problem for problem in store.scan("problems", Problem)}
        _verify(recipe, paths, store, problems)
        if recipe.verify.judge is not None:
            _judge(recipe, paths, store, problems, recipe.verify.judge)


# --- by rule ----------------------------------------------------------------------------------


def _verify(recipe: Recipe, paths: RunPaths, store: Store, problems: dict[str, Problem]) -> None:
    done, total = store.keys("verdicts"), store.count("traces")
    with open_verifier(recipe.verify) as verifier, progress(total, "verify", len(done)) as bar:
        if len(done) < total and any(one.verifier == "code" for one in problems.values()):
            verifier.open_sandbox()
        todo = (trace for trace in store.scan("traces", Trace) if trace.trace_id not in done)
        for batch in batches(todo):
            verdicts = verifier.verify_all(asked(trace, problems) for trace in batch)
            store.put("verdicts", [(verdict.trace_id, verdict) for verdict in verdicts])
            bar.update(len(verdicts))
    reasons = Counter(verdict.reason for verdict in store.scan("verdicts", Verdict))
    if len(done) < total:
        counts = {reason.value: count for reason, count in reasons.items()}
        log_metrics(paths.metrics, "verify", traces=total, **counts)
    summary("verify", funnel(total, reasons))


def batches(items: Iterator[T], size: int = BATCH) -> Iterator[list[T]]:
    """Items in groups."""
    while batch := list(islice(items, size)):
        yield batch


def asked(trace: Trace, problems: dict[str, Problem]) -> Asked:
    """What the verifier needs to know of a trace."""
    completion = opened(trace.prompt, trace.completion)
    return problem_of(trace, problems), trace.trace_id, completion, trace.finish_reason


def problem_of(trace: Trace, problems: dict[str, Problem]) -> Problem:
    """A trace's problem. Raises: RecordError if it is not there."""
    problem = problems.get(trace.problem_id)
    if problem is None:
        raise RecordError(f"trace {trace.trace_id}: its problem is missing; sample again")
    return problem


def funnel(total: int, reasons: Counter[VerdictReason]) -> str:
    """Counts by reason in the order of the enum: 4000 traces, 2310 right, 1690 wrong."""
    present = [reason for reason in VerdictReason if reasons[reason]]
    counted = [f"{reasons[reason]} {reason.replace('_', ' ')}" for reason in present]
    return ", ".join([f"{total} traces", *counted])


# --- by a language model ----------------------------------------------------------------------


def _judge(
    recipe: Recipe, paths: RunPaths, store: Store, problems: dict[str, Problem], judge: Judge
) -> None:
    """Ask the judge about the traces that wait for its word, a batch at a time."""
    wanted = sum(is_asked(verdict, judge) for verdict in store.scan("verdicts", Verdict))
    done = store.keys("judgements")
    engine: Engine | None = None
    with progress(wanted, "judge", len(done)) as bar, ExitStack() as to_close:
        for batch in batches(_to_judge(store, problems, judge, done), judge.batch_size):
            engine = engine or to_close.enter_context(_opened(judge))
            judgements = _ask(recipe, judge, engine, batch)
            store.put("judgements", [(one.trace_id, one) for one in judgements])
            bar.update(len(judgements))
    said = Counter(one.correct for one in store.scan("judgements", Judgement))
    counts = {"asked": said.total(), "right": said[True], "wrong": said[False]}
    if engine is not None:
        log_metrics(paths.metrics, "judge", **counts, unreadable=said[None])
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    summary("verify", f"judge {judge.model}: {told}, {said[None]} not readable")


class Question(NamedTuple):
    """What the judge is asked about one trace."""

    trace_id: str
    problem: Problem
    answer: str  # the text after the thought


def _to_judge(
    store: Store, problems: dict[str, Problem], judge: Judge, done: set[str]
) -> Iterator[Question]:
    """What waits for the judge: a trace that says something after its thought, and no program."""
    for trace in store.scan("traces", Trace):
        verdict = store.get("verdicts", trace.trace_id, Verdict)
        if trace.trace_id in done or verdict is None or not is_asked(verdict, judge):
            continue
        problem = problem_of(trace, problems)
        answer = read_parts(opened(trace.prompt, trace.completion)).answer
        if answer.strip() and problem.reference.strip() and problem.verifier != "code":
            yield Question(trace.trace_id, problem, answer)


def is_asked(verdict: Verdict, judge: Judge) -> bool:
    """Is the judge asked about a trace with this verdict?"""
    if judge.ask == "undecided":
        return verdict.correct is None
    return judge.ask == "all" or verdict.correct is not True


def _opened(judge: Judge) -> closing[Engine]:
    return closing(open_engine(judge.engine, judge.model, batch_size=judge.batch_size))


def _ask(
    recipe: Recipe, judge: Judge, engine: Engine, batch: Sequence[Question]
) -> list[Judgement]:
    """The judge's word on each; its most probable reply, so that it says the same again."""
    tokenizer = engine.tokenizer
    template = "plain" if getattr(tokenizer, "chat_template", None) is None else "chat"
    prompts = []
    for question in batch:
        seed = derived_seed(recipe.seed, "judge", question.trace_id)
        problem = question.problem
        text = judge_prompt(
            problem.question, problem.reference, question.answer, nonce=f"{seed:016x}"
        )
        prompts.append(Prompt(render_prompt(text, prompt=template, tokenizer=tokenizer), (seed,)))
    params = SamplingParams(max_tokens=judge.max_tokens, temperature=0.0, logprobs=False)
    replies = [completions[0] for completions in generate(engine, prompts, params)]
    return [
        Judgement(
            trace_id=question.trace_id,
            correct=read_judgement(opened(prompt.text, reply.text)),
            judge=judge.model,
            reply=reply.text[-MAX_REPLY_CHARS:],
        )
        for question, prompt, reply in zip(batch, prompts, replies, strict=True)
    ]
