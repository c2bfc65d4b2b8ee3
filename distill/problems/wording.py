"""The plain wording of a question or a solution: what remains without case, spacing and spelling.

`words_of` keeps words, numbers and signs, for questions, which a sign can make another question:
`42 - 25` is not `42 + 25`. `letters_of` keeps letters and digits alone, in one piece, for long
texts, and takes a tenth of the time. For both, `\\dfrac{1}{2}` is `\\frac12`, dollars and `\\left`
do not count, nor does `1,000` for 1000.
"""

import re
import unicodedata

UNSPACED = (  # scripts written without spaces: Chinese, Japanese, Thai, Lao, Khmer, Burmese
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_MARKS = "".join(
    chr(code) for code in range(0x300, 0x1C00) if unicodedata.category(chr(code))[0] == "M"
)
_LETTERS = rf"[^\W\d_{UNSPACED}]"
_TOKEN = re.compile(rf"\d+(?:\.\d+)?|[{UNSPACED}]|{_LETTERS}+(?:[{_MARKS}]+{_LETTERS}*)*|[^\w\s]")
_SYNONYMS = str.maketrans({"−": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/"})
_COMMAND_SIGNS = (
    {"times": "*", "cdot": "*", "div": "/", "pm": "±", "infty": "∞", "circ": "°"}
    | dict.fromkeys(("le", "leq", "leqslant"), "≤")
    | dict.fromkeys(("ge", "geq", "geqslant"), "≥")
    | dict.fromkeys(("ne", "neq"), "≠")
    | dict.fromkeys(("dfrac", "tfrac", "cfrac"), "frac")
)
_UNSAID_COMMANDS = (
    "left|right|displaystyle|textstyle|text|textbf|textit|textrm|mathrm|mathbf|mbox|operatorname"
    "|quad|qquad|ldots|cdots|dots"
)
_COMMANDS = re.compile(
    rf"\\(?:({'|'.join(_COMMAND_SIGNS)}|{_UNSAID_COMMANDS})(?![a-z])|[ ,;:!()\[\]])"
)
_SHORT_FRACTION = re.compile(r"(\\[dtc]?frac)\s*(\d)(?=\d)")  # \frac12 is 1 over 2
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_HYPHEN = re.compile(r"(?<=[^\W\d_]{2})-(?=[^\W\d_]{2})")
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])['’](?=[^\W\d_])")
_LATEX = re.compile(r"\\|\$|[_^]\{|\}[_^]")
_EXCLAMATION = re.compile(r"(?<![\d)])!")  # `5!` and `(n)!` are maths, `Go!` is not
_UNSAID = frozenset(".,;:?\"'`$\\_¿¡。，、；：！？‘’“”«»–—…")
_LATEX_UNSAID = _UNSAID | frozenset("{}&~")
_NO_LETTER = re.compile(r"[\W_]+")
_ASCII_SIGNS = bytes(code for code in range(128) if not chr(code).isalnum())


def words_of(text: str) -> list[str]:
    """The words, numbers and signs of a text in lower case, without its punctuation.

    In scripts without spaces every character is a word.
    """
    text = _folded(text).translate(_SYNONYMS).strip()  # `\` at the end is no command of a space
    unsaid = _LATEX_UNSAID if _LATEX.search(text) else _UNSAID
    text = _SHORT_FRACTION.sub(r"\1 \2 ", text)
    text = _COMMANDS.sub(lambda found: f" {_COMMAND_SIGNS.get(found[1], '')} ", text)
    text = text.replace("{,}", ",").replace("**", " ")
    text = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    text = _HYPHEN.sub(" ", _APOSTROPHE.sub("", _EXCLAMATION.sub(" ", text)))
    return [word for word in _TOKEN.findall(text) if word not in unsaid] or text.split()


def normalise(text: str) -> str:
    """The form in which two questions are compared: equal forms are the same question."""
    return " ".join(words_of(text))


def letters_of(text: str) -> str:
    """The letters and digits of a text in lower case, without anything between them."""
    text = _folded(text)
    if "\\" in text:
        text = _COMMANDS.sub(_letters_of_command, text)
    plain = text.encode("utf-8", "surrogatepass").translate(None, _ASCII_SIGNS)
    letters = plain.decode("utf-8", "surrogatepass")
    return letters if letters.isascii() else _NO_LETTER.sub("", letters)


def is_unspaced(letters: str) -> bool:
    """Is most of a text in a script without spaces?"""
    return not letters.isascii() and 2 * len(_AN_UNSPACED.findall(letters)) > len(letters)


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text).casefold()
    return _INVISIBLE.sub("", text)


def _letters_of_command(found: re.Match[str]) -> str:
    sign = _COMMAND_SIGNS.get(found[1], "")
    return sign if sign.isalpha() else ""


_AN_UNSPACED = re.compile(f"[{UNSPACED}]")
_INVISIBLE = re.compile(
    "[\u00ad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064"
    "\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0001\U000e0020-\U000e007f]"
)
