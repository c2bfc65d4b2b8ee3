"""Set phrases, numbers in words, times, dates and ratios."""

import pytest

from distill.verifiers.maths.equality import compare

SAME = {
    "set phrases": r"""
\text{Evelyn} | evelyn
\text{Saturday} | December 23 is a Saturday
\text{(C)} | C
\text{A, D, F} | D, A, F
\text{ACF} | A, C and F
\text{no solution} | There are no solutions.
\emptyset | none
(-\infty,\infty) | all real numbers
-\infty < x < \infty | \mathbb{R}
\infty | infinity
undefined | DNE
\text{yes} | Yes.
\text{all real numbers} | x\in\mathbb{R}
\mathbb{R} | R
no solution | no real solutions
no real solutions | no solution exists
no solution | There is no such integer.
no solution | no such integer exists
""",
    "numbers in words": r"""
105 | one hundred and five
25 | twenty-five
1200006 | one million two hundred thousand and six
1500 | fifteen hundred
3.5 | three and a half
\frac83 | two and two thirds
\frac23 | two thirds
\frac14 | a quarter
12 | a dozen
24 | two dozen
6 | half a dozen
3.14 | three point one four
-\frac12 | minus one half
5 | five apples
320 | three hundred and twenty dollars
10 | ten times
two lines | 2 lines
""",
    "times": r"""
4\!:\!51\!:\!06 \text{ p.m.} | 4:51:06 PM
\text{4:30 p.m.} | 16:30
9\text{ a.m.} | 9:00
12:00 PM | noon
12:00 PM | 12:00 noon
12:00 AM | midnight
3 PM | 15:00 hours
3:45 PM | The train arrives at 3:45 PM.
12:00 PM | The meeting is at noon
""",
    "dates": r"""
\text{June 20} | 20th of June
Monday, May 5 | May 5
Monday, May 5, 2025 | May 5 (Mon)
""",
    "ratios": r"""
2:3 | 4:6
3:4 | \frac34
3:4 | 3\text{ to }4
3:4 | 6 to 8
\sqrt2:2 | 1:\sqrt2
\sqrt3:3:2\sqrt3 | 1:\sqrt3:2
\frac38 | 3 out of 8
\frac15 | 1 \text{ in } 5
""",
}

DIFFERENT = {
    "set phrases": r"""
\text{Saturday} | not Saturday
\text{Saturday} | either Sunday or Saturday
\text{Evelyn} | nylevE
\text{yes} | no
no solution | 0
\emptyset | \{0\}
\text{first, second, third} | third, second, first
C | D
R | r
r | R
\mathbb{R} | r
r | \mathbb{R}
no real solutions | no integer solutions
no solution | no positive solutions
no solution | no other solutions
Yes | correct
""",
    "numbers in words": r"""
5 | two and three
8 | three five
50 | twenty and thirty
123 | one two three
5 | five and
\frac32 | two thirds
\frac23 | two and one third
12 | two dozen
5 | five squared
5 | five or six apples
3 | two of the three lines
1 | one five
21 | 21st century
""",
    "times": r"""
4:30 pm | 4:30 am
3 PM | 3 hours
3:00 PM | 3 hours
3 o'clock | 3 h
12:00 PM | midnight
3:45 PM | The train arrives before 3:45 PM.
3:45 PM | It does not arrive at 3:45 PM.
3:45 PM | It leaves at 3:15 PM and arrives at 3:45 PM.
""",
    "dates": r"""
\text{June 20} | June 21
Tuesday, May 5 | Monday, May 5
Tuesday, May 5 | May 5, Monday
May 5, 2024 | May 5, 2025
""",
    "ratios": r"""
2:3 | 3:2
3:4 | 4 to 3
\sqrt2:1 | 1:\sqrt2
\frac37 | 3 out of 8
3:8 | 3 out of 8
2 | 1:2
1:05 | 1:50
""",
}


def rows(table):
    """(reference, answer) of each line, with the name of its block."""
    return [
        pytest.param(*(part.strip() for part in line.split(" | ", 1)), id=f"{why}: {line}")
        for why, block in table.items()
        for line in block.strip().splitlines()
    ]


@pytest.mark.parametrize(("reference", "answer"), rows(SAME))
def test_the_same(reference, answer):
    assert compare(reference, answer).equal is True


@pytest.mark.parametrize(("reference", "answer"), rows(DIFFERENT))
def test_another(reference, answer):
    assert compare(reference, answer).equal is not True
