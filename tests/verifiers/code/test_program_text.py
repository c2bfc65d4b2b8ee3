import ast
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.verifiers.code.program_text import (
    complete,
    extract_program,
    fenced_blocks,
    find_program,
    syntax_fault,
    with_livecodebench_names,
)

CODE = "n = int(input())\nprint(n)"
BELOW = CODE.replace("\n", "\n   ")
DOCUMENTED = f'"""\n    ```\n    5\n    ```\n```\n5\n```\n"""\n{CODE}'


def fenced(code: str, label: str = "python", fence: str = "```") -> str:
    return f"{fence}{label}\n{code}\n{fence}\n"


EXTRACTED = [
    (f"Here it is.\n{fenced(CODE)}It squares.", "", CODE, "one block"),
    (fenced("draft = 1") + "Better:\n" + fenced(CODE), "", CODE, "the last of two"),
    (fenced(CODE, "Python3"), "", CODE, "a label in another spelling"),
    (fenced(CODE, "py"), "", CODE, "a short label"),
    (fenced(CODE, ""), "", CODE, "no label"),
    (fenced(CODE, "python", "~~~"), "", CODE, "tildes"),
    (fenced(CODE, "python", "````"), "", CODE, "four backticks"),
    (fenced(CODE, "python title=x.py"), "", CODE, "words behind the label"),
    (f"```python\r\n{CODE}\r\n```", "", CODE, "CRLF"),
    (fenced(CODE) + "It prints\n" + fenced("5", ""), "", CODE, "a sample of the output follows"),
    (
        fenced(CODE) + "Run it:\n" + fenced("python x.py < in", "bash"),
        "",
        CODE,
        "a command follows",
    ),
    (
        fenced("def f(x):\n    return x") + "Example:\n" + fenced("print(f(2))"),
        "f",
        "def f(x):\n    return x",
        "an example of its use follows",
    ),
    (
        fenced("def f(x):\n    return 1") + fenced("def f(x):\n    return 2"),
        "f",
        "def f(x):\n    return 2",
        "the last that defines the function",
    ),
    (
        fenced("class Solution:\n    def f(self):\n        return 2"),
        "f",
        "class Solution:\n    def f(self):\n        return 2",
        "a method",
    ),
    ("    return x\n".join(["```python\n", "```"]), "f", "    return x", "only a body"),
    (f"```python\n{CODE}", "", CODE, "never closed"),
    (f"```python\n{CODE}```", "", CODE, "closed on the last line"),
    (
        f"1. So:\n   ```python\n   {CODE.replace(chr(10), chr(10) + '   ')}\n   ```",
        "",
        CODE,
        "in a list",
    ),
    (
        fenced('print("""\n  ```x\n""")'),
        "",
        'print("""\n  ```x\n""")',
        "a fence with text is no end",
    ),
    (f"1. ```python\n   {BELOW}\n   ```\n2. Done", "", CODE, "behind a number"),
    (f"- ```python\n  {CODE.replace(chr(10), chr(10) + '  ')}\n  ```", "", CODE, "behind a dash"),
    (f"The code: ```python\n{CODE}\n```\nThanks", "", CODE, "behind a text"),
    (f"Not `this` nor ```cpp\n{fenced(CODE)}", "", CODE, "but only Python's"),
    (f"```python\n{CODE}```\nIt works.", "", CODE, "closed on the last line, words follow"),
    (fenced(DOCUMENTED), "", DOCUMENTED, "a fence inside a docstring"),
    (fenced(CODE) + "Use:\n" + fenced("print(2 * 2)  # 4"), "", CODE, "the last that reads input"),
    (
        fenced(CODE, "") + "In:\n" + fenced("5", "") + "Out:\n" + fenced("5", ""),
        "",
        CODE,
        "samples",
    ),
    (fenced("f = abs") + fenced("print(f(2))"), "f", "f = abs", "a name for another function"),
    (
        fenced("def f(x):\n    return 2") + "As asked:\n" + fenced('def f(x):\n    """Two."""'),
        "f",
        "def f(x):\n    return 2",
        "its first lines are repeated at the end",
    ),
    (CODE, "", CODE, "no fence, but Python"),
    (f"<answer>\n{CODE}\n</answer>", "", CODE, "no fence, in an answer tag"),
    ("The answer is 5.", "", None, "prose"),
    ("yes", "", None, "a word is Python too, but no program"),
    ("42", "", None, "so is a number"),
    (fenced("int main() { return 0; }", "cpp"), "", None, "only another language"),
    ("```python\n```", "", None, "an empty block"),
    ("", "", None, "nothing"),
]


@pytest.mark.parametrize(("text", "entry", "program", "why"), EXTRACTED)
def test_extracted_program(text, entry, program, why):
    assert extract_program(text, entry) == program, why


marks = st.sampled_from(["```", "~~~", "````", "python", "\n", "def f(x):", " ", "'", "\u2028"])


@given(st.lists(marks | st.text(max_size=5)).map("".join))
def test_any_text_has_a_program_or_none(text):
    program = extract_program(text, "f")
    assert program is None or all(line in text for line in program.split("\n"))


def test_a_long_text_is_read_in_a_moment():
    start = time.perf_counter()
    assert extract_program("`" * 3_000_000) is None
    assert extract_program("x " * 3_000_000) is None
    assert extract_program("```\n" * 500_001 + CODE) == CODE
    assert extract_program("```" + "a" * 3_000_000 + "`") is None
    assert extract_program(" >" * 1_500_000 + "``") is None
    assert extract_program(("```python\n'\n```\n" + "x```\n") * 100_000) is not None
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "text", [fenced(CODE), f"> ```python\r\n> {CODE}\r\n> ```", f"```py\n{CODE}```"]
)
def test_a_block_is_closed_however_it_is_written(text):
    assert find_program(text).is_closed
    assert not find_program(f"```python\n{CODE}").is_closed


def test_blocks_keep_their_labels_and_order():
    text = fenced("a", "Python") + fenced("b", "") + fenced("c", "c++")
    assert [(block.label, block.text) for block in fenced_blocks(text)] == [
        ("python", "a"),
        ("", "b"),
        ("c++", "c"),
    ]


@pytest.mark.parametrize(
    "text",
    ["(" * 5000, "x" + ".a" * 50_000, "-" * 50_000 + "1", "lambda:" * 20_000, "a\0b", "\ud800",
     "x = 1\n" * 100_000, "elif 1: pass\n" * 10, "1" * 5000],
    ids=["brackets", "attributes", "minus", "lambda", "NUL", "surrogate", "long", "elif", "digits"],
)  # fmt: skip
def test_text_that_no_parser_likes_is_a_fault_not_an_exception(text):
    assert syntax_fault(text)


PROMPT = "import math\n\ndef help(x):\n    return x\n\ndef f(x):\n    '''Doc.'''\n"


def results(texts: list[str], call: str) -> object:
    space: dict = {}
    for text in texts:
        exec(text, space)
    return eval(call, space)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("def f(x):\n    return math.sqrt(help(x))", "whole function: imports and helpers first"),
        ("    return math.sqrt(help(x))", "body with its indent"),
        ("return math.sqrt(help(x))", "body without"),
        ("y = help(x)\nreturn math.sqrt(y)", "body without, of two lines"),
        ("y = help(x)\n    return math.sqrt(y)", "body whose first indent was stripped"),
        (PROMPT + "    return math.sqrt(help(x))", "prompt and body"),
        ("from __future__ import annotations\ndef f(x: X):\n    return math.sqrt(x)", "future"),
        ("f = lambda x: math.sqrt(x)", "a name that is set"),
        ("    return math.sqrt(help(x))\n\ndef g():\n    pass", "body and another function"),
    ],
)
def test_prompt_and_program_make_a_whole(program, why):
    assert results(complete(program, PROMPT, "f"), "f(16)") == 4.0, why


def test_without_a_prompt_the_program_is_the_whole():
    assert complete("return 5", "", "f") == ["return 5"]


@pytest.mark.parametrize(
    ("program", "expected", "why"),
    [
        ("value = gcd(12, 18)", 6, "math"),
        ("value = list(accumulate([1, 2, 3]))", [1, 3, 6], "itertools"),
        ("def g(x: List[int]) -> Optional[int]:\n    return x\nvalue = g(1)", 1, "typing"),
        ("value = math.floor(2.5)", 2, "a module"),
        ("value = pow(2, 3, 5)", 3, "a builtin, not what math or operator call so"),
        ("value = datetime.date(2024, 1, 2).day", 2, "the module hides the class"),
        ("gcd = lambda a, b: 1\nvalue = gcd(4, 2)", 1, "the program's own name"),
        ("value = eval('comb(4, 2)')", 6, "a name in a text"),
        ("'''Doc.'''\nfrom __future__ import annotations\nvalue = gcd(2, 4)", 2, "future"),
    ],
)
def test_names_that_livecodebench_gives(program, expected, why):
    assert results([with_livecodebench_names(program)], "value") == expected, why


def test_a_program_gets_no_import_that_it_does_not_need():
    lines = with_livecodebench_names("print(gcd(4, 6))").splitlines()
    imports = [line for line in lines if isinstance(ast.parse(line).body[0], ast.ImportFrom)]
    assert imports == ["from math import gcd"]
