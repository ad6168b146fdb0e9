"""The one SELECT of a first load: canonical values, what the target is to hold of them, and why a row is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from accord.connectors.bulk import DIGEST, ODD, Fill
from accord.connectors.types import literal, quote
from accord.store.records import KEY
from accord.sync.cycle import Cycle, Side, names, storage_type
from accord.sync.judge.validate import row_checks, row_json
from accord.sync.mapping.fields import FieldCode, compile_field, expression_columns, raw_name
from accord.sync.mapping.itself import holds_itself, keeps_itself

REASONS, ROW, OFF = "_reasons", "_row", "_off"
_BROKEN = "_broken"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the stream has of each row.

    Args:
        native: column of the target: the stream's column with the value to store.
        shown: canonical field: the stream's column with the value as the target will show it; what is not in it the target shows not.
        digest: the source's columns that go to the target's ``digested`` unchanged, in the same order; empty when some are changed.
        digested: the target's columns, in that order.
        hashed: where the target takes DuckDB's own hash, its columns with the type they are hashed in; they are hashed in the stream, too.
    """

    native: dict[str, str]
    shown: dict[str, str]
    digest: tuple[str, ...]
    digested: tuple[str, ...]
    hashed: Mapping[str, str] = field(default_factory=dict)

    @property
    def proven(self) -> tuple[str, ...]:
        """The target's columns whose values a digest of it is compared by; empty where it has to be read back."""
        return self.digested or tuple(self.hashed)


def target_codes(cycle: Cycle, target: Side) -> list[FieldCode]:
    """The target's codes of its key and of every field written."""
    return [*(target.codes[k] for k in cycle.keys), *target.written(cycle.keys)]


def shape_of(cycle: Cycle, source: Side, target: Side, source_natives: Mapping[str, str], fill: Fill) -> Shape:
    """How each column of the target is filled from the stream."""
    target_natives = fill.natives
    native, shown, pairs = {}, {}, []
    for code in target_codes(cycle, target):
        plain = keeps_itself(cycle.entity, target, code)
        native[code.column] = code.name if plain else f"n:{code.column}"
        shown[code.name] = code.name if plain else f"s:{code.name}"
        origin = source.codes.get(code.name)
        alike = origin is not None and holds_itself(cycle.entity, source, origin) and holds_itself(cycle.entity, target, code)
        kind = source_natives.get(origin.column) if origin else None
        if alike and origin and kind is not None and kind == target_natives.get(code.column):
            pairs.append((origin.column, code.column))
    whole = len(pairs) == len(native)
    hashed = {} if whole or not set(native) <= set(fill.hashed) else {column: fill.hashed[column] for column in native}
    return Shape(native, shown, tuple(p[0] for p in pairs) if whole else (), tuple(p[1] for p in pairs) if whole else (), hashed)


def needed_columns(source: Side) -> tuple[str, ...]:
    """The source's columns the mapping or the filter reads, as the source spells them."""
    named = [n for code in source.codes.values() for n in code.needs]
    named += expression_columns(source.binding.where) if source.binding.where else []
    wanted = {n.lower() for n in named}
    return tuple(c for c in source.columns if c.lower() in wanted)


def stream_query(cycle: Cycle, source: Side, target: Side, relation: str, shape: Shape) -> str:
    """SQL over the source's relation giving one row per row of the source.

    Columns: every canonical field; ``n:<column>`` and ``s:<field>`` where the target holds a value in another form; ``_reasons`` (null for
    a row that keeps the contract) and ``_row`` (its own columns as JSON, of a refused row only); ``_off`` (true where the ordinary way
    would do more than insert this row); ``_digest`` when the source computes one.
    """
    entity = cycle.entity
    canonical = [
        f"CAST({source.codes[n].read if n in source.codes else 'NULL'} AS {storage_type(entity, n)}) AS {quote(n)}" for n in entity.fields
    ]
    kept = dict.fromkeys(c for code in source.codes.values() for c in (*code.needs, code.column) if c in source.columns)
    raw = [f"{quote(c)} AS {quote(raw_name(c))}" for c in kept]
    mark = DIGEST if shape.digest else ODD
    where = f"WHERE ({source.binding.where})" if source.binding.where else ""
    inner = f"SELECT {', '.join([*canonical, *raw, mark])} FROM {relation} {where}"
    broken, refusal = _refusal(cycle, source, [raw_name(c) for c in kept])
    columns = [names(entity.fields), *refusal]
    stages, odd = _forms(cycle, source, target)
    written = ", ".join(["*", *(f"{sql} AS {quote(n)}" for n, sql in stages[0].items())])
    # What breaks the contract is worked out in a SELECT of its own: asked for twice in one, it is worked out twice.
    back = ", ".join(["*", *(f"{sql} AS {quote(n)}" for n, sql in stages[1].items()), f"({broken}) AS {_BROKEN}"])
    columns += [quote(n) for stage in stages for n in stage if n[:2] in ("n:", "s:")]
    if shape.digest:
        columns.append(DIGEST)
    else:
        odd.append(ODD)
    if shape.hashed:
        taken = ", ".join(f"CAST({quote(shape.native[column])} AS {kind})" for column, kind in shape.hashed.items())
        columns.append(f"hash({taken}) AS {DIGEST}")
    columns.append(f"({' OR '.join(odd) or 'false'}) AS {OFF}")
    return f"SELECT {', '.join(columns)} FROM (SELECT {back} FROM (SELECT {written} FROM ({inner}))) _x"


def _refusal(cycle: Cycle, source: Side, raw: list[str]) -> tuple[str, list[str]]:
    """When a row is refused, and the two columns that tell why and what it was."""
    checks = row_checks(cycle.entity, source.codes)
    cases = ", ".join(f"CASE WHEN {c.broken} THEN {c.reason} END" for c in checks) or "CAST(NULL AS VARCHAR)"
    reasons = f"list_sort(list_filter([{cases}], lambda r: r IS NOT NULL))"
    told = [f"CASE WHEN {_BROKEN} THEN {reasons} END AS {REASONS}", f"CASE WHEN {_BROKEN} THEN {row_json(raw, '_x')} END AS {ROW}"]
    return " OR ".join(c.broken for c in checks) or "false", told


def _forms(cycle: Cycle, source: Side, target: Side) -> tuple[tuple[dict[str, str], dict[str, str]], list[str]]:
    """What is written to columns that hold another form than the canonical one, what they will show, and what is odd about it."""
    written: dict[str, str] = {}
    back: dict[str, str] = {}
    odd: list[str] = []
    for side, prefixes, itself in ((target, "ns", keeps_itself), (source, "er", holds_itself)):
        codes = target_codes(cycle, side) if side is target or side.writable else []
        for code in codes:
            field, stored = cycle.entity.fields[code.name], storage_type(cycle.entity, code.name)
            if itself(cycle.entity, side, code):
                continue
            kept, seen = f"{prefixes[0]}:{code.column}", f"{prefixes[1]}:{code.name}"
            kind = side.columns[code.column]
            written[kept] = f"CAST({code.write or 'NULL'} AS {kind})"
            mapping = replace(side.binding.fields[code.name], column=kept)
            back[seen] = f"CAST({compile_field(field, mapping, side.binding, {kept: kind}).read} AS {stored})"
            if side is target:
                odd.append(f"({quote(code.name)} IS NOT NULL AND {quote(kept)} IS NULL)")  # it does not fit
            if side is source or code.name in cycle.keys:
                odd.append(f"({quote(seen)} IS DISTINCT FROM {quote(code.name)})")  # the source itself would be written, or another key
    return (written, back), odd


def changes_query(cycle: Cycle, rows: str, source: Side, target: Side, captured: str, verified: str) -> str:
    """SQL of the change records of rows just loaded, which all arrived at first contact; in the form that says so once (``KEY``)."""
    told = {"flow": cycle.flow.name, "run": cycle.run, "source": source.name, "target": target.name, "op": "insert"}
    texts = ", ".join(f"{_same_text(text)} AS {name}" for name, text in told.items())
    key = f"struct_pack({', '.join(f'{quote(k)} := {quote(k)}' for k in cycle.keys)}) AS {KEY}"
    moments = f"TIMESTAMPTZ {literal(captured)} AS captured_at, TIMESTAMPTZ {literal(verified)} AS verified_at"
    return f"SELECT {key}, {texts}, {moments} FROM {rows}"


def _same_text(text: str) -> str:
    # Written to Parquet as a number and read as a text again; a text is looked up row by row, which cost more than all the other columns.
    return f"CAST({literal(text)} AS ENUM ({literal(text)}))"
