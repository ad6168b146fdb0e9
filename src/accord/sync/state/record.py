"""What runs of a flow write into the event log, and what a run reads there about the one before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from accord.model.event import Event, ObjectRef
from accord.store import Store
from accord.sync.cycle import Cycle

RENAMED = "flow.renamed"
EARLIER = "earlier"  # of a run that failed: side → what shows that its system stands at an earlier state than the runs before left
_LOOK_BACK = 8  # events; each that is read of one flow costs as much as all the rest of a look


def last_finished(cycle: Cycle) -> Mapping[str, Any]:
    """Attributes of the flow's last run that read its systems; empty before the first."""
    return last_of(cycle.store, cycle.flow.name)


def last_of(store: Store, flow: str) -> Mapping[str, Any]:
    """The same of the flow of a name; after it took over from another name, what it took over.

    With ``EARLIER`` as runs that failed since then noted it: what a system shows of that may be gone once it goes on.
    """
    end, step = store.head().seq, _LOOK_BACK
    earlier: dict[str, str] = {}
    while end > 0:
        # Backwards in growing steps: it stands near the end of the log, and the log grows for years.
        start = max(0, end - step)
        last: Mapping[str, Any] = {}
        since: dict[str, str] = {}
        for stored in store.read(after=start, types=["flow.run_finished", RENAMED], object=ObjectRef("flow", flow)):
            given = stored.event.attributes
            if "captured_at" in given and given["flow"] == flow:
                last, since = given, {}
            since |= given.get(EARLIER, {})
        earlier = since | earlier
        if last:
            return {**last, EARLIER: earlier} if earlier else last
        end, step = start, step * 4
    return {}


def once_called(store: Store, flow: str) -> list[str]:
    """All names a flow had, the first one first and the one it has last."""
    names = [flow]
    while True:
        renamed = store.read(types=[RENAMED], object=ObjectRef("flow", names[0]))
        before = [str(s.event.attributes["from"]) for s in renamed if s.event.attributes["flow"] == names[0]]
        if not before or before[-1] in names:
            return names
        names.insert(0, before[-1])


def append(cycle: Cycle, type_: str, with_: Sequence[Event] = (), /, **attributes: object) -> None:
    """Add an event about the flow and this run, and others in the same transaction."""
    about = (ObjectRef("flow", cycle.flow.name), ObjectRef("run", cycle.run))
    number = cycle.store.head().seq + 1
    body = {"flow": cycle.flow.name, "run": cycle.run, **attributes}
    event = Event(f"{cycle.run}:{cycle.flow.name}:{type_}:{number}", type_, cycle.clock(), f"flow:{cycle.flow.name}", body, about)
    cycle.store.append([event, *with_])
