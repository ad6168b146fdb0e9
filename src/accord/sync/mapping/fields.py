"""Field mappings compiled to SQL: from a system's columns to canonical values and back.

Order of reading: column → codes → unit, time zone → canonical type; writing is the inverse. Texts that reach the SQL here are the map's own
(codes, formats, zones) and go in as literals; values of rows never do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from accord.connectors.timestamp_style import uncommon
from accord.connectors.types import as_varchar, duckdb_type, literal, quote
from accord.model.entity import Field
from accord.model.flow import Binding, FieldMapping, Join, Split
from accord.model.types import CanonicalType
from accord.model.units import decimal_text, factor
from accord.sync.mapping.pieces import (
    array_text,
    joined_parts,
    joined_text,
    lookup_code,
    lookup_value,
    part_of,
    parts_text,
    set_array,
    set_text,
)

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
        more: further columns that hold parts of the value, each with what is written to it.
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
    more: tuple[tuple[str, str], ...] = ()


def raw_name(column: str) -> str:
    """The name under which a capture keeps a system's own column."""
    return f"raw.{column}"


def expression_columns(sql: str) -> tuple[str, ...]:
    """Names of the columns an SQL expression of the map uses."""
    import sqlglot  # takes a tenth of a second, which only maps with expressions should wait
    from sqlglot import exp

    return tuple(dict.fromkeys(c.name for c in sqlglot.parse_one(sql, dialect="duckdb").find_all(exp.Column)))


def mapped_columns(mapping: FieldMapping) -> tuple[str, ...]:
    """The system's columns a mapping reads, as the map writes them."""
    if mapping.join is not None:
        return mapping.join.columns
    if mapping.value and not mapping.column:
        return ()
    return expression_columns(mapping.read) if mapping.read else (mapping.column or mapping.name,)


def written_from(binding: Binding, name: str) -> tuple[str, ...]:
    """The canonical fields that what is written for a field is made of."""
    mapping = binding.fields[name]
    if mapping.write:
        return expression_columns(mapping.write)
    return tuple(m.name for m in _same_column(mapping, binding)) if mapping.split is not None else (name,)


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
    if mapping.join is not None:
        return _compile_join(field, mapping, mapping.join, columns, readable=readable, writable=writable)
    if mapping.value and not mapping.column:
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
    elif mapping.lookup is not None:
        value, value_type = lookup_value(mapping.lookup, f"CAST({source} AS VARCHAR)"), "VARCHAR"
    elif mapping.split is not None:
        last = all(m.split is None or m.split.part <= mapping.split.part for m in _same_column(mapping, binding))
        value, value_type = part_of(f"CAST({source} AS VARCHAR)", mapping.split.part, mapping.split.separator, last=last), "VARCHAR"
    own = mapping.separator or field.separator
    if own and type_.name == "json":
        read = f"canonical_json({set_array(f'CAST({value} AS VARCHAR)', own)})"
    elif own:
        read = set_text(f"CAST({value} AS VARCHAR)", own, field.separator or own)
    else:
        read = _read(value, value_type, type_, mapping, field)
    absent = f"({source} IS NULL" + (f" OR trim(CAST({source} AS VARCHAR)) = '')" if raw_type == "VARCHAR" else ")")
    if mapping.value:
        constant = f"TRY_CAST({literal(mapping.value)} AS {sql_type})"
        read = f"CASE WHEN {absent} OR {read} = {constant} THEN {constant} END"
    elif mapping.default:
        read = f"CASE WHEN {absent} THEN TRY_CAST({literal(mapping.default)} AS {sql_type}) ELSE {read} END"
    kept = quote(raw_name(column))
    blank = f" AND trim({kept}) <> ''" if raw_type == "VARCHAR" and type_.name != "text" else ""
    broken = f"({kept} IS NOT NULL{blank} AND {quote(field.name)} IS NULL)"
    if mapping.split is not None:
        broken = "false"  # a text without this part shows that there is none
    elif own:
        broken = f"({kept} IS NOT NULL AND trim(replace({kept}, {literal(own)}, '')) <> '' AND {quote(field.name)} IS NULL)"
    shown = f"{literal(field.name + ': ')} || '''' || left(CAST({kept} AS VARCHAR), 60) || "
    reason = shown + literal("'" + _complaint(field, mapping, type_))
    if mapping.write:
        written: str | None = f"TRY_CAST(TRY({mapping.write}) AS {raw_type})"
    elif mapping.split is not None:
        written = _write_parts(mapping, mapping.split, binding, raw_type)
    else:
        written = _write(quote(field.name), raw_type, type_, mapping, field)
        if mapping.value:
            written = f"CASE WHEN {quote(field.name)} = TRY_CAST({literal(mapping.value)} AS {sql_type}) THEN {written} END"
    writable = writable and written is not None
    return FieldCode(field.name, column, read, broken, reason, written, needs, readable, writable)


def written_type(field: Field, mapping: FieldMapping) -> CanonicalType:
    """What the values written to the mapping's column are; ``text`` where the map makes texts of its own of them."""
    type_ = CanonicalType.parse(field.type)
    other = (mapping.codes, mapping.lookup, mapping.split, mapping.join, mapping.read, mapping.write, mapping.value, mapping.format)
    if any(other) or mapping.separator or field.separator:
        return CanonicalType("text")
    return CanonicalType("integer") if type_.name == "timestamp" and mapping.unit in _EPOCHS else type_


def column_writes(codes: Iterable[FieldCode]) -> dict[str, tuple[str, list[str]]]:
    """Each column that is written: the SQL of its value, and the fields it holds (a part of)."""
    found: dict[str, tuple[str, list[str]]] = {}
    for code in codes:
        for column, write in ((code.column, code.write or "NULL"), *code.more):
            if column:
                found.setdefault(column, (write, []))[1].append(code.name)
    return found


def read_moment(value: str, raw: str, mapping: FieldMapping) -> str:
    """SQL of the moment that a column shows, in the form and zone the map gives for it; empty where it is a number that only grows.

    Args:
        value: SQL of the column's value.
        raw: the column's DuckDB type; empty where it is not known.
        mapping: of the field it holds, or one that says nothing more.
    """
    raw = raw.upper()
    if raw == "VARCHAR":
        value = f"nullif(trim({value}), '')"
    elif not raw.startswith("TIMESTAMP") and raw != "DATE" and not mapping.format and mapping.unit not in _EPOCHS:
        return ""
    return _read_time(value, raw, CanonicalType("timestamp"), mapping)


def _same_column(mapping: FieldMapping, binding: Binding) -> list[FieldMapping]:
    """The mappings that hold a part of the same column, in the order of their parts."""
    column = (mapping.column or mapping.name).lower()
    found = [m for m in binding.fields.values() if m.split is not None and (m.column or m.name).lower() == column]
    return sorted(found, key=lambda m: m.split.part if m.split else 0)


def _write_parts(mapping: FieldMapping, split: Split, binding: Binding, raw_type: str) -> str | None:
    """The same text for every field of the column, so that it is written once; ``None`` when a part is nowhere mapped."""
    group = _same_column(mapping, binding)
    if [m.split.part for m in group if m.split] != list(range(1, len(group) + 1)):
        return None
    return f"TRY_CAST({parts_text([f'CAST({quote(m.name)} AS VARCHAR)' for m in group], split.separator)} AS {raw_type})"


def _compile_join(
    field: Field, mapping: FieldMapping, join: Join, columns: Mapping[str, str], *, readable: bool, writable: bool
) -> FieldCode:
    spelled = {c.lower(): c for c in columns}
    names = [spelled.get(c.lower(), c) for c in join.columns]
    read = f"CAST({joined_text([quote(c) for c in names], join.separator)} AS VARCHAR)"
    value = f"CAST({quote(field.name)} AS VARCHAR)"
    parts = joined_parts(value, len(names), join.separator)
    writes = [f"TRY_CAST({part} AS {columns[c]})" for part, c in zip(parts, names, strict=True)]
    more = tuple(zip(names[1:], writes[1:], strict=True))
    return FieldCode(field.name, names[0], read, "false", "NULL", writes[0], tuple(names), readable, writable, more=more)


def _complaint(field: Field, mapping: FieldMapping, type_: CanonicalType) -> str:
    """The end of «field: 'value' …» for a value that cannot be read."""
    if mapping.codes:
        return " is not one of the known codes"
    if mapping.lookup is not None:
        table = mapping.lookup
        return f" is no known {f'key of {table.own_key}' if table.own_key else f'{table.code} of {table.entity or table.file}'}"
    if mapping.value:
        return f" is not {mapping.value}, which always stands here"
    if mapping.separator or field.separator:
        return f" holds an item with {field.separator or mapping.separator} in it"
    return f" is no {_noun(type_)}"


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
    if mapping.lookup is not None:
        return f"TRY_CAST({lookup_code(mapping.lookup, f'CAST({value} AS VARCHAR)')} AS {raw})"
    if mapping.separator or field.separator:
        own = mapping.separator or field.separator
        return f"TRY_CAST({array_text(value, own) if type_.name == 'json' else set_text(value, field.separator or own, own)} AS {raw})"
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
        elif raw == "VARCHAR":
            return as_varchar(value, duckdb_type(type_))
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
        zone = "" if mapping.timezone else "Z"
        return f"(CASE {uncommon(local, zone)} ELSE replace(CAST({local} AS VARCHAR), ' ', 'T') || '{zone}' END)"
    return f"TRY_CAST({local if type_.name == 'timestamp' else value} AS {raw})"
