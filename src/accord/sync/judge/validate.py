"""A contract as ONE query: which captured rows are refused, each with every reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from accord.connectors.types import literal, quote
from accord.model.entity import Dimension, Entity, Field, Rule
from accord.sync.cycle import join_on, names, storage_type
from accord.sync.judge.once import proven_once
from accord.sync.mapping.fields import FieldCode, raw_name


@dataclass(frozen=True, slots=True)
class Check:
    """One row-level check: ``broken`` is SQL, true for a bad row; ``reason`` is SQL giving the text.

    ``name`` is the check's kind (readable, required, values, pattern, minimum, maximum) or the rule's name, ``field`` what it looks at
    (empty for a rule), ``asked`` is SQL, true for a row it says anything about.
    """

    broken: str
    reason: str
    name: str
    field: str = ""
    dimension: Dimension = "accuracy"
    asked: str = "true"


def row_checks(entity: Entity, codes: Mapping[str, FieldCode]) -> list[Check]:
    """Every check that one row answers by itself: readable values, required, values, pattern, range, rules that quarantine.

    Args:
        entity: the contract.
        codes: the fields that are provided and how they are read; a field that is not provided is not checked.
    """
    checks: list[Check] = []
    for name, field in entity.fields.items():
        code = codes.get(name)
        if code is None:
            continue
        if code.broken != "false":
            asked = f"({quote(name)} IS NOT NULL OR {code.broken})"
            checks.append(Check(code.broken, code.reason, "readable", name, "mapping", asked))
        if field.required or name in entity.key:
            what = "key is missing" if name in entity.key else "is required and missing"
            missing = f"({quote(name)} IS NULL AND NOT {code.broken})"
            checks.append(Check(missing, literal(f"{name}: {what}"), "required", name, "completeness"))
        checks += _value_checks(field, storage_type(entity, name))
    return checks + rule_checks(entity, "quarantine")


def rule_checks(entity: Entity, severity: str) -> list[Check]:
    """The entity's rules of one severity."""
    return [
        Check(_broken(entity, rule), literal(f"{rule.name}: {rule.reason or rule.check}"), rule.name, dimension=rule.dimension)
        for rule in entity.rules.values()
        if rule.severity == severity
    ]


def rule_broken(check: str) -> str:
    """SQL that is true when a rule of the map is false; null counts as true, and so does an expression that fails."""
    return f"coalesce(NOT TRY(({check})), false)"


def _broken(entity: Entity, rule: Rule) -> str:
    from accord.sync.judge.moments import without_calendar  # brings the parser of SQL, which only rules with a check should wait for

    return rule_broken(without_calendar(rule.check, entity.fields))


def _value_checks(field: Field, sql_type: str) -> list[Check]:
    name, column = field.name, quote(field.name)
    shown = f"left(CAST({column} AS VARCHAR), 60)"
    asked = f"{column} IS NOT NULL"
    checks = []
    if field.values:
        allowed = ", ".join(literal(v) for v in field.values)
        known = literal("' is not one of " + ", ".join(field.values))
        reason = f"{literal(name + ': ')} || '''' || {shown} || {known}"
        checks.append(Check(f"(CAST({column} AS VARCHAR) NOT IN ({allowed}))", reason, "values", name, asked=asked))
    if field.pattern:
        text = literal("' does not match " + field.pattern)
        broken = f"(NOT regexp_full_match(CAST({column} AS VARCHAR), {literal(field.pattern)}))"
        checks.append(Check(broken, f"{literal(name + ': ')} || '''' || {shown} || {text}", "pattern", name, asked=asked))
    for bound, sign, word, kind in ((field.minimum, "<", "below", "minimum"), (field.maximum, ">", "above", "maximum")):
        if bound:
            limit = f"CAST({literal(bound)} AS {sql_type})"
            reason = f"{literal(name + ': ')} || {shown} || {literal(f' is {word} {bound}')}"
            checks.append(Check(f"({column} {sign} {limit})", reason, kind, name, asked=asked))
    return checks


def find_bad(
    con: duckdb.DuckDBPyConnection, entity: Entity, codes: Mapping[str, FieldCode], captured: str, bad: str, references: Mapping[str, str]
) -> int:
    """Fill table ``bad`` with ``rid`` (row of ``captured``), ``reasons`` (list of text), ``ambiguous`` (its key stands twice).

    Identical copies of a row are no contradiction: one stays, the others get ``reasons`` null and are simply left out.

    Args:
        con: the cycle's connection.
        entity: the contract.
        codes: the provided fields.
        captured: table with all canonical fields.
        bad: table to make.
        references: field: table of the texts it may hold (one column ``k``).

    Returns:
        How many rows ``bad`` has.
    """
    columns = [str(row[0]) for row in con.execute(f"DESCRIBE {captured}").fetchall()]
    found = con.execute(f"SELECT count(*) FROM {captured}").fetchone()
    rows = int(found[0]) if found else 0
    queries = [] if proven_once(con, captured, entity.key, rows) else [_copies(con, entity.key, captured, columns)]
    for field in entity.fields.values():
        if field.severity == "quarantine" and field.name in codes:
            queries += _set_queries(con, entity, field.name, captured, references, rows)
    checks = row_checks(entity, _read_as_is(con, captured, codes))
    reasons = ", ".join(f"CASE WHEN {c.broken} THEN {c.reason} END" for c in checks) or "CAST(NULL AS VARCHAR)"
    broken = " OR ".join(c.broken for c in checks) or "false"
    # Put together first, with what their reasons show: of a few rows among many good ones the engine would make one small batch after
    # the other.
    shown = "".join(f", {quote(c)}" for c in columns if c in entity.fields or quote(c) in reasons)
    con.execute(f"CREATE OR REPLACE TEMP TABLE broken_rows AS SELECT rowid AS _rid{shown} FROM {captured} WHERE {broken}")
    by_row = f"SELECT _rid AS rid, list_filter([{reasons}], lambda r: r IS NOT NULL) AS found FROM broken_rows"
    if not queries:  # each row is there once, so that nothing has to be brought together
        made = con.execute(f"""
            CREATE OR REPLACE TABLE {bad} AS
            SELECT rid, list_sort(found) AS reasons, false AS ambiguous FROM ({by_row}) WHERE len(found) > 0""").fetchone()
        return int(made[0]) if made else 0
    parts = [f"SELECT rid, unnest(found) AS reason, false AS ambiguous, 0 AS o FROM ({by_row})", *queries]
    made = con.execute(f"""
        CREATE OR REPLACE TABLE {bad} AS
        SELECT rid, list(reason ORDER BY o, reason) FILTER (WHERE reason IS NOT NULL) AS reasons, bool_or(ambiguous) AS ambiguous
        FROM ({" UNION ALL ".join(parts)}) GROUP BY rid""").fetchone()
    return int(made[0]) if made else 0


def _copies(con: duckdb.DuckDBPyConnection, keys: Sequence[str], captured: str, columns: Sequence[str]) -> str:
    """A query giving ``rid``, ``reason``, ``ambiguous``, ``o`` of rows whose key stands twice; of identical ones all but the first."""
    with_key = " AND ".join(f"{quote(k)} IS NOT NULL" for k in keys)
    body = f"hash({names(columns)})"
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE twice AS
        WITH doubled AS (SELECT {names(keys)} FROM {captured} WHERE {with_key} GROUP BY ALL HAVING count(*) > 1)
        SELECT {names(keys)}, count(*) AS n, min(c.rowid) AS first, count(DISTINCT {body}) AS bodies
        FROM {captured} c SEMI JOIN doubled d USING ({names(keys)}) GROUP BY {names(keys)}""")
    label = " || ', ' || ".join(f"CAST(c.{quote(k)} AS VARCHAR)" for k in keys)
    return (
        f"SELECT c.rowid, CASE WHEN t.bodies > 1 THEN t.n || ' rows hold the key ' || {label} END, t.bodies > 1, 1 "
        f"FROM {captured} c JOIN twice t ON {join_on(keys, 'c', 't')} WHERE t.bodies > 1 OR c.rowid <> t.first"
    )


def _read_as_is(con: duckdb.DuckDBPyConnection, captured: str, codes: Mapping[str, FieldCode]) -> dict[str, FieldCode]:
    """The codes, and those whose column has the field's own type without the check that it could be read, which it cannot fail."""
    types = {str(row[0]): str(row[1]) for row in con.execute(f"DESCRIBE {captured}").fetchall()}
    found = {}
    for name, code in codes.items():
        type_, column = types.get(name, ""), quote(code.column)
        plain = code.read in (column, f"CAST({column} AS {type_})", f"TRY_CAST({column} AS {type_})")
        found[name] = replace(code, broken="false") if plain and types.get(raw_name(code.column)) == type_ else code
    return found


def _set_queries(
    con: duckdb.DuckDBPyConnection, entity: Entity, name: str, captured: str, references: Mapping[str, str], rows: int
) -> Iterator[str]:
    """The queries of ``named_set_checks`` that may find something."""
    for kind, query in named_set_checks(entity, name, captured, references).items():
        if kind == "references" or not proven_once(con, captured, (name,), rows):
            yield query


def named_set_checks(entity: Entity, name: str, captured: str, references: Mapping[str, str]) -> dict[str, str]:
    """Checks of a field that need other rows, by name: unique, at_most, references. Copies of one key count once.

    Returns:
        Queries giving ``rid``, ``reason``, ``ambiguous``, ``o`` of each row that breaks one.
    """
    found = {}
    field, column = entity.fields[name], quote(name)
    mark = literal("'")
    shown = f"{mark} || left(CAST(c.{column} AS VARCHAR), 60) || {mark}"
    most = 1 if field.unique else field.at_most
    if most and (name,) != entity.key:
        holders = f"count(DISTINCT ({names(entity.key)}))"
        # Few values stand in too many rows at all; only among those it is worth counting different keys.
        often = f"SELECT {column} FROM {captured} WHERE {column} IS NOT NULL GROUP BY ALL HAVING count(*) > {int(most)}"
        many = f"SELECT {column}, {holders} AS n FROM {captured} SEMI JOIN ({often}) USING ({column}) GROUP BY ALL HAVING n > {int(most)}"
        said = f"{literal(name + ': ')} || {shown} || ' stands in ' || m.n || ' rows; at most {int(most)} may hold it'"
        kind = "unique" if field.unique else "at_most"
        found[kind] = f"SELECT c.rowid, {said}, false, 2 FROM {captured} c JOIN ({many}) m ON c.{column} = m.{column}"
    if field.references and name in references:
        said = f"{literal(f'{name}: no {field.references} ')} || {shown}"
        found["references"] = (
            f"SELECT c.rowid, {said}, false, 3 FROM {captured} c ANTI JOIN {references[name]} r ON CAST(c.{column} AS VARCHAR) = r.k "
            f"WHERE c.{column} IS NOT NULL"
        )
    return found


def count_reported(
    con: duckdb.DuckDBPyConnection, entity: Entity, codes: Mapping[str, FieldCode], captured: str, references: Mapping[str, str]
) -> dict[str, tuple[int, str]]:
    """Rows that break what only reports, by rule or field: how many, and what is wrong. They pass."""
    rules = [rule for rule in entity.rules.values() if rule.severity == "report"]
    asked = ["count(*)", *(f"count(*) FILTER (WHERE {_broken(entity, rule)})" for rule in rules)]
    rows, *counts = con.execute(f"SELECT {', '.join(asked)} FROM {captured}").fetchone() or (0,)
    found = {rule.name: (int(count), rule.reason or rule.check) for rule, count in zip(rules, counts, strict=True)}
    for field in entity.fields.values():
        if field.severity != "report" or field.name not in codes:
            continue
        if queries := list(_set_queries(con, entity, field.name, captured, references, int(rows))):
            row = con.execute(
                f"SELECT count(DISTINCT rid), min(reason) FROM ({' UNION ALL '.join(queries)}) x(rid, reason, a, o)"
            ).fetchone()
            found[field.name] = (int(row[0]), f"for example {row[1]}") if row else (0, "")
    return {name: result for name, result in found.items() if result[0]}


def accepted_view(captured: str, bad: str) -> str:
    """SQL of the rows that passed, with ``rid``."""
    return f"SELECT c.rowid AS rid, c.* FROM {captured} c ANTI JOIN {bad} b ON c.rowid = b.rid"


def row_json(columns: list[str], alias: str) -> str:
    """SQL giving the system's own columns of a row as JSON text, every value as text."""
    raw = [c for c in columns if c.startswith(raw_name(""))]
    packed = ", ".join(f"{quote(c.removeprefix(raw_name('')))} := CAST({alias}.{quote(c)} AS VARCHAR)" for c in raw)
    return f"CAST(to_json(struct_pack({packed})) AS VARCHAR)" if packed else "'{}'"
