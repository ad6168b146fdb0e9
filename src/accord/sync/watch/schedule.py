"""When each flow runs next: at once when a change arrived, else in time for its freshness, later after a failure, never while parked."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from accord.model.errors import AccordError, LeaseHeld, LogTampered, MapError, StorageFull, TerminalError, TransientError
from accord.model.flow import Flow
from accord.model.pause import doubling_pause

State = Literal["waiting", "running", "backing_off", "parked"]
FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 300.0
_SHORTEST_INTERVAL_SECONDS = 0.2
_LOOKS_PER_FRESHNESS = 3  # so that a change that came right after a look, and one failed look, still keep the objective


@dataclass(slots=True)
class FlowSchedule:
    """One flow's place in the schedule; times are of the monotonic clock.

    Args:
        name: the flow.
        interval_seconds: from one look at its systems to the next when nobody tells of changes.
        due: when it runs next.
        failures: in a row.
        succeeded: when its last successful run began, ``None`` before.
        since: when it was first seen to have reason to run, ``None`` while it has none.
        began: when its last run began.
        refused: a target did not take some row in its last run.
    """

    name: str
    interval_seconds: float
    due: float = 0.0
    failures: int = 0
    state: State = "waiting"
    reason: str = ""
    succeeded: float | None = None
    alerted: bool = False
    since: float | None = None
    began: float = 0.0
    refused: bool = False

    def ready(self, now: float) -> bool:
        """Whether it should run now. A change does not shorten the wait after a failure, or a broken system would be hammered."""
        if self.state == "parked":
            return False
        return self.due <= now or (self.alerted and self.state == "waiting")

    def look(self, now: float) -> bool:
        """Whether it should run now, and since when."""
        if not self.ready(now):
            self.since = None
        elif self.since is None:
            self.since = min(now, self.due)
        return self.since is not None

    def begin(self, now: float) -> None:
        """A run begins."""
        self.state, self.since, self.began = "running", None, now

    def finished(self, began: float, now: float, *, again: bool) -> None:
        """A run succeeded; ``again``: it left work for a further run at once (rows kept changing, or had been read long before)."""
        self.failures, self.state, self.reason, self.succeeded = 0, "waiting", "", began
        self.due = now if again else began + self.interval_seconds

    def failed(self, error: AccordError, now: float, rng: random.Random) -> None:
        """A run failed: try later, or park when trying again cannot help."""
        self.failures += 1
        self.reason = str(error)
        if parks(error):
            self.state, self.due = "parked", float("inf")
            return
        hint = error.retry_after_seconds if isinstance(error, TransientError) else None
        self.state, self.due = "backing_off", now + delay_seconds(self.failures, rng, retry_after=hint, longest=self.longest)

    @property
    def longest(self) -> float:
        """The longest wait after failures: a flow with a short freshness is tried more often."""
        return max(FIRST_DELAY_SECONDS, min(LONGEST_DELAY_SECONDS, self.interval_seconds * _LOOKS_PER_FRESHNESS))


def delay_seconds(failures: int, rng: random.Random, *, retry_after: float | None, longest: float) -> float:
    """The wait after so many failures in a row: doubling, at most ``longest``, with jitter so that many flows do not come back together.

    What the other side asked for (``retry_after``) is never undercut.

    Source:
        Exponential backoff and jitter (AWS Architecture Blog, 2015), the «equal jitter» form.
    """
    step = doubling_pause(FIRST_DELAY_SECONDS, failures, longest)
    return max(retry_after or 0.0, step / 2 + rng.random() * step / 2)


def parks(error: AccordError) -> bool:
    """Whether the flow waits for people: the map, a guard or refused data must change before a run can succeed.

    Room on a disk is made without a word to us, and a run that finds none changes nothing.
    """
    return isinstance(error, (MapError, TerminalError)) and not isinstance(error, StorageFull)


def ends_watch(error: AccordError) -> bool:
    """Whether no flow may go on: the store is another process's now, or cannot be trusted."""
    return isinstance(error, (LeaseHeld, LogTampered))


def interval_seconds(flow: Flow) -> float:
    """How often a flow's systems are looked at: a third of its freshness; the whole of it where every source tells of its changes."""
    told = all(b.capture == "cdc" for b in flow.bindings.values() if b.direction != "write")
    freshness = float(flow.freshness.seconds)
    return max(_SHORTEST_INTERVAL_SECONDS, freshness if told else freshness / _LOOKS_PER_FRESHNESS)


def next_ready(schedules: Mapping[str, FlowSchedule], now: float) -> FlowSchedule | None:
    """The flow to run now, in the order of references; a flow that was passed over goes before all that ran meanwhile.

    So one whose systems never rest makes the others wait for one run of its own, and not for their freshness.
    """
    ready = [(s, s.since) for s in schedules.values() if s.look(now) and s.since is not None]
    last = max((s.began for s in schedules.values()), default=0.0)
    passed = [(s, since) for s, since in ready if since < last]
    return min(passed, key=lambda found: found[1])[0] if passed else ready[0][0] if ready else None
