"""Answers that are words."""

import pytest

from distill.verifiers.maths.equality import compare
from distill.verifiers.maths.words import find_words

QUESTION = (
    'Which student has the greatest average speed? [asy] label("Evelyn"); label("Carla"); [/asy] '
    "The runners are Evelyn, Briana and Carla."
)
NAME = "\\text{Evelyn}"

STATED = [
    ("Evelyn has the greatest average speed, as the graph shows.", "the subject"),
    (
        "Evelyn has the greatest average speed.\n\n- Carla: 1.22\n\nThis is above Carla (1.22).",
        "first",
    ),
    ("The ratios are 3.6 and 1.22.\nThus, Evelyn's average speed is the largest.", "possessive"),
    ("So the fastest is Evelyn.", "what follows is"),
    ("The answer is Evelyn, because 3.6 is the largest ratio.", "announced, with a reason"),
    ("**Answer:** Evelyn", "a header"),
    ("The student with the greatest speed is **Evelyn**.", "bold"),
    ("\\boxed{\\text{Evelyn}}", "a box"),
    ("Evelyn", "the name alone"),
]


@pytest.mark.parametrize(("text", "why"), STATED)
def test_a_name_that_is_stated_is_found(text, why):
    found = find_words(text, "evelyn", reference=NAME, question=QUESTION)
    assert "evelyn" in found.claim.casefold(), why
    assert found.claim.casefold().endswith(("evelyn", "evelyn}")), why


UNSTATED = [
    ("Carla has the greatest average speed.", "another name"),
    ("Evelyn looks fast. So Carla has the greatest average speed.", "the last sentence decides"),
    ("Evelyn and Carla have the greatest average speed.", "two names"),
    ("Evelyn or Carla has the greatest average speed.", "two names"),
    ("Either Evelyn or Carla.", "two names"),
    ("Evelyn does not have the greatest average speed.", "denied"),
    ("The fastest is not Evelyn.", "denied"),
    ("Is it Evelyn?", "asked"),
    ("Evelyn is slower than Carla.", "not what was asked"),
    ("The answer is Carla, unlike Evelyn.", "denied"),
    ("The answer is Carla.", "another name"),
]


@pytest.mark.parametrize(("text", "why"), UNSTATED)
def test_a_name_that_is_not_stated_is_not_found(text, why):
    found = find_words(text, "evelyn", reference=NAME, question=QUESTION)
    assert found.claim != "evelyn", why


KINDS = [
    ("\\text{even}", "even", "So the function is even.", True),
    ("\\text{even}", "even", "So $f$ is an **even** function.", True),
    ("\\text{even}", "even", "Even though it looks like that, it is odd.", False),
    ("\\text{even}", "even", "The function is neither odd nor even.", False),
    ("\\text{Yes}", "yes", "Yes, it is a prime.", True),
    ("\\text{Yes}", "yes", "No, it is not: yes would need 7.", False),
    ("\\text{No}", "no", "No, it is a square.", True),
    ("\\text{Saturday}", "saturday", "May 23 is a Saturday.", True),
    ("\\text{Saturday}", "saturday", "May 23 is the day before Saturday, a Friday.", False),
]


@pytest.mark.parametrize(("reference", "words", "text", "right"), KINDS)
def test_words_that_are_no_names(reference, words, text, right):
    found = find_words(text, words, reference=reference, question="What is it?")
    assert (found.claim == words) is right


# --- bare answers -------------------------------------------------------------------------

SAID = [
    ("on Monday", "Monday"),
    ("Monday!", "Monday"),
    ("May 23 is a Saturday", "Saturday"),
    ("It fell on a Tuesday", "Tuesday"),
    ("The winner is Alice", "Alice"),
    ("I think the answer is Alice", "Alice"),
    ("The answer is (B) Alice", "Alice"),
    ("Answer: Alice", "Alice"),
    ("The answer is Alice, not Bob.", "Alice"),
    ("Alice rather than Bob", "Alice"),
    ("It's not Bob but Alice", "Alice"),
    ("Alice is the winner", "Alice"),
    ("second player wins", "The second player"),
    ("the second player", "second player wins"),
    ("the first player has a winning strategy", "First player"),
    ("an even number", "even"),
    ("Since f(x)=f(-x), the function is even.", "even"),
    ("The day is, therefore, Monday", "Monday"),
    ("neither even nor odd", "neither"),
    ("diverges", "divergent"),
    ("The series diverges by the ratio test", "divergent"),
    ("it converges", "convergent"),
    ("yes, it is", "yes"),
    ("No, there are none", "No"),
    ("an ellipse with center (0,0)", "ellipse"),
]

NOT_SAID = [
    ("the day after Monday", "Monday"),
    ("two days before Saturday", "Saturday"),
    ("Wednesday night", "Wednesday"),
    ("everyone except Alice", "Alice"),
    ("Everybody but Alice", "Alice"),
    ("Bob rather than Alice", "Alice"),
    ("Bob, then Alice", "Alice"),
    ("Bob and Alice", "Alice"),
    ("Alice and Bob", "Alice"),
    ("Alice or Bob", "Alice"),
    ("Bob beats Alice", "Alice"),
    ("Bob is as tall as Alice", "Alice"),
    ("The first is Bob and the second is Alice", "Alice"),
    ("first: Bob, second: Alice", "Alice"),
    ("Alice's sister", "Alice"),
    ("Alice lost", "Alice"),
    ("It might be Alice", "Alice"),
    ("I doubt that it is Alice", "Alice"),
    ("He is not, therefore, Alice", "Alice"),
    ("Alice, not only her", "Alice"),
    ("The first player has no winning strategy", "First player"),
    ("conditionally convergent", "convergent"),
    ("the series conditionally converges", "convergent"),
    ("the series converges conditionally", "convergent"),
    ("nowhere continuous", "continuous"),
    ("non increasing", "increasing"),
    ("decreasing then increasing", "increasing"),
    ("eventually increasing", "increasing"),
    ("half circle", "circle"),
    ("far from prime", "prime"),
    ("almost even", "even"),
    ("not so even", "even"),
    ("The function is sometimes even.", "even"),
    ("a hyperbola and an ellipse", "ellipse"),
    ("part of an ellipse", "ellipse"),
    ("isosceles right triangle", "right triangle"),
    ("The lines are nearly parallel", "parallel"),
    ("It is false that the answer is yes.", "yes"),
    ("The opposite of true", "true"),
    ("Yes and no", "Yes"),
    ("Yes, but only if n is even", "Yes"),
    ("Maybe yes", "Yes"),
]


@pytest.mark.parametrize(("answer", "reference"), SAID)
def test_an_answer_that_says_the_words_and_nothing_more(answer, reference):
    assert compare(reference, answer).equal is True


@pytest.mark.parametrize(("answer", "reference"), NOT_SAID)
def test_an_answer_that_ends_in_the_words_and_says_something_else(answer, reference):
    assert compare(reference, answer).equal is False
