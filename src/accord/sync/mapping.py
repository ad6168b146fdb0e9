"""Field mappings compiled to SQL: from a system's columns to canonical values and back.

Order of reading: column → codes → unit, time zone → canonical type; writing is the inverse. Texts that reach the SQL here are the map's own
(codes, formats, zones) and go in as literals; values of rows never do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import sqlglot
from sqlglot import exp

from accord.connectors.types import duckdb_type, literal, quote
from accord.model.entity import Field
from accord.model.flow import Binding, FieldMapping
from accord.model.types import CanonicalType
from accord.sync.units import decimal_text, factor

_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"})
_EPOCHS = {"s": 1_000_000, "ms": 1000, "us": 1}
_ZONE = r"\d:\d{2}(:\d{2}([.,]\d+)?)? ?(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$"
_NOUNS = {"integer": "whole number", "number": "number", "double": "number", "boolean": "boolean", "json": "JSON", "uuid": "UUID"}


@dataclass(frozen=True, slots=True)
class FieldCode:
    """One mapped field as SQL.

    Args:
        name: canonical field.
        column: the system's column, ``""`` when the value is a constant or computed.
        read: canonical value, over the resource's own columns.
        broken: true when there is a value that cannot be read; over the capture, where a column c is called ``raw.c``.
        reason: why, for people; null unless ``broken``.
        write: the column's new value, over the canonical fields; ``None`` when the mapping is one-way.
        needs: columns of the resource that ``read`` uses.
        readable: its changes are believed.
        writable: it may be written.
        constant: the system holds no such value.
    """

    name: str
    column: str
    read: str
    broken: str
    reason: str
    write: str | None
    needs: tuple[str, ...]
    readable: bool
    writable: bool
    constant: bool = False


def raw_name(column: str) -> str:
    """The name under which a capture keeps a system's own column."""
    return f"raw.{column}"


def expression_columns(sql: str) -> tuple[str, ...]:
    """Names of the columns an SQL expression of the map uses."""
    return tuple(dict.fromkeys(c.name for c in sqlglot.parse_one(sql, dialect="duckdb").find_all(exp.Column)))


def mapped_columns(mapping: FieldMapping) -> tuple[str, ...]:
    """The system's columns a mapping reads, as the map writes them."""
    if mapping.value:
        return ()
    return expression_columns(mapping.read) if mapping.read else (mapping.column or mapping.name,)


def compile_field(field: Field, mapping: FieldMapping, binding: Binding, columns: Mapping[str, str]) -> FieldCode:
    """The SQL of one field in one system.

    Args:
        field: the canonical field.
        mapping: how the system holds it.
        binding: the system's side, for its direction.
        columns: the resource's columns with their DuckDB types, as scanned.
    """
    type_ = CanonicalType.parse(field.type)
    sql_type = duckdb_type(type_) if type_.name != "json" else "VARCHAR"
    direction = mapping.direction or binding.direction
    readable, writable = direction in ("both", "read"), direction in ("both", "write")
    if mapping.value:
        constant = f"TRY_CAST({literal(mapping.value)} AS {sql_type})"
        return FieldCode(field.name, "", constant, "false", "NULL", None, (), readable, False, constant=True)
    column = mapping.column or field.name
    needs = mapped_columns(mapping)
    if mapping.read:
        # An expression that fails gives null, as the database's own functions do; what it gives and does not fit the type is a reason.
        read = f"TRY(CAST(({mapping.read}) AS {sql_type}))"
        if type_.name == "json":
            read = f"canonical_json({read})"
        write = f"TRY_CAST(TRY({mapping.write}) AS {columns[column]})" if mapping.write and column in columns else None
        held = column if column in columns and column in needs else ""
        return FieldCode(
            field.name, held if write is None else column, read, "false", "NULL", write, needs, readable, writable and write is not None
        )
    raw_type = columns[column].upper()
    source = quote(column)
    value, value_type = source, raw_type
    if mapping.codes:
        value, value_type = _code(f"CAST({source} AS VARCHAR)", mapping.codes), "VARCHAR"
    read = _read(value, value_type, type_, mapping, field)
    kept = quote(raw_name(column))
    blank = f" AND trim({kept}) <> ''" if raw_type == "VARCHAR" and type_.name != "text" else ""
    broken = f"({kept} IS NOT NULL{blank} AND {quote(field.name)} IS NULL)"
    noun = "one of the known codes" if mapping.codes else _noun(type_)
    reason = f"{literal(field.name + ': ')} || '''' || left(CAST({kept} AS VARCHAR), 60) || ''' is no ' || {literal(noun)}"
    if mapping.codes:
        reason = f"{literal(field.name + ': ')} || '''' || left(CAST({kept} AS VARCHAR), 60) || ''' is not ' || {literal(noun)}"
    written = (
        f"TRY_CAST(TRY({mapping.write}) AS {raw_type})" if mapping.write else _write(quote(field.name), raw_type, type_, mapping, field)
    )
    return FieldCode(field.name, column, read, broken, reason, written, needs, readable, writable)


def _noun(type_: CanonicalType) -> str:
    return f"{_NOUNS.get(type_.name, type_.name)}" + (
        f" of {type_.precision} digits, {type_.scale} of them decimals" if type_.name == "number" else ""
    )


def _code(value: str, codes: Mapping[str, str]) -> str:
    return f"CASE {value} " + " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in codes.items()) + " END"


def _read(value: str, raw: str, type_: CanonicalType, mapping: FieldMapping, field: Field) -> str:
    if type_.name == "text":
        return f"TRY(decode({value}))" if raw == "BLOB" else f"CAST({value} AS VARCHAR)"
    if type_.name == "json":
        return f"canonical_json({value if raw in ('VARCHAR', 'JSON') else f'CAST(to_json({value}) AS VARCHAR)'})"
    if raw == "VARCHAR":
        value = f"nullif(trim({value}), '')"
    if type_.name == "boolean":
        return f"CASE {value} WHEN 0 THEN false WHEN 1 THEN true END" if raw in _INTEGERS else f"TRY_CAST({value} AS BOOLEAN)"
    if type_.name == "binary":
        return value if raw == "BLOB" else f"TRY(from_base64(CAST({value} AS VARCHAR)))"
    if type_.name in ("date", "timestamp"):
        return _read_time(value, raw, type_, mapping)
    if type_.name == "uuid":
        return f"TRY_CAST({value} AS UUID)"
    return _scaled(value, raw, type_, factor(mapping.unit, field.unit, place=mapping.place))


def _scaled(value: str, raw: str, type_: CanonicalType, by: Fraction) -> str:
    """A number times a factor as ``type_``: exact where decimals can be, rounded to the scale of the type; null when it does not fit."""
    target = duckdb_type(type_)
    if by != 1:
        text = decimal_text(by)
        if text is not None and type_.name != "double":
            value = f"TRY(CAST({value} AS DECIMAL(38,10)) * {text})"
        elif text is None and (over := decimal_text(1 / by)) is not None:
            value = f"TRY(CAST({value} AS DOUBLE) / {over})"
        else:
            value = f"TRY(CAST({value} AS DOUBLE) * {by.numerator} / {by.denominator})"
    if target != "BIGINT" or (by == 1 and raw in _INTEGERS):
        return f"TRY_CAST({value} AS {target})"
    exact = f"TRY_CAST({value} AS DECIMAL(38,10))"  # TRY_CAST to an integer would round 1.5 to 2 in silence
    return f"CASE WHEN {exact} = trunc({exact}) THEN TRY_CAST({exact} AS BIGINT) END"


def _read_time(value: str, raw: str, type_: CanonicalType, mapping: FieldMapping) -> str:
    zone = literal(mapping.timezone or "UTC")
    if mapping.format:
        moment = f"try_strptime(CAST({value} AS VARCHAR), {literal(mapping.format)})"
        if "%z" not in mapping.format.lower():
            moment = f"({moment} AT TIME ZONE {zone})"
    elif mapping.unit in _EPOCHS:
        moment = f"TRY(make_timestamptz(CAST({value} AS BIGINT) * {_EPOCHS[mapping.unit]}))"
    elif raw == "TIMESTAMP WITH TIME ZONE":
        moment = value
    elif raw.startswith("TIMESTAMP") or raw == "DATE":
        if type_.name == "date":
            return f"CAST({value} AS DATE)"
        moment = f"(CAST({value} AS TIMESTAMP) AT TIME ZONE {zone})"
    else:
        text = f"CAST({value} AS VARCHAR)"
        if type_.name == "date":
            return f"TRY_CAST({text} AS DATE)"
        moment = f"TRY_CAST({text} AS TIMESTAMPTZ)"
        if mapping.timezone and mapping.timezone != "UTC":
            moment = (
                f"CASE WHEN regexp_matches({text}, {literal(_ZONE)}) THEN {moment} "
                f"ELSE TRY_CAST({text} AS TIMESTAMP) AT TIME ZONE {zone} END"
            )
    return moment if type_.name == "timestamp" else f"CAST({moment} AT TIME ZONE {zone} AS DATE)"


def _write(value: str, raw: str, type_: CanonicalType, mapping: FieldMapping, field: Field) -> str:
    if mapping.codes:
        inverse = {canonical: own for own, canonical in mapping.codes.items()}
        return f"TRY_CAST({_code(f'CAST({value} AS VARCHAR)', inverse)} AS {raw})"
    if type_.name in ("date", "timestamp"):
        return _write_time(value, raw, type_, mapping)
    if type_.name == "binary":
        return value if raw == "BLOB" else f"to_base64({value})"
    if type_.name == "text" and raw == "BLOB":
        return f"encode({value})"
    if type_.name == "boolean":
        return f"CAST(CAST({value} AS INTEGER) AS {raw})" if raw in _INTEGERS or raw == "DOUBLE" else f"TRY_CAST({value} AS {raw})"
    if type_.name in ("integer", "number", "double"):
        by = 1 / factor(mapping.unit, field.unit, place=mapping.place)
        if by != 1:
            text = decimal_text(by)
            exact = text is not None and type_.name != "double"
            value = (
                f"TRY(CAST({value} AS DECIMAL(38,10)) * {text})"
                if exact
                else f"TRY(CAST({value} AS DOUBLE) * {by.numerator} / {by.denominator})"
            )
            if raw == "VARCHAR" and exact:
                value = f"regexp_replace(CAST({value} AS VARCHAR), '\\.?0+$', '')"  # 5.00 h are 300 min, not 300.0000000000
    return f"TRY_CAST({value} AS {raw})"


def _write_time(value: str, raw: str, type_: CanonicalType, mapping: FieldMapping) -> str:
    zone = literal(mapping.timezone or "UTC")
    local = f"({value} AT TIME ZONE {zone})" if type_.name == "timestamp" else f"CAST({value} AS TIMESTAMP)"
    if mapping.format:
        moment = value if "%z" in mapping.format.lower() and type_.name == "timestamp" else local
        return f"TRY_CAST(strftime({moment}, {literal(mapping.format)}) AS {raw})"
    if mapping.unit in _EPOCHS:
        return f"TRY_CAST(epoch_us({value}) // {_EPOCHS[mapping.unit]} AS {raw})"
    if raw == "TIMESTAMP WITH TIME ZONE":
        return value if type_.name == "timestamp" else f"({local} AT TIME ZONE {zone})"
    if raw == "VARCHAR" and type_.name == "timestamp":
        text = f"replace(CAST({local} AS VARCHAR), ' ', 'T')"
        return text if mapping.timezone else f"({text} || 'Z')"
    return f"TRY_CAST({local if type_.name == 'timestamp' else value} AS {raw})"
