"""Other letters for what has none of its own: constants of integration, what a sum runs over."""

import pytest

from distill.verifiers.maths.equality import compare

SAME = [
    ("x^2+C", "x^2+c", "a constant that is added"),
    ("x^2+C", "x^2+K", "another usual letter"),
    ("\\ln|x|+C", "c+\\ln|x|", "beside bars"),
    ("(\\frac{t^2}{2}-t+C)e^{-t}", "(\\frac{t^2}{2}-t+c)e^{-t}", "in brackets"),
    ("\\frac x2+Ce^{-2x}", "\\frac x2+ce^{-2x}", "a constant that multiplies"),
    ("C_1e^{2x}+C_2e^{-x}", "c_1e^{2x}+c_2e^{-x}", "two"),
    ("C_1e^{2x}+C_2e^{-x}", "C_2e^{2x}+C_1e^{-x}", "two in another order"),
    ("C_1\\cos x+C_2\\sin x", "A\\cos x+B\\sin x", "letters for indices"),
    ("y=C_1e^{2x}+C_2e^{-x}", "y=c_1e^{2x}+c_2e^{-x}", "in an equation"),
    ("\\sum_{i=1}^n\\frac1i", "\\sum_{k=1}^n\\frac1k", "sum"),
    ("\\sum_{i}\\frac1i", "\\sum_{k}\\frac1k", "sum without bounds"),
    ("2\\sum_{i=1}^n x_i", "\\sum_{k=1}^n x_k+\\sum_{j=1}^n x_j", "sums in a formula"),
    ("\\sum_{i=1}^n\\sum_{j=1}^i a_{ij}", "\\sum_{p=1}^n\\sum_{q=1}^p a_{pq}", "nested"),
    ("\\prod_{k=1}^n(2k-1)", "\\prod_{i=1}^n(2i-1)", "product"),
    ("\\int_0^x f(t)dt", "\\int_0^x f(s)\\,ds", "integral"),
    ("\\int_1^x\\frac{dt}{t}", "\\int_1^x\\frac{du}{u}", "differential above"),
    ("\\lim_{h\\to0}\\frac{f(x+h)}{h}", "\\lim_{t\\to0}\\frac{f(x+t)}{t}", "limit"),
]

NOT_SAME = [
    ("x^2+C", "x^2", "no constant"),
    ("b+C", "b+c", "a side and an angle"),
    ("b-C", "b-c", "a side and an angle"),
    ("aC", "ac", "a side and an angle"),
    ("\\frac12ab\\sin C", "\\frac12ab\\sin c", "inside a function"),
    ("2RC+R+C", "2Rc+R+c", "no variable"),
    ("\\frac aC", "\\frac ac", "below"),
    ("mC^2", "mc^2", "a power"),
    ("Bx+c", "bx+c", "another letter"),
    ("\\frac{C_1C_2}{C_1+C_2}", "\\frac{c_1c_2}{c_1+c_2}", "not linear"),
    ("C_1e^{2x}+C_2e^{-x}", "c_1e^{2x}+c_2e^x", "another function"),
    ("C_1e^{2x}+C_2e^{-x}", "c_1e^{2x}+c_1e^{-x}", "one for two"),
    ("A\\cos x+B\\sin x", "A\\sin x+B\\cos x", "letters that may be given"),
    ("\\sum_{i=1}^n\\frac1i", "\\sum_{k=1}^n\\frac1{k^2}", "another sum"),
    ("\\sum_{i=1}^n\\frac1i", "\\sum_{k=1}^m\\frac1k", "another bound"),
    ("\\sum_{i=1}^n\\sum_{j=1}^i a_{ij}", "\\sum_{p=1}^n\\sum_{q=1}^p a_{qp}", "indices turned"),
    ("\\int_0^x f(t)dt", "\\int_0^x g(s)\\,ds", "another function"),
    ("\\int x\\,dx", "\\int t\\,dt", "no bounds: a function of that name"),
]


@pytest.mark.parametrize(("reference", "answer", "why"), SAME)
def test_another_letter(reference, answer, why):
    assert compare(reference, answer).equal is True, why
    assert compare(answer, reference).equal is True, why


@pytest.mark.parametrize(("reference", "answer", "why"), NOT_SAME)
def test_a_letter_of_its_own(reference, answer, why):
    """What sums over other things may still have the same value: that is for algebra."""
    assert compare(reference, answer).equal is not True, why
    assert compare(answer, reference).equal is not True, why
