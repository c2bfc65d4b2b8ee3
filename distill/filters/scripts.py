"""Language mixing as the script shows it: letters that the question's writing does not have."""

import itertools
import re
import unicodedata
from collections import Counter
from functools import lru_cache

from distill.chat import OTHER_MARKS, THINK_MARKS
from distill.filters.formulas import MAX_FORMULA_CHARS, without_formulas

_COMMAND = re.compile(r"\\[A-Za-z]+")
_LATIN_RUN = re.compile(r"[A-Za-z\u00c0-\u024f]{2,}")
_SYMBOL_WORDS = """
    sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log exp lim max min sup inf mod gcd
    lcm det dim ker deg arg sgn div cm mm km dm kg mg ml kj mol rad hz kw kwh mph
"""  # written in Latin letters in every language
_SYMBOLS = frozenset(_SYMBOL_WORDS.split())
MIN_LATIN_SHARE = 0.2  # of a question's letters in Latin words, for it to be written in both
_ASCII = bytes(range(128))
_MARK = re.compile("|".join([*itertools.chain(*THINK_MARKS), *OTHER_MARKS]), re.IGNORECASE)
_ASCII_OTHERS = bytes(byte for byte in range(256) if not chr(byte).isalpha() or byte > 127)
_JAPANESE = frozenset({"CJK", "HIRAGANA", "KATAKANA"})
_NO_LANGUAGE = frozenset({"GREEK", "MATHEMATICAL", "MODIFIER", "FEMININE", "MASCULINE"})


def foreign_share(text: str, question: str) -> float:
    """Share (0 to 1) of the letters that belong to a script the question does not use.

    Greek letters and mathematical alphabets belong to no language and are not counted. A question
    in another script may have Latin letters for symbols, names and units: a Chinese question with
    an `x` or `ABC` does not ask for English. There only small Latin words of three letters or more
    count in the text as well, formulas and tags aside. Any kana brings all Japanese scripts. A
    question without words, such as `2 + 2 =`, allows the script most used in the text.
    """
    allowed = scripts_of_question(question)
    if text.isascii() and (not allowed or "LATIN" in allowed):
        return 0.0
    letters = _letters_by_script(text)
    if not allowed and letters:
        allowed = frozenset({letters.most_common(1)[0][0]})
    if "LATIN" not in allowed and "LATIN" in letters:
        letters["LATIN"] = _latin_word_letters(text)
    total = letters.total()
    foreign = sum(count for script, count in letters.items() if script not in allowed)
    return foreign / total if total else 0.0


@lru_cache(maxsize=1024)
def scripts_of_question(question: str) -> frozenset[str]:
    """Names of the scripts in which a question is written; none for a formula."""
    letters = _letters_by_script(question)
    scripts = set(letters)
    if len(scripts) > 1:
        in_words = _latin_word_letters(question)
        if in_words < MIN_LATIN_SHARE * (letters.total() - letters["LATIN"] + in_words):
            scripts.discard("LATIN")
    elif _LATIN_RUN.search(_COMMAND.sub(" ", question)) is None:
        scripts.discard("LATIN")
    return frozenset(scripts | _JAPANESE if scripts & {"HIRAGANA", "KATAKANA"} else scripts)


@lru_cache(maxsize=65536)
def script_of(char: str) -> str | None:
    """Script of a letter from its Unicode name (`CYRILLIC SMALL LETTER A`); None for symbols."""
    if not char.isalpha():
        return None
    plain = unicodedata.normalize("NFKC", char)
    if plain != char and plain.isascii() and unicodedata.east_asian_width(char) not in "FW":
        return None  # a letterlike symbol: ℝ, ª, 𝑥
    script = unicodedata.name(plain[0], "UNKNOWN").split()[0]
    return None if script in _NO_LANGUAGE or not plain[0].isalpha() else script


def _letters_by_script(text: str) -> Counter[str]:
    letters: Counter[str] = Counter()
    encoded = text.encode("utf-8", "surrogatepass")
    if latin := len(encoded.translate(None, _ASCII_OTHERS)):
        letters["LATIN"] = latin
    others = encoded.translate(None, _ASCII).decode("utf-8", "surrogatepass")
    for char, count in Counter(others).items():
        if (script := script_of(char)) is not None:
            letters[script] += count
    return letters


def _latin_word_letters(text: str) -> int:
    """Number of letters in small Latin words that are no names, symbols, commands or tags."""
    plain = _COMMAND.sub(" ", without_formulas(_MARK.sub(" ", text), MAX_FORMULA_CHARS))
    words = (word for word in _LATIN_RUN.findall(plain) if len(word) > 2 and word.islower())
    return sum(len(word) for word in words if word not in _SYMBOLS)
