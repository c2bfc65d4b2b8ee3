"""What the mini world's models read before anything else: chains of thought and direct answers.

A document is a question and a completion in segments. A segment that is not to be learned (a slip
planted so that the model sees one corrected) is read but carries no loss.
"""

import json
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

from reasoning_gym.arithmetic.leg_counting import ANIMALS

from distill.records import Problem

OPENINGS = ("Let me work through this step by step.\n", "Let me see: ", "First, ", "Hmm, ", "")
DOUBTS = ("Wait, that is not ", "Hmm, that is not ", "Wait, I made a slip: it is not ")


@dataclass(frozen=True)
class Style:
    """How the writer of a corpus thinks, as probabilities (0 to 1).

    Attributes:
        think: of a chain of thought rather than a direct answer, by family.
        check: of checking a step by its inverse.
        slip: of a wrong step, noticed by its check and corrected.
        review: of going over the whole sum a second time before the answer.
        mess: of an unreadable completion: mixed languages, loops, code, missing parts.
        boxed: of the answer in a box rather than in answer tags.
        facts: of a page of single steps that belong to no question: what a base knows of a
            family without having seen its steps put together.
        copies: of what a problem gives, written twice, in the place of a step on such a page.
    """

    think: dict[str, float]
    check: float = 0.1
    slip: float = 0.04
    review: float = 0.04
    mess: float = 0.0
    boxed: float = 0.0
    facts: float = 0.0
    copies: float = 0.0


Segments = list[tuple[str, bool]]  # text, and whether it is to be learned


def write_completion(problem: Problem, style: Style, rng: random.Random) -> Segments:
    """One completion for a problem, right in the end unless it is a mess that lost its answer."""
    answer = problem.reference
    boxed = rng.random() < style.boxed
    closing = f"The answer is \\boxed{{{answer}}}" if boxed else f"<answer>{answer}</answer>"
    if rng.random() >= style.think[problem.family]:
        return [(closing, True)]
    chain = write_chain(problem, style, rng)
    segments = [("<think>", True), *chain, ("</think>", True), (closing, True)]
    return _spoil(segments, rng) if rng.random() < style.mess else segments


def write_chain(problem: Problem, style: Style, rng: random.Random) -> Segments:
    """The thought: every step with its result, some checked, some slipped and corrected."""
    steps = _steps_of(problem)
    opening = rng.choice(OPENINGS) if rng.random() < 0.5 else ""
    chain: Segments = [(opening, True)]
    for step in steps:
        chain += _write_step(step, style, rng)
    if rng.random() < style.review:
        chain.append(("Wait, let me check that again.\n", True))
        for step in steps:
            chain += _plain(step)
        chain.append(("Good, that is right.\n", True))
    return chain


def write_facts(problems: Iterable[Problem], style: Style, rng: random.Random) -> Segments:
    """A page of facts: of each problem one step or a copy; none follows from another."""
    page: Segments = []
    for problem in problems:
        if rng.random() < style.copies:
            page.append((f"{given(problem)}\n" * 2, True))
        else:
            page += _plain(rng.choice(_steps_of(problem)))
    return page


def given(problem: Problem) -> str:
    """What a problem gives, without the words around it: `5 dogs, 1 ant` or `42 - 25 - 73`."""
    metadata = json.loads(problem.gym_entry)["metadata"]
    if problem.family != "leg_counting":
        return metadata["expression"]
    return ", ".join(counted(animal, count) for animal, count in metadata["animals"].items())


def counted(animal: str, count: int) -> str:
    """`5 dogs`, with reasoning-gym's plural."""
    return f"{count} {animal}{'s' if count > 1 else ''}"


@dataclass(frozen=True)
class Step:
    """`left operator right = result`, with the working in between when it is not one fact."""

    left: int
    operator: str
    right: int
    working: str = ""  # "20 * 4 + 1 * 4 = 80 + 4 = "
    lead: str = ""  # "5 woodlouses: "

    @property
    def result(self) -> int:
        """What the step comes to."""
        if self.operator == "*":
            return self.left * self.right
        return self.left + self.right if self.operator == "+" else self.left - self.right

    @property
    def expression(self) -> str:
        """The step up to its result."""
        return f"{self.left} {self.operator} {self.right} = {self.working}"


def sum_steps(expression: str) -> list[Step]:
    """Left to right through `42 - 25 - 73`."""
    first, *rest = expression.split()
    total, steps = int(first), []
    for operator, number in zip(rest[::2], rest[1::2], strict=True):
        steps.append(Step(total, operator, int(number)))
        total = steps[-1].result
    return steps


def product_steps(expression: str) -> list[Step]:
    """Left to right through `4 * 1 * 7`, larger factors digit by digit."""
    first, *rest = [int(number) for number in expression.split(" * ")]
    total, steps = first, []
    for number in rest:
        steps.append(Step(total, "*", number, working=digit_products(total, number)))
        total = steps[-1].result
    return steps


def digit_products(large: int, digit: int) -> str:
    """The working of `672 * 7`: `600 * 7 + 70 * 7 + 2 * 7 = 4200 + 490 + 14 = 4690 + 14 = `."""
    if large < 10:
        return ""
    text = str(large)
    parts = [int(d) * 10 ** (len(text) - 1 - i) for i, d in enumerate(text) if d != "0"]
    if len(parts) == 1:
        return ""
    working = " + ".join(f"{part} * {digit}" for part in parts) + " = "
    products = [part * digit for part in parts]
    while len(products) > 1:
        working += " + ".join(map(str, products)) + " = "
        products = [products[0] + products[1], *products[2:]]
    return working


def leg_steps(animals: dict[str, int]) -> list[Step]:
    """Each animal's legs, then the running total."""
    steps: list[Step] = []
    total = 0
    for turn, (animal, count) in enumerate(animals.items()):
        legs = Step(count, "*", ANIMALS[animal], lead=f"{counted(animal, count)}: ")
        steps.append(legs)
        if turn:
            steps.append(Step(total, "+", legs.result, lead="so far "))
        total += legs.result
    return steps


_STEPS = {
    "chain_sum": lambda metadata: sum_steps(metadata["expression"]),
    "products": lambda metadata: product_steps(metadata["expression"]),
    "leg_counting": lambda metadata: leg_steps(metadata["animals"]),
}


def _steps_of(problem: Problem) -> list[Step]:
    return _STEPS[problem.family](json.loads(problem.gym_entry)["metadata"])


def _plain(step: Step) -> Segments:
    return [(f"{step.lead}{step.expression}{step.result}\n", True)]


def _write_step(step: Step, style: Style, rng: random.Random) -> Segments:
    if rng.random() < style.slip:
        wrong = step.result + rng.choice((-10, -1, 1, 10))
        doubt = rng.choice(DOUBTS)
        return [
            (f"{step.lead}{step.expression}", True),
            (f"{wrong}", False),
            (f"\n{doubt}{wrong}, let me check that again.\n", True),
            *_plain(step),
        ]
    if rng.random() < style.check:
        return [*_plain(step), (_check_line(step), True)]
    return _plain(step)


def _check_line(step: Step) -> str:
    """The inverse of a sum, or the same product the other way round."""
    if step.operator == "*":
        return f"Check: {step.right} * {step.left} = {step.result}. Good\n"
    inverse = "-" if step.operator == "+" else "+"
    return f"Check: {step.result} {inverse} {step.right} = {step.left}. Good\n"


CHINESE = ("等等，让我检查一下", "所以答案是", "我们计算", "总共", "让我检查", "正确，所以")
RUSSIAN = ("подождите, проверим", "значит ответ", "проверим")


def _spoil(segments: Segments, rng: random.Random) -> Segments:
    """Make a good completion unreadable in one of the ways that real teachers have."""
    kind = rng.choice(("chinese", "chinese", "russian", "loop", "code", "open", "no_answer"))
    text = "".join(part for part, _ in segments)
    thought, closing = re.fullmatch(r"<think>(.*)</think>(.*)", text, re.DOTALL).groups()
    lines = thought.splitlines(keepends=True)
    if kind in ("chinese", "russian"):
        words = CHINESE if kind == "chinese" else RUSSIAN
        lines = [f"{rng.choice(words)} {line}" for line in lines]
    elif kind == "loop":
        at = rng.randrange(len(lines))
        lines[at:at] = [lines[at]] * rng.randint(8, 14)
    elif kind == "code":
        lines.append("```python\nprint(" + closing.split(">")[-1] + ")\n```\n")
    elif kind == "no_answer":
        closing = ""
    if kind == "open":
        return [(f"<think>{''.join(lines)}{closing}", True)]
    return [(f"<think>{''.join(lines)}</think>{closing}", True)]
