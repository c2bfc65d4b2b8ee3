"""Signs, digits and letters of Unicode and of HTML as the LaTeX or ASCII that means the same."""

import html
import re
import unicodedata
from functools import lru_cache

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
    "⋯": "\\ldots ", "≦": "\\le ", "≧": "\\ge ", "∴": "", "⊥": "\\perp ", "∥": "\\parallel ",
    "∎": "", "✓": "", "✔": "", "→": "\\to ", "⇒": "\\Rightarrow ", "⟹": "\\Rightarrow ",
    "ℤ": "\\setZ ", "ℕ": "\\setN ", "ℚ": "\\setQ ", "ℂ": "\\setC ", "≡": "\\equiv ",
    "⊂": "\\subset ", "⊆": "\\subseteq ", "⊃": "\\supset ", "⊇": "\\supseteq ", "∑": "\\sum ",
    "∏": "\\prod ", "∫": "\\int ", "∂": "\\partial ", "∇": "\\nabla ", "∀": "\\forall ",
    "∃": "\\exists ", "¬": "\\neg ", "∼": "\\sim ",
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


def ascii_text(text: str) -> str:
    """Signs, digits of any script and letters of mathematical fonts as LaTeX or ASCII."""
    text = _JOIN.sub(lambda match: "\\text{or}" if "或" in match[0] else "\\text{and}", text)
    text = _OVERLINED.sub(_repeating, text) if _COMBINING.search(text) else text
    text = _RAISED.sub(lambda match: f"^{{{match[0].translate(_SUPERSCRIPTS)}}}", text)
    text = _LOWERED.sub(lambda match: f"_{{{match[0].translate(_SUBSCRIPTS)}}}", text)
    text = "".join(map(_ascii_character, text))
    return text if text.isascii() else "".join(map(_ascii_character, _composed(text)))


_JOIN = re.compile(  # Chinese "or" and "and" between formulas
    r"\\text\s*\{\s*(?:或者?|和|与|且|及)\s*\}"
    r"|(?<![\u3400-\u9fff])\s?(?:或者?|和|与|且|及)\s?(?![\u3400-\u9fff])"
)


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


_COMBINING = re.compile("[\u0305\u0307]")
_OVERLINED = re.compile("((?:[0-9]\u0305)+)|([0-9])\u0307")


def _repeating(match: re.Match[str]) -> str:
    """Digits with a combining line or dot above them."""
    if match[2]:
        return f"\\dot{{{match[2]}}}"
    return f"\\overline{{{match[1].replace(chr(0x305), '')}}}"


# --- HTML -------------------------------------------------------------------------------------

_TAG_NAMES = """
    b i u em strong p span div code tt font small big mark center math mn mi mrow mo
"""
_TAGS = frozenset(_TAG_NAMES.split())
_CLOSING_TAG = re.compile(r"</([a-z]{1,8})\s{0,3}>", re.IGNORECASE)
_TAG = re.compile(r"</?([a-z]{1,8})(?:\s[^<>]{0,200})?>", re.IGNORECASE)
_BREAK = re.compile(r"<br\s{0,3}/?>", re.IGNORECASE)
_INDEX = re.compile(r"<(sup|sub)>([^<>]{0,80})</\1>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")


def without_markup(text: str) -> str:
    """The text of HTML: "x<sup>2</sup>" as "x^{2}", "&frac12;" as one half.

    Only a tag that is closed somewhere is one: "a<b>c" is a chain of inequalities.
    """
    if "<" in text and ">" in text:
        text = _INDEX.sub(lambda match: f"{_RAISING[match[1].lower()]}{{{match[2]}}}", text)
        closed = {name.lower() for name in _CLOSING_TAG.findall(text)} & _TAGS
        if closed:
            text = _TAG.sub(lambda tag: "" if tag[1].lower() in closed else tag[0], text)
        text = _BREAK.sub(" ", text)
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text


_RAISING = {"sup": "^", "sub": "_"}
