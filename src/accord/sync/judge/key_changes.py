"""Deletes that wait with a row in quarantine, because it is theirs: its key was changed to one under which it breaks the contract.

A system shows a changed key as a row that went and another one that came. When the one that came is held back, the delete of the one that
went would leave nothing of the row in the other systems, nor of what only they know of it.
"""

from __future__ import annotations

from accord.connectors.types import literal, quote
from accord.sync.cycle import Cycle, Side, join_on, key_json, names
from accord.sync.judge.judge import merged_json
from accord.sync.judge.quarantine import load_discarded
from accord.sync.judge.validate import row_json

KEPT = {"binding": "VARCHAR", "key": "VARCHAR", "stays": "VARCHAR"}


def keep_deletes(cycle: Cycle) -> None:
    """Hold back deletes in ``merged`` whose row seems to wait in quarantine under another key; table ``kept`` (empty so far) names both.

    The two belong together when one went and the other came between two runs, and the values are the same, or one that no two rows may
    share. Of several rows with the same values each that came stands for one that went. Once that is noted (``keeps`` of ``quarantine0``)
    it holds for as long as the row waits under that key: its values may be edited until they are right. A row that a person discarded is
    not waited for, and none stays whose unique value is another row's by now.
    """
    going = "FROM merged WHERE _deleted AND NOT _created AND NOT _held"
    sides = [s for s in cycle.sides if s.may_exist and (cycle.rows(s.table("bad")) or cycle.rows("bad_merged"))]
    if cycle.flow.deletes == "ignore" or not sides or not cycle.count(f"SELECT count(*) {going}"):
        return
    load_discarded(cycle)
    for side in sides:
        cycle.sql(f"""
            CREATE OR REPLACE TEMP TABLE went AS SELECT b.*, {key_json(cycle.keys, "b")} AS _key
            FROM (SELECT * {going}) g JOIN {side.table("base")} b ON {join_on(cycle.keys, "g", "b")} WHERE g._del_{side.index}""")
        cycle.sql(f"""
            CREATE OR REPLACE TEMP TABLE came AS SELECT c.*, q.keeps AS _keeps FROM ({_held_back(cycle, side)}) c
            ANTI JOIN discarded x ON x.binding = c._binding AND x.key = c._key AND x.row_hash = c._hash
            LEFT JOIN (SELECT binding, key, any_value(keeps) AS keeps FROM quarantine0 GROUP BY ALL) q
            ON q.binding = c._binding AND q.key = c._key""")
        noted = "SELECT c._binding, c._key, w._key FROM (SELECT *, unnest(_keeps) AS _stays FROM came) c JOIN went w ON w._key = c._stays"
        cycle.sql(f"INSERT INTO kept {' UNION '.join((noted, *_alike(cycle, side)))}")
    for f in (quote(name) for name, field in cycle.entity.fields.items() if field.unique):
        taken = f"golden0 g JOIN merged m ON m.{f} = g.{f} WHERE m._exists AND NOT m._held"
        cycle.sql(f"DELETE FROM kept WHERE stays IN (SELECT {key_json(cycle.keys, 'g')} FROM {taken})")
    cycle.sql(f"UPDATE merged SET _held = true WHERE {key_json(cycle.keys)} IN (SELECT stays FROM kept)")


def _held_back(cycle: Cycle, side: Side) -> str:
    """SQL of the rows of a side that wait and were not agreed under their key: ``_binding``, ``_key``, ``_hash`` and the fields."""
    cap, rest = side.table("cap"), [f for f in side.fields if f not in cycle.keys]
    values = "".join(f", c.{quote(f)}" for f in rest)
    parts = []
    if cycle.rows(side.table("bad")):
        body = row_json([str(row[0]) for row in cycle.sql(f"DESCRIBE {cap}")], "c")
        present = " AND ".join(f"c.{quote(k)} IS NOT NULL" for k in cycle.keys)
        known = f"(SELECT {names(cycle.keys)}, true AS _known FROM {side.table('base')} WHERE NOT _gone) b"
        parts.append(f"""
            SELECT {literal(side.name)} AS _binding, {key_json(cycle.keys, "c")} AS _key, md5({body}) AS _hash{values}
            FROM {cap} c JOIN {side.table("bad")} x ON x.rid = c.rowid LEFT JOIN {known} ON {join_on(cycle.keys, "c", "b")}
            WHERE x.reasons IS NOT NULL AND {present} AND (x.ambiguous OR b._known IS NULL)""")
    if cycle.rows("bad_merged"):
        parts.append(f"""
            SELECT '' AS _binding, {key_json(cycle.keys, "x")} AS _key, md5({merged_json(cycle, "x")}) AS _hash{values}
            FROM bad_merged x JOIN (SELECT rowid AS _row, * FROM merged) m ON m._row = x._m
            JOIN {cap} c ON c.rowid = m._rid_{side.index} WHERE m._new_{side.index}""")
    return " UNION ALL ".join(parts)


def _alike(cycle: Cycle, side: Side) -> list[str]:
    """Queries of pairs of a row that ``came``, of which nothing is noted yet, and one that ``went``, which may be one row.

    Each is a join by equal values, whatever the number of rows. Rows without a value, their keys aside, have nothing in common.
    """
    rest = [f for f in side.fields if f not in cycle.keys and not side.codes[f].constant]
    pairs = "SELECT c._binding, c._key, w._key FROM"
    new = "(SELECT * FROM came WHERE _keeps IS NULL)"
    found = [f"{pairs} {new} c JOIN went w ON c.{quote(f)} = w.{quote(f)}" for f in rest if cycle.entity.fields[f].unique]
    if rest:
        some = f"coalesce({', '.join(f'CAST({quote(f)} AS VARCHAR)' for f in rest)}) IS NOT NULL"
        of = f"*, row_number() OVER (PARTITION BY {names(rest)} ORDER BY _key) AS _n FROM"
        same = " AND ".join(f"c.{quote(f)} IS NOT DISTINCT FROM w.{quote(f)}" for f in rest)
        found.append(f"{pairs} (SELECT {of} {new} WHERE {some}) c JOIN (SELECT {of} went) w ON c._n = w._n AND {same}")
    return found
