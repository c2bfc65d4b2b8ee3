"""One spelling for what LaTeX and Unicode spell in many ways, the meaning unchanged."""

import re
import unicodedata
from functools import lru_cache

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
    if not text.isascii():
        text = _ascii(text)
    if "$" in text:
        text = _without_dollars(text)
    if "\\" in text or "{" in text:
        text = _commands(text)
    if "\\text" in text:
        text = _BOXED_LETTERS.sub(r"\1", text)
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
    return text


# --- Unicode ----------------------------------------------------------------------------------

_SIGNS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": "\\times ", "·": "\\cdot ",
    "⋅": "\\cdot ", "∙": "\\cdot ", "÷": "/", "⁄": "/", "∕": "/", "±": "\\pm ", "∓": "\\mp ",
    "°": "^\\circ ", "º": "^\\circ ", "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"',
    "∞": "\\infty ", "√": "\\sqrt ", "∛": "\\sqrt[3] ", "∜": "\\sqrt[4] ",
    "≤": "\\le ", "≥": "\\ge ", "⩽": "\\le ", "⩾": "\\ge ", "≠": "\\ne ", "≈": "\\approx ",
    "∈": "\\in ", "∉": "\\notin ", "∪": "\\cup ", "∩": "\\cap ", "∖": "\\setminus ",
    "∅": "\\emptyset ", "ø": "\\emptyset ", "Ø": "\\emptyset ", "ℝ": "\\reals ",
    "∠": "\\angle ", "△": "\\triangle ", "⌊": "\\lfloor ", "⌋": "\\rfloor ",
    "⌈": "\\lceil ", "⌉": "\\rceil ", "⟨": "\\langle ", "⟩": "\\rangle ", "…": "\\ldots ",
    "ħ": "\\hbar ", "ℏ": "\\hbar ", "ℓ": "\\ell ", "∧": " and ", "∨": " or ", "∣": "\\mid ",
    "µ": "μ", "，": ",", "、": ",", "。": ".", "₹": "₹", "ı": "i",
}  # fmt: skip
_GREEK_LETTERS = "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩϵϕϑϱ"
_GREEK_NAMES = """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau
    upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega
    epsilon phi theta rho
"""
_GREEK = dict(zip(_GREEK_LETTERS, _GREEK_NAMES.split(), strict=True))
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", "0123456789+-=()ni")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₙₖₘₚₜᵢⱼ", "0123456789+-=()aeoxnkmptij")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₙₖₘₚₜᵢⱼ]+")


def _ascii(text: str) -> str:
    """Signs, digits of any script and letters of mathematical fonts as LaTeX or ASCII."""
    text = _RAISED.sub(lambda match: f"^{{{match[0].translate(_SUPERSCRIPTS)}}}", text)
    text = _LOWERED.sub(lambda match: f"_{{{match[0].translate(_SUBSCRIPTS)}}}", text)
    text = "".join(map(_ascii_character, text))
    return text if text.isascii() else "".join(map(_ascii_character, _composed(text)))


def _composed(text: str) -> str:
    try:
        return unicodedata.normalize("NFKC", text)
    except (ValueError, UnicodeError):
        return text


@lru_cache(maxsize=4096)
def _ascii_character(character: str) -> str:
    if character.isascii():
        return character
    if character in _SIGNS:
        return _SIGNS[character]
    if character in _GREEK:
        return f"\\{_GREEK[character]} "
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    category = unicodedata.category(character)
    if category in ("Zs", "Zl", "Zp"):
        return " "
    if category == "Cf":  # direction marks, joiners
        return ""
    if unicodedata.decomposition(character).startswith("<fraction>"):
        top, _, bottom = unicodedata.normalize("NFKC", character).partition("\u2044")
        return f"\\frac{{{top}}}{{{bottom}}}" if bottom else character
    return character


# --- LaTeX ------------------------------------------------------------------------------------

_DOLLAR = re.compile(r"(?<!\\)\$")


def _without_dollars(text: str) -> str:
    """A lone dollar is money; two or more enclose formulas."""
    if len(_DOLLAR.findall(text)) > 1:
        text = _DOLLAR.sub(" ", text)
    return text.replace("\\$", "$")


_GLUED_COMMA = re.compile(r",\\!\s*|\{,\}")
_BAR = re.compile(r"\\(left|right)\s*(?:\||\\[lr]?vert(?![a-zA-Z]))")
_DROPPED = re.compile(
    r"\\(?:left|right)\s*\.|\\left\s*\\(?:\{|lbrace)\s*(?=\\begin)|"
    r"\\(?:left|right|middle|[bB]igg?[lrm]?|displaystyle|textstyle|limits|boldsymbol|mathbf|"
    r"mathcal|mathsf|bf|rm|it|bm|pmb|boxed|fbox|underline|mathop|mathstrut|cdots(?=\s*$)|"
    r"phantom\s*(?:\{[^{}]*\}|.)|[hv]space\s*\*?\{[^{}]*\}|color\s*\{[^{}]*\})(?![a-zA-Z])|"
    r"(?<!\\)\\!|\\nobreak|\\allowbreak"
)
_GAPS = re.compile(r"(?<!\\)\\[,;:> ]|(?<!\\)\\q?quad(?![a-z])|~|\\newline(?![a-z])")
_TEXT_COMMAND = re.compile(
    r"\\(?:mbox|text(?:bf|it|rm|sf|tt|normal|up|md)|mathrm|operatorname\*?|mathit|hbox|textnormal)"
    r"(?![a-zA-Z])"
)
_TEXT_POWER = re.compile(r"(\\text\s*\{[^{}]{0,40})\^\{(-?\d)\}(?=[^{}]{0,40}\})")
_ROMAN = re.compile(r"\\text\s*\{\s*([A-Za-z]+)\s*\}")
_ROMAN_NAMES = """
    sin cos tan cot csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh ln log exp
    gcd lcm lg
"""
_ROMAN_FUNCTIONS = frozenset(_ROMAN_NAMES.split())
_OPERATOR = re.compile(r"\\operatorname\*?\s*\{\s*([a-z]+)\s*\}")
_RENAMED = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "dbinom": "binom", "tbinom": "binom",
    "leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge", "lt": "<", "gt": ">",
    "neq": "ne", "infin": "infty", "varnothing": "emptyset", "varepsilon": "epsilon",
    "varphi": "phi", "vartheta": "theta", "varrho": "rho", "backslash": "setminus",
    "smallsetminus": "setminus", "lbrace": "{", "rbrace": "}", "R": "reals", "Reals": "reals",
    "lvert": "lvert", "vert": "mid", "colon": ":", "ast": "cdot", "dots": "ldots", "land": "and",
    "wedge": "and", "lor": "or", "vee": "or", "approxeq": "approx", "thickapprox": "approx",
    "degree": "circ", "arcctg": "arccot", "ctg": "cot", "tg": "tan", "arctg": "arctan",
}  # fmt: skip
_COMMAND = re.compile(r"\\([a-zA-Z]+)")
_CIRCLE = re.compile(r"\{\s*\}\s*(?=\^)|\^\s*\{\s*\\circ\s*\}|(?<![\^{ ])\s?\\circ(?![a-zA-Z])")
_REAL_LINE = re.compile(r"\\(?:mathbb|Bbb|mathds)\s*\{?\s*([A-Z])\s*\}?")


def _commands(text: str) -> str:
    """LaTeX with one name for each thing and without what only moves ink."""
    text = _GLUED_COMMA.sub(",", text).replace("{:}", ":")
    if "vert" in text or "|" in text:
        text = _BAR.sub(lambda match: "\\lvert " if match[1] == "left" else "\\rvert ", text)
    text = _REAL_LINE.sub(lambda match: f"\\set{match[1]} ", text).replace("\\setR ", "\\reals ")
    text = _DROPPED.sub("", text)
    text = _GAPS.sub(" ", text)
    text = _OPERATOR.sub(r"\\\1 ", text)
    if "math" in text:
        text = text.replace("\\imath", "i").replace("\\jmath", "j")
    text = _TEXT_COMMAND.sub(r"\\text", text)
    if "^{" in text:
        text = _TEXT_POWER.sub(r"\1^\2", text)
    text = _COMMAND.sub(_renamed, text)
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
    if name in "{}":
        return f"\\{name}"
    return f"\\{name}" if name.isalpha() else f"{name} "


def _unboxed_function(match: re.Match[str]) -> str:
    return f"\\{match[1]} " if match[1] in _ROMAN_FUNCTIONS else match[0]


_BOXED_LETTERS = re.compile(r"\\text\s*\{\s*((?:[A-Z](?:\s*,\s*|\s+and\s+))+[A-Z])\s*\}")
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
    while text.startswith("{") and _is_one_group(text) and not _INFIX.search(text):
        text = text[1:-1].strip().rstrip(" .;:,")
    return text


_BUILDER = re.compile(r"\{(\s*[a-zA-Z](?:\s*\\in[^|{}]{1,40})?\s*(?:\||\\mid).*)\}")
_INFIX = re.compile(r"\\(?:choose|over|atop)(?![a-zA-Z])")


def _is_one_group(text: str) -> bool:
    """True if the first brace is closed by the last one."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return at == len(text) - 1
    return False


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
