"""The ways to verify: for each kind of problem, where its answer is and whether it is right."""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from distill.errors import RecordError
from distill.recipe import MathPolicy
from distill.records import Problem, VerdictReason
from distill.verifiers import gym
from distill.verifiers.code.program_outcomes import ProgramOutcome
from distill.verifiers.code.program_tests import Tests, read_tests
from distill.verifiers.code.program_text import fenced_blocks, find_program
from distill.verifiers.maths.equality import Ask
from distill.verifiers.maths.spelling import plain
from distill.verifiers.statements import decide_stated
from distill.verifiers.texts.answers import NOTHING, Extracted, extract_answer, extract_closed
from distill.verifiers.texts.choice import choice_letter, extract_choice, reference_letter
from distill.verifiers.texts.reading import read_statement

WHOLE_LINE_CHARS = 200  # a shorter text without tag or box may be an answer as a whole


class Outcome(msgspec.Struct, frozen=True):
    """What a check found: the verdict's reason and the comparison that decided."""

    reason: VerdictReason
    route: str
    detail: str = ""


class Means(msgspec.Struct, frozen=True):
    """What a check may use."""

    ask: Ask  # a worker process with a deadline
    policy: MathPolicy
    run: Callable[[Tests, str], ProgramOutcome]  # a program's tests in the sandbox


class Kind(msgspec.Struct, frozen=True):
    """A way to verify: how the answer is taken from the answer text, how it is judged."""

    extract: Callable[[str, Problem], Extracted]
    check: Callable[[Problem, Extracted, Means], Outcome]


def _outcome(right: bool, route: str) -> Outcome:
    return Outcome(VerdictReason.RIGHT if right else VerdictReason.WRONG, route)


def _bad_reference(route: str) -> Outcome:
    return Outcome(VerdictReason.BAD_REFERENCE, route)


# --- mathematics ------------------------------------------------------------------------------


def extract_math(text: str, problem: Problem) -> Extracted:
    """The final answer; a letter or words when the reference is one or some."""
    return read_statement(text, problem.reference, problem.question)


def check_math(problem: Problem, found: Extracted, means: Means) -> Outcome:
    """Exact comparison first; algebra in a worker only for what that cannot tell.

    A reference of several parts is one text, "1, 2": a `Problem` holds no list of alternatives.
    """
    if not problem.reference.strip():
        return _bad_reference("empty")
    if choice_letter(problem.reference):
        return check_choice(problem, found, means)
    compared = decide_stated(problem.reference, found, means.policy, means.ask)
    if compared.equal is None:
        return _bad_reference(compared.route)
    return _outcome(compared.equal, compared.route)


# --- multiple choice --------------------------------------------------------------------------


def check_choice(problem: Problem, found: Extracted, means: Means) -> Outcome:
    """The same letter."""
    letter = reference_letter(problem.reference, problem.question)
    if letter is None:
        return _bad_reference("choice")
    return _outcome(found.answer == letter, "choice")


# --- reasoning-gym ----------------------------------------------------------------------------


def extract_gym(text: str, problem: Problem) -> Extracted:
    """The answer block or box; without either a short answer text as a whole."""
    found = extract_closed(text)
    if found.answer is not None:
        answer = found.answer if found.route == "tag" else plain(found.answer)
        return Extracted(answer, found.route)
    line = text.strip()
    if line and len(line) <= WHOLE_LINE_CHARS and "\n" not in line and "<" not in line:
        stated = extract_answer(line) if "answer" in line.lower() else NOTHING
        return stated if stated.answer is not None else Extracted(line, "line")
    return NOTHING


def check_gym(problem: Problem, found: Extracted, means: Means) -> Outcome:
    """The family's own scorer: here when it only compares, else in a worker."""
    try:
        family, entry = read_entry(problem.gym_entry, problem.family)
    except (ValueError, KeyError, TypeError):
        return _bad_reference("entry")
    if gym.is_cheap(family) and len(found.answer) <= gym.MAX_CHEAP_CHARS:
        return _outcome(gym.is_right(family, found.answer, entry), "gym")
    task = {"kind": "reasoning-gym", "family": family, "answer": found.answer, "entry": entry}
    return _outcome(means.ask(task)["equal"] is True, "gym-worker")


@lru_cache(maxsize=16384)
def read_entry(text: str, family: str) -> tuple[str, dict[str, Any]]:
    """Family and entry of a problem made by reasoning-gym.

    Raises: ValueError, KeyError or TypeError for a text that is no such entry.
    """
    entry = json.loads(text)
    if not isinstance(entry["answer"], str | None) or not isinstance(entry["metadata"], dict):
        raise TypeError("an entry has 'answer', text or null, and the record 'metadata'")
    family = entry["metadata"].get("source_dataset") or family
    gym.scorer(family)
    return family, entry


# --- programs ---------------------------------------------------------------------------------


def extract_code(text: str, problem: Problem) -> Extracted:
    """The program of the answer text; one in a block that was never closed may go on."""
    try:
        entry_point = _tests(problem.tests).entry_point
    except RecordError:
        entry_point = ""
    program = find_program(text, entry_point)
    if program is not None and program.text.strip():
        return Extracted(program.text, "block" if program.is_closed else "program")
    labels = sorted({block.label[:20] for block in fenced_blocks(text) if block.label})
    if not labels:
        return NOTHING
    found = ", ".join(labels[:5])
    return Extracted(None, "", f"no program: found blocks of {found}; expected one of python")


def check_code(problem: Problem, found: Extracted, means: Means) -> Outcome:
    """All tests hold, in the sandbox."""
    try:
        tests = _tests(problem.tests)
    except RecordError as error:
        return Outcome(VerdictReason.BAD_REFERENCE, "tests", str(error))
    outcome = means.run(tests, found.answer)
    how = (
        f"{outcome.detail}; isolated by {outcome.isolation}"
        if outcome.isolation
        else outcome.detail
    )
    return Outcome(outcome.reason, "tests", how)


@lru_cache(maxsize=64)
def _tests(text: str) -> Tests:
    return read_tests(text)


VERIFIERS: dict[str, Kind] = {
    "math": Kind(extract_math, check_math),
    "choice": Kind(lambda text, problem: extract_choice(text, problem.question), check_choice),
    "reasoning-gym": Kind(extract_gym, check_gym),
    "code": Kind(extract_code, check_code),
}
