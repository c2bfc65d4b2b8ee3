"""Is what a text states the reference: several values, several boxes, words in a sentence."""

from distill.recipe import MathPolicy
from distill.verifiers.answers import Extracted
from distill.verifiers.equality import Ask, Comparison, decide, worded
from distill.verifiers.spelling import plain


def decide_stated(
    reference: str, found: Extracted, policy: MathPolicy, ask: Ask | None
) -> Comparison:
    """Is what was stated the reference?

    A statement of several values is right as a whole, or if every one of them is (0.5 and 1/2).
    For a reference of several parts so many boxes from the end are tried too.
    """
    # a word is looked for in the sentence: "23 May is a Saturday" has no number to pick
    text = found.claim if found.claim and worded(plain(reference)) else found.answer
    compared = decide(reference, text, policy, ask)
    if compared.equal is not False or not (found.parts or found.earlier):
        return compared
    if found.parts and all(decide(reference, part, policy, None).equal for part in found.parts):
        return Comparison(equal=True, route="each")
    wanted = count_parts(reference)
    if 1 < wanted <= len(found.earlier):
        joined = decide(reference, ", ".join(found.earlier[-wanted:]), policy, ask)
        return joined if joined.equal else compared
    return compared


def count_parts(reference: str) -> int:
    """How many values a list has: commas outside of brackets, and the word "and"."""
    depth, parts = 0, 1
    for character in reference.replace("\\text{and}", ",").replace(" and ", ","):
        depth += character in "([{"
        depth -= character in ")]}"
        parts += character == "," and depth == 0
    return parts
