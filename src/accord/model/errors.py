"""The tree of errors, by who should act.

AccordError
├── MapError            change the map or the call          exit code 2
│   ├── MapSyntaxError      the YAML itself does not parse
│   ├── UnknownName         a name that refers to nothing, with what does exist
│   └── UsageError          a command called with what it cannot take
├── TransientError      try again                           exit code 3
│   ├── SystemUnreachable   a declared system does not answer
│   ├── SystemChanged       a system changed while it was read
│   ├── StaleWrite          the value in the target is no longer the one expected
│   └── LeaseHeld           another process works on this store
└── TerminalError       stop; nothing will change by itself exit code 1
    ├── DataRefused         data that cannot be read as what it claims to be
    ├── GuardStopped        a guard (mass delete, drift) refused to go on
    ├── PlanOutdated        what would be written is no longer what the plan says
    ├── StorageFull         the disk took no more; the state before stands
    ├── MemoryShort         what is worked on at once needs more memory than there is for it
    └── LogTampered         the event log does not verify

What nobody expected is told by ``defect``. Each keeps its values as attributes, survives pickling, and makes its message itself:
what happened, where, what was expected, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something was written: a file and a line counted from 1 (0: the whole file)."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


NOWHERE = Place("<given in code>")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name a misspelled one most likely meant, or ``None`` when nothing is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def alternatives(name: str, known: Iterable[str]) -> str:
    """«Known …: a, b, c. Did you mean 'b'?», for the end of a message."""
    names = sorted(set(known))
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    meant = nearest(name, names)
    return f"Known: {shown or 'none'}." + (f" Did you mean '{meant}'?" if meant else "")


class AccordError(Exception):
    """Anything Accord refuses or reports; ``exit_code`` is what the command line ends with."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


def _rebuild(kind: type[AccordError], args: tuple[Any, ...], state: dict[str, Any]) -> AccordError:
    error = kind.__new__(kind)
    Exception.__init__(error, *args)
    error.__dict__.update(state)
    return error


class MapError(AccordError):
    """The map, or what was asked of it, must change before this can work."""

    exit_code = 2

    def __init__(self, what: str, *, place: Place = NOWHERE, expected: str = "") -> None:
        self.what, self.place, self.expected = what, place, expected
        where = "" if place is NOWHERE else f"{place}: "
        super().__init__(f"{where}{what}" + (f" {expected}" if expected else ""))


class MapSyntaxError(MapError):
    """The file is not YAML, or not a map of names to values."""


class UnknownName(MapError):
    """A reference to a name that the map does not hold."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, place: Place = NOWHERE, holder: str = "") -> None:
        self.kind, self.name, self.known, self.holder = kind, name, tuple(sorted(set(known))), holder
        said = f"{holder} names {kind} '{name}', which does not exist." if holder else f"{kind} '{name}' does not exist."
        super().__init__(said, place=place, expected=alternatives(name, self.known))


class UsageError(MapError):
    """A command or function was called with something it cannot take."""


class TransientError(AccordError):
    """Trying again can help; ``retry_after_seconds`` says when, if the other side said so."""

    exit_code = 3

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class SystemUnreachable(TransientError):
    """A declared system does not answer, or its file is not there; or, ``answered``, it says that it cannot serve us now."""

    def __init__(self, system: str, where: str, reason: str, todo: str = "", *, answered: bool = False) -> None:
        self.system, self.where, self.reason, self.todo, self.answered = system, where, reason, todo, answered
        what = "could not do what it was asked" if answered else "could not be reached"
        super().__init__(f"system '{system}' at {where} {what}: {reason}." + (f" {todo}" if todo else ""))


class SystemChanged(TransientError):
    """A system was written to while a consistent read was being taken; or, ``in_use``, somebody else holds what is to be used."""

    def __init__(self, system: str, resource: str, detail: str, *, in_use: bool = False) -> None:
        self.system, self.resource, self.detail, self.in_use = system, resource, detail, in_use
        what = "is in use by others" if in_use else "changed while it was read"
        super().__init__(f"system '{system}', resource '{resource}' {what}: {detail}. Run again.")


class StaleWrite(TransientError):
    """The target holds another value than the one the change was made against."""

    def __init__(self, system: str, resource: str, keys: Iterable[str]) -> None:
        self.system, self.resource, self.keys = system, resource, tuple(keys)
        shown = ", ".join(self.keys[:5]) + (" …" if len(self.keys) > 5 else "")
        super().__init__(
            f"system '{system}', resource '{resource}': {len(self.keys)} rows changed since they were read ({shown}). "
            "They are read and merged again on the next cycle."
        )


class LeaseHeld(TransientError):
    """Another process holds the store, or, ``ended``, held it meanwhile; two writers would break the order of the log."""

    def __init__(self, holder: str, where: str, *, ended: bool = False) -> None:
        self.holder, self.where, self.ended = holder, where, ended
        if ended:
            super().__init__(f"the store at {where} was taken over from this process by {holder}, which has ended since. Run again.")
        else:
            super().__init__(f"the store at {where} is in use by {holder}. Wait until it ends, or stop that process.")


class TerminalError(AccordError):
    """It will not work by itself; ``left`` says what state things were left in."""

    def __init__(self, message: str, *, left: str = "") -> None:
        self.left = left
        super().__init__(message + (f" Left: {left}" if left else ""))


class DataRefused(TerminalError):
    """Data that cannot be read as what it claims to be."""

    def __init__(self, what: str, where: str, expected: str, *, left: str = "nothing was changed") -> None:
        self.what, self.where, self.expected = what, where, expected
        super().__init__(f"{where}: {what}. Expected {expected}.", left=left)


class GuardStopped(TerminalError):
    """A guard refused a change that looks like an accident."""

    def __init__(self, guard: str, what: str, todo: str) -> None:
        self.guard, self.what, self.todo = guard, what, todo
        super().__init__(f"{guard}: {what}. {todo}", left="nothing was written")


class PlanOutdated(TerminalError):
    """What would be written now is not what the plan says; ``differences`` are sentences that name what moved."""

    def __init__(self, flow: str, differences: Iterable[str]) -> None:
        self.flow, self.differences = flow, tuple(differences)
        super().__init__(
            f"the plan for flow '{flow}' is out of date: {'; '.join(self.differences)}. Make a new plan and look at it.",
            left="nothing of this flow was written",
        )


class StorageFull(TerminalError):
    """The disk took no more bytes."""

    def __init__(self, where: str, detail: str) -> None:
        self.where, self.detail = where, detail
        super().__init__(
            f"no space left while writing {where} ({detail}). Free some space and run again.",
            left="the state before this step stands; no half-written file was kept",
        )


class MemoryShort(TerminalError):
    """What is worked on at once needs more memory than Accord takes."""

    def __init__(self, limit: str, detail: str) -> None:
        self.limit, self.detail = limit, detail
        super().__init__(
            f"more memory is needed than the {limit} that Accord may take, half of what the machine or container has ({detail}). "
            "Give it more, or work on less at once: leave fields of large values out of the map, or divide the rows among flows by where.",
            left="what was written stands, and the next run takes it up",
        )


class LogTampered(TerminalError):
    """The event log does not hash to what it says."""

    def __init__(self, seq: int, detail: str) -> None:
        self.seq, self.detail = seq, detail
        super().__init__(f"event {seq} of the log does not verify: {detail}. Restore the store from a backup; do not go on with this one.")
