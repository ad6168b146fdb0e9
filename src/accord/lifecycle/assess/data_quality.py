"""Every binding's rows against the contract of their entity, as set-based queries that say what is wrong where."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlglot
from sqlglot import exp

from accord.connectors.types import duckdb_type, quote
from accord.lifecycle.assess.defects import insert
from accord.lifecycle.assess.units import factors
from accord.lifecycle.observe import BROKEN, RAW, BoundRows, Observation
from accord.model.entity import Field
from accord.model.types import CanonicalType
from accord.sync.validate import rule_broken

Check = tuple[str, str, list[object]]  # kind, query giving key and detail, bound values


def check_contracts(observed: Observation) -> None:
    """Add to the table ``defect`` what each binding's rows break: types, codes, required values, sets, patterns, ranges, references."""
    collect_keys(observed)
    for bound in observed.bound:
        for name in bound.fields:
            declared = bound.entity.fields[name]
            for kind, query, values in _field_checks(bound, declared):
                insert(observed.con, kind, _place(bound, name), query, values)
        _duplicates(observed, bound)


def check_rules(observed: Observation) -> None:
    """Add the rows that break a rule of their contract, but those in which a value the rule uses is already known to be wrong.

    To be called after the systems were compared: a time off by a zone is the cause, «ends before it starts» only the consequence.
    """
    for bound in observed.bound:
        _rules(observed, bound)


def collect_keys(observed: Observation) -> None:
    """Make the table ``known_key(entity, key)``: every key any system holds, which is what a reference may point at."""
    con = observed.con
    con.execute("CREATE OR REPLACE TABLE known_key (entity VARCHAR, key VARCHAR)")
    for bound in observed.bound:
        con.execute(
            f"INSERT INTO known_key SELECT ?, k FROM (SELECT DISTINCT {bound.key_sql} AS k FROM {bound.table}) WHERE k IS NOT NULL",
            [bound.entity.name],
        )


def _place(bound: BoundRows, field: str) -> dict[str, str]:
    return {
        "entity": bound.entity.name,
        "flow": bound.flow.name,
        "system": bound.system,
        "resource": bound.binding.resource,
        "field": field,
        "column": bound.column(field) if field else "",
    }


def _field_checks(bound: BoundRows, declared: Field) -> Iterator[Check]:
    value, raw, key = quote(declared.name), quote(RAW + declared.name), bound.shown_key_sql
    source = f"FROM {bound.table}"
    mapping = bound.binding.fields[declared.name]
    unread = quote(BROKEN + declared.name)
    shown = f"'«' || left({raw}, 60) || '»'"
    yield ("bad_code" if mapping.codes else "bad_value", f"SELECT {key} AS key, {shown} AS detail {source} WHERE {unread}", [])
    if declared.required or declared.name in bound.entity.key:
        yield "missing_value", f"SELECT {key} AS key, '' AS detail {source} WHERE {value} IS NULL AND NOT ({unread})", []
    if declared.values:
        allowed = ", ".join("?" for _ in declared.values)
        yield (
            "bad_code",
            f"SELECT {key} AS key, {shown} AS detail {source} WHERE {value}::VARCHAR NOT IN ({allowed})",
            list(declared.values),
        )
    if declared.pattern:
        query = f"SELECT {key} AS key, {shown} AS detail {source} WHERE NOT regexp_full_match({value}::VARCHAR, ?)"
        yield "bad_format", query, [declared.pattern]
    yield from _range_checks(bound, declared)
    if declared.unique and (declared.name,) != bound.entity.key:
        yield "repeated_value", _counted(f"{value}::VARCHAR", bound.table), [1]
    if declared.references:
        entity = declared.references.split(".")[0]
        query = (
            f"SELECT {key} AS key, 'refers to ' || {value}::VARCHAR AS detail {source} WHERE {value} IS NOT NULL "
            f"AND {value}::VARCHAR NOT IN (SELECT key FROM known_key WHERE entity = ?)"
        )
        yield "orphan", f"SELECT * FROM ({query}) WHERE EXISTS (SELECT 1 FROM known_key WHERE entity = ?)", [entity, entity]
    if declared.at_most:
        yield "too_many", _counted(f"{value}::VARCHAR", bound.table), [declared.at_most]


def _range_checks(bound: BoundRows, declared: Field) -> Iterator[Check]:
    """Out of range; and *unit error* when the value read in another unit of its kind is inside."""
    if not declared.minimum and not declared.maximum:
        return
    type_ = duckdb_type(CanonicalType.parse(declared.type))
    value, raw, key = quote(declared.name), quote(RAW + declared.name), bound.shown_key_sql
    limits: list[object] = []
    inside = []
    for limit, sign in ((declared.minimum, ">="), (declared.maximum, "<=")):
        if limit:
            inside.append(f"{{0}} {sign} CAST(? AS {type_})")
            limits.append(limit)
    bad = f"NOT ({' AND '.join(inside).format(value)})"
    candidates = (
        factors(declared.unit) if CanonicalType.parse(declared.type).name in ("integer", "number", "double") and declared.maximum else ()
    )
    explained, bound_values = [], []
    for factor in candidates:
        explained.append("(" + " AND ".join(inside).format(f"({value} / {factor!r})") + ")")
        bound_values += limits
    in_unit = " OR ".join(explained) or "false"
    detail = f"{value}::VARCHAR || coalesce(' (held as «' || {raw} || '»)', '')"
    base = f"SELECT {key} AS key, {detail} AS detail FROM {bound.table} WHERE {bad}"
    if explained:
        yield "unit_error", f"{base} AND ({in_unit})", limits + bound_values
    yield "out_of_range", f"{base} AND NOT ({in_unit})", limits + bound_values


def _duplicates(observed: Observation, bound: BoundRows) -> None:
    insert(observed.con, "duplicate_record", _place(bound, ""), _counted(bound.key_sql, bound.table), [1])


def _counted(value: str, table: str) -> str:
    """SQL of the values that stand in more rows than the bound number."""
    groups = f"SELECT {value} AS v, count(*) AS n FROM {table} GROUP BY 1"
    return f"SELECT v AS key, n || ' rows' AS detail FROM ({groups}) WHERE v IS NOT NULL AND n > ?"


def _rules(observed: Observation, bound: BoundRows) -> None:
    for rule in bound.entity.rules.values():
        used = fields_used(rule.check, bound.entity.fields)
        if not used <= set(bound.fields):
            continue  # this system does not hold what the rule is about
        masked = ", ".join("?" for _ in used) or "NULL"
        known = f"SELECT key FROM defect WHERE system = ? AND resource = ? AND field IN ({masked}) AND key IS NOT NULL"
        query = (
            f"SELECT {bound.shown_key_sql} AS key, ? AS detail FROM {bound.table} "
            f"WHERE {rule_broken(rule.check)} AND {bound.shown_key_sql} NOT IN ({known})"
        )
        values: list[object] = [rule.reason or rule.check, bound.system, bound.binding.resource, *sorted(used)]
        kind = "rule_broken" if rule.severity == "quarantine" else "rule_reported"
        insert(observed.con, kind, _place(bound, rule.name), query, values)


def fields_used(expression: str, known: Collection[str]) -> set[str]:
    """Canonical fields an expression of the map names."""
    return {c.name for c in sqlglot.parse_one(expression, read="duckdb").find_all(exp.Column) if c.name in known}
