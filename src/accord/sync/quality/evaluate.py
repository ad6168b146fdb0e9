"""The five validations of flows: every system read afresh, every check asked, every gap named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from accord.connectors.protocol import Connector
from accord.model.errors import UnknownName
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.capture.read import capture
from accord.sync.cycle import Cycle, Progress
from accord.sync.identity.resolve import resolve_only
from accord.sync.judge.judge import load_references
from accord.sync.proof.compared import accept_rows
from accord.sync.quality.notes import Notes
from accord.sync.quality.pairs import judge_pairs
from accord.sync.quality.score import GAPS, VALIDATIONS, Asked, Quality
from accord.sync.quality.side import judge_mapping, judge_rows
from accord.sync.quality.timely import judge_times
from accord.sync.run import open_cycle
from accord.sync.state.record import append


def quality(
    map: IntegrationMap,  # noqa: A002 - the word of the glossary
    connectors: Mapping[str, Connector],
    store: Store,
    *,
    run: str,
    now: datetime,
    flows: Collection[str] = (),
    dimensions: Collection[str] = (),
    since: datetime | None = None,
    progress: Progress | None = None,
) -> Quality:
    """Score flows by accuracy, completeness, timeliness, consistency and mapping.

    Nothing is written to any system. The counts of every check and the list of gaps go into the log as ``check.evaluated``, one event
    per flow; they are recorded for all dimensions, whichever are asked for.

    Args:
        map: the map the flows belong to.
        connectors: by system name.
        store: for what was agreed, and for the event.
        run: id of this run.
        now: the time, aware, in UTC.
        flows: only these; default: all.
        dimensions: of these only; default: all five.
        since: only changes captured since then count for timeliness; default: all.
        progress: told a sentence before each step.

    Raises:
        UnknownName: no such flow or dimension.
        GuardStopped: the column of a key is gone.
        SystemUnreachable: a system does not answer.
    """
    for name in flows:
        if name not in map.flows:
            raise UnknownName("flow", name, map.flows)
    for name in dimensions:
        if name not in VALIDATIONS:
            raise UnknownName("dimension", name, VALIDATIONS)
    checks: list[Asked] = []
    tables, seconds = [], {}
    for name in map.flows:
        if flows and name not in flows:
            continue
        with open_cycle(map, name, connectors, store, run=run, now=now, progress=progress) as cycle:
            found, table = _evaluate(cycle, since)
            seconds[name] = cycle.seconds
        checks += found
        tables.append(table)
    gaps = pa.concat_tables(tables) if tables else pa.table({c: pa.array([], pa.string()) for c in GAPS})
    if dimensions:
        checks = [c for c in checks if c.dimension in dimensions]
        gaps = gaps.filter(pc.field("dimension").isin(list(dimensions)))
    return Quality(run, now, tuple(checks), gaps, seconds)


def _evaluate(cycle: Cycle, since: datetime | None) -> tuple[list[Asked], pa.Table]:
    for side in cycle.sides:
        cycle.progress(f"{cycle.flow.name}: reading {side.name}")
        capture(cycle.con, cycle.entity, side, drift="evolve", may_create=False)
        resolve_only(cycle, side)
    references = load_references(cycle)
    notes = Notes(cycle)
    quarantined = {}
    for side in cycle.sides:
        cycle.progress(f"{cycle.flow.name}: judging {side.name}")
        quarantined[side.name], proofs = accept_rows(cycle, side, references)
        cycle.sql(f"CREATE VIEW {side.table('cur')} AS SELECT * FROM {side.table('rows')}")
        judge_rows(notes, side, references, proofs)
        judge_mapping(notes, side)
    cycle.progress(f"{cycle.flow.name}: comparing")
    judge_pairs(notes, quarantined)
    judge_times(notes, since=since)
    notes.finish()
    table = cycle.con.execute("SELECT * FROM gaps").to_arrow_table()
    sha = cycle.store.write_segment_from(cycle.con, "SELECT * FROM gaps ORDER BY ALL").sha if table.num_rows else ""
    told = [
        {
            "dimension": c.dimension,
            "check": c.check,
            "binding": c.binding,
            "field": c.field,
            "owner": c.owner,
            "asked": c.asked,
            "bad": c.bad,
        }
        for c in notes.checks
    ]
    append(cycle, "check.evaluated", entity=cycle.entity.name, checks=told, gaps=sha)
    return notes.checks, table
