"""Patterns asked without a regular expression: cheaper, and never of another opinion."""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.connectors.duck import borrowed_duck
from accord.connectors.types import literal
from accord.sync.judge import forms
from accord.sync.judge.forms import form_of, proven_form
from accord.sync.judge.patterns import matches

# What a map may say of one character, and characters that fit or nearly do.
CLASSES = {
    "a": "aAb",
    "C": "Cc",
    "é": "éèe",
    "-": "-_",
    "@": "@",
    "%": "%_",
    "_": "_x",
    "'": "'",
    " ": " \t",
    ".": "a\n\x00é",
    "\\.": ".a",
    "\\d": "059/:٣",
    "\\w": "a_9é-",
    "\\s": " \n\x0b",
    "[0-9]": "09/:",
    "[A-Z]": "AZ@[",
    "[a-fA-F0-9]": "afAF09gG",
    "[^@]": "a@é\n",
    "[^@\\s]": "a@ ",
    "[^;]": ";a",
    "[.]": ".a",
    "[ab-]": "ab-",
    "[^]": "^]",
    "\\$": "$",
    "\\*": "*",
    "\\?": "?a",
    "\\[": "[",
    "(": "(",
    "[a-": "a-",
    "\\": "\\",
    "\\pL": "aé",
    "\\n": "\nn",
    "|": "|",
    "^": "^",
    "$": "$",
    "[&~]": "&~",
    "[x/]": "x/",
    "[+]": "+a",
}
COUNTS = ("", "", "", "", "+", "*", "?", "{2}", "{1,2}", "{0,1}", "{2,}", "{0}", "{9", "{2,1}", "+?", "**", "{,3}", "{1001}", "{02}")
SIMPLE = (
    "C[0-9]{9}",
    "[^@]+@[^@]+",
    "[^@]*@[^@]*",
    r"\d{4}",
    "https://.*",
    r".*\.pdf",
    "INV-.+",
    "[^;]+",
    ".+",
    "[^@;]*@[^@;]+",
    "new|open|done",
    "(a|b)",
    "(?:é|x)",
    "^ab$",
)
PIECES = st.tuples(st.sampled_from(list(CLASSES)), st.sampled_from(COUNTS))
TEXTS = st.text(st.sampled_from("aAbCZz0195@._-;%'\\ \n\0é€😀new|open/:htps?*[]"), max_size=12)


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """One connection for all examples."""
    with borrowed_duck() as con:
        yield con


def _both(con: duckdb.DuckDBPyConnection, pattern: str, texts: list[str | None]) -> None:
    con.execute("CREATE OR REPLACE TABLE t AS SELECT unnest($1::VARCHAR[]) AS c", [texts])
    asked = matches("c", pattern)
    long = f"regexp_full_match(c, {literal(pattern)})"
    try:
        con.execute(f"SELECT {long} FROM t").fetchall()
    except duckdb.Error:
        assert asked == long  # what the engine refuses it refuses still, and in its own words
        return

    assert con.execute(f"SELECT c, {long} FROM t WHERE {asked} IS DISTINCT FROM {long}").fetchall() == [], asked


@settings(max_examples=100, deadline=None)
@given(pieces=st.lists(PIECES, min_size=1, max_size=5), data=st.data())
def test_a_pattern_put_together_at_random_says_the_same_without_an_expression(
    duck: duckdb.DuckDBPyConnection, pieces: list[tuple[str, str]], data: st.DataObject
) -> None:
    """It decides which rows are refused, so being nearly the same is being wrong."""
    near = [st.text(st.sampled_from(CLASSES[piece]), max_size=3) for piece, _ in pieces]
    texts = data.draw(st.lists(st.none() | TEXTS | st.tuples(*near).map("".join), min_size=4, max_size=16))

    _both(duck, "".join(piece + count for piece, count in pieces), [*texts, "", None])


@settings(max_examples=40, deadline=None)
@given(pattern=st.sampled_from(SIMPLE), texts=st.lists(st.none() | TEXTS, max_size=16), data=st.data())
def test_what_is_usual_in_contracts_is_asked_without_an_expression_and_says_the_same(
    duck: duckdb.DuckDBPyConnection, pattern: str, texts: list[str | None], data: st.DataObject
) -> None:
    """The usual forms are those the short way is for; texts that match are among the texts."""
    good = data.draw(st.lists(st.from_regex(re.compile(pattern), fullmatch=True), max_size=4))

    _both(duck, pattern, [*texts, *good, *(text[:-1] for text in good), *(text + "\n" for text in good), *(text + text for text in good)])

    assert "regexp" not in matches("c", pattern)


FORMS = ("C[0-9]{9}", "[A-Z]{3}", "[0-9]", "[0-9]{4}-[0-9]{2}-[0-9]{2}", "K[0-9]{17}", "[1-5]{7}x", "[a-f]{33}", "[0-9]{8}", "[0-9]{16}")


@settings(max_examples=50, deadline=None)
@given(pattern=st.sampled_from(FORMS), spoilt=st.none() | TEXTS, length=st.integers(0, 400), data=st.data())
def test_a_form_is_proven_of_a_column_only_if_every_text_has_it_and_no_text_stands_twice(
    duck: duckdb.DuckDBPyConnection, pattern: str, spoilt: str | None, length: int, data: st.DataObject
) -> None:
    """A false proof would let a bad row through, or two rows with one code; only numbers in another spelling are told apart here."""
    form = form_of(pattern)
    if form is None:
        assert pattern == "[a-f]{33}"
        return
    numbers = data.draw(st.lists(st.integers(0, 10**18 - 1), max_size=20)) + list(range(length))
    spelled = [_spelled(pattern, number) for number in numbers]
    texts: list[str | None] = [*spelled, None]
    texts.insert(data.draw(st.integers(0, len(spelled))), spoilt)
    duck.execute("CREATE OR REPLACE TABLE t AS SELECT unnest($1::VARCHAR[]) AS c", [texts])

    holds, differ = proven_form(duck, "t", "c", form, len(texts), once=True)

    there = [text for text in texts if text is not None]
    assert holds == all(re.fullmatch(pattern, text, re.ASCII) for text in there)
    assert differ == (holds and form.numeric and len(set(there)) == len(there))


def _spelled(pattern: str, number: int) -> str:
    """A number in the signs of a pattern."""
    left, text = number, ""
    for first, last in reversed(_ranges(pattern)):
        left, digit = divmod(left, ord(last) - ord(first) + 1)
        text = chr(ord(first) + digit) + text
    return text


def _ranges(pattern: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for one, first, last, count in re.findall(r"(?:([A-Zx-])|\[(.)-(.)\])(?:\{(\d+)\})?", pattern):
        found += [(one or first, one or last)] * int(count or 1)
    return found


def test_a_form_of_other_signs_at_each_place_is_told_from_all_that_are_nearly_it() -> None:
    """The bytes are looked at eight at a time: a sign outside its range must not be hidden by those beside it."""
    pattern, good = "K[b-y][0-9]{5}[A-Y]-[2-7]", "Kb00000A-2"
    form = form_of(pattern)
    assert form is not None
    for place in range(len(good)):
        for code in range(1, 256):
            text = good[:place] + chr(code) + good[place + 1 :]
            proven = forms._numbers(pa.array([good, text, "Ky99999Y-7"]), form, wanted=True)

            assert (proven is not None) == bool(re.fullmatch(pattern, text)), (place, code)
    assert forms.form_of("[A-Z]+") is None
