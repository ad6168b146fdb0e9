"""The contract applied: each side's captured rows, and the merged rows before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from accord.connectors.types import literal, quote
from accord.model.figure import Finding
from accord.sync.cycle import Cycle, Side, join_on, key_json, names, only_rows, storage_type
from accord.sync.judge.quarantine import make_waiting
from accord.sync.judge.validate import accepted_view, count_reported, find_bad, row_json
from accord.sync.mapping.fields import raw_name
from accord.sync.merge.merge import AGREED, authority_of
from accord.sync.state.base import QUARANTINE, load_golden, load_neighbours


def load_references(cycle: Cycle) -> dict[str, str]:
    """Tables with the keys that reference fields may hold: field → table with one text column ``k``.

    Keys come from the agreed rows of the flows that keep the referenced entity; without any, the reference cannot be judged and is not.
    A reference to the entity itself may also name any row just captured.
    """
    found: dict[str, str] = {}
    for number, (name, field) in enumerate(cycle.entity.fields.items()):
        target = cycle.map.entities.get(field.references)
        if target is None or len(target.key) != 1:
            continue
        table, key = f"reference_{number}", target.key[0]
        agreed = load_golden(cycle, f"{table}_rows", target, {key: storage_type(target, key)})
        if not agreed and target.name != cycle.entity.name:
            continue
        parts = [f"SELECT CAST({quote(key)} AS VARCHAR) AS k FROM {table}_rows"]
        if target.name == cycle.entity.name:
            parts += [f"SELECT CAST({quote(key)} AS VARCHAR) FROM {s.table('cap')}" for s in cycle.sides]
        cycle.sql(f"CREATE OR REPLACE TEMP TABLE {table} AS {' UNION '.join(parts)}")
        found[name] = table
    return found


def judge_side(cycle: Cycle, side: Side, references: dict[str, str]) -> None:
    """Split ``cap_<i>`` into ``cur_<i>`` (accepted, with ``_rid``) and ``bad_<i>`` (with reasons); ``qkey_<i>`` has the keys held back.

    A row whose key can no longer be read must not look like a delete: a key that went missing while an unreadable row shows all its other
    values counts as held back too. A line that is no row may have been any row: while one stands, every key that went missing does.
    """
    cap, bad, keys = side.table("cap"), side.table("bad"), cycle.keys
    cycle.made[bad] = find_bad(cycle.con, cycle.entity, side.codes, cap, bad, references).bad
    cycle.sql(f"CREATE OR REPLACE VIEW {side.table('cur')} AS {accepted_view(cap, bad)}")
    with_key = " AND ".join(f"c.{quote(k)} IS NOT NULL" for k in keys)
    no_key = " OR ".join(f"c.{quote(k)} IS NULL" for k in keys)
    rest = [f for f in side.fields if f not in keys]
    same = " AND ".join(f"c.{quote(f)} IS NOT DISTINCT FROM b.{quote(f)}" for f in rest) or "true"
    if cycle.rows(bad):
        cycle.sql(f"""
            CREATE OR REPLACE TABLE {side.table("qkey")} AS
            SELECT {names(keys, "c")}, min(c.rowid) AS _rid, bool_or(x.ambiguous) AS _ambiguous
            FROM {cap} c JOIN {bad} x ON x.rid = c.rowid WHERE {with_key} AND x.reasons IS NOT NULL GROUP BY {names(keys, "c")}""")
    else:
        kinds = {k: storage_type(cycle.entity, k) for k in keys}
        cycle.make_empty(side.table("qkey"), {**kinds, "_rid": "BIGINT", "_ambiguous": "BOOLEAN"})
    if not cycle.count(f"SELECT count(*) FROM {cap} c WHERE {no_key}"):
        return
    alike = "" if side.broken else f"SEMI JOIN (SELECT * FROM {cap} c WHERE {no_key}) c ON {same}"
    cycle.sql(f"""
        INSERT INTO {side.table("qkey")}
        SELECT {names(keys, "b")}, NULL, true FROM {side.table("base")} b
        ANTI JOIN (SELECT * FROM {cap}) k ON {join_on(keys, "b", "k")}
        {alike} WHERE NOT b._gone""")


def judge_merged(cycle: Cycle, references: dict[str, str]) -> None:
    """Hold back merged rows that break the contract though every part of them kept it; table ``bad_merged``.

    Two systems may each send an honest half (a start date here, an end date there) that make a bad whole. Such a key keeps its old state
    everywhere until one of them mends it. Rows taken whole from one side were judged with that side; what people decided and what edits of
    several add up to is from none.
    """
    fields = [f for f in cycle.fields if f not in cycle.keys]
    provided = {n: replace(c, broken="false") for s in cycle.sides for n, c in s.codes.items() if c.readable or n in cycle.keys}
    winners = [quote("w." + f) for f in fields if f in provided]
    shared = [f for f in cycle.fields if cycle.entity.fields[f].unique or cycle.entity.fields[f].at_most]
    mixed = "true"
    if not shared:
        seen = [
            f"CASE WHEN m.{quote(f)} IS NOT NULL THEN m.{w} END" for f, w in zip([f for f in fields if f in provided], winners, strict=True)
        ]
        least, greatest = (f"{word}(NULL, {', '.join(seen)})" for word in ("least", "greatest"))
        ways = [f"{least} IS DISTINCT FROM {greatest}", f"coalesce({greatest} = {AGREED}, false)"] if seen else []
        ways += [f"m.{quote(f)} IS DISTINCT FROM g.{quote(f)}" for f in fields if authority_of(cycle, f) == "merge"]
        if cycle.rows("decision0"):
            ways.append("m.rowid IN (SELECT _m FROM ruling WHERE outcome = 'applied')")
        mixed = f"({' OR '.join(ways) or 'false'})"
    changed = " OR ".join(f"m.{quote(f)} IS DISTINCT FROM g.{quote(f)}" for f in fields)
    judged = f"({mixed} AND (g.{quote(cycle.keys[0])} IS NULL OR {changed or 'false'}))"
    rows = (
        f"SELECT {names(cycle.fields, 'm')}, m.rowid AS _m, {judged} AS _judged "
        f"FROM merged m LEFT JOIN golden0 g ON {join_on(cycle.keys, 'm', 'g')} WHERE m._exists"
    )
    if shared:
        rows += f" UNION ALL SELECT {names(cycle.fields, 'g')}, NULL, false FROM golden0 g ANTI JOIN active a {cycle.using()}"
        load_neighbours(cycle, shared)
        rows += f" UNION ALL SELECT {names(cycle.fields)}, NULL, false FROM neighbour"
        cycle.make("candidate", rows)
        some = cycle.count("SELECT count(*) FROM candidate WHERE _judged")
    else:
        some = cycle.make("candidate", f"SELECT * FROM ({rows}) WHERE _judged")
    if not some:
        judge_none(cycle)
        return
    find_bad(cycle.con, cycle.entity, provided, "candidate", "bad_candidate", references)
    broken = "candidate c JOIN bad_candidate x ON x.rid = c.rowid WHERE c._judged AND x.reasons IS NOT NULL"
    if cycle.make("bad_merged", f"SELECT c.*, x.reasons FROM {broken}"):
        cycle.sql("UPDATE merged SET _held = true FROM bad_merged x WHERE merged.rowid = x._m")


def judge_none(cycle: Cycle) -> None:
    """Make ``bad_merged`` where no merged row has to be judged."""
    cycle.make_empty("bad_merged", {**{f: storage_type(cycle.entity, f) for f in cycle.fields}, "reasons": "VARCHAR[]"})


def collect_quarantine(cycle: Cycle, shown: Mapping[str, Side]) -> int:
    """Fill ``quarantine`` with every row held back now, keeping since when, and return how many of them are new.

    ``binding`` is empty for rows that broke the contract only once merged. A held-back row into which we wrote what others changed is
    taken as read back (``shown``), or our own write would make it look like another bad row next time.
    """
    if not any(cycle.rows(table) for table in (*(s.table("bad") for s in cycle.sides), "bad_merged")):
        cycle.make_empty("quarantine", QUARANTINE)
        make_waiting(cycle)
        return 0
    parts = []
    label = key_json(cycle.keys, "c")
    present = " AND ".join(f"c.{quote(k)} IS NOT NULL" for k in cycle.keys)
    for side in cycle.sides:
        cap = side.table("cap")
        columns = [str(row[0]) for row in cycle.sql(f"DESCRIBE {cap}")]
        body, back = row_json(columns, "c"), ""
        if side.name in shown:
            body = f"CASE WHEN d._status = 'done' AND z.{quote(cycle.keys[0])} IS NOT NULL THEN {row_json(columns, 'z')} ELSE {body} END"
            back = (
                f"LEFT JOIN {side.table('done')} d ON {join_on(cycle.keys, 'c', 'd')} "
                f"LEFT JOIN ({only_rows(cycle, shown[side.name])}) z ON {join_on(cycle.keys, 'c', 'z')} "
            )
        parts.append(
            f"SELECT {literal(side.name)} AS binding, CASE WHEN {present} THEN {label} END AS key, x.reasons, {body} AS row "
            f"FROM {cap} c JOIN {side.table('bad')} x ON x.rid = c.rowid {back}WHERE x.reasons IS NOT NULL"
        )
    parts.append(f"SELECT '', {label}, c.reasons, {merged_json(cycle, 'c')} FROM bad_merged c")
    cycle.make(
        "quarantine",
        f"""
        SELECT {literal(cycle.flow.name)} AS flow, n.binding, n.key, list_concat(n.reasons, {_kept_with(cycle)}) AS reasons, n.row,
            md5(n.row) AS row_hash, coalesce(o.since, $now) AS since, n.keeps
        FROM (SELECT n.*, {_keeps(cycle)} AS keeps FROM ({" UNION ALL ".join(parts)}) n
            LEFT JOIN (SELECT binding, key, list(stays ORDER BY stays) AS stays FROM kept GROUP BY ALL) k USING (binding, key)
            LEFT JOIN (SELECT binding, key, any_value(keeps) AS keeps FROM quarantine0 GROUP BY ALL) b USING (binding, key)) n
        LEFT JOIN (SELECT binding, key, row_hash, min(since) AS since FROM quarantine0 GROUP BY ALL) o
        ON o.binding = n.binding AND o.key IS NOT DISTINCT FROM n.key AND o.row_hash = md5(n.row)""",
        {"now": cycle.now},
    )
    make_waiting(cycle)
    return cycle.count(
        "SELECT count(*) FROM waiting n ANTI JOIN quarantine0 o "
        "ON o.binding = n.binding AND o.key IS NOT DISTINCT FROM n.key AND o.row_hash = n.row_hash"
    )


def merged_json(cycle: Cycle, alias: str) -> str:
    """SQL giving a row of ``bad_merged`` as JSON text, every value as text."""
    packed = ", ".join(f"{quote(raw_name(f))} := CAST({alias}.{quote(f)} AS VARCHAR)" for f in cycle.fields)
    return f"CAST(to_json(struct_pack({packed})) AS VARCHAR)"


def _keeps(cycle: Cycle) -> str:
    """SQL over ``kept`` (k) and the last run's (b): the keys of deleted rows that wait with a row; null while more may turn out to."""
    if cycle.limited:  # it has not looked at all of them
        known = "coalesce(b.keeps, k.stays) IS NOT NULL"  # of two nulls an empty list would be made
        return f"CASE WHEN {known} THEN list_sort(list_distinct(list_concat(b.keeps, k.stays))) END"
    later = ", ".join(literal(s.name) for s in cycle.sides if s.binding.capture == "cursor")  # there a row that went shows later
    return f"coalesce(k.stays, CASE WHEN n.binding NOT IN ({later}) THEN [] END)" if later else "coalesce(k.stays, [])"


def _kept_with(cycle: Cycle) -> str:
    """SQL: what people are told about the rows that wait with one in quarantine."""
    value = "json_extract_string(x, '$.*')[1]" if len(cycle.keys) == 1 else "x"
    said = literal(" is gone and seems to be this one: elsewhere it stays until this one is corrected or discarded")
    return f"list_transform(coalesce(n.keeps, []), lambda x: concat('row ', chr(39), {value}, chr(39), {said}))"


def contract_findings(cycle: Cycle, references: Mapping[str, str]) -> list[Finding]:
    """What the contract found, for people: rows held back per side, copies left out, rules that only report."""
    found = []
    for side in cycle.sides:
        subject = f"{side.binding.system or side.name}/{side.binding.resource}"
        bad = cycle.count(f"SELECT count(*) FROM waiting WHERE binding = {literal(side.name)}") if cycle.rows("quarantine") else 0
        held = side.table("bad")
        copies = cycle.count(f"SELECT count(*) FROM {held} WHERE reasons IS NULL") if cycle.rows(held) else 0
        if side.broken:
            found += _kept(cycle, side, subject)
        if bad:
            first = cycle.sql(f"SELECT DISTINCT reasons[1] FROM waiting WHERE binding = {literal(side.name)} ORDER BY 1 LIMIT 3")
            sentence = f"flow '{cycle.flow.name}': {bad} rows of {subject} break the contract and wait in quarantine until corrected there."
            found.append(Finding("quarantine", subject, sentence, "problem", bad, tuple(str(r[0]) for r in first)))
        if copies:
            sentence = (
                f"flow '{cycle.flow.name}': {copies} rows of {subject} are copies of another row with the same key; one of each was used."
            )
            found.append(Finding("duplicate_row", subject, sentence, "warning", copies))
        for rule, (count, reason) in count_reported(cycle.con, cycle.entity, side.codes, side.table("cap"), references).items():
            found.append(Finding("contract_report", f"{subject}:{rule}", f"{subject}: {count} rows: {reason}.", "warning", count))
    return found


def _kept(cycle: Cycle, side: Side, subject: str) -> list[Finding]:
    """That rows which went missing are not taken for deleted, where there are any."""
    kept = cycle.sql(
        f"SELECT {key_json(cycle.keys)} FROM {side.table('qkey')} ANTI JOIN (SELECT * FROM {side.table('cap')}) {cycle.using()} ORDER BY 1"
    )
    if not kept:
        return []
    what = f"{len(kept)} agreed rows are missing from {subject}, in which some lines are no rows: whether they were deleted shows"
    sentence = f"flow '{cycle.flow.name}': {what} only once every line can be read. They stay as they are until then."
    return [Finding("unreadable_line", subject, sentence, "warning", len(kept), tuple(str(row[0]) for row in kept[:3]))]
