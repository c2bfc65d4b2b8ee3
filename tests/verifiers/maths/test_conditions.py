"""Answers with conditions: arbitrary constants, sets in words, remainders, branches, names."""

import pytest

from distill.verifiers.maths.equality import compare
from distill.verifiers.maths.expressions import read

SAME = [
    (r"f(x)=cx \text{ for any real constant } c", r"f(x)=kx,\ k\in\mathbb{R}", "renamed"),
    (r"f(x)=cx, where c is an arbitrary constant", r"f(x)=kx", "stated on one side"),
    (r"f(x)=mx+c where m,c are arbitrary constants", r"f(x)=ax+b", "two of them"),
    (r"P(x)=c(x-1)(x-2)", r"P(x)=a(x^2-3x+2)", "a factor of the whole function"),
    (r"f(x)=0, f(x)=x^2", r"f(x)\equiv 0 \text{ or } f(x)=x^2", "identically"),
    (r"all primes p \equiv 1 \pmod 4", r"p \equiv 1 \bmod 4", "p is a prime"),
    (r"all integers n \geq 3", r"n \ge 3", "n is whole"),
    (r"all real numbers x > 2", r"(2,\infty)", "x is real"),
    (r"2^k for k \geq 0", r"n=2^m,\ m=0,1,2,\dots", "counted from 0"),
    (r"a_n = n^2 for all n \ge 1", r"a_n=n^2", "n is an index"),
    (r"a_n = n^2", r"a_n=n^2 \text{ for } n \ge 1", "the other way round"),
    (r"n if n is even and n-1 if n is odd", r"2\lfloor n/2\rfloor", "branches in words"),
    (r"n\equiv \pm 1 \pmod{6}", r"n \equiv 1,5 \pmod 6", "both remainders"),
    (r"n\equiv 1 \pmod 3", r"n \equiv 1 \text{ or } 4 \pmod 6", "of a multiple"),
    (r"n \equiv 1, 5 \pmod 6", r"n \equiv 1 \pmod 6 \text{ or } n \equiv 5 \pmod 6", "each said"),
    (
        r"a_n=\begin{cases} 3, & n=1 \\ 2^n, & n \ge 2 \end{cases}",
        r"a_{n}=\left\{\begin{array}{ll}3, & n=1 \\ 2^{n}, & n \geq 2\end{array}\right.",
        "an array of branches",
    ),
    (r"\angle A = 60^\circ, \angle B = 45^\circ", r"A=60^\circ, B=45^\circ", "angles by vertex"),
    (r"\sqrt{2}", r"\sqrt2 : 1", "a ratio as a quotient"),
    (r"(4,7)", r"P(4, 7)", "a point's name"),
    (r"H_2SO_4", r"\mathrm{H_{2}SO_{4}}", "a substance in a box"),
    (r"Ca(OH)_2", r"\ce{Ca(OH)2}", "and as chemists write it"),
    (r"[Ar]3d^6 4s^2", r"[\text{Ar}]4s^2 3d^6", "shells in any order"),
    (r"e^{-E/(k_B T)}", r"e^{-E/k_BT}", "a slash before names side by side"),
    (r"\sqrt{\frac{k}{m}-\frac{b^2}{4m^2}}", r"\frac{\sqrt{4km-b^2}}{2m}", "km is a product here"),
]
OTHER = [
    (r"f(x)=cx \text{ for any real constant } c", r"f(x)=kx,\ k\in\mathbb{Z}", "another set"),
    (r"f(x)=cx, where c is an arbitrary constant", r"f(x)=kx^2", "another function"),
    (r"f(x)=cx, where c is an arbitrary constant", r"f(x)=2x", "one of them"),
    (r"P(x)=c(x-1)(x-2)", r"P(x)=(x-1)(x-2)", "one of them"),
    (r"x=c", r"x=k", "a given letter"),
    (r"E=mc^2", r"E=ma^2", "a given letter"),
    (r"f(x)=0", r"f(x)\equiv 0 \pmod p", "only a remainder"),
    (r"all integers n \geq 3", r"n > 3", "without 3"),
    (r"2^k for k \geq 0", r"n=2^m,\ m=1,2,3,\dots", "counted from 1"),
    (r"x=3", r"x=3, k \ge 1, y=2", "another value beside it"),
    (r"n if n is even and n-1 if n is odd", r"2\lceil n/2\rceil", "the other way"),
    (r"n\equiv \pm 1 \pmod{6}", r"n \equiv 1,4 \pmod 6", "another remainder"),
    (r"n\equiv \pm 1 \pmod{6}", r"n \equiv 1 \pmod 6", "half of them"),
    (r"p\equiv \pm 1 \pmod{6}", r"n \equiv 1,5 \pmod 6", "of another name"),
    (
        r"a_n=\begin{cases} 3, & n=1 \\ 2^n, & n \ge 2 \end{cases}",
        r"a_{n}=\left\{\begin{array}{ll}2, & n=1 \\ 2^{n}, & n \geq 2\end{array}\right.",
        "another first branch",
    ),
    (r"\angle ABC = 60^\circ", r"A=60^\circ", "another vertex"),
    (r"(4,7)", r"P(7, 4)", "turned round"),
    (r"A(1,2), B(3,4)", r"A(3,4), B(1,2)", "names exchanged"),
    (r"[4,7]", r"P(4, 7)", "an interval"),
    (r"H_2SO_4", r"\mathrm{H_{2}SO_{3}}", "another substance"),
    (r"\frac{1}{2x}", r"1/2x", "a slash before a number"),
    (r"\sqrt{\frac{k}{m}-\frac{b^2}{4m^2}}", r"\frac{\sqrt{4km-b^2}}{m}", "twice as much"),
    (r"all even integers n \geq 3", r"n \ge 3", "the odd ones too"),
    (r"\sqrt{2}", r"1 : \sqrt2", "the inverse"),
]


@pytest.mark.parametrize(("reference", "answer", "why"), SAME)
def test_conditions_that_say_the_same(reference: str, answer: str, why: str) -> None:
    assert compare(reference, answer).equal is True, why


@pytest.mark.parametrize(("reference", "answer", "why"), OTHER)
def test_conditions_that_say_something_else(reference: str, answer: str, why: str) -> None:
    assert compare(reference, answer).equal is False, why


@pytest.mark.parametrize("text", ["is /" * 600, "x/" * 300 + "y", "x \\cup " * 300 + "y"])
def test_long_chains_are_not_read(text: str) -> None:
    assert read(text) is None
    assert compare("5", text).equal is not True
