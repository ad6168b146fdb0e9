"""Proposes which column of a resource holds which canonical field: by name, type and values, each with a confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2

import duckdb
import numpy as np
import pyarrow as pa

from accord.connectors.types import literal
from accord.lifecycle.design.align import Aligned, align, key_pair
from accord.lifecycle.design.names import name_similarity
from accord.lifecycle.design.profile import ColumnProfile, profile
from accord.model.entity import Entity, Field

ACCEPT_ALIGNED = 0.45
ACCEPT_ALONE = 0.5
_FAMILY = {"integer": "number", "number": "number", "double": "number", "date": "time", "timestamp": "time"}


@dataclass(frozen=True)
class Match:
    """A proposed correspondence, with how sure it is (0..1) and the conversion the values ask for."""

    field: str
    column: str
    confidence: float
    name: float
    values: float
    aligned: Aligned | None = None


def match_resource(
    con: duckdb.DuckDBPyConnection,
    entity: Entity,
    resource: str,
    relation: str,
    *,
    reference: str = "",
    columns: Mapping[str, ColumnProfile] | None = None,
    fields: Mapping[str, ColumnProfile] | None = None,
    by_rows_only: bool = False,
    links: Mapping[str, str] | None = None,
) -> tuple[Match, ...]:
    """The best one-to-one assignment of an entity's fields to a resource's columns.

    Args:
        con: where the relations live.
        entity: canonical fields with their types and value sets.
        resource: name of the table or file; helps to read names such as ``campaign_id``.
        relation: its rows, raw.
        reference: canonical rows of the entity from other systems, if there are any; with them values are compared row by row.
        columns: profile of ``relation``, when it is known already.
        fields: profile of ``reference``, when it is known already.
        by_rows_only: give nothing when the two cannot be joined.
        links: column: entity whose keys its values are, as ``infer_references`` found.

    Returns:
        Matches above the threshold of acceptance, surest first.
    """
    columns = profile(con, relation) if columns is None else columns
    if fields is None:
        fields = profile(con, reference, tuple(entity.fields)) if reference else {}
    fields = {n: p for n, p in fields.items() if p.filled}
    aligned: dict[tuple[str, str], Aligned] = {}
    keys = key_pair(con, reference, {k: p for k, p in fields.items() if k in entity.key} or fields, relation, columns) if fields else None
    if by_rows_only and not keys:
        return ()
    if keys:
        aligned = align(con, reference, fields, relation, columns, keys)
    patterns = _pattern_fits(con, entity, columns)
    scored: dict[tuple[str, str], Match] = {}
    for field in entity.fields:
        for column, found in columns.items():
            pair = aligned.get((field, column))
            link = (links or {}).get(column, "")
            scored[field, column] = _score(
                entity, field, found, fields.get(field), pair if pair and pair.rows >= 20 else None, link, patterns.get((field, column))
            )
    return _assign(tuple(entity.fields), tuple(columns), scored)


def _score(
    entity: Entity, field: str, column: ColumnProfile, known: ColumnProfile | None, aligned: Aligned | None, link: str, fits: float | None
) -> Match:
    declared = entity.fields[field]
    wanted = declared.type.split("(")[0]
    name = name_similarity(field, column.name, entity.name)
    type_fit = _type_fit(wanted, column)
    if aligned is not None:
        distinct = min(column.distinct, known.distinct if known else column.distinct)
        told = min(1.0, log2(max(distinct, 1)) / 6)  # a column of two values tells little, one of 64 or more everything
        weight = 0.3 + 0.35 * told
        value = aligned.evidence
        confidence = weight * value + (0.9 - weight) * name + 0.1 * type_fit
        return Match(field, column.name, round(confidence, 4), name, round(value, 4), aligned)
    value = _alike(entity, declared, known, column, link, fits)
    confidence = (0.75 * name + 0.25 * value) * (0.4 + 0.6 * type_fit)
    return Match(field, column.name, round(confidence, 4), name, round(value, 4))


def _type_fit(wanted: str, column: ColumnProfile) -> float:
    if not column.filled or (wanted in ("text", "json") and column.type in ("text", "json", "uuid")):
        return 1.0
    found = column.type
    if wanted == found or _FAMILY.get(wanted, wanted) == _FAMILY.get(found, found):
        return 1.0
    if wanted == "text":
        return 0.7 if found == "integer" else 0.3  # an id may be digits; a time is seldom called text
    if wanted == "boolean":
        return 1.0 if column.distinct <= 2 else 0.1
    return 0.15


def _pattern_fits(con: duckdb.DuckDBPyConnection, entity: Entity, columns: Mapping[str, ColumnProfile]) -> dict[tuple[str, str], float]:
    """Share of a column's sampled values that match a field's pattern; by DuckDB's RE2, which no pattern can make hang."""
    patterns = {f.name: f.pattern for f in entity.fields.values() if f.pattern}
    rows = [(name, value) for name, column in columns.items() for value in sorted(column.sketch)]
    if not patterns or not rows:
        return {}
    con.register("sampled_values", pa.table({"c": [c for c, _ in rows], "v": [v for _, v in rows]}))
    shares = ", ".join(f"avg(regexp_full_match(v, {literal(p)})::INTEGER)" for p in patterns.values())
    found = con.execute(f"SELECT c, {shares} FROM sampled_values GROUP BY c").fetchall()
    con.unregister("sampled_values")
    return {(field, str(name)): float(share) for name, *each in found for field, share in zip(patterns, each, strict=True)}


def _alike(entity: Entity, declared: Field, known: ColumnProfile | None, column: ColumnProfile, link: str, fits: float | None) -> float:
    """How well a column's values fit what is known of a field when their rows cannot be joined."""
    if not column.filled:
        return 0.5
    if declared.values:
        given = set(column.values)
        return len(given & set(declared.values)) / len(given) if given else 0.0
    if declared.references and link:
        return 1.0 if link == declared.references.split(".")[0] else 0.0
    if fits is not None:
        return fits if column.unique or entity.key != (declared.name,) else fits / 2  # a key does not repeat
    if known is None or not known.filled:
        return 0.5
    if known.sketch & column.sketch:
        return len(known.sketch & column.sketch) / min(len(known.sketch), len(column.sketch))
    if known.low is not None and known.high is not None and column.low is not None and column.high is not None:
        span = max(known.high, column.high) - min(known.low, column.low)
        shared = min(known.high, column.high) - max(known.low, column.low)
        return max(0.0, shared / span) if span else 1.0
    return 0.6 if known.shapes[:1] == column.shapes[:1] else 0.2


def _assign(fields: tuple[str, ...], columns: tuple[str, ...], scored: Mapping[tuple[str, str], Match]) -> tuple[Match, ...]:
    if not fields or not columns:
        return ()
    matrix = np.array([[scored[f, c].confidence for c in columns] for f in fields])
    # Below the threshold a pair is worth nothing: it must not push a good pair aside to raise the total.
    usable = np.array([[_accepted(scored[f, c]) for c in columns] for f in fields])
    from scipy.optimize import linear_sum_assignment  # takes longer to load than most commands take to answer

    rows, picked = linear_sum_assignment(np.where(usable, matrix, 0.0), maximize=True)
    found = [scored[fields[int(i)], columns[int(j)]] for i, j in zip(rows, picked, strict=True) if usable[i, j]]
    return tuple(sorted(found, key=lambda m: (-m.confidence, m.field)))


def _accepted(match: Match) -> bool:
    return match.confidence >= (ACCEPT_ALIGNED if match.aligned is not None else ACCEPT_ALONE)


@dataclass(frozen=True)
class MatchQuality:
    """Proposals held against a known mapping."""

    right: int
    proposed: int
    known: int

    @property
    def precision(self) -> float | None:
        """Right ones of those proposed; ``None`` when nothing was proposed."""
        return self.right / self.proposed if self.proposed else None

    @property
    def recall(self) -> float | None:
        """Right ones of those known; ``None`` when nothing was known."""
        return self.right / self.known if self.known else None


def held_against(matches: tuple[Match, ...], known: Mapping[str, str]) -> MatchQuality:
    """Count matches that say what the known mapping (field: column) says; proposals for fields it does not map count as wrong."""
    right = sum(1 for m in matches if known.get(m.field) == m.column)
    return MatchQuality(right, len(matches), len(known))
