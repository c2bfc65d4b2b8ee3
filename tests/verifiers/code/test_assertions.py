import pytest

from distill.verifiers.code.assertions import free_names, read_asserts

PLAIN = [
    ("assert f(1, [2]) == (1, 'a')", [("f", [1, [2]], "equal", (1, "a"))], "a literal"),
    ("assert 5 == f(-1)", [("f", [-1], "equal", 5)], "the other way round"),
    ("assert f({1: 2}) == {3}", [("f", [{1: 2}], "equal", {3})], "any literal"),
    ("assert f()", [("f", [], "true", None)], "its truth"),
    ("assert not f(2)", [("f", [2], "false", None)], "its falsehood"),
    ("assert f(2) is None", [("f", [2], "is", None)], "identity"),
    ("assert f(2) == 3, 'message'", [("f", [2], "equal", 3)], "a message"),
    ("assert True, 'x'\nassert f(2) == 3", [("f", [2], "equal", 3)], "nothing to hold"),
    (
        "M = {'a': 1}\ndef check(candidate):\n    'Doc.'\n    assert candidate(2) == 3\ncheck(f)",
        [("f", [2], "equal", 3)],
        "in a function",
    ),
    ("def check(candidate):\n    assert candidate(2) == 3", [], "in a function that nobody calls"),
]


@pytest.mark.parametrize(("check", "calls", "why"), PLAIN)
def test_plain_asserts_are_read(check, calls, why):
    found = [(one.name, one.arguments, one.relation, one.expected) for one in read_asserts(check)]
    assert found == calls, why


@pytest.mark.parametrize(
    "check",
    [
        "assert f(x) == 3",
        "assert f(2) == g(3)",
        "assert abs(f(2) - 1.5) < 1e-6",
        "assert set(f(2)) == {1}",
        "assert f(2) != 3",
        "assert f(2) == 3 == 3",
        "assert f(*[1]) == 2",
        "assert f(x=1) == 2",
        "assert m.f(1) == 2",
        "for i in range(3):\n    assert f(i) == i",
        "import math\nassert f(1) == 2",
        "root = Node(1)\nassert f(root) == 1",
        "def check(c):\n    assert other(2) == 3\ncheck(f)",
        "assert f(1) == ",
        "assert f(" + "(" * 500,
    ],
)
def test_what_needs_python_is_left_to_python(check):
    assert read_asserts(check) is None


def test_free_names_are_the_programs():
    check = (
        "import math\nx = Node(1)\ndef t(c):\n    return c(len([y for y in x]))\nassert t(f) == sys"
    )
    assert free_names(check) == ["Node", "f", "sys"]
