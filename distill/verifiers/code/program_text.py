"""From what a model wrote to the text of a program that can run."""

import ast
import itertools
import re
import textwrap
import threading
import warnings
from functools import cache, lru_cache

import msgspec

MAX_PROGRAM_CHARS = 200_000
MAX_TRIES = 16  # blocks, or ends of a block, that are parsed
_PYTHON = ("", "python", "python3", "py", "py3", "python2", "ipython", "pycon", "code")
_FENCE = re.compile(r"[ \t>]*+(?P<fence>`{3,}+|~{3,}+)[ \t]*+(?P<label>[^\s`{]*+)[^`\n]*+$")
_FENCE_IN_TEXT = re.compile(r"[^`~]++(?P<fence>`{3,}+)(?P<label>\w++)[ \t]*+$")
_READS = re.compile(r"\binput\s*\(|[=(,]\s*input\b|\bstdin\b|\bopen\(0|\bfileinput\b|\bos\.read\b")
_WRAPPER = re.compile(r"</?answer>|<\|[a-z_]+\|>")

# what LiveCodeBench imports with * in front of every program; a later name hides an earlier one
_STARRED = ("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random")
_STARRED += ("statistics", "itertools", "functools", "operator", "io", "sys", "json", "builtins")
_STARRED += ("typing",)
_parsing = threading.Lock()  # the filter of warnings is one for all threads
_RECURSION = "import sys as _sys\n_sys.setrecursionlimit(50_000)\n"


class Block(msgspec.Struct, frozen=True):
    """A fenced block of an answer."""

    label: str  # the word behind the fence, in small letters
    text: str
    is_closed: bool = True
    first: int = 0  # line of the answer behind the fence, 0-based


def extract_program(text: str, entry_point: str = "") -> str | None:
    """The text of the program that an answer gives, as `find_program` has it."""
    block = find_program(text, entry_point)
    return None if block is None else block.text


def find_program(text: str, entry_point: str = "") -> Block | None:
    """The program that an answer gives: its last fenced block of Python.

    Args:
        text: the answer without the thought.
        entry_point: a function that the tests call; a block that defines it goes before a later
            one that does not, such as an example of its use. Without one the same holds for a
            block that reads input.
    Returns: None when there is no block and the whole is not Python of its own. A last block that
        was never closed reaches to the end. Blocks of other languages are passed over.
    """
    blocks = [block for block in fenced_blocks(text) if block.text.strip()]
    python = [block for block in blocks if block.label in _PYTHON]
    labelled = [block for block in python if block.label]
    plain = [block for block in python if not block.label]
    if entry_point:
        choices = [_defining(python, entry_point), labelled, plain]
    else:
        choices = [_reading(labelled), labelled, _reading(plain), plain]
    for choice in choices:
        if choice:
            return _mended(choice[-1], text)
    bare = _WRAPPER.sub("", text).strip("\n")
    return Block("", bare, is_closed=False) if not blocks and _is_program(bare) else None


def _reading(blocks: list[Block]) -> list[Block]:
    return [block for block in blocks if _READS.search(block.text)]


def _defining(blocks: list[Block], name: str) -> list[Block]:
    """Blocks that define a function; those that only repeat how it begins, if there are no more."""
    word = re.escape(name)
    defines = re.compile(
        rf"^[ \t]*+(?:(?:async[ \t]+)?def|class)[ \t]+{word}\b|^{word}[ \t]*=", re.M
    )
    defining = [block for block in blocks if defines.search(block.text)][-MAX_TRIES:]
    return [block for block in defining if not _is_stub(block.text, name)] or defining


def _is_stub(text: str, name: str) -> bool:
    """Does the function only stand there, with a docstring, `pass` or `...` for a body?"""
    tree = parsed(text)
    bodies = [
        node.body
        for node in ast.walk(tree or ast.Module([], []))
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    return bool(bodies) and all(
        isinstance(node, ast.Pass)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for body in bodies
        for node in body
    )


def fenced_blocks(text: str) -> list[Block]:
    """The blocks between ``` or ~~~ lines, in order, without the indent of their fence.

    A block of Python may open behind other text in its line: "1. ```python".
    """
    blocks: list[Block] = []
    opening: re.Match[str] | None = None
    first, lines = 0, _lines(text)
    for number, line in enumerate(lines):
        if "```" not in line and "~~~" not in line:
            continue
        match = _FENCE.match(line)
        if opening is None:
            opening, first = match or _opening_in_text(line), number + 1
        elif match is not None and not match["label"] and _closes(match["fence"], opening["fence"]):
            blocks.append(_block(opening, lines, first, number))
            opening = None
    if opening is not None:
        block = _block(opening, lines, first, len(lines))
        blocks.append(msgspec.structs.replace(block, is_closed=False))
    return blocks


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.split("\n")]


def _opening_in_text(line: str) -> re.Match[str] | None:
    match = _FENCE_IN_TEXT.match(line)
    return match if match and match["label"].lower() in _PYTHON else None


def _closes(fence: str, opening: str) -> bool:
    return fence[0] == opening[0] and len(fence) >= len(opening)


def _block(opening: re.Match[str], lines: list[str], first: int, end: int) -> Block:
    margin, inside = opening.string[: opening.start("fence")], lines[first:end]
    if margin.strip(" \t>"):  # text: where the lines begin is for them to say
        body = textwrap.dedent("\n".join(inside))
    else:
        body = "\n".join(line.removeprefix(margin) for line in inside)
    return Block(opening["label"].lower().rstrip(":"), body, first=first)


def _mended(block: Block, text: str) -> Block:
    """A block of Python up to the first fence at which it is Python.

    Fences inside a docstring end a block too early, one behind its last statement ends it too late.
    """
    if not block.label or parsed(block.text) is not None:
        return block
    lines = _lines(text)
    opening = _FENCE.match(lines[block.first - 1]) or _opening_in_text(lines[block.first - 1])
    assert opening is not None  # it made this block
    ends = (at for at in range(block.first, len(lines)) if _ends_with(lines[at], opening["fence"]))
    for at in itertools.islice(ends, MAX_TRIES):
        last = lines[at].rstrip().rstrip(opening["fence"][0])
        whole = _block(opening, [*lines[:at], last], block.first, at + 1)
        whole = msgspec.structs.replace(whole, text=whole.text.rstrip())
        if whole.text.strip() and parsed(whole.text) is not None:
            return whole
    return block


def _ends_with(line: str, fence: str) -> bool:
    return line.rstrip().endswith(fence)


def _is_program(text: str) -> bool:
    """Python with at least one statement that does something: prose in one word is a name."""
    tree = parsed(text)
    return tree is not None and any(
        not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in tree.body
    )


def parsed(text: str) -> ast.Module | None:
    """The syntax tree; None for what is no Python."""
    return _read(text)[0]


def syntax_fault(text: str) -> str:
    """What the parser says against a text, or ""."""
    return _read(text)[1]


@lru_cache(maxsize=16)
def _read(text: str) -> tuple[ast.Module | None, str]:
    if len(text) > MAX_PROGRAM_CHARS:
        return None, f"the program has {len(text)} characters, more than {MAX_PROGRAM_CHARS}"
    try:
        with _parsing, warnings.catch_warnings(action="ignore"):  # of "\\d" in a plain string
            return ast.parse(text), ""
    except SyntaxError as error:
        return None, f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:  # NUL, lone surrogate, too deep
        return None, f"{type(error).__name__}: {error}"


def complete(program: str, prompt: str, entry_point: str) -> list[str]:
    """The texts to execute, in order, for a prompt that gives the beginning of a function.

    A program that defines the function gets what stands before it in the prompt: imports and
    helpers. Any other is taken for the body, or the prompt with its body.
    """
    if not prompt or program.startswith(prompt.rstrip()):
        return [program]
    tree = parsed(program)
    if tree is not None and _defined_at_top(tree, entry_point):
        return [_before(prompt, entry_point), program]
    for body in _bodies(program.strip("\n")):
        whole = f"{prompt.rstrip()}\n{body}"
        if parsed(whole) is not None:
            return [whole]
    return [program]


def _bodies(program: str) -> list[str]:
    """A function's body with its indent: as it is, or with that of the first or of all lines."""
    if program[:1].isspace():
        return [program]
    lines = program.split("\n")
    indented = ["\n".join("    " + line for line in lines)]
    only_first_lost_it = all(line[:1].isspace() or not line for line in lines[1:])
    return ["    " + program, *indented] if only_first_lost_it else indented


def _defined_at_top(tree: ast.Module, name: str) -> bool:
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=defined) | ast.ClassDef(name=defined):
                if defined in (name, "Solution"):
                    return True
            case ast.Assign(targets=targets):
                if any(isinstance(one, ast.Name) and one.id == name for one in targets):
                    return True
    return False


def _before(prompt: str, entry_point: str) -> str:
    match = re.search(rf"^(?:async )?def {re.escape(entry_point)}\b", prompt, re.M)
    return prompt[: match.start()] if match else ""


def with_livecodebench_names(program: str) -> str:
    """The program with the names in front that LiveCodeBench gives to every one.

    Its judge puts a long list of star imports before each program. Here a program gets only those
    of the names that it uses, so that it starts fast, and the same recursion limit.
    """
    tree = parsed(program)
    if tree is None:
        return program
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if used & {"eval", "exec", "globals", "vars", "locals"}:
        used = set(_livecodebench_names())
    homes = {name: home for name, home in _livecodebench_names().items() if name in used}
    lines = [_import_line(name, home) for name, home in sorted(homes.items())]
    return _after_future_imports(program, tree, _RECURSION + "".join(lines))


def _import_line(name: str, home: str) -> str:
    return f"import {name}\n" if not home else f"from {home} import {name}\n"


@cache
def _livecodebench_names() -> dict[str, str]:
    """Name to the module that gives it; "" for the modules themselves. Builtins need no import."""
    names: dict[str, str] = {}
    for home in _STARRED:
        module = __import__(home)
        public = getattr(module, "__all__", [one for one in dir(module) if not one.startswith("_")])
        names.update(dict.fromkeys(public, home))
    names = {name: home for name, home in names.items() if home != "builtins"}
    return {**names, **dict.fromkeys(one for one in _STARRED if one not in ("builtins", "typing"))}


def _after_future_imports(program: str, tree: ast.Module, lines: str) -> str:
    """`from __future__` must come first."""
    ends = [
        node.end_lineno or 0
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    if not ends:
        return lines + program
    rows = program.split("\n")
    return "\n".join([*rows[: ends[-1]], lines, *rows[ends[-1] :]])
