"""Pairs of a change and a target that failed and have not arrived since: what a later run may still make good.

The last record of a pair tells, and each run that does something leaves a segment of records. To read them all would make a run dearer with
every one before it. So the failed pairs are a state of their own, role ``failed``, which says how many segments of records it covers;
only those behind it are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from accord.connectors.types import literal, quote
from accord.store.records import change_records
from accord.sync.cycle import Cycle
from accord.sync.state.base import load_segments

ROLE = "failed"
_PAIR = "key, source, target"
_COVERED = "covered"
# One row without a key says how many segments of records are covered.
_COLUMNS = {
    "key": "VARCHAR",
    "source": "VARCHAR",
    "target": "VARCHAR",
    "op": "VARCHAR",
    "source_changed_at": "TIMESTAMPTZ",
    "captured_at": "TIMESTAMPTZ",
    _COVERED: "BIGINT",
}
_VALUES = ", ".join(map(quote, list(_COLUMNS)[:-1]))
BEHIND_MOST = 16  # segments of records read again by each run, before one writes the state anew


def load_failed(cycle: Cycle, keys: str, target: str) -> int:
    """Fill ``failed`` with the pairs of these keys and this target whose last record says they did not arrive; returns how many.

    Rows that broke their own source's contract are left out: what is corrected there is another change.

    Args:
        cycle: the run.
        keys: a SELECT of keys as records have them.
        target: name of its binding.
    """
    if not cycle.count(f"SELECT count(*) FROM ({keys})"):
        return 0
    _load(cycle)
    if not cycle.rows(ROLE):
        return 0
    return cycle.make("failed_here", f"SELECT {_VALUES} FROM {ROLE} WHERE target = {literal(target)} AND key IN ({keys})")


def cover_all(cycle: Cycle) -> None:
    """Let this run write the state anew: it then covers all records there are before those of this run."""
    _load(cycle)
    assert cycle.failed is not None
    cycle.failed = (-BEHIND_MOST, cycle.failed[1])


def failed_query(cycle: Cycle) -> str:
    """SELECT of the state to be written; empty when this run did not look, or little came since it was written last."""
    stored, covered = cycle.failed or (0, 0)
    if covered - stored < BEHIND_MOST:
        return ""
    nothing = ", ".join(f"CAST(NULL AS {kind})" for kind in list(_COLUMNS.values())[:-1])
    pairs = f"SELECT {_VALUES}, CAST(NULL AS BIGINT) AS {_COVERED} FROM {ROLE}"
    return f"SELECT * FROM ({pairs} UNION ALL SELECT {nothing}, {covered}) ORDER BY {_PAIR}"


def _load(cycle: Cycle) -> None:
    """Table ``failed`` with every failed pair, made once in a run."""
    if cycle.failed is not None:
        return
    store, flow = cycle.store, cycle.flow.name
    load_segments(cycle, "failed_stored", [store.read_segment(sha) for sha in store.flow_state(flow).get(ROLE, ())], _COLUMNS)
    covered = cycle.count(f"SELECT max({_COVERED}) FROM failed_stored")
    paths = [store.read_segment(sha) for sha in store.flow_records(flow, "changes", after=covered).values()]
    cycle.failed = (covered, covered + len(paths))
    before = f"SELECT {_VALUES} FROM failed_stored WHERE key IS NOT NULL"
    cycle.make(ROLE, _after(cycle, before, paths) if paths else before)


def _after(cycle: Cycle, before: str, paths: Sequence[Path]) -> str:
    """The failed pairs after these records: most are of changes that arrived, and of pairs that never failed."""
    some = f"SELECT * FROM {change_records(paths)}"
    ever = f"SELECT {_PAIR} FROM ({some}) WHERE NOT verified"
    cycle.make("failed_ever", f"SELECT DISTINCT {_PAIR} FROM ({ever} UNION ALL SELECT {_PAIR} FROM ({before}))")
    if not cycle.rows("failed_ever"):
        return before
    order = ", ".join(literal(str(path)) for path in paths)
    last = f"""
        SELECT * FROM ({some}) SEMI JOIN failed_ever USING ({_PAIR})
        QUALIFY row_number() OVER (PARTITION BY {_PAIR} ORDER BY list_position([{order}], filename) DESC, verified DESC) = 1"""
    return f"""
        WITH last AS ({last})
        SELECT {_VALUES} FROM ({before}) b ANTI JOIN last USING ({_PAIR})
        UNION ALL SELECT {_VALUES} FROM last WHERE NOT verified AND NOT source_broken"""
