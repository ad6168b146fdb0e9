"""A contract as ONE query: which captured rows are refused, each with every reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from accord.connectors.types import literal, quote
from accord.connectors.unreadable import BROKEN, WHY_BROKEN, flag, flagged, is_flag, shown
from accord.model.entity import Dimension, Entity, Field, Rule
from accord.sync.cycle import join_on, names, storage_type
from accord.sync.judge.few import asked_by_value, few_values
from accord.sync.judge.forms import form_of, proven_form
from accord.sync.judge.once import Proofs, worth_proving
from accord.sync.judge.patterns import matches
from accord.sync.mapping.fields import FieldCode, raw_name

_FEW_VALUES = 8  # more are looked up at once


@dataclass(frozen=True, slots=True)
class Check:
    """One row-level check: ``broken`` is SQL, true for a bad row; ``reason`` is SQL giving the text.

    ``name`` is the check's kind (readable, required, values, pattern, minimum, maximum) or the rule's name, ``field`` what it looks at
    (empty for a rule), ``asked`` is SQL, true for a row it says anything about. ``usual`` is a cheaper form of ``broken`` that holds in a
    table without a row for which ``unusual`` is true. ``by_value`` when it is cheaper asked of each value of the field than of each row,
    wherever there are few.
    """

    broken: str
    reason: str
    name: str
    field: str = ""
    dimension: Dimension = "accuracy"
    asked: str = "true"
    unusual: str = ""
    usual: str = ""
    by_value: bool = False


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
    return [_rule_check(entity, rule) for rule in entity.rules.values() if rule.severity == severity]


def _rule_check(entity: Entity, rule: Rule) -> Check:
    from accord.sync.judge.moments import as_moments  # brings the parser of SQL, which only rules with a check should wait for

    unusual, usual = as_moments(rule.check, entity.fields) or ("", "")
    reason = literal(f"{rule.name}: {rule.reason or rule.check}")
    return Check(_broken(entity, rule), reason, rule.name, dimension=rule.dimension, unusual=unusual, usual=usual and f"(NOT ({usual}))")


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
        known = literal("' is not one of " + ", ".join(field.values))
        reason = f"{literal(name + ': ')} || '''' || {shown} || {known}"
        many = sql_type == "VARCHAR" and len(field.values) > _FEW_VALUES
        checks.append(Check(_not_in(column, field.values, sql_type), reason, "values", name, asked=asked, by_value=many))
    if field.pattern:
        text = literal("' does not match " + field.pattern)
        whole = f"CAST({column} AS VARCHAR)"
        # Any other type is made a text once.
        kept = matches(whole, field.pattern) if sql_type == "VARCHAR" else f"regexp_full_match({whole}, {literal(field.pattern)})"
        reason = f"{literal(name + ': ')} || '''' || {shown} || {text}"
        checks.append(Check(f"(NOT {kept})", reason, "pattern", name, asked=asked, by_value=sql_type == "VARCHAR"))
    for bound, sign, word, kind in ((field.minimum, "<", "below", "minimum"), (field.maximum, ">", "above", "maximum")):
        if bound:
            limit = f"CAST({literal(bound)} AS {sql_type})"
            reason = f"{literal(name + ': ')} || {shown} || {literal(f' is {word} {bound}')}"
            checks.append(Check(f"({column} {sign} {limit})", reason, kind, name, asked=asked))
    return checks


def _not_in(column: str, values: Sequence[str], sql_type: str) -> str:
    """SQL that is true for a value whose text is not one of ``values``."""
    if sql_type == "BIGINT" and all(v.lstrip("-").isascii() and v.lstrip("-").isdigit() and str(int(v)) == v for v in values):
        return f"({column} NOT IN ({', '.join(values)}))"
    whole = f"CAST({column} AS VARCHAR)"
    if sql_type != "VARCHAR" or len(values) > _FEW_VALUES:
        return f"({whole} NOT IN ({', '.join(literal(v) for v in values)}))"
    return f"({' AND '.join(f'{whole} <> {literal(v)}' for v in values)})"  # each is asked only of the texts that none before it was


def find_bad(
    con: duckdb.DuckDBPyConnection, entity: Entity, codes: Mapping[str, FieldCode], captured: str, bad: str, references: Mapping[str, str]
) -> Proofs:
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
        How many rows ``bad`` has, and what was proven of ``captured`` on the way.
    """
    columns = {str(row[0]): str(row[1]) for row in con.execute(f"DESCRIBE {captured}").fetchall()}
    found = con.execute(f"SELECT count(*) FROM {captured}").fetchone()
    proofs = Proofs(con, captured, int(found[0]) if found else 0)
    checks = row_checks(entity, read_as_is(columns, codes))
    many = worth_proving(proofs.rows)
    if many:
        checks = _shortened(proofs, entity, checks, columns)
    queries = [] if proofs.once(entity.key) else [_copies(con, entity.key, captured, list(columns))]
    for field in entity.fields.values():
        if field.severity == "quarantine" and field.name in codes:
            queries += _set_queries(entity, field.name, captured, references, proofs)
    if many:
        queries = [*_by_column(checks, columns, captured), *queries]
    elif not queries:  # each row is there once, so that nothing has to be brought together
        found_bad = f"SELECT rid, list_sort(found) AS reasons, false AS ambiguous FROM ({_by_row(checks, columns, captured)})"
        proofs.bad = _made(con, bad, f"{found_bad} WHERE len(found) > 0")
        return _say_broken(con, columns, captured, bad, proofs)
    else:
        by_row = _by_row(checks, columns, captured)
        queries.insert(0, f"SELECT rid, unnest(found) AS reason, false AS ambiguous, 0 AS o FROM ({by_row})")
    proofs.bad = _made(con, bad, _brought_together(queries))
    return _say_broken(con, columns, captured, bad, proofs)


def _say_broken(con: duckdb.DuckDBPyConnection, columns: Iterable[str], captured: str, bad: str, proofs: Proofs) -> Proofs:
    """Of a line that is no row only that is wrong, and not that every value of it is missing."""
    if raw_name(BROKEN) in columns:
        lines = f"SELECT rowid, [{quote(raw_name(WHY_BROKEN))}], false FROM {captured} WHERE {quote(raw_name(BROKEN))} IS NOT NULL"
        con.execute(f"DELETE FROM {bad} WHERE rid IN (SELECT rowid FROM ({lines}))")
        con.execute(f"INSERT INTO {bad} {lines}")
        found = con.execute(f"SELECT count(*) FROM {bad}").fetchone()
        proofs.bad = int(found[0]) if found else 0
    return proofs


def _brought_together(queries: Sequence[str]) -> str:
    """A query giving ``rid``, ``reasons``, ``ambiguous`` of each row that one of ``queries`` names, its reasons in order.

    Most bad rows are bad for one reason, which needs no list put together and sorted.
    """
    nothing = "SELECT NULL::BIGINT AS rid, NULL::VARCHAR AS reason, false AS ambiguous, 0 AS o WHERE false"
    return f"""
        WITH found AS MATERIALIZED ({" UNION ALL ".join(f"({q})" for q in (nothing, *queries))}),
            often AS (SELECT rid FROM found GROUP BY rid HAVING count(*) > 1)
        SELECT rid, CASE WHEN reason IS NOT NULL THEN [reason] END AS reasons, ambiguous
        FROM found ANTI JOIN often USING (rid) WHERE o > 0 OR reason IS NOT NULL
        UNION ALL (
            SELECT rid, list_transform(list_sort(list({{o: o, r: reason}}) FILTER (WHERE reason IS NOT NULL)), lambda x: x.r),
                bool_or(ambiguous)
            FROM found SEMI JOIN often USING (rid) GROUP BY rid HAVING bool_or(o > 0 OR reason IS NOT NULL))"""


def _made(con: duckdb.DuckDBPyConnection, table: str, query: str) -> int:
    """Make a table and say how many rows it has."""
    made = con.execute(f"CREATE OR REPLACE TABLE {table} AS {query}").fetchone()
    return int(made[0]) if made else 0


def _none(con: duckdb.DuckDBPyConnection, captured: str, condition: str) -> bool:
    return con.execute(f"SELECT 1 FROM {captured} WHERE {condition} LIMIT 1").fetchone() is None


def _by_row(checks: Sequence[Check], columns: Iterable[str], captured: str) -> str:
    """A query giving ``rid`` and ``found``, the list of reasons, of each row that breaks a check: all are asked of a row together."""
    reasons = ", ".join(f"CASE WHEN {c.broken} THEN {c.reason} END" for c in checks) or "CAST(NULL AS VARCHAR)"
    found = f"list_filter([{reasons}], lambda r: r IS NOT NULL)"
    return f"{_put_together(checks, columns, captured)} SELECT rid, {found} AS found FROM broken_rows"


def _by_column(checks: Sequence[Check], columns: Mapping[str, str], captured: str) -> Iterator[str]:
    """Queries giving ``rid``, ``reason``, ``ambiguous``, ``o`` of each row that breaks a check: one column after the other.

    Of many rows that is the cheaper way: no column is read for what another one breaks, and what the statistics of a column rule out is
    not read at all.
    """
    texts: dict[str, list[Check]] = {}
    for check in checks:
        if columns.get(check.field) == "VARCHAR":
            texts.setdefault(check.field, []).append(check)
        elif check.field:
            yield f"{_put_together([check], columns, captured)} SELECT rid, {check.reason}, false, 0 FROM broken_rows"
        else:
            yield f"SELECT rowid, {check.reason}, false, 0 FROM {captured} WHERE {check.broken}"
    for same in texts.values():  # reading a column of texts costs more than asking it
        if len(same) == 1:
            yield f"{_put_together(same, columns, captured)} SELECT rid, {same[0].reason}, false, 0 FROM broken_rows"
        else:
            yield f"SELECT rid, unnest(found), false, 0 FROM ({_by_row(same, columns, captured)})"


def _put_together(checks: Sequence[Check], columns: Iterable[str], captured: str) -> str:
    """The start of a query that has the rows breaking a check as ``broken_rows``, with what checks and reasons look at.

    Of a few rows among many good ones the engine would make their reasons in one small batch after the other.
    """
    broken = " OR ".join(c.broken for c in checks) or "false"
    said = " ".join(c.broken + c.reason for c in checks)
    ruled = any(not c.field for c in checks)  # a rule of the map may look at any field
    used = [c for c in columns if quote(c) in said or (ruled and not c.startswith(raw_name("")))]
    shown = "".join(f", {quote(c)}" for c in used)
    return f"WITH broken_rows AS MATERIALIZED (SELECT rowid AS rid{shown} FROM {captured} WHERE {broken})"


def _shortened(proofs: Proofs, entity: Entity, checks: Sequence[Check], columns: Mapping[str, str]) -> list[Check]:
    """The checks of many rows in the form that is cheapest for what stands in them, without those that all rows pass for certain."""
    by_value = list(dict.fromkeys(c.field for c in checks if c.by_value and columns.get(c.field) == "VARCHAR"))
    few = few_values(proofs.con, proofs.relation, by_value, proofs.rows)
    proven = _proven_forms(proofs, entity, [name for name in by_value if name not in few])
    left = [c for c in checks if c.name != "pattern" or c.field not in proven]
    for name in few:
        asked = {c.name: c.broken for c in left if c.field == name and c.by_value}
        found = asked_by_value(proofs.con, proofs.relation, name, asked, f"few_{list(columns).index(name)}_")
        left = [replace(c, broken=found.get(c.name, "")) if c.field == name and c.by_value else c for c in left]
    left = [c for c in left if c.broken]
    return [replace(c, broken=c.usual) if c.usual and _none(proofs.con, proofs.relation, c.unusual) else c for c in left]


def _proven_forms(proofs: Proofs, entity: Entity, columns: Iterable[str]) -> set[str]:
    """The columns whose pattern every row is certain to match; that no value of them stands twice is noted on the way where it is asked."""
    found: set[str] = set()
    for name in columns:
        field = entity.fields[name]
        form = form_of(field.pattern) if field.pattern else None
        if form is None:
            continue
        wanted = (name,) == entity.key or field.unique or field.at_most > 0
        holds, differ = proven_form(proofs.con, proofs.relation, name, form, proofs.rows, once=wanted)
        if holds:
            found.add(name)
        if differ:
            proofs.told[name,] = True
    return found


def _copies(con: duckdb.DuckDBPyConnection, keys: Sequence[str], captured: str, columns: Sequence[str]) -> str:
    """A query giving ``rid``, ``reason``, ``ambiguous``, ``o`` of rows whose key stands twice; of identical ones all but the first."""
    with_key = " AND ".join(f"{quote(k)} IS NOT NULL" for k in keys)
    body = f"hash({names(columns)})"
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE twice AS
        WITH doubled AS (SELECT {names(keys)} FROM {captured} WHERE {with_key} GROUP BY ALL HAVING count(*) > 1)
        SELECT {names(keys)}, count(*) AS _n, min(c.rowid) AS _first, count(DISTINCT {body}) AS _bodies
        FROM {captured} c SEMI JOIN doubled d USING ({names(keys)}) GROUP BY {names(keys)}""")
    label = " || ', ' || ".join(f"CAST(c.{quote(k)} AS VARCHAR)" for k in keys)
    return (
        f"SELECT c.rowid, CASE WHEN t._bodies > 1 THEN t._n || ' rows hold the key ' || {label} END, t._bodies > 1, 1 "
        f"FROM {captured} c JOIN twice t ON {join_on(keys, 'c', 't')} WHERE t._bodies > 1 OR c.rowid <> t._first"
    )


def read_as_is(types: Mapping[str, str], codes: Mapping[str, FieldCode]) -> dict[str, FieldCode]:
    """The codes, and those whose column has the field's own type without the check that it could be read, which it cannot fail."""
    found = {}
    for name, code in codes.items():
        type_, column = types.get(name, ""), quote(code.column)
        plain = code.read in (column, f"CAST({column} AS {type_})", f"TRY_CAST({column} AS {type_})")
        sure = plain and types.get(raw_name(code.column)) == type_ and raw_name(flag(code.column)) not in types
        found[name] = replace(code, broken="false") if sure else code
    return found


def _set_queries(entity: Entity, name: str, captured: str, references: Mapping[str, str], proofs: Proofs) -> Iterator[str]:
    """The queries of ``named_set_checks`` that may find something."""
    for kind, query in named_set_checks(entity, name, captured, references).items():
        if kind == "references" or not proofs.once((name,)):
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
    proofs = Proofs(con, captured, int(rows))
    for field in entity.fields.values():
        if field.severity != "report" or field.name not in codes:
            continue
        if queries := list(_set_queries(entity, field.name, captured, references, proofs)):
            row = con.execute(
                f"SELECT count(DISTINCT rid), min(reason) FROM ({' UNION ALL '.join(queries)}) x(rid, reason, a, o)"
            ).fetchone()
            found[field.name] = (int(row[0]), f"for example {row[1]}") if row else (0, "")
    return {name: result for name, result in found.items() if result[0]}


def accepted_view(captured: str, bad: str) -> str:
    """SQL of the rows that passed, with ``_rid``."""
    return f"SELECT c.rowid AS _rid, c.* FROM {captured} c ANTI JOIN {bad} b ON c.rowid = b.rid"


def row_json(columns: list[str], alias: str) -> str:
    """SQL giving the system's own columns of a row as JSON text, every value as text."""
    raw = [c.removeprefix(raw_name("")) for c in columns if c.startswith(raw_name(""))]
    unread = flagged(raw)
    texts = {c: f"CAST({alias}.{quote(raw_name(c))} AS VARCHAR)" for c in raw if not is_flag(c)}
    packed = ", ".join(f"{quote(c)} := {shown(text) if c in unread else text}" for c, text in texts.items())
    body = f"CAST(to_json(struct_pack({packed})) AS VARCHAR)" if packed else "'{}'"
    if BROKEN not in raw:
        return body
    line = f"{alias}.{quote(raw_name(BROKEN))}"
    return f"CASE WHEN {line} IS NULL THEN {body} ELSE CAST(to_json(struct_pack(line := {shown(line)})) AS VARCHAR) END"
