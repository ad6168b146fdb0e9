"""The proof of agreement: every system read afresh, every pair compared, every difference named.

It shares the mappings with the sync path and nothing else: no base, no golden row, no intent, no record of what was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from itertools import combinations

from accord.connectors.protocol import Connector
from accord.model.errors import AccordError
from accord.model.event import Event, ObjectRef
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.capture.asked_again import ask_about_differences
from accord.sync.capture.read import capture, open_side
from accord.sync.capture.vanished import as_vanished
from accord.sync.cycle import Cycle, Progress
from accord.sync.identity.provisional import unknown_rows
from accord.sync.identity.resolve import resolve_only
from accord.sync.judge.judge import load_references
from accord.sync.proof.compared import accept_rows, compare_sides, make_differences
from accord.sync.proof.native import read_suspects
from accord.sync.proof.passed import judged_by_row, read_passing
from accord.sync.proof.report import NAMED
from accord.sync.proof.suspects import Alike
from accord.sync.result import PairResult, Reconciliation
from accord.sync.run import open_cycle
from accord.sync.state.record import last_finished


def reconcile(
    map: IntegrationMap,  # noqa: A002 - the word of the glossary
    flow: Flow | str,
    connectors: Mapping[str, Connector],
    store: Store,
    *,
    run: str,
    now: datetime,
    progress: Progress | None = None,
    read_all: bool = False,
) -> Reconciliation:
    """Compare all bindings of a flow with each other, pair by pair, and append ``flow.reconciled``.

    A value that one of the two systems can only hold more coarsely counts as equal when it is equal in that form, and is counted as such.
    Rows that break the contract are listed apart, per binding, and take no part in the comparison, and neither do fields of columns that
    are gone.

    Where the systems can tell by digests of their own which rows are surely alike, only the others are read.

    Args:
        map: the map the flow belongs to.
        flow: the flow or its name.
        connectors: by system name; at least the systems of this flow.
        store: gets the event, and the differences.
        run: id of this run, for the event.
        now: the time, aware, in UTC.
        progress: told a sentence before each step.
        read_all: read every row, whatever the systems can tell.

    Raises:
        GuardStopped: a mapped column is gone.
        SystemUnreachable: a system cannot be read, or a resource that runs read is not there any more.
        SystemChanged: a system could not hold on to the moment it was read at.
    """
    with open_cycle(map, flow, connectors, store, run=run, now=now, progress=progress) as cycle:
        known = last_finished(cycle).get("columns", {})
        for side in cycle.sides:
            side.known, side.unmet = side.name in known, side.name not in known
        try:
            with ExitStack() as held:
                alike = None if read_all else read_suspects(cycle, held)
            if alike is None:
                alike = _read(cycle, read_all=read_all)
        except AccordError as met:
            if (error := as_vanished(cycle, met)) is not met:
                raise error from met
            raise
        references = load_references(cycle)
        quarantined, pairs = _compared(cycle, references)
        if ask_about_differences(cycle):
            quarantined, pairs = _compared(cycle, references)
        if alike is not None:
            pairs = [alike.and_suspects(pair) for pair in pairs]
            quarantined = {name: count + alike.keyless[name] for name, count in quarantined.items()}
        return _conclude(cycle, tuple(pairs), quarantined)


def _read(cycle: Cycle, *, read_all: bool) -> Alike | None:
    """Read every system; what is returned was only looked at, and all of it kept where that is nothing."""
    relations = []
    for side in cycle.sides:
        cycle.progress(f"{cycle.flow.name}: reading {side.name}")
        relations.append(open_side(cycle.con, cycle.entity, side, may_create=False))
    alike = read_passing(cycle, relations) if judged_by_row(cycle) and not read_all else None
    for side, relation in zip(cycle.sides, relations, strict=True) if alike is None else ():
        capture(cycle.con, cycle.entity, side, drift=cycle.flow.drift, may_create=False, relation=relation)
        resolve_only(cycle, side)
    return alike


def _compared(cycle: Cycle, references: dict[str, str]) -> tuple[dict[str, int], list[PairResult]]:
    quarantined = {side.name: accept_rows(cycle, side, references)[0] for side in cycle.sides}
    make_differences(cycle)
    pairs = []
    for left, right in combinations(cycle.sides, 2):
        cycle.progress(f"{cycle.flow.name}: comparing {left.name} and {right.name}")
        pairs.append(compare_sides(cycle, left, right, quarantined))
    return quarantined, pairs


def _conclude(cycle: Cycle, pairs: tuple[PairResult, ...], quarantined: dict[str, int]) -> Reconciliation:
    order = "SELECT * FROM differences ORDER BY ALL"
    table = cycle.con.execute(order).to_arrow_table()
    lacking = {s.name: s.lacking for s in cycle.sides if s.lacking}
    sha = cycle.store.write_segment_from(cycle.con, order).sha if table.num_rows else ""
    body = {
        "flow": cycle.flow.name,
        "run": cycle.run,
        "pairs": [
            {"left": p.left, "right": p.right, "keys": p.keys, "missing": p.missing, "extra": p.extra, "different": p.different}
            | ({"coarser": dict(p.coarser)} if p.coarser else {})
            for p in pairs
        ],
        "digests": [[p.left_digest, p.right_digest] for p in pairs],
        "differences": sha,
        "quarantined": quarantined,
        "lacking": {name: list(columns) for name, columns in lacking.items()},
    }
    number = cycle.store.head().seq + 1
    about = (ObjectRef("flow", cycle.flow.name), ObjectRef("run", cycle.run))
    event = Event(
        f"{cycle.run}:{cycle.flow.name}:flow.reconciled:{number}", "flow.reconciled", cycle.clock(), f"flow:{cycle.flow.name}", body, about
    )
    cycle.store.append([event])
    rows = {s.name: s.rows for s in cycle.sides}
    unknown = unknown_rows(cycle, table.slice(0, NAMED).column("key").to_pylist())
    return Reconciliation(cycle.flow.name, cycle.run, pairs, table, quarantined, cycle.seconds, sha, rows, lacking, unknown)
