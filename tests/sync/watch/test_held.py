"""In a watch: rows that a system keeps until what points at them is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from accord.lifecycle.run_id import new_run_id
from accord.model.errors import AccordError
from accord.model.flow import Flow
from accord.sync import FlowResult, flow_order
from accord.sync.live.path import Taken
from accord.sync.watch.loop import Watch
from accord.sync.watch.observe import FlowReport

PATIENCE_SECONDS = 60.0


class Owner:
    """Deletes a parent in one system, and what points at it only once the other system has refused that."""

    def __init__(self, family: Any) -> None:
        self.family, self.ran = family, list[tuple[str, int, int]]()
        self.end: Callable[[], None] = lambda: None

    def finished(self, flow: Flow, result: FlowResult, now: datetime, stages: Mapping[str, float]) -> None:
        self.ran.append((flow.name, result.counts["deleted"], result.counts["refused"]))
        if len(self.ran) == len(self.family.levels):
            self.family.sql("a", "DELETE FROM parents WHERE id = 'p'")
        elif self.ran[-1] == ("parents", 0, 1):
            self.family.sql("a", "DELETE FROM things WHERE up = 'p'")
        elif self.ran[-1] == ("parents", 1, 0):
            self.end()

    def started(self, flow: Flow, run: str, now: datetime) -> None: ...
    def applied(self, flow: Flow, taken: Taken) -> None: ...
    def short_way(self, flow: Flow, reason: str) -> None: ...
    def failed(self, flow: Flow, run: str, error: AccordError, now: datetime) -> None: ...
    def state(self, report: FlowReport) -> None: ...


def test_a_delete_that_was_refused_is_tried_again_as_soon_as_a_flow_that_points_there_has_deleted_rows(family: Callable[..., Any]) -> None:
    """Else it would wait for the flow's next look at its systems, which here is in an hour."""
    two = family(more="freshness: 1h, ", capture="cdc")
    two.sql("a", "INSERT INTO parents VALUES ('p', ''), ('q', '')")
    two.sql("a", "INSERT INTO things VALUES ('1', '', 'p'), ('2', '', 'q')")
    owner = Owner(two)
    with two.opened() as workspace:
        flows = flow_order(workspace.map)
        watch = Watch(
            workspace.map,
            flows,
            workspace.connectors(),
            workspace.store,
            new_run=new_run_id,
            clock=lambda: datetime.now(UTC),
            renew=lambda: None,
            observers=[owner],
        )
        owner.end = watch.end
        late = threading.Timer(PATIENCE_SECONDS, watch.end)
        late.start()
        try:
            watch.run()
        finally:
            late.cancel()

    assert two.keys("b") == {"parents": "q", "things": "2"}, owner.ran
