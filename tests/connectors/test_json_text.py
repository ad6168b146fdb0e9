"""Canonical JSON text: the short way inside DuckDB gives what the long way through Python gives."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.connectors.duck import borrowed_duck
from accord.connectors.json_text import canonical_json

_TEXTS = st.text(alphabet=st.sampled_from('ab AB!"\\/é\n\x7f{}[]:,0'), max_size=5)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.integers(-(10**40), 10**40)
    | st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-(10**11), max_value=10**11).map(float)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS
)
_DOCUMENTS = st.dictionaries(_TEXTS, _SCALARS, max_size=4) | st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3), max_leaves=6
)


def in_duckdb(text: str) -> str | None:
    with borrowed_duck() as con:
        found = con.execute("SELECT canonical_json($text)", {"text": text}).fetchone()
        assert found is not None
        return found[0] if found[0] is None else str(found[0])


@given(documents=st.lists(_DOCUMENTS, min_size=1, max_size=20), spread=st.booleans())
def test_duckdb_and_python_write_the_same_text(documents: list[object], spread: bool) -> None:
    """A row compared in one way and stored in the other would look changed forever."""
    texts = [json.dumps(d, indent=1 if spread else None, ensure_ascii=not spread) for d in documents]

    with borrowed_duck() as con:
        shown = con.execute("SELECT canonical_json(unnest($texts))", {"texts": texts}).fetchall()

    assert [row[0] for row in shown] == [canonical_json(text) for text in texts]


@given(document=_DOCUMENTS)
def test_the_text_holds_the_value_of_the_document(document: object) -> None:
    """Nothing may be lost or rounded on the way to one form."""
    text = json.dumps(document)

    def exact(source: str) -> object:
        return json.loads(source, parse_float=Decimal, parse_int=Decimal)

    assert exact(canonical_json(text) or "") == exact(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"a": 1, "a": 2}', '{"a":2}'),
        ('{"b": 1, "a": 2}', '{"a":2,"b":1}'),
        ('{"b": 1, "a": 2, "b": 3}', '{"a":2,"b":3}'),
        (
            '{"b": "x,", "aa": -0.25, "": null, "a b": "{\\"y\\":1}", "a": true}',
            '{"":null,"a":true,"a b":"{\\"y\\":1}","aa":-0.25,"b":"x,"}',
        ),
        ('{"b": "x,", "a!": -0.25, "": null, "a b": ":,[]", "a": true}', '{"":null,"a":true,"a b":":,[]","a!":-0.25,"b":"x,"}'),
        ('{"a": 1.50}', '{"a":1.5}'),
        ('{"a": -0, "b": 0.00}', '{"a":0,"b":0}'),
        ('{"a": 12345678901234567890.1}', '{"a":12345678901234567890.1}'),
        ('{"a": 0.0001, "b": 100000.25}', '{"a":0.0001,"b":100000.25}'),
        ("[1e400, 12345678901234567890123456789012345.5]", f"[1{'0' * 400},12345678901234567890123456789012345.5]"),
        (f"[1{'0' * 400}]", f"[1{'0' * 400}]"),
        ('{"a": 1e99999999999999999999}', None),
        (" { } ", "{}"),
        ('{"a": 1,}', None),
        ("nonsense", None),
    ],
)
def test_one_value_has_one_text(text: str, wanted: str | None) -> None:
    """Keys twice, signs of zero, places that say nothing: each a way in which equal documents were written differently."""
    assert canonical_json(text) == wanted
    assert in_duckdb(text) == wanted
