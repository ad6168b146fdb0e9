"""Every binding's rows against the contract of their entity, as set-based queries that say what is wrong where."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from accord.connectors.types import duckdb_type, literal, quote
from accord.lifecycle.assess.defects import Check, insert
from accord.lifecycle.assess.units import factors
from accord.lifecycle.observe import BROKEN, RAW, BoundRows, Observation
from accord.model.entity import Field
from accord.model.types import CanonicalType
from accord.sync.judge.validate import rule_broken
from accord.sync.mapping.fields import expression_columns


def check_contracts(observed: Observation) -> None:
    """Add to the table ``defect`` what each binding's rows break: types, codes, required values, sets, patterns, ranges, references."""
    collect_keys(observed)
    for bound in observed.bound:
        found = [check for name in bound.fields for check in _field_checks(bound, bound.entity.fields[name])]
        found.append(Check("duplicate_record", _place(bound, ""), _duplicates(bound)))
        insert(observed.con, found)


def check_rules(observed: Observation) -> None:
    """Add the rows that break a rule of their contract, but those in which a value the rule uses is already known to be wrong.

    To be called after the systems were compared: a time off by a zone is the cause, «ends before it starts» only the consequence.
    """
    insert(observed.con, [check for bound in observed.bound for check in _rules(bound)])


def collect_keys(observed: Observation) -> None:
    """Make the table ``known_key(entity, key)``: every key any system holds, which is what a reference may point at."""
    con = observed.con
    con.execute("CREATE OR REPLACE TABLE known_key (entity VARCHAR, key VARCHAR)")
    held = [
        f"SELECT DISTINCT {literal(b.entity.name)}, {b.key_sql} AS k FROM {b.table}"
        for b in observed.bound
        if set(b.entity.key) <= set(b.fields)
    ]
    if held:
        con.execute(f"INSERT INTO known_key SELECT * FROM ({' UNION '.join(held)}) AS t(entity, key) WHERE key IS NOT NULL")


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
    place, mapping = _place(bound, declared.name), bound.binding.fields[declared.name]
    broken = quote(BROKEN + declared.name)
    shown = f"'«' || left({raw}, 60) || '»'"

    def rows(condition: str, detail: str = shown) -> str:
        return f"SELECT {key} AS key, {detail} AS detail FROM {bound.table} WHERE {condition}"

    yield Check("bad_code" if mapping.codes else "bad_value", place, rows(broken))
    if declared.required or declared.name in bound.entity.key:
        yield Check("missing_value", place, rows(f"{value} IS NULL AND NOT {broken}", "''"))
    if declared.values:
        yield Check("bad_code", place, rows(f"{value}::VARCHAR NOT IN ({', '.join(map(literal, declared.values))})"))
    if declared.pattern:
        yield Check("bad_format", place, rows(f"NOT regexp_full_match({value}::VARCHAR, {literal(declared.pattern)})"))
    yield from _range_checks(bound, declared)
    if declared.unique and (declared.name,) != bound.entity.key:
        yield Check("repeated_value", place, _surplus(bound, value, 1))
    if declared.references:
        known = f"SELECT key FROM known_key WHERE entity = {literal(declared.references.split('.')[0])}"
        unknown = f"{value} IS NOT NULL AND {value}::VARCHAR NOT IN ({known}) AND EXISTS ({known})"
        yield Check("orphan", place, rows(unknown, f"'refers to ' || {value}::VARCHAR"))
    if declared.at_most:
        kind = "too_many" if declared.references or declared.at_most > 1 else "repeated_value"
        yield Check(kind, place, _surplus(bound, value, declared.at_most))


def _duplicates(bound: BoundRows) -> str:
    """Keys that stand in more than one row."""
    groups = f"SELECT {bound.key_sql} AS k, count(*) AS n FROM {bound.table} GROUP BY 1"
    return f"SELECT k AS key, n || ' rows' AS detail FROM ({groups}) WHERE k IS NOT NULL AND n > 1"


def _surplus(bound: BoundRows, value: str, most: int) -> str:
    """Rows that hold a value as many rows before them hold already; the first ``most`` are as good as any."""
    place = f"row_number() OVER (PARTITION BY {value} ORDER BY _row)"
    detail = f"'«' || left({value}::VARCHAR, 60) || '», number ' || {place}"
    rows = f"SELECT {bound.shown_key_sql} AS key, {detail} AS detail FROM {bound.table} WHERE {value} IS NOT NULL"
    return f"{rows} QUALIFY {place} > {int(most)}"


def _range_checks(bound: BoundRows, declared: Field) -> Iterator[Check]:
    """Out of range; and *unit error* when the value read in another unit of its kind is inside."""
    limits = [(limit, sign) for limit, sign in ((declared.minimum, ">="), (declared.maximum, "<=")) if limit]
    if not limits:
        return
    type_ = CanonicalType.parse(declared.type)
    value, raw, place = quote(declared.name), quote(RAW + declared.name), _place(bound, declared.name)

    def inside(expression: str) -> str:
        return "(" + " AND ".join(f"{expression} {sign} CAST({literal(limit)} AS {duckdb_type(type_)})" for limit, sign in limits) + ")"

    numeric = type_.name in ("integer", "number", "double")
    candidates = factors(declared.unit) if numeric and declared.maximum else ()
    in_unit = " OR ".join(inside(f"({value} / {factor!r})") for factor in candidates) or "false"
    detail = f"{value}::VARCHAR || coalesce(' (held as «' || {raw} || '»)', '')"
    bad = f"SELECT {bound.shown_key_sql} AS key, {detail} AS detail FROM {bound.table} WHERE NOT {inside(value)}"
    yield Check("unit_error", place, f"{bad} AND ({in_unit})")
    yield Check("out_of_range", place, f"{bad} AND NOT ({in_unit})")


def _rules(bound: BoundRows) -> Iterator[Check]:
    for rule in bound.entity.rules.values():
        used = fields_used(rule.check, bound.entity.fields)
        if not used <= set(bound.fields):
            continue  # this system does not hold what the rule is about
        fields = ", ".join(map(literal, sorted(used))) or "NULL"
        known = (
            f"SELECT key FROM defect WHERE system = {literal(bound.system)} AND resource = {literal(bound.binding.resource)} "
            f"AND field IN ({fields}) AND key IS NOT NULL"
        )
        key = bound.shown_key_sql
        query = (
            f"SELECT {key} AS key, {literal(rule.reason or rule.check)} AS detail FROM {bound.table} "
            f"WHERE {rule_broken(rule.check)} AND {key} NOT IN ({known})"
        )
        yield Check("rule_broken" if rule.severity == "quarantine" else "rule_reported", _place(bound, rule.name), query)


def fields_used(expression: str, known: Collection[str]) -> set[str]:
    """Canonical fields an expression of the map names."""
    return {name for name in expression_columns(expression) if name in known}
