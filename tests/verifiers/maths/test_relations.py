"""Names, equations and families of solutions: what is the same answer, and each near miss."""

import pytest

from distill.recipe import MathPolicy
from distill.verifiers.maths.domains import with_domains
from distill.verifiers.maths.equality import compare
from distill.verifiers.maths.spelling import plain

# reference | answer
SAME = {
    "a name on one side": r"""
5 | x=5
5 | 5=x
10 | a_5=10
7 | f(2)=7
\frac13 | P(A)=\frac13
f(x)=2x+1 | y=2x+1
y=2x+1 | f(x)=2x+1
V_{\max}=3 | V_{\text{max}}=3
S_{\triangle ABC}=3 | S_{BAC}=3
\angle ABC=40^\circ | \angle CBA=40^\circ
\text{Area}=5 | A=5
4 | \max = 4
""",
    "the same name": r"""
f(1)=0,f(2)=3 | f(2)=3,f(1)=0
P(X=1)=1/2 | P(X=1)=0.5
f(x,y)=x+y | f(a,b)=a+b
f(t)=5 | f(x)=5
a_n=2n+1 | a_k=2k+1
a_n=2n+1 | a(n)=2n+1
(x,y)=(3,4) | y=4,x=3
(x,y)=(3,4) | (y,x)=(4,3)
(1,2) | y=2,x=1
""",
    "an equation that is solved": r"""
-5 | -x=5
\frac15 | \frac1x=5
5 | 2x=10
5 | 10=2x
9 | \sqrt x=3
3 | 3x+1=10
4,-4 | x^2=16
60 | 180-x=120
""",
    "what was asked for": r"""
20 | a+b=11+9=20
25 | x^2+y^2=25
18 | x^3+\frac{1}{x^3}=18
\frac12 | \sin A=\frac12
120 | n!=120
8 | f(1)+f(2)=8
12 | xy=12
5 | \max f=5
""",
    "other letters of parameters": r"""
x=n\pi,n\in\mathbb{Z} | x=k\pi, k\in\mathbb{Z}
x=n\pi,n\in\mathbb{Z} | k\pi
x=n\pi | x=k\pi
2k\pi | 2n\pi
\frac{n\pi}{2} | \frac{k\pi}{2}
30^\circ+360^\circ k | 30^\circ+360^\circ n
x=(-1)^k\frac{\pi}{6}+k\pi | x=(-1)^n\frac{\pi}{6}+n\pi
x=\frac{\pi}{6}+2k\pi \text{ or } x=\frac{5\pi}{6}+2k\pi | \frac{\pi}{6}+2\pi n,\frac{5\pi}{6}+2\pi n,n\in Z
[k\pi-\frac{\pi}{3},k\pi](k\in\mathbf{Z}) | [n\pi-\frac{\pi}{3},n\pi],n\in\mathbb{Z}
(s,2s,3s) | (t,2t,3t)
x=2+3s,y=-1+s | x=2+3t,y=-1+t
(n,2n) | (m,2m), m\in\mathbb{Z}
6m+1 | 6k+1,k\in\mathbb{N}
n=7m+3 | n=7k+3
f(x)=kx | f(x)=cx, c\in\mathbb{R}
f(x)=cx+d, c,d\in\mathbb{R} | f(x)=ax+b, a,b\in\mathbb{R}
\sum_{k=1}^n \frac1k | \sum_{i=1}^n \frac1i
\{(a,b) : a+b=1\} | \{(x,y)\mid x+y=1\}
\{x|x>2\} | \{t\mid t>2\}
|z|=1 | \{z : |z|=1\}
x\neq n\pi, n\in\mathbb{Z} | \{x \mid x\ne k\pi, k\in\mathbb{Z}\}
""",  # noqa: E501
    "the same numbers for all whole k": r"""
x=2k+1,k\in\mathbb{Z} | x=2k-1,k\in\mathbb{Z}
x=\frac{\pi}{2}+n\pi | x=\pm\frac{\pi}{2}+2k\pi,k\in\mathbb{Z}
\frac{\pi}{2}+k\pi,k\in\mathbb{Z} | -\frac{\pi}{2}+n\pi
""",
    "domains in signs, brackets, sets, words": r"""
x=n\pi,n\in\mathbb{Z} | x=k\pi\ (k \in \mathbb{Z})
x=n\pi,n\in\mathbb{Z} | x=k\pi, (k \in \mathbb{Z})
x=n\pi,n\in\mathbb{Z} | x=k\pi \text{ where } k \text{ is an integer}
x=n\pi,n\in\mathbb{Z} | x=k\pi for any integer k
x=n\pi,n\in\mathbb{Z} | \{x|x=k\pi,k\in Z\}
x=n\pi,n\in\mathbb{Z} | \{k\pi \mid k\in \mathbb{Z}\}
2^k,k\in\mathbb{Z}^+ | 2^n, n \text{ a positive integer}
(k,k+1), k\in\mathbb{N} | \{(n, n+1) : n \in \mathbb{N}\}
""",
    "a domain that one side leaves out": r"""
f(x)=2x | f(x)=2x \text{ for all } x\in\mathbb{R}
f(x)=2x | f(x)=2x for all x in R
2n+1 | a_n = 2n+1\ (n\in\mathbb{N}^*)
(t,2t) | (t,2t), t\in\mathbb{R}
\frac1x | \frac{1}{x},\ x\ne0
y=x+1, x\neq 1 | y=x+1 (x \neq 1)
n=12k+5, k\ge 0 | n=12k+5 \text{ where } k\ge 0
""",
    "sets": r"""
(-2,3) | -2<x and x<3
(-2,3) | x>-2, x<3
\{1,2,3\} | {1,2}∪{3}
\{a,b\} | \{a\}\cup\{b\}
\{2,3\} | \{n\in\mathbb{Z} : 1<n<4\}
\{-1,0,1\} | x\in\mathbb{Z}, -1\le x\le 1
(-\infty,-2)\cup(3,\infty) | x<-2, x>3
\text{all real numbers} | x\in\mathbb{R}
12, 5 | 12\text{ cm and }5\text{ cm}
""",
}

DIFFERENT = {
    "another name": r"""
f(3)=7 | f(2)=7
f(b)=7 | f(a)=7
P(B)=\frac13 | P(A)=\frac13
P(X=2)=1/2 | P(X=1)=1/2
a_4=10 | a_5=10
a_n=2n+1 | a_{n+1}=2n+1
V_{\max}=3 | V_{\min}=3
\text{Area}=5 | \text{Perimeter}=5
f(1)=3,f(2)=0 | f(1)=0,f(2)=3
m_1=5,m_2=3 | m_1=3,m_2=5
y\approx 5 | x \approx 5
m\equiv 3\pmod 7 | n\equiv 3 \pmod 7
(a,b)=(1,2) | (x,y)=(1,2)
(x,y)=(3,4) | y=3,x=4
(1,2) | y=1,x=2
\angle BAC=40^\circ | \angle ABC=40^\circ
""",
    "an equation is not its right side": r"""
5 | -x=5
5 | \frac1x=5
10 | 2x=10
10 | 10=2x
3 | \sqrt x=3
10 | 3x+1=10
16 | x^2=16
2 | \ln x=2
1 | 2\sin x=1
0 | x-1=0
""",
    "a letter that may be given": r"""
k | n
2k+1 | 2n+1
k\pi | n\pi
2k\pi | 2x
k\pi r^2 | n\pi r^2
\pi k^2 | \pi n^2
\frac{\pi}{k} | \frac{\pi}{n}
3k\pi+n | 3k\pi+m
1+\pi r | 1+\pi m
(b,2b) | (a,2a)
(n,2n) | (m,2m)
y=bx | y=ax
6m+1 | 6k+1
(s,2s,3s) | (t,3t,2t)
""",
    "other members": r"""
x=n\pi, n\in\mathbb{Z} | x=2k\pi, k\in\mathbb{Z}
x=2k+1 | x=2k-1
x=2k+1,k\in\mathbb{N} | x=2k-1,k\in\mathbb{N}
x_n=(2n+1)\pi, n\in\mathbb{Z} | x_n=(2n-1)\pi
2k\pi, k\in\mathbb{Z} | 2k\pi, k\in\mathbb{Z}, k\neq0
\{(a,b) : a+b=1\} | \{(x,y)\mid x+y=2\}
""",
    "another domain": r"""
x=k\pi, k\in\mathbb{Z} | x=k\pi, k\in\mathbb{N}
x=n\pi, n\in\mathbb{Z} | x=k\pi, k\in\mathbb{N}
x=k\pi, k\in\mathbb{Z} | x=k\pi, k\in\mathbb{R}
f(x)=x, x\in\mathbb{R} | f(x)=x, x\in\mathbb{Q}
f(x)=2x, x\in\mathbb{R} | f(x)=2x \text{ for all integers } x
(t,2t), t\in\mathbb{R} | (t,2t), t\in\mathbb{Z}
\frac{1}{x-1} | \frac{1}{x-1}, x\neq 2
x^2 | x^2, x>0
""",
    "other sets": r"""
(-2,3) | -2<x or x<3
x\ge 2 \text{ or } x\le -2 | x \ge 2 \text{ and } x\le -2
\{1,2,3\} | {1,2}∪{4}
(1,4) | \{n\in\mathbb{Z} : 1<n<4\}
\{1,2,3\} | \{1,2\}\cap\{2,3\}
""",
}

CLAUSES = [
    (r"x=k\pi (k\in\mathbb{Z})", r"x=k\pi, k \in \setZ", "brackets"),
    (r"x = 2m+3n, m, n \in \mathbb{Z}", r"x = 2m+3n, m \in \setZ, n \in \setZ", "two letters"),
    (r"2^n, n\in\mathbb{Z}_{>0}", r"2^n, n \in \setN_{+}", "one name for the positive ones"),
    (r"6k+1, where k is a nonnegative integer", r"6k+1, k \in \setN_{0}", "words"),
    ("5pi/6+2 pi k, k integer", r"5pi/6+2 pi k, k \in \setZ", "the letter before is a factor"),
    ("f(x) = x^2 for all x", "f(x) = x^2", "no set"),
    (r"P(X \ge 2)", r"P(X \ge 2)", "an argument"),
    ("all real numbers", "all real numbers", "a sentence"),
    ("the set of all integers n", "the set of all integers n", "a sentence"),
]


def rows(table):
    """(reference, answer) of each line, with the name of its block."""
    return [
        pytest.param(*(part.strip() for part in line.split(" | ", 1)), id=f"{why}: {line}")
        for why, block in table.items()
        for line in block.strip().splitlines()
    ]


@pytest.mark.parametrize(("reference", "answer"), rows(SAME))
def test_the_same_answer(reference, answer):
    assert compare(reference, answer).equal is True


@pytest.mark.parametrize(("reference", "answer"), rows(DIFFERENT))
def test_another_answer(reference, answer):
    assert compare(reference, answer).equal is False


@pytest.mark.parametrize(("text", "expected", "why"), CLAUSES)
def test_domains_in_one_notation(text, expected, why):
    assert with_domains(plain(text)) == expected, why


@pytest.mark.parametrize(
    ("reference", "answer"), [("5", "2x=10"), ("k\\pi, k\\in\\mathbb{Z}", "x=n\\pi")]
)
def test_a_name_on_one_side_is_a_switch(reference, answer):
    assert compare(reference, answer).equal is True
    assert compare(reference, answer, MathPolicy(ignore_names=False)).equal is False


@pytest.mark.parametrize(
    "text",
    ["(k \\in " * 300, "x" + ", n" * 600 + " \\in Z", "k\\pi" + " for all" * 200 + " k",
     "x" + "(" * 900 + "\\ge", "(x<" + "y" * 1500 + ")", "m, " * 600 + "m \\in \\mathbb{Z}"],
)  # fmt: skip
def test_hostile_clauses_end(text):
    assert compare("x=k\\pi, k\\in\\mathbb{Z}", text).equal is not True
