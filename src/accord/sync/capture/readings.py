"""Long lists whose reading is gone on with by a later run, where an earlier one was stopped in the middle."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

from accord import __version__
from accord.connectors.protocol import Resuming
from accord.sync.cycle import Cycle

_AGREED = ("base", "golden", "quarantine", "held")  # with the rows that wait: of old they may look corrected
_LIVE = "SELECT count(*), max(seq) FROM live_change WHERE flow = ?"


@contextlib.contextmanager
def going_on(cycle: Cycle, *, keep: bool) -> Iterator[None]:
    """Let the systems of a flow go on with readings that were begun since the flow last agreed on anything, or meant to write anything.

    A page older than that shows values from before: they would look like edits that take back what was agreed. One that is younger is no
    worse than a page of one long reading.

    Args:
        cycle: what took the short way is in its state.
        keep: false for a run that leaves nothing behind.
    """
    sides = [(side.binding.resource, side.connector) for side in cycle.sides if keep and isinstance(side.connector, Resuming)]
    mark = _mark(cycle) if sides else ""
    for resource, connector in sides:
        connector.read_under(resource, cycle.flow.name, mark)
    try:
        yield
    finally:
        for resource, connector in sides:
            connector.read_under(resource, cycle.flow.name, "")


def older_seconds(cycle: Cycle) -> float:
    """So long before the run began some row was read of which it believes that it stands there now."""
    return max((s.connector.older_seconds(s.binding.resource) for s in cycle.sides if isinstance(s.connector, Resuming)), default=0.0)


def _mark(cycle: Cycle) -> str:
    store, flow = cycle.store, cycle.flow
    state = {role: shas for role, shas in store.flow_state(flow.name).items() if role.partition(":")[0] in _AGREED}
    meant = [stored.seq for stored in store.pending_intents(flow.name, flow.bindings)]
    parts = (__version__, flow, cycle.entity, sorted(state.items()), meant, store.rows(_LIVE, flow.name))
    return hashlib.sha256(repr(parts).encode()).hexdigest()
