"""The values that a sentence states."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.verifiers.texts.claims import stated

ONE = [
    ("The total is 17.", "17", "what follows is"),
    ("So 12 + 5 = 17.", "17", "what follows the equals sign"),
    ("There are 9 slips with a 2.", "9", "what follows are, not the last number"),
    ("Mark needs to save for **25 days**.", "25 days", "bold, with its unit"),
    ("3 loaves of bread cost \\$4 more than 2 bagels.", "\\$4", "money"),
    ("The cost is $1,250.50.", "$1,250.50", "money with separators"),
    ("The degree of \\( f(x) \\) is 3.", "3", "a number after a formula"),
    ("The value is \\(\\frac{1}{2}\\).", "\\frac{1}{2}", "a formula"),
    ("Therefore \\(x + 1 = 2 + 3 = 5\\).", "5", "the end of a chain"),
    ("The line is \\(x + y = 0\\).", "x + y = 0", "an equation stays whole"),
    ("The radius is (3√3)/π inches.", "(3√3)/π", "signs without LaTeX"),
    ("The point is (8, -2).", "(8, -2)", "a pair without LaTeX"),
    ("x = 5", "x = 5", "an equation as a whole"),
    ("We get 3.5 x 10^8 m/s", "3.5 x 10^8 m/s", "powers of ten"),
    ("It takes 65 miles.", "65 miles", "the unit is kept"),
    ("It is 50%.", "50%", "percent is kept"),
    ("The probability is 2 1/2.", "2 1/2", "a mixed number"),
    (
        "The maximum is 1, achieved at \\(x = y\\) and \\(x = -y\\).",
        "1",
        "the place is not the value",
    ),
    ("The answer is 12 because 3 times 4 is 12 and 12 is even.", "12", "nor the reason"),
    ("The function is x + 3.", "x + 3", "an expression without LaTeX"),
    ("The line has the equation 2x - y + 1 = 0.", "2x - y + 1 = 0", "an equation without LaTeX"),
    ("So x ≤ 2.", "x ≤ 2", "an inequality stays whole"),
    ("Thus 1 < x ≤ 2.", "1 < x ≤ 2", "an inequality with two ends"),
    (
        "**Step 4: Conclude.** At x = 3 it is largest, so the value is 15.",
        "15",
        "a heading in bold",
    ),
    ("The value of 3 - 9 is -6.", "-6", "a sign is no operator"),
    ("Bill is on the 18th floor.", "18", "an ordinal"),
    ("They eat \\frac{13}{15} of the pie.", "\\frac{13}{15}", "LaTeX without dollars"),
    ("There are $5$ values of $n$.", "5", "a name is no value"),
    ("So there are 8, because one has it, so the number is $8 \\times 7 = 56$.", "56", "after so"),
    ("Thus $x = 41$, and $x^2 = 1681$.", "x^2 = 1681", "a derivation, not a list"),
    ("It is not 5 but 6.", "6", "denied"),
    ("It is 6, not 5.", "6", "denied"),
    ("The total is 6 rather than 5.", "6", "denied"),
    ("5 is not the answer; it is 7.", "7", "denied"),
    ("$x = 5$ is extraneous, so 7.", "7", "denied"),
    ("2 fails, so it is 7.", "7", "denied"),
    ("所以共有12个。", "12", "no spaces around a number"),
    ("因此，最小值为 $2\\sqrt{2}$。", "2\\sqrt{2}", "no letter before a formula"),
    ("Thus the value, $2\\sqrt{2}$.", "2\\sqrt{2}", "a comma before a formula"),
    ("The train arrives at 3:45 PM.", "3:45 PM", "a time"),
    ("The ratio is 2:3.", "2:3", "a ratio"),
    ("There are 6 red and 4 blue balls, 10 balls in total.", "10", "in total"),
    ("So John needs 5 more hours to finish painting the 3 rooms.", "5", "what follows the verb"),
    ("So John needs 3 more hours to finish painting the 5 rooms.", "3", "what follows the verb"),
    ("Thus he walks 12 miles in 3 weeks.", "12", "a circumstance"),
    ("She earns $40 and then $60, so Eliza earned $460 this week.", "$460", "the last clause"),
    ("Since he has 40 eggs, they will last 4 weeks.", "4 weeks", "a ground before"),
    ("The ratio of boys to girls is 3 to 4.", "3:4", "a ratio in words"),
    ("The probability is 3 out of 8.", "3/8", "a probability in words"),
    ("They have a total of 30 + 16 = 46 crayons.", "46 crayons", "the end of a sum"),
]


@pytest.mark.parametrize(("claim", "value", "why"), ONE)
def test_one_value(claim, value, why):
    assert stated(claim).values == (value,), why


BOUNDED = [
    ("The total is at most 5.", "at most 5", "from above"),
    ("At least 5 moves are needed.", "at least 5", "from below"),
    ("It is no more than 5.", "no more than 5", "from above"),
    ("The answer is less than or equal to 5.", "less than or equal to 5", "from above"),
    ("It is nearly 5.", "nearly 5", "not quite"),
    ("It takes over 5 hours.", "over 5", "more"),
    ("He needs 5 or more.", "5 or more", "from below"),
    ("There are 5 people or fewer.", "5 people or fewer", "from above"),
    ("So it is 5+.", "5+", "from below"),
    ("So \\geq 5", "\\geq 5", "from below"),
    ("Il y a au plus 5 solutions.", "au plus 5", "another language"),
    ("It takes about 5 hours.", "5 hours", "near, as a rounded value is"),
    ("There are at least 3 reds, so the total is 12.", "12", "another value has the bound"),
    ("The probability that at least 2 are red is $\\frac58$.", "\\frac58", "another value"),
    ("Tom has 12 more marbles than Jerry.", "12", "a difference"),
]


@pytest.mark.parametrize(("claim", "value", "why"), BOUNDED)
def test_a_bound_is_stated_with_its_words(claim, value, why):
    assert stated(claim).values == (value,), why


LEADING = [
    ("12 because 3 times 4.", "12"),
    ("65 cubic units.", "65 cubic units"),
    ("3 + 4 = 7.", "7"),
    ("5, since 10 / 2 = 5 and 7 - 2 = 5.", "5"),
    ("x^2 + 2x + 1.", "x^2 + 2x + 1"),
    ("n(n+1)/2.", "n(n+1)/2"),
    ("√2 + 1", "√2 + 1"),
    ("\\(\\sqrt{2}\\).", "\\sqrt{2}"),
    ("about 3.14.", "3.14"),
    ("**42**.", "42"),
    ("definitely \\(8000\\).", "8000"),
]


@pytest.mark.parametrize(("claim", "value"), LEADING)
def test_what_an_announced_answer_starts_with(claim, value):
    assert stated(claim, leads=True).values == (value,)


SEVERAL = [
    ("The solutions are 2 and 3.", ("2", "3")),
    ("The solutions are 1, 2, and 3.", ("1", "2", "3")),
    ("The solutions are \\(x = 2\\) and \\(x = 3\\).", ("2", "3")),
    ("It is either 5 or 6.", ("5", "6")),
    ("It is 5 or maybe 6.", ("5", "6")),
    ("It is 5, but it could also be 6.", ("5", "6")),
    ("It is **5** or **6**.", ("5", "6")),
    ("It is $5$, or possibly $6$.", ("5", "6")),
    ("The answer is 5 (or 6).", ("5", "6")),
    ("2和3", ("2", "3")),
    ("-\\dfrac12或1", ("-\\dfrac12", "1")),
]


@pytest.mark.parametrize(("claim", "expected"), SEVERAL)
def test_values_that_are_joined_come_out_together(claim, expected):
    assert stated(claim).values == expected


def test_values_of_two_names_are_a_list_or_the_last():
    told = stated("Hence $x = 1$ and $y = 2$.")
    assert (told.values, told.earlier) == (("2",), ("1", "2"))


def test_a_denied_value_alone_is_none():
    assert stated("The answer is not 5.").values == ()
    assert stated("5 is wrong.").values == ()


@given(st.text(max_size=200), st.booleans())
def test_any_text_has_values_or_none(claim, leads):
    assert all(isinstance(value, str) for value in stated(claim, leads=leads).values)
