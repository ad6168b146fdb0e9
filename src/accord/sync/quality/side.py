"""What the rows of one side answer by themselves: the contract, and whether every value survives the way there and back."""

from __future__ import annotations

from collections.abc import Mapping

from accord.connectors.types import literal, quote
from accord.sync.capture.read import unmapped_columns
from accord.sync.cycle import Side, key_json, names
from accord.sync.judge.aggregates import broken_groups, count_groups, fields_of
from accord.sync.judge.validate import Check, named_set_checks, row_checks, rule_checks
from accord.sync.mapping.fields import FieldCode, mapped_columns
from accord.sync.quality.notes import Notes


def judge_rows(notes: Notes, side: Side, references: Mapping[str, str]) -> None:
    """Every row-level check of the contract, those that only report included, in one pass; then those that need other rows."""
    cycle, cap = notes.cycle, side.table("cap")
    checks = [*row_checks(cycle.entity, side.codes), *rule_checks(cycle.entity, "report")]
    _count(notes, side, checks, cap)
    _one_row_per_key(notes, side)
    for name in side.codes:
        held = cycle.count(f"SELECT count({quote(name)}) FROM {cap}")
        for kind, query in named_set_checks(cycle.entity, name, cap, references).items():
            cycle.sql(f"CREATE OR REPLACE TEMP TABLE broken AS SELECT rid, reason FROM ({query}) q(rid, reason, ambiguous, o)")
            number = notes.add("consistency", kind, held, cycle.count("SELECT count(DISTINCT rid) FROM broken"), side, field=name)
            notes.gaps(f"SELECT {number}, {key_json(cycle.keys, 'c')}, b.reason FROM broken b JOIN {cap} c ON c.rowid = b.rid")
    for check in cycle.entity.checks.values():
        if fields_of(check) <= set(side.fields):
            broken = broken_groups(cycle, side.table("rows"), check)
            number = notes.add(check.dimension, check.name, count_groups(cycle, side.table("rows"), check), len(broken), side)
            for group, result in broken:
                what = f"{check.aggregate} is {result}" + (f" ({check.reason})" if check.reason else "")
                notes.gap(number, None, f"{group}: {what}" if group else what)


def _count(notes: Notes, side: Side, checks: list[Check], relation: str) -> None:
    """Ask all checks in one pass over a relation, and name the rows that fail in another over those alone."""
    cycle = notes.cycle
    if not checks:
        return
    counted = ", ".join(f"count(*) FILTER (WHERE {c.asked}), count(*) FILTER (WHERE {c.broken})" for c in checks)
    found = [int(str(v)) for v in cycle.sql(f"SELECT {counted} FROM {relation}")[0]]
    numbers = [
        notes.add(c.dimension, c.name, asked, bad, side, field=c.field)
        for c, asked, bad in zip(checks, found[::2], found[1::2], strict=True)
    ]
    if not any(found[1::2]):
        return
    cases = ", ".join(
        f"CASE WHEN {c.broken} THEN {{n: {n}, reason: CAST({c.reason} AS VARCHAR)}} END" for n, c in zip(numbers, checks, strict=True)
    )
    some = " OR ".join(c.broken for c in checks)
    rows = f"SELECT {key_json(cycle.keys)} AS key, unnest([{cases}]) AS f FROM {relation} WHERE {some}"
    notes.gaps(f"SELECT f.n, key, f.reason FROM ({rows}) WHERE f IS NOT NULL")


def _one_row_per_key(notes: Notes, side: Side) -> None:
    """Of several rows with one key all but one are too many."""
    cycle, cap = notes.cycle, side.table("cap")
    with_key = " AND ".join(f"{quote(k)} IS NOT NULL" for k in cycle.keys)
    groups = f"SELECT {names(cycle.keys)}, count(*) AS n FROM {cap} WHERE {with_key} GROUP BY {names(cycle.keys)}"
    row = cycle.sql(f"SELECT coalesce(sum(n), 0), coalesce(sum(n - 1), 0) FROM ({groups})")[0]
    number = notes.add("consistency", "one row per key", int(str(row[0])), int(str(row[1])), side)
    notes.gaps(f"SELECT {number}, {key_json(cycle.keys)}, n || ' rows hold this key' FROM ({groups}) WHERE n > 1")


def judge_mapping(notes: Notes, side: Side) -> None:
    """Which required fields and columns are mapped, and which values do not come back as they were after being written and read."""
    cycle = notes.cycle
    required = [n for n, f in cycle.entity.fields.items() if f.required or n in cycle.keys]
    unmapped = [n for n in required if n not in side.binding.fields and not (side.binding.own_key and n in cycle.keys)]
    number = notes.add("mapping", "required fields mapped", len(required), len(unmapped), side)
    for name in unmapped:
        notes.gap(number, None, f"{name}: required, and no column is mapped to it")
    spare = unmapped_columns(side)
    number = notes.add("mapping", "columns mapped", len(side.columns), len(spare), side)
    for column in spare:
        notes.gap(number, None, f"column '{column}' is mapped to no field")
    for name, mapping in side.binding.fields.items():
        gone = [c for c in mapped_columns(mapping) if c in side.lacking]
        if gone:
            number = notes.add("mapping", "column there", side.rows, side.rows, side, field=name)
            notes.gap(number, None, f"{name}: column '{gone[0]}' is gone")
    _there_and_back(notes, side)


def _there_and_back(notes: Notes, side: Side) -> None:
    """Write each value as the mapping would, read it again, and count those that changed on the way. Nothing is written anywhere."""
    cycle = notes.cycle
    written: dict[str, str] = {}
    codes: list[FieldCode] = []
    for code in side.written(()):
        parts = {code.column: code.write, **dict(code.more)}
        if code.readable and set(code.needs) <= set(parts) and not any(c in written and written[c] != w for c, w in parts.items()):
            written |= {c: str(w) for c, w in parts.items()}
            codes.append(code)
    if not codes:
        return
    columns = {c.lower(): t for c, t in side.columns.items()}
    went = ", ".join(f"CAST({w} AS {columns[c.lower()]}) AS {quote(c)}" for c, w in written.items())
    kept = ", ".join(f"{quote(c.name)} AS {quote('was.' + c.name)}" for c in codes)
    query = f"SELECT {key_json(cycle.keys)} AS _key, {kept}, {went} FROM {side.table('cap')}"
    back = ", ".join(f"{c.read} AS {quote(c.name)}" for c in codes)
    was = ", ".join(quote("was." + c.name) for c in codes)
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE returned AS SELECT _key, {was}, {back} FROM ({query})")
    checks = []
    for code in codes:
        before, after = quote("was." + code.name), quote(code.name)
        said = f"'→ ' || coalesce(left(CAST({after} AS VARCHAR), 60), 'nothing')"
        reason = f"{literal(code.name + ': ')} || left(CAST({before} AS VARCHAR), 60) || ' ' || {said} || ' once written and read again'"
        broken = f"({before} IS NOT NULL AND {after} IS DISTINCT FROM {before})"
        checks.append(Check(broken, reason, "there and back", code.name, "mapping", f"{before} IS NOT NULL"))
    counted = ", ".join(f"count(*) FILTER (WHERE {c.asked}), count(*) FILTER (WHERE {c.broken})" for c in checks)
    found = [int(str(v)) for v in cycle.sql(f"SELECT {counted} FROM returned")[0]]
    for check, asked, bad in zip(checks, found[::2], found[1::2], strict=True):
        number = notes.add(check.dimension, check.name, asked, bad, side, field=check.field)
        if bad:
            notes.gaps(f"SELECT {number}, _key, {check.reason} FROM returned WHERE {check.broken}")
