"""What a problem's programs are judged by."""

from typing import Annotated, Any, Literal

import msgspec

from distill.errors import RecordError


class StdinTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a program reads from stdin and what it must print."""

    input: str
    output: str


class CallTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of a call, and its result, as JSON values."""

    args: list[Any]
    expected: Any


class Tests(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a problem's programs are judged; all tests that are given must hold."""

    stdin: tuple[StdinTest, ...] = ()
    calls: tuple[CallTest, ...] = ()  # of `entry_point`
    check: str = ""  # Python with asserts about the program's functions
    entry_point: str = ""  # a function, or a method of the class Solution
    prompt: str = ""  # the beginning of the program, when it was asked to go on from there
    rules: Literal["python", "livecodebench"] = "python"
    float_tolerance: Annotated[float, msgspec.Meta(ge=0)] = (
        0.0  # of results of `calls`: absolute below 1, relative above
    )
    seconds: Annotated[float, msgspec.Meta(gt=0)] | None = (
        None  # of CPU for one test; None takes the recipe's
    )


def read_tests(text: str) -> Tests:
    """The tests of a problem. Raises: RecordError saying what is wrong with them."""
    try:
        tests = msgspec.json.decode(text, type=Tests)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RecordError(f"tests cannot be read: {error}") from None
    if not (tests.stdin or tests.calls or tests.check.strip()):
        raise RecordError("tests has no test; expected stdin, calls or check")
    if tests.calls and not tests.entry_point:
        raise RecordError("tests has calls and no entry_point; name the function")
    if tests.entry_point and not tests.entry_point.isidentifier():
        raise RecordError(f"tests.entry_point is {tests.entry_point!r}; expected a function's name")
    return tests
