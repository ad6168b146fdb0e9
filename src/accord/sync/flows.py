"""Several flows in the order of their references, and once more those that had to wait for others."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from accord.connectors.protocol import Connector
from accord.model.errors import AccordError
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.capture.brought_up import restored_in
from accord.sync.cycle import Ahead
from accord.sync.result import FlowResult
from accord.sync.run import run_flow

AGAIN: Final = "-again"  # behind a run's id: of its flows that ran once more

_OF_A_MOMENT: Final = frozenset({"refused", "stale", "quarantine"})  # findings that the next run tells anew where they still hold


@dataclass(slots=True)
class Ran:
    """What became of some flows: the results of those that ended, in their order, and what stopped the others."""

    results: list[FlowResult] = field(default_factory=list)
    failed: list[tuple[str, AccordError]] = field(default_factory=list)


def run_flows(
    map: IntegrationMap,  # noqa: A002 - the word of the glossary
    flows: Sequence[str],
    connectors: Mapping[str, Connector],
    store: Store,
    *,
    run: str,
    now: datetime,
    dry_run: bool = False,
    allow_deletes: bool = False,
    whole: bool = False,
    restored: Collection[str] = (),
    begin: Callable[[str], None] = lambda name: None,
) -> Ran:
    """Bring the systems of several flows into agreement; one that fails does not stop the others.

    Args:
        map: the map.
        flows: names, in the order of ``flow_order``.
        connectors: by system name.
        store: where bases, intents and events live.
        run: id of the first run of each flow.
        now: the time, aware, in UTC.
        dry_run, allow_deletes, whole: as ``run_flow`` takes them.
        restored: systems that were restored from a backup, of any of the flows.
        begin: told the name of each flow before its first run.
    """
    ran, began, foreseen = Ran(), time.monotonic(), dict[str, Ahead]()
    for name in flows:
        begin(name)
        with beside_others(name, ran.failed):
            result = run_flow(
                map,
                name,
                connectors,
                store,
                run=run,
                now=now,
                dry_run=dry_run,
                allow_deletes=allow_deletes,
                whole=whole,
                restored=restored_in(map.flows[name], restored),
                foreseen=foreseen if dry_run else None,
            )
            ran.results.append(result)

    def once_more(first: FlowResult) -> FlowResult | None:
        then = now + timedelta(seconds=time.monotonic() - began)
        try:
            return run_flow(map, first.flow, connectors, store, run=run + AGAIN, now=then, allow_deletes=allow_deletes)
        except AccordError as error:
            ran.failed.append((first.flow, error))
            return None

    if not dry_run:
        run_held_again(ran.results, once_more)
    return ran


@contextmanager
def beside_others(flow: str, failed: list[tuple[str, AccordError]]) -> Iterator[None]:
    """Note what stops one flow, which must not stop those beside it: nor a mistake of the map that shows only in its systems."""
    try:
        yield
    except AccordError as error:
        failed.append((flow, error))


def run_held_again(results: list[FlowResult], once_more: Callable[[FlowResult], FlowResult | None]) -> None:
    """Run those flows again that were refused rows before others deleted some, the last of them first.

    What is referred to runs before what refers to it, as rows have to be there first. Deletes ask for the other way round: a database keeps
    a row for as long as others point at it.

    Args:
        results: one of each flow, in the order they ran; each that ran again has the counts of both runs then.
        once_more: runs a flow again; ``None``: that failed.
    """
    for number in reversed(range(len(results))):
        first = results[number]
        if first.counts.get("refused") and any(r.counts.get("deleted") for r in results[number:]) and (again := once_more(first)):
            results[number] = _together(first, again)


def _together(first: FlowResult, again: FlowResult) -> FlowResult:
    """Two runs of a flow as one: what both did, and what holds after the second."""
    counts = {name: count if name == "refused" else count + first.counts.get(name, 0) for name, count in again.counts.items()}
    # Of what had failed, that is due once more which came through.
    counts["changes"] = max(first.counts["changes"], first.counts["verified"] + again.counts["changes"])
    told = [f for f in first.findings if f.kind not in _OF_A_MOMENT and f not in again.findings]
    changed, seconds = first.changed or again.changed, first.seconds + again.seconds
    return replace(again, counts=counts, findings=(*told, *again.findings), changed=changed, seconds=seconds)
