"""Which rows of a side may have changed since the last run: by its log, by digests its system computes, or by reading all of it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from accord.connectors.protocol import Digested, Logged, Sparing, Summed, Versioned
from accord.connectors.types import duckdb_type, literal, quote
from accord.model.errors import UnknownName, UsageError
from accord.model.event import Event
from accord.model.figure import Finding
from accord.model.types import CanonicalType
from accord.store import Store
from accord.store.folding import folded
from accord.sync.cycle import Cycle, Log, Side, names, storage_type
from accord.sync.mapping.fields import FieldCode, compile_field, mapped_columns, raw_name
from accord.sync.merge.merge import moment_of
from accord.sync.state.base import base_paths

BATCHES = 64  # a system that is written faster than we read must not keep one run reading forever
DIGEST_FROM = 10_000  # agreed rows from which digests are cheaper than reading everything
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})
# Canonical type → types of columns whose values are the canonical ones, each exactly once.
_SAME = {
    "text": frozenset({"VARCHAR", "UUID"}) | _INTEGERS,
    "integer": _INTEGERS,
    "uuid": frozenset({"UUID"}),
    "date": frozenset({"DATE"}),
    "boolean": frozenset({"BOOLEAN"}),
}


def key_columns(cycle: Cycle, side: Side) -> tuple[str, ...]:
    """The system's own columns that the key is read from."""
    found = [c for k in cycle.keys if k in side.binding.fields for c in mapped_columns(side.binding.fields[k])]
    return tuple(dict.fromkeys(found))


def key_types(cycle: Cycle, side: Side) -> dict[str, str]:
    """The type of each of these columns, as it was scanned."""
    wanted = {c.lower() for c in key_columns(cycle, side)}
    return {c: t for c, t in side.columns.items() if c.lower() in wanted}


def named(store: Store) -> str:
    """The name the store's feeds are called by; empty before the first was opened."""
    event = next(iter(store.read(types=["store.named"], limit=1)), None)
    return str(event.event.attributes["name"]) if event is not None else ""


def feed_name(store: Store, flow: str, binding: str) -> str:
    """Name of the feed of a binding: the same for as long as the store lives, and another for every other store.

    Two stores that shared a feed would take each other's changes away.
    """
    return feed_called(named(store), flow, binding)


def feed_called(store_name: str, flow: str, binding: str) -> str:
    """As ``feed_name``, for a store whose name was looked up."""
    return f"accord_{hashlib.sha256(f'{store_name}/{flow}/{binding}'.encode()).hexdigest()[:20]}"


def name_store(cycle: Cycle) -> None:
    """Give the store the name its feeds are called by, once."""
    if not named(cycle.store):
        cycle.store.append([Event("store.named", "store.named", cycle.clock(), "accord", {"name": secrets.token_hex(12)})])


def read_log(cycle: Cycle, side: Side, after: str | None) -> Log:
    """Open the side's feed at ``after`` and read all that has come since; the keys go to ``told_<i>``.

    Raises:
        UsageError: the system has no log.
        DataRefused: it has one and does not write it for us; the message says what to set.
    """
    if not isinstance(side.connector, Logged):
        raise UsageError(
            f"flow '{cycle.flow.name}', binding '{side.name}': a system of kind '{side.connector.kind}' has no log of changes to read.",
            expected="Expected capture: sweep, or cursor with a column that grows with every change.",
        )
    resource, own = side.binding.resource, side.binding.own_key
    key = (own,) if own else key_columns(cycle, side)
    feed = side.connector.open_feed(resource, key, name=feed_name(cycle.store, cycle.flow.name, side.name), after=after)
    log = Log(feed, after, 0)
    cycle.logs[side.name] = log
    if _filled(cycle, side) and isinstance(feed, Sparing):
        feed.leave_out(str(cycle.notes["fills"][side.name]["stamp"]))
    parts, more = [], True
    for _ in range(BATCHES):
        found = feed.read()
        more = found is not None and found.more
        if found is None:
            break
        log.position = found.position
        if found.keys is None:
            log.keys, log.reason, log.earlier = None, found.reason, found.earlier
            _behind_fill(cycle, side)
            return log
        parts.append(found.keys)
        if not more:
            break
    if log.position != after and not more:
        _behind_fill(cycle, side)
    if parts:
        views = [f"told_{side.index}_{n}" for n in range(len(parts))]
        for view, part in zip(views, parts, strict=True):
            cycle.con.register(view, part)
        cycle.sql(f"CREATE OR REPLACE TABLE {side.table('told')} AS {' UNION ALL BY NAME '.join(f'SELECT * FROM {v}' for v in views)}")
        for view in views:
            cycle.con.unregister(view)
        log.keys = cycle.count(f"SELECT count(*) FROM {side.table('told')}")
    return log


def _behind_fill(cycle: Cycle, side: Side) -> None:
    """The log was read past the first load: another transaction may get its id from now on."""
    cycle.notes["fills"] = {name: filled for name, filled in cycle.notes.get("fills", {}).items() if name != side.name}


def key_codes(cycle: Cycle, side: Side, types: Mapping[str, str]) -> list[FieldCode] | None:
    """How the key is read from and written to the system's columns; ``None`` when they are not all in ``types``."""
    codes = []
    for name in cycle.keys:
        mapping = side.binding.fields.get(name)
        if mapping is None:
            return None
        spelled = {
            **types,
            **{c: types[t] for c in (*mapped_columns(mapping), mapping.column or name) for t in types if t.lower() == c.lower()},
        }
        if any(c not in spelled for c in mapped_columns(mapping)):
            return None
        codes.append(compile_field(cycle.entity.fields[name], mapping, side.binding, spelled))
    return codes


def paired_keys(cycle: Cycle, side: Side, native: str) -> tuple[str, Callable[[str], str]]:
    """Table ``native`` of keys in the system's own columns as a relation ``a`` that also holds the canonical keys.

    Returns:
        The relation, and SQL by which rows of a table of canonical keys are matched with it.
    """
    types = {str(row[0]): str(row[1]) for row in cycle.sql(f"DESCRIBE {native}")}
    codes = key_codes(cycle, side, types)
    assert codes is not None  # the table was made by their inverse
    canonical = {c.name: quote(f"key.{c.name}") for c in codes}
    read = ", ".join(f"CAST({c.read} AS {storage_type(cycle.entity, c.name)}) AS {canonical[c.name]}" for c in codes)

    def on(alias: str) -> str:
        return " AND ".join(f"{alias}.{quote(name)} = a.{column}" for name, column in canonical.items())

    return f"(SELECT {names(key_columns(cycle, side), 'n')}, {read} FROM {native} n)", on


def take_keys(cycle: Cycle, side: Side, relation: str) -> bool:
    """Fill ``moved_<i>`` with the canonical keys of a relation of the system's key columns.

    Returns:
        False when some key cannot be read: then rows cannot be looked at one by one.
    """
    types = {str(row[0]): str(row[1]) for row in cycle.sql(f"DESCRIBE SELECT * FROM {relation}")}
    codes = key_codes(cycle, side, types)
    if codes is None:
        return False
    picked = ", ".join(f"CAST({c.read} AS {storage_type(cycle.entity, c.name)}) AS {quote(c.name)}" for c in codes)
    cycle.sql(f"CREATE OR REPLACE TABLE {side.table('moved')} AS SELECT DISTINCT {picked} FROM {relation}")
    return not cycle.count(f"SELECT count(*) FROM {side.table('moved')} WHERE {' OR '.join(f'{quote(k)} IS NULL' for k in cycle.keys)}")


def make_native(cycle: Cycle, side: Side, keys: str, types: Mapping[str, str]) -> str:
    """Table with the keys of table ``keys`` in the system's own columns; ``""`` where a key may stand for several of the system's.

    Codes, formats and units may read two of a system's values as one; asking for only one of them would make the other look deleted.
    """
    codes = key_codes(cycle, side, types)
    if codes is None:
        return ""
    picked = []
    for code in codes:
        mapping = side.binding.fields[code.name]
        if mapping.value or mapping.read or mapping.codes or mapping.unit or mapping.timezone or mapping.format or mapping.write:
            return ""
        if getattr(mapping, "lookup", None) or not code.column:
            return ""
        kind = next(t for c, t in types.items() if c.lower() == code.column.lower())
        if not _one_to_one(CanonicalType.parse(cycle.entity.fields[code.name].type), kind):
            return ""
        picked.append(f"TRY_CAST({quote(code.name)} AS {kind}) AS {quote(code.column)}")
    table = side.table("native")
    cycle.sql(f"CREATE OR REPLACE TABLE {table} AS SELECT DISTINCT {', '.join(picked)} FROM {keys}")
    return table


def _one_to_one(type_: CanonicalType, kind: str) -> bool:
    kind = kind.upper()
    if kind.startswith("DECIMAL") and type_.name == "number":
        return kind == duckdb_type(type_)
    return kind in _SAME.get(type_.name, frozenset())


def digest_columns(cycle: Cycle, side: Side) -> tuple[str, ...]:
    """The columns a digest of a row is taken over: all that are read, or the cursor alone where the map trusts it."""
    if side.binding.capture == "cursor":
        return (side.binding.cursor,)
    found = {c for m in side.binding.fields.values() for c in mapped_columns(m)}
    found |= {c for c in (side.binding.cursor, getattr(side.binding, "changed_by", "")) if c}
    return tuple(sorted(found))


def may_digest(cycle: Cycle, side: Side) -> bool:
    """Whether the side is compared by digests once it holds enough rows to be worth it."""
    wanted = side.binding.capture in ("sweep", "cursor") and isinstance(side.connector, Digested)
    return wanted and bool(key_columns(cycle, side)) and cycle.sizes.get(f"base:{side.name}", 0) >= DIGEST_FROM


def find_same_sums(cycle: Cycle, sides: Sequence[Side]) -> None:
    """Mark as ``summed`` the sides of which all rows together have the versions that are kept of them, so that none of them moved.

    ``redigest_<i>`` is then empty, and there is no ``digest_<i>``. The systems add up at the same time.
    """
    asked = [side for side in sides if _may_sum(cycle, side)]
    if not asked:
        return
    with ThreadPoolExecutor(len(asked)) as pool:
        same = list(pool.map(lambda side: _same_sum(cycle.notes["sums"][side.name], side), asked))
    for side in (side for side, found in zip(asked, same, strict=True) if found):
        shas = cycle.store.flow_state(cycle.flow.name)[f"digest:{side.name}"]
        stored = f"read_parquet({literal(str(cycle.store.read_segment(shas[0])))})"
        cycle.make(side.table("redigest"), f"SELECT {names(key_columns(cycle, side))}, _digest FROM {stored} LIMIT 0")
        side.digested = side.summed = True


def _may_sum(cycle: Cycle, side: Side) -> bool:
    kept = cycle.notes.get("sums", {}).get(side.name)
    shas = cycle.store.flow_state(cycle.flow.name).get(f"digest:{side.name}", ())
    if not (kept and shas and isinstance(side.connector, Summed)):
        return False
    try:
        if _counted_more(cycle, side):
            return False
        side.mark = version_mark(cycle, side)
    except (UsageError, UnknownName):
        return False
    return bool(side.mark) and comparable(cycle, side)


def _same_sum(kept: Sequence[int], side: Side) -> bool:
    assert isinstance(side.connector, Summed)
    try:
        return list(side.connector.version_sum(side.binding.resource, side.binding.where)) == list(kept)
    except (UsageError, UnknownName):
        return False


def _counted_more(cycle: Cycle, side: Side) -> bool:
    """Whether the side's system has counted more rows written than there were at the last run: then its sum is another, very likely."""
    assert isinstance(side.connector, Summed)
    known, now = cycle.notes.get("written", {}), side.connector.rows_written(side.binding.resource)
    before = known.get(side.name)
    if now is not None:
        cycle.notes["written"] = {**known, side.name: now if before is None else max(now, before)}
    return now is not None and before is not None and now > before


def _filled(cycle: Cycle, side: Side) -> bool:
    return bool(cycle.notes.get("fills", {}).get(side.name, {}).get("written"))


def note_written(cycle: Cycle, side: Side, rows: int) -> None:
    """Count what this run writes itself among what the next one finds written."""
    known = cycle.notes.get("written", {})
    if side.name in known:
        cycle.notes["written"] = {**known, side.name: known[side.name] + rows}


def read_digests(cycle: Cycle, side: Side) -> bool:
    """Make ``digest_<i>`` of all rows of the side as they are now.

    Returns:
        False where its system cannot evaluate the binding's condition, or lacks a column: reading the rows then says what is wrong.
    """
    keys, connector, resource, where = key_columns(cycle, side), side.connector, side.binding.resource, side.binding.where
    try:
        side.mark = version_mark(cycle, side)
        # What a fill wrote may be counted only after it; of other rows there is a number now, before they are read.
        if isinstance(connector, Summed) and side.name not in cycle.notes.get("written", {}) and not _filled(cycle, side):
            _counted_more(cycle, side)
        if side.mark and isinstance(connector, Versioned):
            relation = connector.version_rows(cycle.con, resource, keys, where)
        else:
            assert isinstance(connector, Digested)
            relation = connector.digest_rows(cycle.con, resource, keys, digest_columns(cycle, side), where=where)
    except (UsageError, UnknownName):
        side.mark = ""
        return False
    cycle.sql(f"CREATE OR REPLACE VIEW {side.table('digest')} AS SELECT {names(keys)}, _digest FROM {relation}")
    return True


def compare_digests(cycle: Cycle, side: Side) -> bool:
    """Fill ``redigest_<i>`` with the system's keys whose digest is another than stored, and with it; false when none is stored."""
    keys = key_columns(cycle, side)
    kept = kept_digests(cycle, side)
    if not comparable(cycle, side):
        return False
    if not kept:
        return _since_loaded(cycle, side)
    old = folded(kept, keys)
    cycle.sql(
        f"CREATE OR REPLACE TABLE {side.table('redigest')} AS SELECT DISTINCT {names(keys)}, n._digest "
        f"FROM {side.table('digest')} n FULL JOIN ({old}) o USING ({names(keys)}) WHERE n._digest IS DISTINCT FROM o._digest"
    )
    return True


def kept_digests(cycle: Cycle, side: Side) -> list[Path]:
    """The segments that hold what the side's system told of its rows without showing them."""
    return [cycle.store.read_segment(sha) for sha in cycle.store.flow_state(cycle.flow.name).get(f"digest:{side.name}", ())]


def version_mark(cycle: Cycle, side: Side) -> str:
    """The mark of the side's row versions; empty where its rows have none, or the map trusts a cursor instead."""
    if side.binding.capture != "sweep" or not isinstance(side.connector, Versioned):
        return ""
    return side.connector.version_mark(side.binding.resource, digest_columns(cycle, side)) or ""


def comparable(cycle: Cycle, side: Side) -> bool:
    """Whether the digests that are stored may be compared with those just read."""
    return str(cycle.notes.get("marks", {}).get(side.name, "")) == side.mark


def _since_loaded(cycle: Cycle, side: Side) -> bool:
    """Fill ``redigest_<i>`` of a side of which nothing is kept but when a first load read or wrote it; false when that does not tell.

    What moved: rows written since, by what the system says after ``digest_<i>`` was read; and rows of which only that or the base knows.
    """
    loaded = cycle.notes.get("fills", {}).get(side.name)
    if not loaded or not side.mark or not isinstance(side.connector, Versioned):
        return False
    digest, keys, resource = side.table("digest"), key_columns(cycle, side), side.binding.resource
    # Under a condition, other rows may come to be of it that nobody wrote.
    if not side.binding.where and side.connector.untouched(resource, str(loaded["stamp"]), int(loaded["rows"])):
        cycle.sql(f"CREATE OR REPLACE TABLE {side.table('redigest')} AS SELECT * FROM {digest} LIMIT 0")
        return True
    agreed = folded(base_paths(cycle, side), cycle.keys)
    cycle.sql(f"CREATE OR REPLACE TEMP VIEW loaded AS SELECT * FROM ({agreed}) WHERE NOT _gone")
    native = make_native(cycle, side, "loaded", {str(row[0]): str(row[1]) for row in cycle.sql(f"DESCRIBE {digest}")})
    if not native:
        return False
    written = side.connector.written_rows(cycle.con, resource, keys, str(loaded["stamp"]), side.binding.where)
    told = f"SELECT {names(keys)}, n._digest, o._held, w._written FROM {digest} n FULL JOIN (SELECT *, true AS _held FROM {native}) o"
    more = f"USING ({names(keys)}) FULL JOIN (SELECT {names(keys)}, true AS _written FROM {written}) w USING ({names(keys)})"
    moved = "n._digest IS NULL OR o._held IS NULL OR w._written"
    cycle.sql(
        f"CREATE OR REPLACE TABLE {side.table('redigest')} AS SELECT DISTINCT {names(keys)}, _digest FROM ({told} {more} WHERE {moved})"
    )
    return True


def compare_values(cycle: Cycle, side: Side) -> bool:
    """Fill ``moved_<i>`` with the keys of ``cap_<i>`` (all rows of the side) that are not as ``whole_<i>`` (its whole base) has them.

    Returns:
        False when some captured row has no readable key.
    """
    cap, base = side.table("cap"), side.table("whole")
    fields = [f for f in side.fields if f not in cycle.keys]
    differs = " OR ".join(f"c.{quote(f)} IS DISTINCT FROM b.{quote(f)}" for f in fields) or "false"
    k0 = quote(cycle.keys[0])
    cycle.sql(
        f"CREATE OR REPLACE TABLE {side.table('moved')} AS SELECT DISTINCT {names(cycle.keys)} "
        f"FROM {cap} c FULL JOIN (SELECT * FROM {base} WHERE NOT _gone) b {cycle.using()} "
        f"WHERE c.rowid IS NULL OR b.{k0} IS NULL OR {differs}"
    )
    return not cycle.count(f"SELECT count(*) FROM {cap} WHERE {' OR '.join(f'{quote(k)} IS NULL' for k in cycle.keys)}")


def tell_resnapshot(cycle: Cycle, side: Side, reason: str) -> None:
    """Say that every row of a side had to be compared, and why."""
    subject = f"{side.binding.holder}/{side.binding.resource}"
    why = reason or "its log cannot tell what changed"
    sentence = f"flow '{cycle.flow.name}': every row of {subject} was compared, because {why}."
    cycle.findings.append(Finding("resnapshot", subject, sentence, "info"))


def young(cycle: Cycle, side: Side) -> str:
    """SQL of captured keys whose cursor may still stand for a later change: as young as the clock's step, or as the overlap, allows.

    A row seen at 10:00:00 may be changed again within that second without its cursor showing it.
    """
    column = side.binding.cursor
    if side.binding.capture != "cursor" or not column:
        return ""
    kind = next((t for c, t in side.columns.items() if c.lower() == column.lower()), "").upper()
    cap = side.table("cap")
    if kind in _INTEGERS or kind.startswith("DECIMAL") or kind in ("DOUBLE", "FLOAT"):
        value = f"c.{quote(raw_name(column))}"
        return f"SELECT {names(cycle.keys)} FROM {cap} c WHERE coalesce({value} = (SELECT max({quote(raw_name(column))}) FROM {cap}), true)"
    overlap = timedelta(seconds=side.binding.overlap.seconds, days=1 if kind == "DATE" else 0)
    since = literal((cycle.now - overlap).isoformat())
    return f"SELECT {names(cycle.keys)} FROM {cap} c WHERE coalesce({moment_of(side, 'c')} >= TIMESTAMPTZ {since}, true)"
