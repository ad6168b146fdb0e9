"""Plans of several flows that are made, approved and carried out as one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from accord.connectors.protocol import Connector
from accord.model.errors import AccordError, PlanOutdated
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.apply.plan import FlowPlan, apply_plan, check_plan, plan_flow
from accord.sync.capture.brought_up import restored_in
from accord.sync.cycle import Ahead
from accord.sync.flows import AGAIN, beside_others, run_held_again
from accord.sync.order import rests_on
from accord.sync.result import FlowResult


@dataclass(slots=True)
class Planned:
    """What planning some flows came to; ``failed``: what stopped the others."""

    plans: list[FlowPlan] = field(default_factory=list)
    results: list[FlowResult] = field(default_factory=list)
    failed: list[tuple[str, AccordError]] = field(default_factory=list)


def plan_flows(
    map: IntegrationMap,  # noqa: A002 - the word of the glossary
    flows: Iterable[str],
    connectors: Mapping[str, Connector],
    store: Store,
    *,
    run: str,
    now: datetime,
    allow_deletes: bool = False,
    restored: Collection[str] = (),
    keys: Mapping[str, Sequence[str]] | None = None,
    begin: Callable[[str], None] = lambda name: None,
) -> Planned:
    """What runs of several flows would write, each as if those before it had run; one that fails does not stop the others.

    Args:
        map: the map.
        flows: names, in the order of ``flow_order``.
        connectors: by system name.
        store: where bases, intents and events live.
        run: id of the look.
        now: the time, aware, in UTC.
        allow_deletes: as ``plan_flow`` takes it.
        restored: systems that were restored from a backup, of any of the flows.
        keys: by flow, the only keys its plan is about.
        begin: told the name of each flow.
    """
    planned, foreseen = Planned(), dict[str, Ahead]()
    for name in flows:
        begin(name)
        with beside_others(name, planned.failed):
            plan, result = plan_flow(
                map,
                name,
                connectors,
                store,
                run=run,
                now=now,
                allow_deletes=allow_deletes,
                restored=restored_in(map.flows[name], restored),
                keys=None if keys is None else keys[name],
                foreseen=foreseen,
            )
            planned.plans.append(plan)
            planned.results.append(result)
    return planned


def needed(map: IntegrationMap, plans: Sequence[FlowPlan]) -> list[FlowPlan]:  # noqa: A002
    """The plans that write something, and those whose flows have to agree on something before others may."""
    kept: list[FlowPlan] = []
    for plan in reversed(plans):
        if plan.writes or (plan.agrees and any(rests_on(map, later.flow, [plan.flow]) for later in kept)):
            kept.insert(0, plan)
    return kept


def check_plans(
    map: IntegrationMap,  # noqa: A002
    plans: Iterable[FlowPlan],
    connectors: Mapping[str, Connector],
    store: Store,
    *,
    run: str,
    now: datetime,
    begin: Callable[[str], None] = lambda name: None,
) -> Iterator[PlanOutdated]:
    """Compare plans with what would be written now; yields what is other, of each flow of which something is. Writes nothing."""
    foreseen = dict[str, Ahead]()
    for plan in plans:
        begin(plan.flow)
        try:
            check_plan(map, plan, connectors, store, run=run, now=now, foreseen=foreseen)
        except PlanOutdated as error:
            yield error


def apply_plans(
    map: IntegrationMap,  # noqa: A002
    plans: Sequence[FlowPlan],
    connectors: Mapping[str, Connector],
    store: Store,
    *,
    run: str,
    now: datetime,
    begin: Callable[[str], None] = lambda name: None,
) -> tuple[list[FlowResult], AccordError | None]:
    """Write exactly what the plans say; call ``check_plans`` first, for all of them.

    What a system refused because rows pointed there that a later plan deleted is written after it.

    Returns:
        The runs, and the error that stopped them before the last of the plans, if one did.
    """
    results: list[FlowResult] = []
    for number, plan in enumerate(plans):
        begin(plan.flow)
        earlier, later = [p.flow for p in plans[:number]], [p.flow for p in plans[number + 1 :]]
        # What earlier plans made possible is in this one, unless nobody could know it. What later ones rest on is agreed as a whole.
        unforeseen = [name for name in earlier if map.entities[map.flows[name].entity].identity is not None]
        alone = rests_on(map, plan.flow, earlier) and not any(rests_on(map, name, [plan.flow]) for name in later)
        only_planned = alone or rests_on(map, plan.flow, unforeseen)
        try:
            results.append(apply_plan(map, plan, connectors, store, run=run, now=now, only_planned=only_planned))
        except AccordError as error:
            return results, error
    by_flow, failed = {plan.flow: plan for plan in plans}, list[AccordError]()

    def once_more(first: FlowResult) -> FlowResult | None:
        try:
            return apply_plan(map, by_flow[first.flow], connectors, store, run=run + AGAIN, now=now, again=True)
        except AccordError as error:
            failed.append(error)
            return None

    run_held_again(results, once_more)
    return results, failed[0] if failed else None
