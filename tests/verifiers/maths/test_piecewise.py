"""Functions by cases, told from those that differ in a branch, at a bound or somewhere far."""

import pytest

from distill.verifiers.maths.equality import compare


def cases(*rows):
    """LaTeX of a function by cases, each row a value and its condition."""
    return "\\begin{cases}" + "\\\\".join(rows) + "\\end{cases}"


ABS = cases("x&x\\ge0", "-x&x<0")
PARITY = cases("1 & n \\text{ odd}", "0 & n\\text{ even}")
RATIONAL = cases("1 & x\\in\\mathbb{Q}", "x & x\\notin\\mathbb{Q}")

SAME = [
    (ABS, "|x|", "a formula"),
    (ABS, cases("-x & \\text{if } x<0", "x & \\text{if } x \\geq 0"), "other order, words"),
    (ABS, cases("-x, & x<0", "x & \\text{otherwise}"), "the rest"),
    (ABS, cases("x&x>0", "-x&x\\le0"), "both branches hold at the bound"),
    (f"f(x)={ABS}", f"f(x)={cases('-x&x<0', 'x&x>=0')}", "under its name"),
    (cases("1&x>0", "0&x=0", "-1&x<0"), "\\operatorname{sgn}(x)", "three branches"),
    (cases("a&a\\ge b", "b&a<b"), "\\max(a,b)", "two names"),
    (
        cases("2&x\\in[0,1]", "3&x>1 \\text{ or } x<0"),
        cases("3&x<0", "2&0\\le x\\le1", "3&x>1"),
        "sets",
    ),
    (
        PARITY,
        cases("0, & \\text{if } n \\text{ is even}", "1, & \\text{if } n \\text{ is odd}"),
        "parity",
    ),
    (PARITY, "\\frac{1-(-1)^n}{2}", "parity in a formula"),
    (
        RATIONAL,
        cases("x & x\\notin\\mathbb{Q}", "1 & x\\in\\mathbb{Q}"),
        "conditions without values",
    ),
]

DIFFERENT = [
    (ABS, "x", "a formula"),
    (ABS, cases("x&x<0", "-x&x\\ge0"), "values turned"),
    (ABS, cases("x&x>0", "-x&x<0"), "without the bound"),
    (cases("1&x\\ge0", "2&x<0"), cases("1&x>0", "2&x\\le0"), "another value at the bound"),
    (cases("x^2&x\\le100", "1&x>100"), cases("x^2&x\\le101", "1&x>101"), "a bound far away"),
    (cases("a&a\\ge b", "b&a<b"), "\\min(a,b)", "two names"),
    (PARITY, cases("1 & n \\text{ even}", "0 & n\\text{ odd}"), "parity"),
    (RATIONAL, cases("x & x\\in\\mathbb{Q}", "1 & x\\notin\\mathbb{Q}"), "conditions turned"),
    (cases("1&x>0", "2&x\\le0"), "1", "one branch"),
    (cases("1&x>0", "2&x\\le0"), "(1,2)", "its values as a pair"),
]


@pytest.mark.parametrize(("first", "second", "why"), SAME)
def test_the_same_function(first, second, why):
    assert compare(first, second).equal is True, why
    assert compare(second, first).equal is True, why


@pytest.mark.parametrize(("first", "second", "why"), DIFFERENT)
def test_another_function(first, second, why):
    assert compare(first, second).equal is False, why
    assert compare(second, first).equal is False, why
