"""What the reader makes of formulas: the same value in other notations, and near misses."""

import pytest

from distill.verifiers.maths.equality import compare
from distill.verifiers.maths.expressions import read
from distill.verifiers.maths.spelling import plain

SAME = {
    "numbers": r"""
0.\dot{3} | \frac{1}{3}
x=0.1\dot{6} | \frac16
0.333\cdots | \frac13
22^\circ 30' | 22.5^\circ
-22°30′ | -22.5
12,34,567 | 1234567
1,00,000.5 | 100000.5
12,34,567 | 567, 12, 34
1_000_000 | 10^6
2¹/₂ | 2.5
""",
    "choices and arrangements": r"""
C_{10}^3 | 120
\mathrm{C}_{10}^{3} | 120
C^3_{10} | 120
{}^{10}C_3 | 120
10C3 | 120
nCr | \binom{n}{r}
C_n^2 | \frac{n(n-1)}{2}
A_5^2 | 20
P_{10}^3 | 720
P(5,2) | 20
{}_5P_2 | 20
C_1^2 | C_1^2
10 \choose 3 | 120
""",
    "dots": r"""
1, 2, \ldots, 10 | 1,2,3,\dots,10
\{1,2,\dots,5\} | \{1,2,3,4,5\}
1,2,\dots,2023 | 1,2,3,\ldots,2023
1,3,5,\ldots | 1,3,5,7,\ldots
1,2,\ldots,n | 1,2,3,\ldots,n
1+2+\cdots+100 | 5050
1+2+\cdots+n | \frac{n(n+1)}{2}
1+3+5+\dots+(2n-1) | n^2
""",
    "sets": r"""
{1,2} ∪ {3} | \{1,2,3\}
\{1,2\} \cap \{2,3\} | \{2\}
\{1,2,3\} \setminus \{2\} | \{1,3\}
A \cap B | B \cap A
A \cup B \cup C | C \cup (A \cup B)
x\in\mathbb{R}^+ | x>0
""",
    "bars, accents, functions": r"""
|x||y| | |xy|
2|x| | |2x|
\bar z | \overline{z}
\widehat{x} | \hat x
\angle CBA | \angle ABC
\max(a,b) | \max\{b,a\}
\min\{1,2\} | 1
\max = 4 | 4
""",
    "matrices": r"""
(1,2)^T | \begin{pmatrix}1\\2\end{pmatrix}
\begin{pmatrix}1&2\\3&4\end{pmatrix}^{\mathrm{T}} | \begin{pmatrix}1&3\\2&4\end{pmatrix}
""",
}

DIFFERENT = {
    "numbers": r"""
12,34,567 | 1234568
12,34,56 | 123456
1,2,345 | 12345
0.\dot{3} | 0.33
""",
    "choices and arrangements": r"""
C_5^2 | 20
A_5^2 | 10
nCr | \binom{r}{n}
C_{10}^3 | 1000
""",
    "dots": r"""
\{1,2,\dots,5\} | \{1,2,5\}
1,2,\dots,2023 | 1,2,\dots,2024
1,3,5,\ldots | 1,3,5
1,3,5,\ldots | 2,4,6,\ldots
1+2+\cdots+100 | 5051
""",
    "sets": r"""
\{1,2\} \cup \{3\} | \{1,2\}
A \setminus B | B \setminus A
A \cap B | A \cup B
""",
    "bars, accents, functions": r"""
\bar z | z
\angle ACB | \angle ABC
\max(a,b) | \min(a,b)
|x||y| | xy
""",
    "matrices": r"""
\begin{pmatrix}1&2\\3&4\end{pmatrix}^T | \begin{pmatrix}1&2\\3&4\end{pmatrix}
""",
}


def rows(table):
    """(answer, reference) of each line, with the name of its block."""
    return [
        pytest.param(*line.split(" | ", 1), id=f"{why}: {line}")
        for why, block in table.items()
        for line in block.strip().splitlines()
    ]


@pytest.mark.parametrize(("answer", "reference"), rows(SAME))
def test_the_same_in_another_notation(answer, reference):
    assert compare(reference, answer).equal is True
    assert compare(answer, reference).equal is True


@pytest.mark.parametrize(("answer", "reference"), rows(DIFFERENT))
def test_a_near_miss(answer, reference):
    assert compare(reference, answer).equal is not True
    assert compare(answer, reference).equal is not True


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2 3", "two numbers side by side"),
        ("1, 2, 4, \\ldots", "no equal steps"),
        ("1+2+\\cdots+2^n", "an end that may belong to other steps"),
        ("|x", "an open bar"),
        ("\\cancel{3}", "struck out"),
    ],
)
def test_what_is_no_formula_of_one_meaning(text, why):
    assert read(plain(text)) is None, why
