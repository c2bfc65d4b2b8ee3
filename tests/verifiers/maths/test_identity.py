"""Formulas that are the same function of their names, told from those that are nearly."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.verifiers.maths.constants import PRIME, Huge, Unknown, exact, root_residue
from distill.verifiers.maths.equality import decide
from distill.verifiers.maths.expressions import read
from distill.verifiers.maths.identity import ratio_sign, same_formula
from distill.verifiers.maths.spelling import plain
from distill.verifiers.maths.trees import Node, number

SAME = [
    ("\\sqrt{\\frac{2GM}{R}}", "\\frac{\\sqrt{2GMR}}{R}", "masses and lengths are positive"),
    ("a\\sqrt{b}", "\\sqrt{a^2b}", "and so are lengths"),
    ("\\sqrt{a^2-x^2}", "a\\sqrt{1-\\frac{x^2}{a^2}}", "x may have either sign"),
    ("\\frac{\\sqrt3}{3}", "1/\\sqrt3", "roots of numbers"),
    ("\\sqrt8", "2\\sqrt2", "square factors"),
    ("\\sqrt{3+2\\sqrt2}", "1+\\sqrt2", "nested roots"),
    ("(\\sqrt[3]{5})^2", "25^{1/3}", "cube roots"),
    ("\\sqrt[3]{-8}", "-2", "odd root of a negative number"),
    ("\\sqrt{-4}", "2i", "imaginary"),
    ("e^{i\\pi}", "-1", "Euler"),
    ("1/2 x", "x/2", "from left to right"),
    ("0.5x", "\\frac{x}{2}", "decimal factor"),
    ("(x-1)(x+1)", "x^2-1", "expanded"),
    ("\\frac{1}{x+1}", "(x+1)^{-1}", "negative power"),
    ("2^{n+1}", "2 \\cdot 2^n", "name in the exponent"),
    ("(-1)^n", "\\cos(\\pi n)", "whole numbers only"),
    ("\\sin^2 x+\\cos^2 x", "1", "trigonometry"),
    ("\\sin^{-1} x", "\\arcsin x", "inverse function"),
    ("\\sqrt{2} \\cos (2 t-\\pi / 4)", "\\cos 2t + \\sin 2t", "phase"),
    ("\\tan 15^\\circ", "2-\\sqrt3", "degrees"),
    ("\\ln(x^2)", "2\\ln x", "where both are real"),
    ("10x\\sqrt{21x}", "\\sqrt{2100x^3}", "real for positive x alone"),
    ("\\log_2 8", "3", "base"),
    ("\\log 2", "\\log_{10} 2", "a bare logarithm may be common"),
    ("\\log 2", "\\ln 2", "or natural"),
    ("\\frac{4 A}{3+3 i} e^{i t}", "\\frac{2A(1-i)}{3}e^{it}", "complex"),
    ("\\frac{m g}{k} (1-e^{-kt/m})", "\\frac{mg}{k}(1-\\exp(-\\frac{k t}{m}))", "physics"),
    ("\\binom{2n}{n}", "\\frac{(2n)!}{(n!)^2}", "binomial"),
    ("10000!/9998!", "99990000", "factorials that are not written out"),
    ("\\lfloor\\frac{2 n-1}{5}\\rfloor", "\\lceil\\frac{2n-5}{5}\\rceil", "floor"),
    ("2^{10^{10}}", "2\\cdot2^{10^{10}-1}", "a power that is not written out"),
    ("f(4-x)", "f(-x+4)", "unknown function"),
    ("|x-1|", "|1-x|", "absolute value"),
    ("\\cosh x", "\\frac{e^x+e^{-x}}{2}", "hyperbolic"),
    ("x_1 y^{\\prime}", "y' x_{1}", "indices and primes"),
    ("\\sqrt{x}\\sqrt{y}", "\\sqrt{xy}", "real for positive x and y alone"),
    ("\\sqrt{a-b}\\sqrt{a+b}", "\\sqrt{a^2-b^2}", "real for a > b alone"),
    ("\\ln(x-30)-\\ln(x-40)", "\\ln\\frac{x-30}{x-40}", "real for large x alone"),
    ("x+\\ln x", "x+\\ln|x|", "both real for positive x"),
    ("\\arcsin x", "\\frac\\pi2-\\arccos x", "real for small x alone"),
    ("\\sqrt{x^2+2xy+y^2}", "|x+y|", "root of a square"),
    ("|ab|", "|b||a|", "bars"),
    ("\\max(x,100)", "\\frac{x+100+|x-100|}{2}", "a corner far away"),
    ("\\min(x,y)+\\max(x,y)", "x+y", "extremes"),
    ("\\operatorname{sgn}(x) x", "|x|", "sign"),
    ("-\\lfloor -x\\rfloor", "\\lceil x\\rceil", "rounding"),
    ("\\lfloor 2x\\rfloor", "\\lfloor x\\rfloor+\\lfloor x+\\frac12\\rfloor", "real x"),
    ("\\lfloor\\log_2 n\\rfloor+1", "\\lceil\\log_2(n+1)\\rceil", "whole n"),
    ("\\gcd(a,b)", "\\gcd(b,a+b)", "divisors"),
    ("\\operatorname{lcm}(a,b)", "\\frac{ab}{\\gcd(a,b)}", "multiples"),
    ("n!\\binom{m}{n}", "\\frac{m!}{(m-n)!}", "only some points have a value"),
    ("(2n)!!", "2^n n!", "double factorial"),
    ("-\\overrightarrow{BA}", "\\overrightarrow{AB}", "direction"),
    ("\\overrightarrow{AB}+\\overrightarrow{BC}", "\\overrightarrow{AC}", "way"),
    ("\\overrightarrow{AB}+\\overrightarrow{BA}", "0", "there and back"),
    ("|\\overrightarrow{AB}|", "|\\overrightarrow{BA}|", "length"),
    ("\\vec a\\times\\vec b", "-\\vec b\\times\\vec a", "cross product"),
    ("\\vec a\\cdot\\vec b", "\\vec b\\cdot\\vec a", "dot product"),
    ("|\\vec a|^2", "\\vec a\\cdot\\vec a", "square"),
    ("\\vec a\\cdot\\vec b\\times\\vec c", "\\vec c\\cdot(\\vec a\\times\\vec b)", "volume"),
    ("\\hat i\\times\\hat j", "\\hat k", "unit vectors"),
    ("q\\mathbf{v}\\times\\mathbf{B}", "q(\\vec v\\times\\vec B)", "bold vectors"),
    ("\\gcd(2^n-1,2^m-1)", "2^{\\gcd(n,m)}-1", "divisors of powers"),
    ("\\gcd(a!,b!)", "\\min(a,b)!", "divisors of factorials"),
    ("\\frac x2", "0.5x", "a name before a number"),
]

DIFFERENT = [
    ("355/113", "\\pi", "near"),
    ("e^{\\pi\\sqrt{163}}", "262537412640768744", "nearer"),
    ("\\sqrt2+10^{-60}", "\\sqrt2", "by very little"),
    ("e^{100}+1", "e^{100}", "beside very much"),
    ("10^{20}+1", "10^{20}", "whole numbers"),
    ("\\sqrt{a^2}", "-a", "a length"),
    ("\\sqrt{(a-b)^2}", "a-b", "a difference of lengths may be negative"),
    ("\\sqrt{a^2}", "a\\frac{|x|}{x}", "a sign is written"),
    ("\\sqrt{x^2}", "x", "for negative x"),
    ("x", "|x|", "for negative x"),
    ("\\sin x", "\\cos x", "function"),
    ("2^{n+1}", "2^n+1", "brackets"),
    ("x^{2018}-1", "(x-1)(x+1)", "high power"),
    ("x", "X", "case"),
    ("1/0", "5", "no number"),
    ("e^t/3", "e^t/0", "no function"),
    ("9^{9^{9^9}}", "5", "tower"),
    ("100000!!!", "5", "factorials"),
    ("I(0)", "0", "a function at zero"),
    ("2+3i", "2-3i", "conjugate"),
    ("|ab|", "ab", "signs of two names"),
    ("\\frac{|xy|}{xy}", "1", "signs of two names"),
    ("|x+y|", "|x|+|y|", "signs of two names"),
    ("\\sqrt{x^2+2xy+y^2}", "x+y", "sign of a sum"),
    ("\\max(a,b,c)", "\\max(a,b)", "order of three names"),
    ("\\min(x,y)", "x", "order of two names"),
    ("\\max(x,100)", "100", "a corner far away"),
    ("|x-1000000|", "1000000-x", "a corner very far away"),
    ("|x^2-100000000|", "100000000-x^2", "a corner at a root"),
    ("\\sqrt{(x-50)^2}", "50-x", "root of a square"),
    ("(x^2)^{1/2}", "x", "half a power"),
    ("\\ln|x|", "\\ln(-x)", "nowhere real for positive x"),
    ("\\arctan(\\tan x)", "x", "branches"),
    ("\\arccos(\\cos x)", "x", "branches"),
    ("\\lfloor x\\rfloor", "x", "between whole numbers"),
    ("\\lfloor x\\rfloor", "\\lceil x\\rceil", "between whole numbers"),
    ("\\lfloor x\\rfloor+1", "\\lceil x\\rceil", "at whole numbers"),
    ("\\lfloor x+0.5\\rfloor", "\\lceil x-0.5\\rceil", "at halves"),
    ("\\lfloor 2x\\rfloor", "2\\lfloor x\\rfloor", "factor"),
    ("\\lfloor -x\\rfloor", "-\\lfloor x\\rfloor", "sign"),
    ("\\lfloor \\alpha n\\rfloor", "n\\lfloor\\alpha\\rfloor", "one name is real"),
    ("\\lfloor n/64\\rfloor", "0", "a jump far away"),
    ("\\lfloor n/5000\\rfloor", "0", "a jump very far away"),
    ("(-1)^n", "1", "odd and even"),
    ("\\binom{n}{4}", "0", "for small n"),
    ("\\gcd(a,b)", "1", "divisors"),
    ("\\gcd(a,b)", "\\gcd(a,c)", "other divisors"),
    ("\\gcd(a,b,c)", "\\gcd(a,b)", "fewer divisors"),
    ("\\gcd(n,101)", "1", "a large divisor"),
    ("\\gcd(n,12)", "\\gcd(n,24)", "a multiple"),
    ("\\gcd(n^2+3,n+2)", "1", "for some n"),
    ("\\operatorname{lcm}(a,b)", "ab", "multiples"),
    ("\\gcd(n,2)+\\ln x", "\\gcd(n,2)+\\ln x+1", "whole n, real x"),
    ("\\overrightarrow{BA}", "\\overrightarrow{AB}", "direction"),
    (
        "\\overrightarrow{AB}+\\overrightarrow{CB}",
        "\\overrightarrow{AB}+\\overrightarrow{BC}",
        "way",
    ),
    ("\\vec a\\times\\vec b", "\\vec b\\times\\vec a", "cross product"),
    ("\\mathbf{a}\\times\\mathbf{b}", "\\mathbf{b}\\times\\mathbf{a}", "bold vectors"),
    ("\\vec a\\times\\vec b", "\\vec a\\cdot\\vec b", "products"),
    ("(\\vec a\\times\\vec b)\\times\\vec c", "\\vec a\\times(\\vec b\\times\\vec c)", "brackets"),
    ("(\\vec a\\cdot\\vec b)\\vec c", "\\vec a(\\vec b\\cdot\\vec c)", "direction"),
    ("|\\vec a||\\vec b|", "\\vec a\\cdot\\vec b", "angle"),
    ("|\\vec a+\\vec b|", "|\\vec a|+|\\vec b|", "triangle"),
]


def tree(text):
    """The formula that a text is."""
    found = read(plain(text))
    assert found is not None, text
    return found


@pytest.mark.parametrize(("first", "second", "why"), SAME)
def test_the_same_function(first, second, why):
    assert same_formula(tree(first), tree(second)) is True, why
    assert same_formula(tree(second), tree(first)) is True, why


@pytest.mark.parametrize(("first", "second", "why"), DIFFERENT)
def test_another_function(first, second, why):
    assert same_formula(tree(first), tree(second)) is False, why
    assert same_formula(tree(second), tree(first)) is False, why


@pytest.mark.parametrize("text", ["\\gcd(f(n), 2) + \\ln x", "9^{9^{9^9}} + 1"])
def test_what_has_no_value_is_not_decided(text):
    other = Node("add", None, (tree(text), number(1)))
    assert same_formula(tree(text), other) is None


COEFFICIENTS = st.lists(st.integers(-9, 9), min_size=1, max_size=5)


def polynomial(coefficients):
    """LaTeX of a polynomial in x, highest power last."""
    return " + ".join(f"({c})x^{{{power}}}" for power, c in enumerate(coefficients))


@given(COEFFICIENTS, COEFFICIENTS)
def test_a_product_of_polynomials_is_its_expansion(first, second):
    product = [0] * (len(first) + len(second) - 1)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            product[i + j] += a * b
    factors = f"({polynomial(first)})({polynomial(second)})"
    assert same_formula(tree(factors), tree(polynomial(product))) is True
    product[0] += 1
    assert same_formula(tree(factors), tree(polynomial(product))) is False


@given(st.fractions(max_denominator=99), st.fractions(max_denominator=99), st.integers(2, 60))
def test_conjugates_multiply_to_the_difference_of_squares(a, b, radicand):
    text = f"({a} + ({b})\\sqrt{{{radicand}}})({a} - ({b})\\sqrt{{{radicand}}})"
    assert same_formula(tree(text), number(a * a - b * b * radicand)) is True
    assert same_formula(tree(text), number(a * a - b * b * radicand + 1)) is False


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_root_of_a_product_is_the_product_of_the_roots(a, b):
    product = tree(f"\\sqrt{{{a}}}\\sqrt{{{b}}}")
    assert same_formula(product, tree(f"\\sqrt{{{a * b}}}")) is True
    assert same_formula(product, tree(f"\\sqrt{{{a * b + 1}}}")) is False


@given(st.fractions(max_denominator=1000), st.integers(-6, 6))
def test_exact_values_are_fractions(value, power):
    text = f"(({value.numerator})/{value.denominator})^{{{power}}}"
    if value or power > 0:
        assert exact(tree(text)) == Fraction(value) ** power


def test_exact_values_have_a_size():
    assert exact(tree("\\frac{100!}{98!}")) == 9900
    with pytest.raises(Huge):
        exact(tree("2^{10^{10}}"))
    with pytest.raises(Unknown):
        exact(tree("\\sqrt{2}"))


@pytest.mark.parametrize("value", [2, 3, 5, 97, PRIME - 1])
def test_small_numbers_have_roots_modulo_the_prime(value):
    assert root_residue(value) ** 2 % PRIME == value


def test_a_multiple_has_the_sign_of_its_factor():
    formula = tree("2x - y + 1")
    assert ratio_sign(formula, tree("4x - 2y + 2")) == 1
    assert ratio_sign(formula, tree("y - 2x - 1")) == -1
    assert ratio_sign(formula, tree("2x - y + 2")) == 0
    assert ratio_sign(tree("\\sin x - y"), tree("3y - 3\\sin x")) == -1


@pytest.mark.parametrize("text", ["\\gcd(f(n), 2)", "f(1)\\gcd(a, b)"])
def test_algebra_that_drops_divisors_is_not_asked(text):
    def ask(task):
        raise AssertionError("asked")

    assert decide("1", text, ask=ask).equal is not True
    assert decide(text, text.replace("2", "3").replace("b", "c"), ask=ask).equal is False
