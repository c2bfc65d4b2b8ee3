"""Texts of models made harmless: what each sign becomes, and that nothing gets through."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.evaluation.harmless import code_span, cut, printable

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb", "escape sequences drive a terminal"),
        ("\u202e42\u202c", "\\u202e42\\u202c", "overrides turn a line around"),
        ("\u2066a\u2069\u061c", "\\u2066a\\u2069\\u061c", "isolates and marks too"),
        ("4\u200b2\ufeff", "4\\u200b2\\ufeff", "no width, and yet there"),
        ("a\u2028b\x85", "a\\u2028b\\x85", "other line breaks"),
        ("\U000e0041", "\\U000e0041", "tag letters are not seen"),
        ("\ud800", "\\ud800", "half a character cannot be written"),
        ("a\nb\tc", "a\nb\tc", "breaks and tabs are text"),
        ("日本 שלום é 👩\u200d🔬", "日本 שלום é 👩\u200d🔬", "letters of any script, joined signs"),
    ],
)
def test_what_is_not_seen_is_shown(text, expected, why):
    assert printable(text) == expected, why


@given(ANY_TEXT)
def test_no_control_sign_is_left_and_all_can_be_written(text):
    shown = printable(text)
    shown.encode("utf-8")
    kinds = {unicodedata.category(sign) for sign in shown if sign not in "\n\t"}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [("abcdef", "abcdef"), ("abcdefg", "abcde…"), (" a\n\n b ", "a b"), (" " * 99 + "a", "…")],
)
def test_a_cell_is_one_short_line(text, expected):
    assert cut(text, 6) == expected


@given(ANY_TEXT, st.integers(1, 30))
def test_a_cell_is_never_longer_than_its_limit(text, limit):
    assert len(cut(text, limit)) <= limit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("<b>![x](y)", "`<b>![x](y)`"),
        ("a|b", "`a\\|b`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("a\n``b", "```a ``b```"),
    ],
)
def test_code_in_markdown_cannot_be_left(text, expected):
    assert code_span(text) == expected
