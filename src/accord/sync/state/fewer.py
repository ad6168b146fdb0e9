"""Many small segments of records become one: what is told of all runs is then read from few files.

A run that does something leaves a segment, which counts for what it holds and costs a reader as much as one of thousands of rows. The old
ones stay where they are, as the log names them; the flow's state names the one that holds all they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from accord.connectors.types import quote
from accord.store.folding import columns_in, parquet, rows_in
from accord.store.records import CHANGES, KEY, change_records
from accord.sync.cycle import Cycle
from accord.sync.state.late import cover_all

FROM = 256  # segments in a row
SMALL_ROWS = 50_000
MOST_ROWS = 1_000_000


def fold_records(cycle: Cycle) -> dict[str, dict[str, object]]:
    """By role: the records from position ``after`` on, and before ``until``, are in segment ``sha``, as ``flow.run_finished`` says it.

    Of changes only such as are covered by the state of failed pairs, for which the order of runs counts.
    """
    found: dict[str, dict[str, object]] = {}
    for role in ("changes", "conflicts"):
        last = cycle.store.flow_records(cycle.flow.name, role, last=FROM)
        # A gap is where some were folded before.
        if len(last) < FROM or max(last) - min(last) >= FROM:
            continue
        until = after = max(last) + 1
        paths: list[Path] = []
        rows = 0
        for position, sha in reversed(cycle.store.flow_records(cycle.flow.name, role).items()):
            path = cycle.store.read_segment(sha)
            held = rows_in(path)
            rows += held
            if position != after - 1 or held > SMALL_ROWS or rows > MOST_ROWS or KEY in columns_in(path):
                break
            paths.append(path)
            after = position
        if len(paths) >= FROM:
            if role == "changes":
                cover_all(cycle)
            sha = cycle.store.write_segment_from(cycle.con, _changes(paths) if role == "changes" else _conflicts(paths)).sha
            found[role] = {"after": after, "until": until, "sha": sha}
    return found


def _changes(paths: Sequence[Path]) -> str:
    return f"SELECT {', '.join(map(quote, CHANGES))} FROM {change_records(paths)} ORDER BY ALL"


def _conflicts(paths: Sequence[Path]) -> str:
    return f"SELECT * FROM {parquet(paths)} ORDER BY ALL"
