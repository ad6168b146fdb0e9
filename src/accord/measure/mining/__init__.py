"""Process mining: each measure is one ``.sql`` file over the view ``event_log``, for one process."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pyarrow as pa

from accord.measure.engine import Measure
from accord.measure.sqlfile import SqlFile, read_sql_file
from accord.model.errors import UnknownName


def mining_measures() -> dict[str, SqlFile]:
    """Every mining measure found, by name."""
    folder = Path(str(files("accord.measure") / "mining"))
    return {
        path.stem: read_sql_file(path, required=("name", "title", "columns", "source"), optional=("note",))
        for path in sorted(folder.glob("*.sql"))
    }


def mine(measure: Measure, name: str, process: str) -> pa.Table:
    """The rows of a mining measure for one process (or log) of the event log; empty when it has no events.

    Raises:
        UnknownName: there is no such measure.
    """
    known = mining_measures()
    if name not in known:
        raise UnknownName("mining measure", name, known)
    return measure.arrow(known[name].query, {"process": process})


def directly_follows(measure: Measure, process: str) -> pa.Table:
    """Which activity follows which: ``source, target, count`` and seconds between their completions (median, mean, min, max)."""
    return mine(measure, "directly_follows", process)


def variants(measure: Measure, process: str) -> pa.Table:
    """The ways cases went: ``activities`` (a list), ``cases`` and ``share``, most frequent first."""
    return mine(measure, "variants", process)


def bottlenecks(measure: Measure, process: str) -> pa.Table:
    """Where cases wait: each step's total and median hours and its share of all waiting, worst first."""
    return mine(measure, "bottlenecks", process)


def rework(measure: Measure, process: str) -> pa.Table:
    """What is done again: per activity the cases that repeat it and the extra executions."""
    return mine(measure, "rework", process)


def ping_pong(measure: Measure, process: str) -> pa.Table:
    """Work that goes to another and comes straight back: pairs of resources with their number."""
    return mine(measure, "ping_pong", process)


__all__ = ["bottlenecks", "directly_follows", "mine", "mining_measures", "ping_pong", "rework", "variants"]
