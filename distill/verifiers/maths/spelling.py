"""One spelling for what LaTeX and Unicode spell in many ways, the meaning unchanged."""

import re
from functools import lru_cache

from distill.verifiers.maths.characters import ascii_text, without_markup
from distill.verifiers.maths.notations import is_one_group, one_notation
from distill.verifiers.maths.styling import without_ink

MAX_CHARS = 2000  # longer texts are left as they are and compared as text only
MAX_KEPT_CHARS = 300  # the spelling of a longer text is not kept in memory

TEXT_BOX = re.compile(r"\\text\s*\{([^{}]*)\}")


def plain(text: str) -> str:
    """The one spelling of a final answer: no wrappers, no styling, ASCII as far as it goes."""
    if len(text) > MAX_KEPT_CHARS:
        return _plain.__wrapped__(text) if len(text) <= MAX_CHARS else text.strip()
    return _plain(text)


_PLAIN_ALREADY = re.compile(r"-?[0-9]+(?:\.[0-9]+)?|[A-Za-z]")


@lru_cache(maxsize=8192)
def _plain(text: str) -> str:
    if _PLAIN_ALREADY.fullmatch(text):
        return text
    if "&" in text or "</" in text or "<br" in text:
        text = without_markup(text)
    if not text.isascii():
        text = ascii_text(text)
    if "$" in text:
        text = _without_dollars(text)
    if "\\" in text or "{" in text or "~" in text:
        text = _commands(text)
    if "\\text" in text:
        text = _BOXED_LETTERS.sub(r"\1", text)
        text = _BOXED_CONSTANT.sub(r"\1", text)
        text = _BOXED_NUMBER.sub(_unboxed_number, text)
    if "mod" in text:
        text = _MODULO.sub(lambda match: f"\\pmod{{{match[1] or match[2]}}}", text)
    text = _unwrapped(_SPACES.sub(" ", text).strip())
    text = _ABOUT.sub("", text)
    if "." in text:
        text = _MODULE.sub("", text)
    if _COMPARED.search(text):
        text = _COMPARED.sub(lambda match: _COMPARISONS[match[0].strip()], text)
    if "*" in text:
        text = _PYTHON_I.sub("i", text).replace("**", "^")
    return one_notation(text).strip()


# --- LaTeX ------------------------------------------------------------------------------------

_DOLLAR = re.compile(r"(?<!\\)\$")


def _without_dollars(text: str) -> str:
    """A lone dollar is money; two or more enclose formulas."""
    if len(_DOLLAR.findall(text)) > 1:
        text = _DOLLAR.sub(" ", text)
    return text.replace("\\$", "$")


_GLUED_COMMA = re.compile(r",\\!\s*")
_GLUED_SIGN = re.compile(r"(?<![_^a-zA-Z])\{([-+,.:])\}|(?<=\d)\{( )\}(?=\d{3})")
_LONE_BACKSLASH = re.compile(r"(?<!\\)\\\s*$")
_ROMAN_LETTER = re.compile(
    r"\\(?:math|text)rm\s*(?:\{\s*([ei])\s*\}|\s([ei])(?![a-zA-Z]))"
    r"|\\mathrm\s*\{?\s*(d)\s*\}?(?=\s*\\?[a-z](?![a-z]))"
)
_BAR = re.compile(r"\\(left|right)\s*(?:\||\\[lr]?vert(?![a-zA-Z]))")
_TEXT_COMMAND = re.compile(
    r"\\(?:mbox|text(?:bf|it|rm|sf|tt|sc|sl|normal|up|md)|mathrm|operatorname\*?|mathit|hbox|emph)"
    r"(?![a-zA-Z])"
)
_BOXED_FORMULA = re.compile(
    r"\\text\s*(?=\{\s*[-+]?\s*\\(?:[dtc]?frac|sqrt|binom|pi|infty)(?![a-zA-Z]))"
)
_TEXT_POWER = re.compile(r"(\\text\s*\{[^{}]{0,40})\^\{(-?\d)\}(?=[^{}]{0,40}\})")
_ROMAN = re.compile(r"\\text\s*\{\s*([A-Za-z]+)\s*\}")
_SUBSTANCE = re.compile(  # H_2SO_4
    r"\\(?:text|ce)\s*\{\s*((?:(?:[A-Z][a-z]?|\))(?:_?\{?\d{1,3}\}?)?|\(){1,40})\s*\}(?!\s*_)"
)
_CORE = re.compile(r"\[\s*\\text\s*\{\s*([A-Z][a-z])\s*\}\s*\]")  # [Ar] of an atom's shells
_ROMAN_NAMES = """
    sin cos tan cot csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh ln log exp
    gcd lcm lg
"""
_ROMAN_FUNCTIONS = frozenset(_ROMAN_NAMES.split())
_OPERATOR = re.compile(r"\\operatorname\*?\s*\{\s*([a-z]+|Re|Im)\s*\}")
_RENAMED = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "dbinom": "binom", "tbinom": "binom",
    "leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge", "lt": "<", "gt": ">",
    "neq": "ne", "infin": "infty", "varnothing": "emptyset", "varepsilon": "epsilon",
    "varphi": "phi", "vartheta": "theta", "varrho": "rho", "backslash": "setminus",
    "smallsetminus": "setminus", "lbrace": "{", "rbrace": "}", "R": "reals", "Reals": "reals",
    "lvert": "lvert", "vert": "mid", "colon": ":", "ast": "cdot", "dots": "ldots", "land": "and",
    "wedge": "and", "lor": "or", "vee": "or", "approxeq": "approx", "thickapprox": "approx",
    "degree": "circ", "arcctg": "arccot", "ctg": "cot", "tg": "tan", "arctg": "arctan",
    "nicefrac": "frac", "sfrac": "frac", "flatfrac": "frac", "xfrac": "frac",
    "leqq": "le", "geqq": "ge", "eqslantless": "le", "eqslantgtr": "ge", "implies": "Rightarrow",
    "cdots": "ldots", "dotsc": "ldots", "dotsb": "ldots", "dotsm": "ldots", "dotsi": "ldots",
    "dotso": "ldots", "textellipsis": "ldots", "mathellipsis": "ldots", "widehat": "hat",
    "widetilde": "tilde", "overbar": "overline", "lbrack": "[", "rbrack": "]",
    "lparen": "(", "rparen": ")", "lVert": "|", "rVert": "|", "Vert": "|",
}  # fmt: skip
_COMMAND = re.compile(r"\\([a-zA-Z]+)")
_NEGATED = re.compile(r"\\not\s*(=|\\in(?![a-zA-Z]))")
_CIRCLE = re.compile(r"\{\s*\}\s*(?=\^)|\^\s*\{\s*\\circ\s*\}|(?<![\^{ ])\s?\\circ(?![a-zA-Z])")
_PROBABILITY = re.compile(r"\\mathbb\s*\{?\s*([PE])\s*\}?(?=\s*(?:\\left|\\[bB]igl?)?\s*[(\[])")
_REAL_LINE = re.compile(r"\\(?:mathbb|Bbb|mathds)\s*\{?\s*([A-Z])\s*\}?")


_BOLD = r"\\(?:mathbf|boldsymbol|bm|pmb)\s*\{\s*(?![NZQRCP]\s*\})([a-zA-Z])\s*\}"
_BOLD_LETTER = re.compile(_BOLD)
_BOLD_TIMES = re.compile(rf"{_BOLD}\s*\\times\s*{_BOLD}")  # of vectors, which bold letters are


def _commands(text: str) -> str:
    """LaTeX with one name for each thing and without what only moves ink."""
    text = _GLUED_COMMA.sub(",", text)
    if "vert" in text or "|" in text:
        text = _BAR.sub(lambda match: "\\lvert " if match[1] == "left" else "\\rvert ", text)
    text = _PROBABILITY.sub(r"\1", text)
    text = _REAL_LINE.sub(lambda match: f"\\set{match[1]} ", text).replace("\\setR ", "\\reals ")
    if "\\times" in text and _BOLD_TIMES.search(text):
        text = _BOLD_LETTER.sub(r"\\vec{\1}", text)
    text = without_ink(_LONE_BACKSLASH.sub("", text))
    text = _GLUED_SIGN.sub(r"\1", text) if "{" in text else text
    text = _OPERATOR.sub(r"\\\1 ", text)
    if "rm" in text:
        text = _ROMAN_LETTER.sub(r"\1\2\3", text)
    if "math" in text:
        text = text.replace("\\imath", "i").replace("\\jmath", "j")
    text = _TEXT_COMMAND.sub(r"\\text", text)
    text = _BOXED_FORMULA.sub("", text)
    if "_" in text or "\\ce" in text or "[" in text:
        text = _CORE.sub(r"[\1]", _SUBSTANCE.sub(_unboxed_substance, text))
    if "^{" in text:
        text = _TEXT_POWER.sub(r"\1^\2", text)
    text = _COMMAND.sub(_renamed, text)
    if "\\not" in text:
        text = _NEGATED.sub(lambda match: "\\ne " if match[1] == "=" else "\\notin ", text)
    if "\\text" in text:
        text = _ROMAN.sub(_unboxed_function, text)
    if "\\circ" in text:
        text = _CIRCLE.sub(lambda match: "^\\circ " if "circ" in match[0] else "", text)
    return text.replace("\\%", "%").replace("\\#", "#").replace("\\&", "&").replace("\\_", "_")


def _renamed(match: re.Match[str]) -> str:
    name = _RENAMED.get(match[1])
    if name is None:
        return match[0]
    if name in ("and", "or"):
        return f"\\text{{{name}}}"
    if name in "{}|":
        return f"\\{name}"
    return f"\\{name}" if name.isalpha() else f"{name} "


def _unboxed_substance(match: re.Match[str]) -> str:
    """The formula of a substance without the box around it; "A" of a choice keeps its box."""
    if not any(map(str.isdigit, match[1])):
        return match[0]
    return re.sub(r"(?<=[A-Za-z)])(?=\d)", "_", match[1]).replace("__", "_")


def _unboxed_function(match: re.Match[str]) -> str:
    return f"\\{match[1]} " if match[1] in _ROMAN_FUNCTIONS else match[0]


_BOXED_LETTERS = re.compile(r"\\text\s*\{\s*((?:[A-Z](?:\s*,\s*|\s+and\s+))+[A-Z])\s*\}")
_BOXED_CONSTANT = re.compile(r"(?<=[-+])\s?\\text\s?\{\s?([cCkK])\s?\}$")  # of integration
_BOXED_NUMBER = re.compile(
    r"\\text\s*\{\s*([-+]?\$?\d[\d,]*(?:\.\d+)?%?)(\s+[A-Za-z][A-Za-z .]*)?\s*\}(?!\s*_)"
)


def _unboxed_number(match: re.Match[str]) -> str:
    """ "\\text{16 inches}" as "16 \\text{inches}"."""
    return match[1] + (f"\\text{{{match[2]}}}" if match[2] else "")


_SPACES = re.compile(r"\s+")
_MARKS = ("**", "__", "`", '"', "*", "'")
_WRAPPERS = (("\\(", "\\)"), ("\\[", "\\]"), *((mark, mark) for mark in _MARKS))


def _unwrapped(text: str) -> str:
    """Without the marks around the whole: formula brackets, bold, quotes, a full stop."""
    text = text.replace("...", "\\ldots ").rstrip(" .;:,").removesuffix("\\\\").lstrip("~ ")
    for opening, closing in _WRAPPERS:
        inner = text[len(opening) : len(text) - len(closing)]
        if text.startswith(opening) and text.endswith(closing) and opening not in inner and inner:
            text = inner.strip().rstrip(" .;:,")
    if text.startswith("{"):
        text = _BUILDER.sub(r"\\{\1\\}", text)
    while text.startswith("{") and is_one_group(text):
        text = text[1:-1].strip().rstrip(" .;:,")
    return text


_BUILDER = re.compile(r"\{(\s*[a-zA-Z](?:\s*\\in[^|{}]{1,40})?\s*(?:\||\\mid).*)\}")


_MODULO = re.compile(
    r"\(\s*(?:\\[bp]?mod|\\text\s*\{\s*mod\s*\}|mod)\s*\{?([^(){}]{1,40})\}?\s*\)"
    r"|\\[bp]?mod(?![a-zA-Z])\s*(?=\d|\{)\{?([^(){}]{1,40}?)(?:\}|(?<=\d)(?!\d))"
)
_ABOUT = re.compile(  # what says of a value only that it follows; "Rs." before money
    r"^(?:(?:=|\\approx(?![a-z])|(?:about|approximately|roughly|exactly|around)(?= [-\d\\$.])"
    r"|Rs\.?\s?(?=\d))\s*)+(?=.)"
)
_MODULE = re.compile(r"\b(?:np|numpy|math|sympy)\.(?=[a-z])")
_PYTHON_I = re.compile(r"(?<=\d\*)I\b|(?<=\d \* )I\b|\bI(?=\s?\*)")
_COMPARED = re.compile(r"<=|>=|=<|=>|\s!=|=/=|==")
_COMPARISONS = {
    "<=": "\\le ", "=<": "\\le ", ">=": "\\ge ", "=>": "\\ge ", "!=": "\\ne ", "=/=": "\\ne ",
    "==": "=",
}  # fmt: skip
