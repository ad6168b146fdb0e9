"""Captured rows brought under their canonical ids: by link, else by match rule, else as something new."""

from __future__ import annotations

from accord.connectors.types import literal, quote
from accord.model.errors import GuardStopped
from accord.model.figure import Finding
from accord.sync.cycle import Cycle, Side, storage_type
from accord.sync.identity.links import load_links, make_proposals_table, resource_of, state_of
from accord.sync.identity.made import await_others, take_made
from accord.sync.identity.match import match
from accord.sync.identity.own_key import HELD, canonical_id, make_own_tables, note_links
from accord.sync.identity.withdraw import withdraw


def identify(cycle: Cycle) -> None:
    """Replace own keys by canonical ids in every capture; right after all sides are read.

    Rows whose key is unknown are matched against all other systems' rows and what is agreed. Those that match nothing get a canonical id
    made from their own key; those that match ambiguously wait for a person. New links are kept until ``record_links``.
    Does nothing for an entity without ``identity``.
    """
    if cycle.entity.identity is None:
        return
    load_links(cycle.con, cycle.store, cycle.entity.name)
    for sha in cycle.links:
        cycle.sql(f"INSERT INTO links BY NAME SELECT *, 1000000 AS n FROM read_parquet({literal(str(cycle.store.read_segment(sha)))})")
    make_proposals_table(cycle.con)
    for side in cycle.sides:
        check_renamed(cycle, side)
    take_made(cycle)
    _make_present(cycle, cycle.sides, "present")
    unknown = cycle.count("SELECT count(*) FROM present WHERE canonical IS NULL")
    if unknown:
        await_others(cycle)
        cycle.progress(f"{cycle.flow.name}: recognizing {unknown} rows with unknown keys")
        match(cycle)
        _found_new(cycle)
    withdraw(cycle)
    for side in cycle.sides:
        _rewrite(cycle, side, "present")
    make_own_tables(cycle, *cycle.sides)
    _release_moved(cycle)
    _note_losers(cycle)
    waiting = cycle.count("SELECT count(*) FROM present WHERE reason IS NOT NULL")
    if waiting:
        what = "wait for a decision whether they are the same as others: accord identity propose, accept, reject"
        sentence = f"flow '{cycle.flow.name}': {waiting} rows {what}."
        cycle.findings.append(Finding("identity", cycle.entity.name, sentence, "warning", waiting))


def check_renamed(cycle: Cycle, side: Side) -> None:
    """Refuse a side of whose rows none is linked, while most of their keys are linked for a resource that is gone from the map.

    It was renamed, or its system was: every row would be somebody new, and each of those known would be made in it once more.

    Raises:
        GuardStopped: it looks like that, and the map does not say under which name its keys are linked.
    """
    mine, bound = resource_of(side.binding), [b for f in cycle.map.flows.values() for b in f.bindings.values() if b.own_key]
    if not side.binding.own_key or side.binding.linked_as or cycle.count(f"SELECT count(*) FROM links WHERE resource = {literal(mine)}"):
        return
    named = ", ".join(literal(resource_of(b)) for b in bound)
    own = f"SELECT DISTINCT CAST({quote(cycle.keys[0])} AS VARCHAR) AS own_key FROM {side.table('cap')}"
    found = cycle.sql(
        f"SELECT resource, count(*) FROM links SEMI JOIN ({own}) USING (own_key) WHERE resource NOT IN ({named}) GROUP BY 1 ORDER BY 2 DESC"
    )
    if not found or 2 * int(str(found[0][1])) < (rows := cycle.count(f"SELECT count(*) FROM ({own})")):
        return
    old, count = found[0]
    raise GuardStopped(
        "renamed resource",
        f"no row of {mine} is known, while {count} of its {rows} keys are linked for {old}, which is gone from the map",
        f"Give binding '{side.name}' linked_as: {old}, and its rows are who they were; or linked_as: {mine}, if they are others.",
    )


def resolve_only(cycle: Cycle, side: Side, *, like: int | None = None) -> None:
    """Replace own keys by canonical ids in one capture without matching: for read-back and for the proof of agreement.

    Args:
        cycle: of the same entity.
        side: whose ``cap_<index>`` is rewritten.
        like: index of the side of which this is the read-back: rows nobody knows yet are left for the next run to match. Without it they
            are named by the id that their key would found.
    """
    if cycle.entity.identity is None:
        return
    if not cycle.has("links"):
        load_links(cycle.con, cycle.store, cycle.entity.name)
    _make_present(cycle, [side], "present_back")
    if like is None:
        # What a row of another side would be written under here is asked by the condition of this one.
        cycle.sql("CREATE TABLE IF NOT EXISTS present AS SELECT * FROM present_back LIMIT 0")
        cycle.sql(f"DELETE FROM present WHERE side = {side.index}")
        cycle.sql("INSERT INTO present SELECT * FROM present_back")
        make_own_tables(cycle, side)
        _name_unknown(cycle, "present_back")
    else:
        cycle.sql(f"""
            UPDATE present_back b SET canonical = p.canonical, reason = p.reason FROM present p
            WHERE p.side = {like} AND p.own = b.own AND b.canonical IS NULL""")
        # From here on this is what stands in the system: in the next round the read-back takes the place of the capture.
        cycle.sql(f"DELETE FROM present WHERE side = {like}")
        cycle.sql(f"INSERT INTO present SELECT * REPLACE ({like} AS side) FROM present_back WHERE canonical IS NOT NULL")
    _rewrite(cycle, side, "present_back")


def _make_present(cycle: Cycle, sides: list[Side], table: str) -> None:
    """Fill a table: each own key that some side shows, its canonical id (null when unknown) and whether the row is left aside.

    Of several rows of one resource that stand for one id, the one not retired counts; a retired one takes its place when it is gone, so
    that removing the «right» duplicate in a system does not look like a delete of the thing.
    """
    key = quote(cycle.keys[0])
    parts = []
    for side in sides:
        i, shown = side.index, f"SELECT DISTINCT CAST({key} AS VARCHAR) AS own FROM {side.table('cap')} WHERE {key} IS NOT NULL"
        if side.binding.own_key:
            parts.append(f"""
                SELECT {i} AS side, {literal(resource_of(side.binding))} AS resource, c.own, l.canonical, coalesce(l.retired, false)
                    AND row_number() OVER (PARTITION BY l.canonical ORDER BY l.retired, l.n DESC, l.own_key) > 1 AS aside
                FROM ({shown}) c LEFT JOIN links l ON l.resource = {literal(resource_of(side.binding))} AND l.own_key = c.own""")
        else:
            parts.append(f"""
                SELECT {i} AS side, '' AS resource, c.own, coalesce(d.winner, c.own) AS canonical, d.winner IS NOT NULL AS aside
                FROM ({shown}) c LEFT JOIN dead d ON d.loser = c.own""")
    cycle.sql(f"CREATE OR REPLACE TABLE {table} AS SELECT *, CAST(NULL AS VARCHAR) AS reason FROM ({' UNION ALL '.join(parts)})")


def _found_new(cycle: Cycle) -> None:
    """Canonical ids for what matched nothing, and the links of this run."""
    _name_unknown(cycle, "present")
    note_links(
        cycle,
        """
        SELECT p.resource, p.own, p.canonical, NULL, false, coalesce(m.rule, 'first seen'), coalesce(m.score, 1.0)
        FROM present p LEFT JOIN matched m USING (side, own)
        ANTI JOIN links l ON l.resource = p.resource AND l.own_key = p.own WHERE p.reason IS NULL AND p.resource <> ''""",
    )


def _name_unknown(cycle: Cycle, table: str) -> None:
    cycle.sql(f"UPDATE {table} SET canonical = {canonical_id(cycle.entity, 'resource', 'own')} WHERE canonical IS NULL")


def _rewrite(cycle: Cycle, side: Side, table: str) -> None:
    cap, key, own = side.table("cap"), quote(cycle.keys[0]), f"(SELECT * FROM {table} WHERE side = {side.index})"
    if not side.binding.own_key:
        if cycle.count(f"SELECT count(*) FROM {own} WHERE aside"):
            cycle.sql(f"DELETE FROM {cap} WHERE CAST({key} AS VARCHAR) IN (SELECT own FROM {own} WHERE aside)")
        return
    kind = storage_type(cycle.entity, cycle.keys[0])
    cycle.sql(f"""
        CREATE OR REPLACE TABLE named AS
        SELECT c.* REPLACE (CAST(p.canonical AS {kind}) AS {key}), p.reason AS {quote(HELD)} FROM {cap} c
        LEFT JOIN {own} p ON p.own = CAST(c.{key} AS VARCHAR)
        WHERE c.{key} IS NULL OR (p.canonical IS NOT NULL AND NOT p.aside) ORDER BY c.rowid""")
    cycle.sql(f"DROP TABLE {cap}")
    cycle.sql(f"ALTER TABLE named RENAME TO {cap}")
    side.doubled = None


def _release_moved(cycle: Cycle) -> None:
    """A row that was linked to another id the last time is no delete of that other id, which is alive: its base is let go.

    It happens when a merge is undone. The id that was merged away, on the other hand, is left to be deleted: it is no more.
    """
    for side in cycle.sides:
        if not side.binding.own_key or not cycle.has(side.table("stored_base")):
            continue
        resource, base, key = literal(resource_of(side.binding)), side.table("base"), quote(cycle.keys[0])
        gone = f"""
            SELECT l.before FROM present p JOIN links l ON l.resource = p.resource AND l.own_key = p.own
            WHERE p.side = {side.index} AND l.before <> l.canonical AND l.before NOT IN (SELECT loser FROM dead)
            AND l.before NOT IN (SELECT canonical FROM links WHERE resource = {resource})"""
        doomed = f"CAST({key} AS VARCHAR) IN ({gone})"
        if not cycle.count(f"SELECT count(*) FROM {base} WHERE {doomed}"):
            continue
        side.own_base(cycle)
        cycle.sql(f"DELETE FROM {base} WHERE {doomed}")


def _note_losers(cycle: Cycle) -> None:
    """What a merged-away row held differently is a conflict, kept like any other losing value; once, with its golden row still there."""
    if not cycle.has("golden0") or not cycle.has("conflicts_new") or not cycle.count("SELECT count(*) FROM dead"):
        return
    key, rest = quote(cycle.keys[0]), [f for f in cycle.fields if f not in cycle.keys]
    label = f"CAST(to_json(struct_pack({key} := d.winner)) AS VARCHAR)"
    for f in rest:
        column = quote(f)
        cycle.sql(
            f"""
            INSERT INTO conflicts_new BY NAME
            SELECT * FROM (
                SELECT {literal(cycle.flow.name)} AS flow, {label} AS key, {literal(f)} AS field, 'agreed' AS winner, d.loser AS loser,
                    CAST(w.{column} AS VARCHAR) AS winning_value, CAST(l.{column} AS VARCHAR) AS losing_value,
                    'identity' AS rule, $run AS run, $at AS at
                FROM dead d JOIN golden0 l ON CAST(l.{key} AS VARCHAR) = d.loser
                LEFT JOIN golden0 w ON CAST(w.{key} AS VARCHAR) = d.winner WHERE l.{column} IS DISTINCT FROM w.{column}) n
            ANTI JOIN conflicts_new o ON n.key = o.key AND n.field = o.field AND n.loser = o.loser
                AND n.losing_value IS NOT DISTINCT FROM o.losing_value""",
            {"run": cycle.run, "at": cycle.now},
        )


def restore_unmerged(cycle: Cycle) -> None:
    """Agree again what an id held before it was merged away, for ids that are separate again; after ``merge``.

    Only where its rows show what the other id has: that came from the merge. A row that was left aside shows values of its own, which may
    be newer. It happens once: from the next run on its agreed row is there, and edits count as ever.
    """
    if cycle.entity.identity is None or not (shas := state_of(cycle.store, cycle.entity.name, "restored")):
        return
    key, gone = quote(cycle.keys[0]), cycle.store.table("identity_merge").to_pylist()
    undone = {r["loser"]: r["winner"] for r in gone if r["entity"] == cycle.entity.name and r["undone_seq"] is not None}
    cycle.sql("CREATE OR REPLACE TEMP TABLE parted (id VARCHAR, other VARCHAR)")
    cycle.con.executemany("INSERT INTO parted VALUES (?, ?)", [list(pair) for pair in undone.items()])
    paths = ", ".join(literal(str(cycle.store.read_segment(sha))) for sha in shas)
    cycle.sql(f"""
        CREATE OR REPLACE TEMP TABLE restored AS
        SELECT id, other, field, last(value) AS value FROM read_parquet([{paths}]) JOIN parted USING (id)
        WHERE flow = {literal(cycle.flow.name)} AND id NOT IN (SELECT loser FROM dead)
        AND id IN (SELECT CAST({key} AS VARCHAR) FROM merged WHERE _exists AND NOT _g0) GROUP BY ALL""")
    for (field,) in cycle.sql("SELECT DISTINCT field FROM restored"):
        if field in cycle.fields:
            column, kind = quote(str(field)), storage_type(cycle.entity, str(field))
            cycle.sql(
                f"UPDATE merged SET {column} = CAST(r.value AS {kind}), {quote(f'w.{field}')} = 0, {quote(f'h.{field}')} = false "
                f"FROM restored r JOIN golden0 g ON CAST(g.{key} AS VARCHAR) = r.other WHERE r.field = {literal(str(field))} "
                f"AND r.id = CAST(merged.{key} AS VARCHAR) AND merged.{column} IS NOT DISTINCT FROM g.{column}"
            )
