"""Infers a contract from data: types, what is always filled, value sets, patterns, ranges, references, personal data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from accord.connectors.types import quote
from accord.lifecycle.design.names import words
from accord.lifecycle.design.profile import SET_LIMIT, ColumnProfile
from accord.model.entity import Field

ENOUGH_ROWS = 30
KEY_WORDS = frozenset({"id", "key", "code", "no", "nr", "number", "ref"})
"""Words in the names of columns that tell rows apart."""
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PERSONAL_WORDS = frozenset(
    {"email", "mail", "phone", "telephone", "mobile", "firstname", "lastname", "surname", "birthday", "iban", "passport", "ssn"}
)
_UNIT_WORDS = {
    "hours": "h", "hour": "h", "hrs": "h", "minutes": "min", "minute": "min", "mins": "min", "min": "min", "seconds": "s", "secs": "s",
    "days": "d", "cents": "cent", "cent": "cent", "percent": "%", "pct": "%", "eur": "EUR", "usd": "USD", "gbp": "GBP",
}  # fmt: skip


@dataclass(frozen=True)
class InferredField:
    """A field as the data suggests it, with a reason per check it proposes."""

    field: Field
    reasons: tuple[str, ...]


def infer_field(found: ColumnProfile) -> InferredField:
    """The contract one column's profile suggests."""
    reasons: list[str] = []
    enough = found.filled >= ENOUGH_ROWS
    required = enough and found.filled == found.rows
    if required:
        reasons.append(f"filled in all {found.rows:,} rows")
    unique = enough and found.unique and found.type in ("text", "integer", "uuid")
    if unique:
        reasons.append("no value stands twice")
    # A set of codes repeats its few words often; 10 uses a value on average keeps short tables of names out.
    is_set = enough and found.type == "text" and 1 < len(found.values) <= SET_LIMIT and found.filled >= 10 * found.distinct
    if is_set:
        reasons.append(f"only {found.distinct} different values in {found.filled:,} rows")
    pattern = _pattern(found) if enough and found.type == "text" and not is_set else ""
    if pattern:
        reasons.append("all values have one shape")
    numeric = found.type in ("integer", "number", "double")
    minimum = "0" if enough and numeric and found.low is not None and found.low >= 0 else ""
    if minimum:
        reasons.append("never negative")
    personal = bool(set(words(found.name)) & _PERSONAL_WORDS) or (bool(found.sketch) and all(_MAIL.fullmatch(v) for v in found.sketch))
    if personal:
        reasons.append("looks like personal data")
    unit = next((_UNIT_WORDS[w] for w in words(found.name) if numeric and w in _UNIT_WORDS), "")
    field = Field(
        found.name,
        type=found.type,
        required=required,
        unique=unique,
        unit=unit,
        values=found.values if is_set else (),
        pattern=pattern,
        minimum=minimum,
        personal=personal,
    )
    return InferredField(field, tuple(reasons))


def _pattern(found: ColumnProfile) -> str:
    """One RE2 pattern for texts that all have the same shape and hold a digit, such as ``CMP-[0-9]{4}``."""
    if len(found.shapes) != 1 or "9" not in found.shapes[0][0] or len(found.shapes[0][0]) >= 40:
        return ""
    values = sorted(found.sketch)
    parts: list[str] = []
    for position, mark in enumerate(found.shapes[0][0]):
        letters = {v[position] for v in values}
        if mark == "9":
            parts.append("[0-9]")
        elif len(letters) == 1:
            parts.append(re.escape(letters.pop()).replace("\\-", "-"))
        else:
            parts.append(
                "[A-Z]" if mark == "A" and all(c.isascii() for c in letters) else "[a-z]" if all(c.isascii() for c in letters) else "."
            )
    return re.sub(r"((?:\[[^\]]+\])|\.)\1+", lambda m: f"{m[1]}{{{len(m[0]) // len(m[1])}}}", "".join(parts))


def infer_key(columns: Mapping[str, ColumnProfile], resource: str) -> tuple[str, ...]:
    """The column that most likely identifies a row: unique, filled, and called like an id; empty when there is none."""
    candidates = [c for c in columns.values() if c.unique and c.filled == c.rows and c.type in ("text", "integer", "uuid")]
    named = [c for c in candidates if KEY_WORDS & set(words(c.name))]
    own = set(words(resource)) | {w.rstrip("s") for w in words(resource)}
    # campaigns.campaign_id before campaigns.external_id; then the order of the columns, which usually starts with the key.
    order = {name: i for i, name in enumerate(columns)}
    ranked = sorted(named or candidates, key=lambda c: (not own & set(words(c.name)), words(c.name) != ("id",), order[c.name]))
    return (ranked[0].name,) if ranked else ()


@dataclass(frozen=True)
class Inclusion:
    """Nearly every value of a column is a key of another relation: it probably refers to it."""

    column: str
    target: str
    share: float


def infer_references(
    con: duckdb.DuckDBPyConnection, relation: str, columns: Mapping[str, ColumnProfile], keys: Mapping[str, tuple[str, str]]
) -> tuple[Inclusion, ...]:
    """Columns whose values are keys elsewhere (inclusion dependency on at least 97 % of the values).

    Args:
        con: where the relations live.
        relation: the rows whose columns are looked at.
        columns: their profiles.
        keys: name of an entity: its relation and key column.
    """
    found = []
    for name, column in columns.items():
        if column.distinct < 5 or column.type not in ("text", "integer", "uuid"):
            continue
        best: Inclusion | None = None
        for entity, (target, key) in sorted(keys.items()):
            row = con.execute(
                "SELECT count(*), count(k) "
                f"FROM (SELECT DISTINCT {quote(name)}::VARCHAR AS v FROM {relation} WHERE {quote(name)} IS NOT NULL) "
                f"LEFT JOIN (SELECT DISTINCT {quote(key)}::VARCHAR AS k FROM {target}) ON v = k"
            ).fetchone()
            assert row is not None
            share = int(row[1]) / int(row[0]) if row[0] else 0.0
            if share >= 0.97 and (best is None or share > best.share):
                best = Inclusion(name, entity, share)
        if best:
            found.append(best)
    return tuple(found)
