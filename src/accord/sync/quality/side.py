"""What the rows of one side answer by themselves: the contract, and whether every value survives the way there and back."""

from __future__ import annotations

from collections.abc import Mapping

from accord.connectors.types import literal, quote
from accord.sync.capture.read import unmapped_columns
from accord.sync.cycle import Side, key_json, names
from accord.sync.judge.aggregates import broken_groups, count_groups, fields_of
from accord.sync.judge.once import Proofs
from accord.sync.judge.validate import Check, named_set_checks, row_checks, rule_checks
from accord.sync.mapping.fields import FieldCode, mapped_columns
from accord.sync.mapping.itself import holds_itself
from accord.sync.quality.notes import Notes


def judge_rows(notes: Notes, side: Side, references: Mapping[str, str], proofs: Proofs) -> None:
    """Every row-level check of the contract, those that only report included, then those that need other rows.

    All rows are read once, for how many values there are to ask about and for what only reports. What else is broken is among the rows
    that ``find_bad`` found, and what was proven on that way is not asked again.
    """
    cycle, cap, entity = notes.cycle, side.table("cap"), notes.cycle.entity
    reporting = rule_checks(entity, "report")
    checks = [*row_checks(entity, side.codes), *reporting]
    suspects = [f"SELECT rid FROM {side.table('bad')}", *(f"SELECT rowid FROM {cap} WHERE {c.broken}" for c in reporting)]
    columns = [str(row[0]) for row in cycle.sql(f"DESCRIBE {cap}")]
    said = " ".join(c.broken + c.reason for c in checks)
    shown = [c for c in columns if c in entity.fields or quote(c) in said]
    cycle.sql(f"""
        CREATE OR REPLACE TEMP TABLE suspect_rows AS
        SELECT {names(shown)} FROM {cap} WHERE rowid IN (SELECT rid FROM ({" UNION ALL ".join(suspects)}))""")
    held = {name: f"count({quote(name)})" for name in side.codes}
    with_key = f"count(*) FILTER (WHERE {' AND '.join(f'{quote(k)} IS NOT NULL' for k in cycle.keys)})"
    wanted = list(dict.fromkeys([with_key, *held.values(), *map(_asked, checks)]))
    counts = dict(zip(wanted, (int(str(v)) for v in cycle.sql(f"SELECT {', '.join(wanted)} FROM {cap}")[0]), strict=True))
    _note(notes, side, checks, [counts[_asked(c)] for c in checks])
    _one_row_per_key(notes, side, counts[with_key], once=proofs.once(cycle.keys))
    for name in side.codes:
        for kind, query in named_set_checks(entity, name, cap, references).items():
            if kind != "references" and proofs.once((name,)):
                notes.add("consistency", kind, counts[held[name]], 0, side, field=name)
                continue
            cycle.sql(f"CREATE OR REPLACE TEMP TABLE broken AS SELECT rid, reason FROM ({query}) q(rid, reason, ambiguous, o)")
            bad = cycle.count("SELECT count(DISTINCT rid) FROM broken")
            number = notes.add("consistency", kind, counts[held[name]], bad, side, field=name)
            notes.gaps(f"SELECT {number}, {key_json(cycle.keys, 'c')}, b.reason FROM broken b JOIN {cap} c ON c.rowid = b.rid")
    for check in entity.checks.values():
        if fields_of(check) <= set(side.fields):
            broken = broken_groups(cycle, side.table("rows"), check)
            number = notes.add(check.dimension, check.name, count_groups(cycle, side.table("rows"), check), len(broken), side)
            for group, result in broken:
                what = f"{check.aggregate} is {result}" + (f" ({check.reason})" if check.reason else "")
                notes.gap(number, None, f"{group}: {what}" if group else what)


def _asked(check: Check) -> str:
    """SQL of how many rows a check says anything about; in the form that statistics of a column answer, where there is one."""
    if check.asked == "true":
        return "count(*)"
    plain = quote(check.field)
    return f"count({plain})" if check.asked == f"{plain} IS NOT NULL" else f"count(*) FILTER (WHERE {check.asked})"


def _note(notes: Notes, side: Side, checks: list[Check], asked: list[int]) -> None:
    """Count and name what ``suspect_rows`` break."""
    cycle = notes.cycle
    if not checks:
        return
    counted = ", ".join(f"count(*) FILTER (WHERE {c.broken})" for c in checks)
    found = [int(str(v)) for v in cycle.sql(f"SELECT {counted} FROM suspect_rows")[0]]
    numbers = [notes.add(c.dimension, c.name, n, bad, side, field=c.field) for c, n, bad in zip(checks, asked, found, strict=True)]
    if not any(found):
        return
    cases = ", ".join(
        f"CASE WHEN {c.broken} THEN {{n: {n}, reason: CAST({c.reason} AS VARCHAR)}} END" for n, c in zip(numbers, checks, strict=True)
    )
    rows = f"SELECT {key_json(cycle.keys)} AS key, unnest([{cases}]) AS f FROM suspect_rows"
    notes.gaps(f"SELECT f.n, key, f.reason FROM ({rows}) WHERE f IS NOT NULL")


def _one_row_per_key(notes: Notes, side: Side, asked: int, *, once: bool) -> None:
    """Of several rows with one key all but one are too many."""
    cycle, cap = notes.cycle, side.table("cap")
    if once:
        notes.add("consistency", "one row per key", asked, 0, side)
        return
    with_key = " AND ".join(f"{quote(k)} IS NOT NULL" for k in cycle.keys)
    groups = f"SELECT {names(cycle.keys)}, count(*) AS n FROM {cap} WHERE {with_key} GROUP BY {names(cycle.keys)} HAVING count(*) > 1"
    bad = cycle.count(f"SELECT coalesce(sum(n - 1), 0) FROM ({groups})")
    number = notes.add("consistency", "one row per key", asked, bad, side)
    notes.gaps(f"SELECT {number}, {key_json(cycle.keys)}, n || ' rows hold this key' FROM ({groups})")


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
    for code in side.written(cycle.keys if side.binding.own_key else ()):  # the canonical id stands in no column
        parts = {code.column: code.write, **dict(code.more)}
        if code.readable and set(code.needs) <= set(parts) and not any(c in written and written[c] != w for c, w in parts.items()):
            written |= {c: str(w) for c, w in parts.items()}
            codes.append(code)
    plain = [c for c in codes if holds_itself(cycle.entity, side, c)]
    for code in plain:
        asked = cycle.count(f"SELECT count({quote(code.name)}) FROM {side.table('cap')}")
        notes.add("mapping", "there and back", asked, 0, side, field=code.name)
    if codes := [c for c in codes if c not in plain]:
        _return(notes, side, codes, {c: w for c, w in written.items() if any(c in {code.column, *dict(code.more)} for code in codes)})


def _return(notes: Notes, side: Side, codes: list[FieldCode], written: Mapping[str, str]) -> None:
    """Write and read in the way of ``codes`` and note what changed."""
    cycle = notes.cycle
    columns = {c.lower(): t for c, t in side.columns.items()}
    went = ", ".join(f"CAST({w} AS {columns[c.lower()]}) AS {quote(c)}" for c, w in written.items())
    kept = ", ".join(f"{quote(c.name)} AS {quote('was.' + c.name)}" for c in codes)
    keys = ", ".join(f"{quote(k)} AS {quote('key.' + k)}" for k in cycle.keys)
    query = f"SELECT {keys}, {kept}, {went} FROM {side.table('cap')}"
    back = ", ".join(f"{c.read} AS {quote(c.name)}" for c in codes)
    was = ", ".join(quote("was." + c.name) for c in codes)
    held = ", ".join(quote("key." + k) for k in cycle.keys)
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE returned AS SELECT {held}, {was}, {back} FROM ({query})")
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
            named = ", ".join(f"{quote('key.' + k)} AS {quote(k)}" for k in cycle.keys)
            rows = f"SELECT {named}, {check.reason} AS _reason FROM returned WHERE {check.broken}"
            notes.gaps(f"SELECT {number}, {key_json(cycle.keys)}, _reason FROM ({rows})")
