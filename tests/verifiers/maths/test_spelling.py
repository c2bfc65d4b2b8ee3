"""What only moves ink is gone, one thing has one spelling, and what means something stays."""

import pytest

from distill.verifiers.maths.equality import compare
from distill.verifiers.maths.spelling import plain

SPELLED = {
    "spaces": r"""
42\  | 42
\ 42 \ | 42
42~ | 42
~~42~~ | 42
\,42\; | 42
42\\ | 42
42.\ | 42
42\! | 42
\quad 42 \qquad | 42
42 \hspace*{1cm} | 42
42 \hskip 1em | 42
2~500 | 2 500
2\,500 | 2 500
2{,}500 | 2,500
2\mathord{,}500 | 2,500
1{.}5 | 1.5
""",
    "fonts, sizes, colours, frames": r"""
\textcolor{blue}{42} | 42
\textcolor[rgb]{1,0,0}{x+1} | x+1
{\color{red} 42} | 42
\fcolorbox{red}{white}{42} | 42
\bbox[yellow]{42} | 42
\Large\mathbf{42} | 42
{\small \frac{1}{2}} | \frac{1}{2}
\scriptstyle 42 | 42
\mathtt{x} | x
{\bfseries 42} | 42
\ensuremath{42} | 42
\smash[b]{42} | 42
\underbrace{42} | 42
x\mathbin{+}1 | x+1
3\mathbin{:}4 | 3:4
\biggl(1,2\Bigr) | (1,2)
\sum\nolimits_{i} i | \sum_{i} i
\textbf{$\frac{1}{2}$} | \frac{1}{2}
\emph{Alice} | \text{Alice}
\mathrm e^{2} | e^{2}
\mathrm{e}^{\mathrm{i}x} | e^{ix}
""",
    "what is not seen, or is no part of the formula": r"""
\phantom{-}42 | 42
\vphantom{\frac{1}{2}}42 | 42
42\hphantom0 | 42
42\tag{1} | 42
x=42\label{eq:1} | x=42
x=42\nonumber | x=42
\require{cancel}42 | 42
42 \quad\blacksquare | 42
42 \qedhere | 42
\therefore x=42 | x=42
\Longrightarrow 42 | 42
∴ 42 | 42
42 ✓ | 42
""",
    "layouts of one value": r"""
\begin{aligned} 42 \end{aligned} | 42
\begin{equation*} x=42 \end{equation*} | x=42
\begin{gathered}[t] 42 \end{gathered} | 42
\begin{array}{c} 42 \end{array} | 42
\begin{align*} x &= 6 \cdot 7 \\ &= 42 \end{align*} | x = 6 \cdot 7 = 42
\begin{aligned} x &= 1 \\ y &= 2 \end{aligned} | x = 1, y = 2
""",
    "dots": r"""
1,2,\cdots | 1,2,\ldots
1,2,\dotsc | 1,2,...
1,2,⋯ | 1,2,\dots
""",
    "HTML": r"""
<b>12</b> | 12
<span style="color:red">12</span><br/> | 12
x<sup>2</sup>+1 | x^{2}+1
H<sub>2</sub>O | H_{2}O
42&nbsp;cm | 42 cm
&minus;5 | -5
&#8722;5 | -5
&frac12; | \frac{1}{2}
x &lt; 3 | x < 3
<sup>1</sup>/<sub>2</sub> | \frac{1}{2}
""",
    "fractions and counts in other notations": r"""
1 \over 2 | \frac{1}{2}
x = {a+b \over \sqrt{2}} | x = {\frac{a+b}{\sqrt{2}}}
\left( 1 \over 2 \right) | (\frac{1}{2})
{n \choose k} | \binom{n}{k}
\nicefrac{1}{2} | \frac{1}{2}
\sfrac12 | \frac12
\root 3 \of 2 | \sqrt[3]2
{}_{10}C_3 | \binom{10}{3}
^{10}\mathrm{C}_{3} | \binom{10}{3}
x{}^2 | x^2
x^2_1 | x_1^2
""",
    "numbers in other notations": r"""
0.\dot{3} | 0.\overline{3}
0.\dot{1}2\dot{3} | 0.\overline{123}
1.2\bar3 | 1.2\overline{3}
0.(3) | 0.\overline{3}
0.3̅ | 0.\overline{3}
(1011)_2 | 1011_2
1011_{(2)} | 1011_2
1011_{\text{two}} | 1011_2
(A5)_{16} | A5_{16}
101_{\text{base 2}} | 101_2
101 \text{ base } 2 | 101_2
45^o | 45^\circ
{-}5 | -5
0xA5 | A5_{16}
1_000_000 | 1000000
3+4j | 3+4i
22^\circ 30' | \frac{45}{2}^\circ
22°30′36″ | \frac{2251}{100}^\circ
22^{\circ}30^{\prime} | \frac{45}{2}^\circ
""",
    "signs": r"""
x\not=3 | x\ne 3
x \leqq 3 | x \le 3
x ≧ 3 | x \ge 3
x∈ℤ | x\in\mathbb{Z}
A ⊆ B | A \subseteq B
\left\lbrack 1,2\right\rbrack | [1,2]
\mathbb{P}(A) | P(A)
]2,5[ | (2,5)
[0,1[ \cup ]2,3] | [0,1) \cup (2,3]
\mathbb{R}^+ | (0,\infty)
\frac{dy}{dx} | y'
dy/dx | y'
""",
}

OTHER = {
    "dots say that more follows": r"""
1,3,5,\cdots | 1,3,5
1,3,5,\ldots | 1,3,5
x=1,2,\dots | x=1,2
0.12\cdots | 0.12
0.12... | 0.12
""",
    "ink that means something": r"""
\cancel{42} | 42
4\cancel{2} | 42
\sout{42} | 42
4\phantom{2} | 42
\overline{12} | 12
0.\dot{3} | 0.3
0.\dot{1}2\dot{3} | 0.123
\dot{x} | x
""",
    "rows that are branches or a table": r"""
\begin{aligned} x &= 1 \\ y &= 2 \end{aligned} | (2,1)
\begin{aligned} x, x>0 \\ -x, x\le 0 \end{aligned} | -x, x>0, x, x\le 0
\begin{array}{cc} 1 & 2 \end{array} | 1
""",
    "numbers": r"""
(1011)_2 | 1011_3
1_000 | 100
22^\circ 30' | 22.3^\circ
22^\circ 30' | 22^\circ 31'
22^\circ 70' | 23.1^\circ
3+4j | 3-4i
4\mathbf{j} | 4\mathbf{i}
""",
    "signs": r"""
x\not=3 | x=3
]2,5[ | [2,5]
]2,5] | [2,5[
\mathbb{R}^+ | \mathbb{R}
\frac{dy}{dt}=2 | \frac{dy}{dx}=2
""",
    "HTML": r"""
a<b>c | ac
x<sup>2</sup> | x_2
<b>12</b> | 13
""",
}


def rows(table):
    """(text, other text) of each line, with the name of its block."""
    return [
        pytest.param(*line.split(" | ", 1), id=f"{why}: {line}")
        for why, block in table.items()
        for line in block.strip("\n").splitlines()
    ]


@pytest.mark.parametrize(("text", "usual"), rows(SPELLED))
def test_one_spelling(text, usual):
    assert plain(text).replace(" ", "") == plain(usual).replace(" ", "")


@pytest.mark.parametrize(("text", "usual"), rows(SPELLED))
def test_the_one_spelling_compares_as_the_same(text, usual):
    assert compare(usual, text).equal is not False


@pytest.mark.parametrize(("answer", "reference"), rows(OTHER))
def test_what_means_something_else_stays(answer, reference):
    assert compare(reference, answer).equal is not True


@pytest.mark.parametrize("text", ["[0,1],[2,3]", "a<b>c", "x_1", "4j", "H_2O", "1,234", "\\{1\\}"])
def test_usual_texts_stay_as_they_are(text):
    assert plain(text) == text


@pytest.mark.parametrize(
    "part",
    ["\\phantom{", "\\begin{align}&", "a\\over ", "]1,", "<b ", "&a", "1_", "9^\\circ 9'", "{}_"],
)
def test_long_texts_of_one_mark_end_soon(part):
    assert isinstance(plain((part * 2000)[:2000]), str)
