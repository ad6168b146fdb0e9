"""What a run has to look at: the keys that may have changed on some side, and those the last run left open; or everything.

A run over part of the keys must end as a run over all of them would. It is taken only when each side can say what moved since the last
run, and when nothing else the outcome depends on did: the map, the shape of the systems, rows that are referred to.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb

from accord import __version__
from accord.connectors.protocol import Logged, change_token
from accord.connectors.types import literal, quote
from accord.model.errors import DataRefused, SystemUnreachable, UnknownName
from accord.store.folding import REMOVED, folded, is_change
from accord.sync.capture.drift import UNSETTLED, declared_types
from accord.sync.capture.lent import find_lender, lend
from accord.sync.capture.moved import (
    compare_digests,
    compare_values,
    feed_name,
    find_same_sums,
    make_native,
    may_digest,
    name_store,
    read_digests,
    read_log,
    take_keys,
    tell_resnapshot,
)
from accord.sync.capture.read import BRING_BACK, capture, created_columns, lost_column, present
from accord.sync.capture.restored import REACHED
from accord.sync.capture.since import may_ask_since, read_since
from accord.sync.cycle import Cycle, Log, Side, names, storage_type
from accord.sync.mapping.fields import mapped_columns
from accord.sync.mapping.lookups import lookup_state
from accord.sync.mapping.spelling import as_spelled
from accord.sync.state.base import base_paths, load_state, load_whole_base
from accord.sync.state.foreseen import asks_all_again

if TYPE_CHECKING:
    from accord.sync.load import Loaded

PART = 0.25  # of the agreed rows: with more keys than that to look at, reading everything is cheaper
SMALL = 1000  # keys that are looked at one by one whatever their share
CARRIED = (
    "mapped",
    "since",
    "positions",
    "basis",
    "sizes",
    "key_types",
    "leaned",
    "swept_at",
    "marks",
    "fills",
    "sums",
    "written",
    UNSETTLED,
    REACHED,
)


def begin_notes(cycle: Cycle, previous: Mapping[str, Any]) -> None:
    """Take over what the last run noted about itself."""
    cycle.notes = {name: previous[name] for name in CARRIED if name in previous}
    cycle.sizes = dict(previous.get("sizes", {}))


def basis(cycle: Cycle) -> str:
    """SHA-256 over all in map and program that says how rows are read, judged and merged."""
    referenced = sorted({f.references for f in cycle.entity.fields.values() if f.references})
    keys = [(name, cycle.map.entities[name].key) for name in referenced if name in cycle.map.entities]
    systems = [s.connector.system for s in cycle.sides]
    return hashlib.sha256(
        repr((__version__, duckdb.__version__, cycle.flow, cycle.entity, systems, keys, lookup_state(cycle))).encode()
    ).hexdigest()


def first_load(cycle: Cycle) -> Loaded | None:
    """Load an empty target in one pass, where that is all there is to do; the next run reads on from the logs begun before it."""
    from accord.sync.load import load_first  # here, as a flow is loaded once

    _open_logs(cycle, {}, dry_run=False)
    loaded = load_first(cycle)
    if loaded is None:
        # What came meanwhile is in the rows that are read now; the logs are asked again, and begin where they began.
        close_logs(cycle)
        cycle.notes.pop("positions", None)
        return None
    left = loaded.result.counts.get("refused") or loaded.result.counts.get("stale")
    if loaded.result.status == "done" and not left and not any(s.binding.capture == "cursor" for s in cycle.sides):
        cycle.notes |= {"basis": basis(cycle), "leaned": _leaned(cycle)}
    return loaded


def find_scope(cycle: Cycle, previous: Mapping[str, Any], *, whole: bool, dry_run: bool) -> bool:
    """Ask every side what moved and fill ``scope``; sides that can only be read whole are captured on the way.

    Args:
        cycle: ``pend_<i>``, ``quarantine0``, ``held0`` and ``open0`` are loaded.
        previous: attributes of the flow's last finished run.
        whole: look at every key whatever the sides say.
        dry_run: set up nothing in the systems.

    Returns:
        True: the run is about the keys of ``scope``. False: about every key, and nothing is captured yet.
    """
    for side in cycle.sides:
        if side.token is None:  # one that was taken before is as good: a write since then shows against it
            side.token = change_token(side.connector, side.binding.resource)
    _open_logs(cycle, previous, dry_run=dry_run)
    same = previous.get("basis") == basis(cycle)
    cycle.restated = not same
    lean = _leaned(cycle)
    always = needs_every_row(cycle)
    # What such a one says of its changes is not about those since the last run.
    restored = any(s.earlier or s.restored for s in cycle.sides)
    # What was agreed without a field that was left out reaches it once its column is settled, though nobody edits those rows then.
    unsettled = bool(previous.get(UNSETTLED))
    whole = whole or restored or unsettled or always or not same or not _same_references(cycle, previous, lean) or asks_all_again(cycle)
    if not (whole or always):
        find_same_sums(cycle, [s for s in cycle.sides if _digests(cycle, s)])
    told = {s.name: not always and _told(cycle, s, previous, whole=whole) for s in cycle.sides}
    cycle.notes |= {"basis": basis(cycle), "leaned": lean}
    if whole or not any(told.values()):
        return False
    cycle.partial = all(_swept(cycle, s) for s in cycle.sides if not told[s.name]) and _union(cycle)
    if not cycle.partial:
        for side in cycle.sides:
            side.swept = False
    return cycle.partial


def read_scope(cycle: Cycle, previous: Mapping[str, Any]) -> bool:
    """Load the state and capture the rows of ``scope``; false when what shows then asks for a look at everything after all."""
    columns = previous.get("columns")
    known = columns if isinstance(columns, Mapping) else {}
    lender = find_lender(cycle)
    while True:
        for side in cycle.sides:
            cycle.progress(f"{cycle.flow.name}: reading {side.name}")
            _read_side(cycle, side, versions=side.table("versioned") if side is lender else "")
        if any(sorted(s.columns) != list(known.get(s.name, ())) or _reordered(s, previous) for s in cycle.sides):
            cycle.partial = False
            for side in cycle.sides:
                side.swept = False
            return False
        if not _neighbours(cycle):
            load_state(cycle, lend(cycle, lender) if lender else None)
            return True


def _reordered(side: Side, previous: Mapping[str, Any]) -> bool:
    """Whether its columns stand in another order, as after one was dropped and made anew."""
    order = ((previous.get("shapes") or {}).get(side.name) or {}).get("order") or []
    return bool(order) and list(order) != list(side.columns)


def settle_logs(cycle: Cycle) -> None:
    """Let the systems forget what this run has stored the effect of; only after its last event is in the log."""
    for log in cycle.logs.values():
        if log.position is not None:
            # What was read is stored with its position; a system that cannot hear of it now hears of it from the next run.
            with contextlib.suppress(SystemUnreachable):
                log.feed.acknowledge(log.position)


def close_logs(cycle: Cycle) -> None:
    """Let go of the feeds of this run."""
    for log in cycle.logs.values():
        log.feed.close()
    cycle.logs.clear()


def needs_every_row(cycle: Cycle) -> bool:
    """Whether the contract asks about all rows together (aggregates, how fresh the newest row is), or keys are matched by their rows."""
    fresh = any(f.freshness is not None for f in cycle.entity.fields.values())
    if any(s.binding.own_key for s in cycle.sides):
        return True  # a row with an unknown key is recognized among all others
    return bool(cycle.entity.checks) or fresh or bool(getattr(cycle.entity, "identity", None))


def _read_side(cycle: Cycle, side: Side, *, versions: str) -> None:
    if side.swept:
        cycle.sql(f"CREATE OR REPLACE TABLE {side.table('cap')} AS SELECT * FROM {side.table('all')} SEMI JOIN scope {cycle.using()}")
        side.rows, side.doubled = cycle.count(f"SELECT count(*) FROM {side.table('cap')}"), None
        return
    types = cycle.notes.get("key_types", {}).get(side.name, {})
    native = make_native(cycle, side, "scope", types)
    capture(cycle.con, cycle.entity, side, drift="evolve", may_create=False, among="scope", native=native, versions=versions)


def _open_logs(cycle: Cycle, previous: Mapping[str, Any], *, dry_run: bool) -> None:
    positions = previous.get("positions", {})
    for side in cycle.sides:
        after = positions.get(side.name)
        if side.binding.capture != "cdc":
            if after is not None and not dry_run:
                _let_go(cycle, side)
            continue
        if dry_run and after is None:
            continue
        if not dry_run:
            name_store(cycle)
        if after is None and side.binding.create and side.writable:
            columns, key = created_columns(cycle.entity, side)
            side.connector.create(side.binding.resource, columns, key)  # there is no log of what is not there
        if not side.known:
            side.binding = as_spelled(side.binding, declared_types(side))  # a log knows its columns by their own names only
        cycle.progress(f"{cycle.flow.name}: reading the log of {side.name}")
        log = _read_log(cycle, side, after)
        if log.keys is None and after is not None:
            tell_resnapshot(cycle, side, log.reason)
            side.earlier = log.earlier or side.earlier
        if log.position is not None:
            cycle.notes["positions"] = {**cycle.notes.get("positions", {}), side.name: log.position}


def _read_log(cycle: Cycle, side: Side, after: str | None) -> Log:
    try:
        return read_log(cycle, side, after)
    except (DataRefused, UnknownName) as error:
        if isinstance(error, UnknownName) and error.kind != "column":
            raise
        # A log that cannot find the key says what it needs; that the column itself is gone is what its owner has to hear.
        side.columns = dict(declared_types(side))
        mapped = side.binding.fields if side.columns else {}
        for mapping in (mapped[key] for key in cycle.keys if key in mapped):
            for column in mapped_columns(mapping):
                if not present(column, side.columns):
                    raise lost_column(side, column, mapping, BRING_BACK) from error
        raise


def _let_go(cycle: Cycle, side: Side) -> None:
    """Take down the log of a side that is read in another way now: what nobody reads would be kept in its system for ever."""
    if isinstance(side.connector, Logged):
        side.connector.drop_feed(side.binding.resource, name=feed_name(cycle.store, cycle.flow.name, side.name))
    cycle.notes["positions"] = {name: place for name, place in cycle.notes["positions"].items() if name != side.name}


def _told(cycle: Cycle, side: Side, previous: Mapping[str, Any], *, whole: bool) -> bool:
    """Fill ``moved_<i>`` without reading the side's rows, where its system can; also when everything is read, so that the next run may."""
    if not cycle.sizes.get(f"base:{side.name}"):
        return False
    if side.summed:
        return take_keys(cycle, side, side.table("redigest"))
    log = cycle.logs.get(side.name)
    if log is not None:
        return not whole and log.keys is not None and _moved_of_log(cycle, side, log.keys)
    if may_ask_since(side):
        return not whole and not _sweep_due(cycle, side, previous) and read_since(cycle, side, previous)
    if not may_digest(cycle, side):
        return False
    if not read_digests(cycle, side):
        return False
    side.digested = True
    stored = compare_digests(cycle, side)
    return stored and not whole and not _sweep_due(cycle, side, previous) and take_keys(cycle, side, side.table("redigest"))


def _digests(cycle: Cycle, side: Side) -> bool:
    """Whether a side is asked for digests or versions of its rows, as ``_told`` does."""
    return side.name not in cycle.logs and not may_ask_since(side) and may_digest(cycle, side)


def _moved_of_log(cycle: Cycle, side: Side, keys: int) -> bool:
    if keys:
        return take_keys(cycle, side, side.table("told"))
    kinds = ", ".join(f"{quote(k)} {storage_type(cycle.entity, k)}" for k in cycle.keys)
    cycle.sql(f"CREATE OR REPLACE TABLE {side.table('moved')} ({kinds})")
    return True


def _sweep_due(cycle: Cycle, side: Side, previous: Mapping[str, Any]) -> bool:
    if side.binding.capture != "cursor":
        return False
    last = previous.get("swept_at", {}).get(side.name)
    # One that lies ahead was noted by a clock that has been set back since, and says nothing.
    return last is None or not 0 <= (cycle.now - datetime.fromisoformat(last)).total_seconds() < side.binding.sweep_every.seconds


def _swept(cycle: Cycle, side: Side) -> bool:
    """Read a side whole and find what moved by comparing it with its base; false when some row of it has no readable key."""
    cycle.progress(f"{cycle.flow.name}: reading {side.name}")
    load_whole_base(cycle, side)
    capture(cycle.con, cycle.entity, side, drift="evolve", may_create=False)
    side.swept = True
    if not all(k in side.codes for k in cycle.keys) or not compare_values(cycle, side):
        return False
    cycle.sql(f"ALTER TABLE {side.table('cap')} RENAME TO {side.table('all')}")
    return True


def _union(cycle: Cycle) -> bool:
    """Fill ``scope``, of it ``left_open`` what did not move; false when that is so much, or such keys, that all is better looked at."""
    if cycle.rows("quarantine0") and cycle.count("SELECT count(*) FROM quarantine0 WHERE key IS NULL"):
        return False
    parts = [f"SELECT {names(cycle.keys)} FROM {s.table('pend')}" for s in cycle.sides]
    parts.append(f"SELECT {names(cycle.keys)} FROM open0")
    for table in ("quarantine0", "held0", "decision0"):
        if not cycle.rows(table):
            continue
        waits = "(SELECT key FROM quarantine0 UNION SELECT unnest(keeps) FROM quarantine0)" if table == "quarantine0" else table
        read = (
            f"TRY_CAST(json_extract_string(key, {literal(f'$.{chr(34)}{k}{chr(34)}')}) AS {storage_type(cycle.entity, k)}) AS {quote(k)}"
            for k in cycle.keys
        )
        parts.append(f"SELECT {', '.join(read)} FROM {waits}")
    cycle.sql(f"CREATE OR REPLACE VIEW left_open AS {' UNION '.join(parts)}")
    moved = (f"SELECT {names(cycle.keys)} FROM {s.table('moved')}" for s in cycle.sides)
    cycle.looked = cycle.count(f"CREATE OR REPLACE TABLE scope AS {' UNION '.join((*moved, 'SELECT * FROM left_open'))}")
    if cycle.looked and cycle.count(f"SELECT count(*) FROM scope WHERE {' OR '.join(f'{quote(k)} IS NULL' for k in cycle.keys)}"):
        return False
    return cycle.looked <= max(SMALL, PART * max(cycle.sizes.values(), default=0))


def _neighbours(cycle: Cycle) -> int:
    """Add to ``scope`` the keys outside it that share a value which few rows may hold with a row inside it; returns how many.

    Outside the scope every side shows what its base holds, so the base answers for the rows that were not read.
    """
    shared = [f.name for f in cycle.entity.fields.values() if (f.unique or f.at_most) and f.severity == "quarantine"]
    before = cycle.looked
    for side in cycle.sides:
        paths = base_paths(cycle, side)
        for name in shared:
            if name not in side.codes or not paths or (name,) == cycle.keys:
                continue
            q, cap = quote(name), side.table("cap")
            cycle.sql(
                f"INSERT INTO scope SELECT {names(cycle.keys)} FROM ({folded(paths, cycle.keys)}) "
                f"SEMI JOIN (SELECT {q} FROM {cap} WHERE {q} IS NOT NULL) USING ({q}) ANTI JOIN scope {cycle.using()} WHERE NOT _gone"
            )
    cycle.looked = cycle.count("SELECT count(*) FROM scope")
    return cycle.looked - before


def _leaned(cycle: Cycle) -> dict[str, list[str]]:
    """Flow → its agreed rows now, for the flows whose rows this entity refers to."""
    referenced = {f.references for f in cycle.entity.fields.values() if f.references}
    return {
        flow.name: list(cycle.store.flow_state(flow.name).get("golden", ()))
        for flow in cycle.map.flows.values()
        if flow.entity in referenced
    }


def _same_references(cycle: Cycle, previous: Mapping[str, Any], now: Mapping[str, list[str]]) -> bool:
    """Whether no row that may be referred to has gone since the last run judged; those that came concern only rows in quarantine."""
    before = previous.get("leaned", {})
    if set(before) != set(now):
        return False
    for flow, shas in now.items():
        known = list(before[flow])
        if shas[: len(known)] != known or (not known and shas):
            return False
        for sha in shas[len(known) :]:
            path = cycle.store.read_segment(sha)
            if not is_change(path) or cycle.count(f"SELECT count(*) FROM read_parquet({literal(str(path))}) WHERE {REMOVED}"):
                return False
    return True
