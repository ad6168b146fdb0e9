"""What a watch tells those who look on: the command line, metrics, lineage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from accord.model.errors import AccordError
from accord.model.flow import Flow
from accord.sync.live.path import Taken
from accord.sync.result import FlowResult
from accord.sync.watch.schedule import State


@dataclass(frozen=True, slots=True)
class FlowReport:
    """A flow's state at one moment.

    Args:
        state: waiting, running, backing_off or parked.
        reason: why it backs off or is parked.
        again_seconds: when a run of a flow that backs off is tried again; ``None`` in any other state.
        lag_seconds: no change older than this is missing in the targets; ``None`` before the first success.
        feed_lag: per system and resource: bytes or changes its log is ahead of us.
        last_success: when the last successful run began.
    """

    flow: str
    state: State
    reason: str
    lag_seconds: float | None
    failures: int
    last_success: datetime | None
    feed_lag: Mapping[str, int] = field(default_factory=dict)
    again_seconds: float | None = None


class Observer(Protocol):
    """Told of every run; must not raise for reasons of its own, and must be quick."""

    def started(self, flow: Flow, run: str, now: datetime) -> None:
        """A run begins."""
        ...

    def finished(self, flow: Flow, result: FlowResult, now: datetime, stages: Mapping[str, float]) -> None:
        """A run succeeded; ``stages``: seconds per stage."""
        ...

    def applied(self, flow: Flow, taken: Taken) -> None:
        """Changes went the short way."""
        ...

    def short_way(self, flow: Flow, reason: str) -> None:
        """The flow's short way opened, or (``reason``) closed."""
        ...

    def failed(self, flow: Flow, run: str, error: AccordError, now: datetime) -> None:
        """A run failed."""
        ...

    def state(self, report: FlowReport) -> None:
        """A flow's state, at every change and now and then between."""
        ...


_STAGES = (
    ("reading back", "read_back"),
    ("reading", "capture"),
    ("validating", "merge"),
    ("noting", "intend"),
    ("writing", "apply"),
    ("moving", "agree"),
)


class StageClock:
    """Seconds per stage of a run, from the sentences a run tells before each step."""

    def __init__(self, now: float) -> None:
        self.seconds: dict[str, float] = {}
        self._stage, self._since = "open", now

    def step(self, sentence: str, now: float) -> None:
        """A new step begins."""
        self.end(now)
        said = sentence.partition(": ")[2]
        self._stage = next((stage for words, stage in _STAGES if said.startswith(words)), "other")

    def end(self, now: float) -> None:
        """The present step ends."""
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._since = now
