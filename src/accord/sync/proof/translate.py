"""What a contract asks of a row, as a condition on the system's own columns; only where it certainly means the same there."""

from __future__ import annotations

import re
from dataclasses import replace

from accord.connectors.types import literal, quote
from accord.model.entity import Entity, Field
from accord.model.types import CanonicalType
from accord.sync.cycle import Side, storage_type
from accord.sync.judge.validate import Check, row_checks
from accord.sync.mapping.fields import FieldCode
from accord.sync.mapping.itself import converts, zoned

_WHOLE = re.compile(r"-?\d{1,18}")
_DECIMAL = re.compile(r"-?\d{1,20}(?:\.(\d{1,18}))?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}Z")
_DECIMAL_KIND = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT"})
_SHOWN = _INTEGERS | {"BOOLEAN", "DATE", "UUID", "JSON", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}
_BIGGEST = 19  # digits of a whole number


def surely_read(entity: Entity, side: Side, code: FieldCode) -> bool:
    """Whether every value of the field's column can be read, and two values of equal digest are read alike.

    That leaves out what a mapping does beyond the cast to the field's type, casts that may fail, and doubles shown as something else:
    0 and -0 are one number and two texts.
    """
    field, mapping = entity.fields[code.name], side.binding.fields[code.name]
    if converts(field, replace(mapping, write="")):
        return False
    kind, wanted = side.columns[code.column].upper(), CanonicalType.parse(field.type).name
    stored = zoned(storage_type(entity, code.name))
    if wanted == "json":
        return kind == "JSON"
    if kind == stored:
        return True
    if stored == "VARCHAR":
        return kind in _SHOWN or kind.startswith("DECIMAL")
    if stored == "DOUBLE":
        return kind in _INTEGERS or kind.startswith("DECIMAL")
    if wanted == "number":
        return _whole_digits(kind) <= _whole_digits(stored)
    return (kind in _INTEGERS and stored == "BIGINT") or (kind == "TIMESTAMP" and wanted == "timestamp")


def breaking(entity: Entity, side: Side) -> str | None:
    """A condition on the side's columns that is true for every row, of those with a key, that breaks a row-level check.

    Returns:
        SQL of the map, which the system may still refuse; empty when no row can break any; ``None`` when a check cannot be put that way.
    """
    parts = []
    for check in row_checks(entity, side.codes):
        found = _rule(entity, side, check) if not check.field else _of_field(entity, side, check)
        if found is None:
            return None
        parts.append(found)
    return " OR ".join(f"({part})" for part in parts if part)


def _of_field(entity: Entity, side: Side, check: Check) -> str | None:
    code, field = side.codes[check.field], entity.fields[check.field]
    if code.constant or check.name == "readable":
        return "" if not code.constant and (check.field in entity.key or surely_read(entity, side, code)) else None
    if not (check.field in entity.key or surely_read(entity, side, code)):
        return None
    column = quote(code.column)
    if check.name == "required":
        return "" if check.field in entity.key else f"{column} IS NULL"
    if not _holds_itself(entity, side, code):
        return None
    kind = side.columns[code.column].upper()
    if check.name == "values":
        return _not_in(column, field, kind)
    if check.name not in ("minimum", "maximum"):
        return None
    bound = _bound(entity, field, field.minimum if check.name == "minimum" else field.maximum)
    return bound and f"{column} {'<' if check.name == 'minimum' else '>'} {bound}"


def _rule(entity: Entity, side: Side, check: Check) -> str | None:
    """The rule with columns in place of fields; what else stands in it is for the system to judge."""
    import sqlglot
    from sqlglot import exp

    try:
        parsed = sqlglot.parse_one(entity.rules[check.name].check, dialect="duckdb")
    except sqlglot.errors.ParseError:
        return None
    spelled = {name.lower(): name for name in entity.fields}
    for found in list(parsed.find_all(exp.Column)):
        code = side.codes.get(spelled.get(found.name.lower(), ""))
        if code is None or code.constant or not _holds_itself(entity, side, code):
            return None
        found.replace(exp.column(code.column, quoted=True))
    return f"NOT ({parsed.sql(dialect='duckdb')})"


def _holds_itself(entity: Entity, side: Side, code: FieldCode) -> bool:
    """Whether comparing the column with a literal is comparing the field with it."""
    kind, stored = side.columns[code.column].upper(), zoned(storage_type(entity, code.name))
    if not surely_read(entity, side, code) or kind == "JSON":
        return False
    wide, narrow = _DECIMAL_KIND.fullmatch(stored), _DECIMAL_KIND.fullmatch(kind)
    return kind == stored or bool(wide and narrow and int(narrow[2]) <= int(wide[2]))


def _not_in(column: str, field: Field, kind: str) -> str | None:
    if kind == "BIGINT" and all(_WHOLE.fullmatch(v) and str(int(v)) == v for v in field.values):
        return f"NOT {column} IN ({', '.join(field.values)})"
    return f"NOT {column} IN ({', '.join(map(literal, field.values))})" if kind == "VARCHAR" else None


def _bound(entity: Entity, field: Field, bound: str) -> str | None:
    """The bound as a literal, where it is the value that the check compares with."""
    kind, stored = CanonicalType.parse(field.type).name, storage_type(entity, field.name)
    if kind == "integer":
        return bound if _WHOLE.fullmatch(bound) else None
    if kind in ("number", "double"):
        found, limit = _DECIMAL.fullmatch(bound), _DECIMAL_KIND.fullmatch(stored)
        return bound if found and (limit is None or len(found[1] or "") <= int(limit[2])) else None
    pattern = {"date": _DATE, "timestamp": _MOMENT}.get(kind)
    return literal(bound) if pattern and pattern.fullmatch(bound) else None


def _whole_digits(kind: str) -> int:
    found = _DECIMAL_KIND.fullmatch(kind)
    return int(found[1]) - int(found[2]) if found else _BIGGEST if kind in _INTEGERS else 1_000
