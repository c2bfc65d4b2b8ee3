"""One spelling for what LaTeX and Unicode spell in many ways, the meaning unchanged."""

import re
from functools import lru_cache

MAX_CHARS = 1000  # longer texts are left as they are and compared as text only

_UNICODE = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "×": "\\times ", "·": "\\cdot ", "÷": "/",
        "°": "^\\circ", "π": "\\pi ", "∞": "\\infty ", "²": "^2", "³": "^3", "∪": "\\cup ",
        "½": "\\frac{1}{2}", "¼": "\\frac{1}{4}", "¾": "\\frac{3}{4}", "∈": "\\in ",
        "\u00a0": " ", "\u202f": " ", "\u2009": " ", "₀": "_0", "₁": "_1", "₂": "_2", "₃": "_3",
        "₄": "_4", "₅": "_5", "₆": "_6", "₇": "_7", "₈": "_8", "₉": "_9",
    }
)  # fmt: skip
_DROPPED = re.compile(
    r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|boldsymbol|mathbf|bf|rm)(?![a-zA-Z])|\\!"
)
_SPACES = re.compile(r"\\[,;: ]|\\q?quad(?![a-z])|~|\s+")
_WRAPPERS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"))
_ROOT = re.compile(r"√\s*(?:\(([^()]*)\)|(\d+|[a-z]))|\bsqrt\s*\(([^()]*)\)")
_FUNCTION = re.compile(r"(?<![\\A-Za-z])(sin|cos|tan|log|ln|exp)\s*\(")
_SHORT_FRACTION = re.compile(r"\\frac\s*(?:\{([^{}]*)\}|([\da-z]))\s*(?:\{([^{}]*)\}|([\da-z]))")

_MINUS_ABOVE = re.compile(r"(?<![\w})])\s?\\frac\{-\s?(?=[\d.]+\})")
_SLASHED = re.compile(r"(?<![\w.,/}^])(\d+)\s?/\s?(\d+)(?![\w.,/{(])")


def plain(text: str) -> str:
    """The one spelling of a final answer: no wrappers, no spacing commands, plain fractions."""
    return _plain(text) if len(text) <= MAX_CHARS else text.strip()


@lru_cache(maxsize=8192)
def _plain(text: str) -> str:
    text = re.sub(r",\\!\s*", ",", text.translate(_UNICODE)).replace("{,}", ",")
    text = _DROPPED.sub("", text)
    text = _SPACES.sub(" ", text).strip().rstrip(".;:,").strip()
    for opening, closing in _WRAPPERS:
        inner = text[len(opening) : len(text) - len(closing)]
        if text.startswith(opening) and text.endswith(closing) and inner:
            text = inner.strip().rstrip(".;:,").strip() if opening not in inner else text
    text = text.replace("\\$", "$").replace("\\%", "%").replace("\\#", "#")
    text = re.sub(r"\\[dtc]frac(?![a-z])", r"\\frac", text)
    text = re.sub(r"\^\s*\{?\s*\\circ\s*\}?|\\degree\b", "^\\\\circ", text)
    text = _FUNCTION.sub(r"\\\1(", text.replace("**", "^"))
    text = _ROOT.sub(lambda m: f"\\sqrt{{{m[1] or m[2] or m[3]}}}", text)
    text = _SHORT_FRACTION.sub(lambda m: f"\\frac{{{m[1] or m[2]}}}{{{m[3] or m[4]}}}", text)
    text = _MINUS_ABOVE.sub(r"-\\frac{", text)
    return _SLASHED.sub(r"\\frac{\1}{\2}", text)


TEXT_BOX = re.compile(r"\\(?:text|mbox|mathrm|textbf|textit|operatorname|mathit)\s*\{([^{}]*)\}")
