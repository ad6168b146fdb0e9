"""How the steps of a process follow each other."""

from __future__ import annotations

from dataclasses import dataclass

from accord.model.process import Process


@dataclass(frozen=True, slots=True)
class Way:
    """One way from a step to the next; ``route`` is the name of a decision's route, empty for a plain ``after``."""

    source: str
    target: str
    route: str = ""

    @property
    def name(self) -> str:
        """How a token on this way is called in the log."""
        return f"{self.source}/{self.route}" if self.route else self.source


def ways_of(process: Process) -> tuple[Way, ...]:
    """Every way between steps, in the order of the map."""
    found = [Way(before, step.name) for step in process.steps.values() for before in step.after]
    found += [Way(step.name, route.to, route.name) for step in process.steps.values() for route in step.routes.values() if route.to]
    return tuple(found)


def waits_for_all(process: Process, step: str, ways_in: tuple[Way, ...]) -> bool:
    """Whether a step begins only when every way in was gone: by default when there are several and none comes from a decision."""
    given = process.steps[step].join
    if given:
        return given == "all"
    return len(ways_in) > 1 and not any(way.route for way in ways_in)


def beginnings(process: Process) -> tuple[str, ...]:
    """Steps that begin with the instance: nothing leads to them, and no other step calls for them when its time is over."""
    led_to = {way.target for way in ways_of(process)} | {step.on_overdue for step in process.steps.values()}
    return tuple(name for name in process.steps if name not in led_to)
