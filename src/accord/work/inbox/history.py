"""What happened to an instance, in words, and what people wrote to its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accord.model.event import ObjectRef, StoredEvent
from accord.store import Store
from accord.work.state import OBJECT, Instance, load_instance


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a history; the next page begins behind ``seq``."""

    seq: int
    time: datetime
    type: str
    said: str


def history(store: Store, instance: str, *, after: int = 0, limit: int = 200) -> list[Entry]:
    """A page of what happened to an instance, the oldest first.

    Args:
        store: the store.
        instance: which one.
        after: ``seq`` of the last entry of the page before.
        limit: at most so many.
    """
    found = store.read(after=after, object=ObjectRef(OBJECT, instance), limit=limit)
    return [Entry(stored.seq, stored.event.time, stored.event.type, sentence(stored)) for stored in found]


def show(store: Store, instance: str) -> tuple[Instance, list[StoredEvent]]:
    """An instance with everything that happened to it, in order.

    Raises:
        UnknownName: there is none.
    """
    return load_instance(store, instance), list(store.read(object=ObjectRef(OBJECT, instance)))


def sentence(stored: StoredEvent) -> str:
    """An event of an instance in words."""
    given = {name: value for name, value in stored.event.attributes.items() if value not in (None, "", [], {})}
    form = _SENTENCES.get(stored.event.type)
    who = str(given.get("by") or "the system")
    if stored.event.type == "gate.evaluated":
        # ``given`` leaves out what is empty, and a list of nothing is.
        given |= {"verdict": "passed" if given.get("passed") else "not passed", "missing": _missing(given)}
    words = {"who": who, "step": _step(given), **{name: _shown(value) for name, value in given.items()}}
    return form.format_map(_Blank(words)).strip() if form else stored.event.type


def comments(store: Store, task: str) -> list[tuple[str, str, str]]:
    """Time, person and text of what was written to a task."""
    found = store.rows("SELECT instance FROM work_task WHERE task = ?", task)
    events = store.read(types=["task.commented"], object=ObjectRef(OBJECT, found[0][0])) if found else iter(())
    return [
        (stored.event.time.isoformat(), str(stored.event.attributes["by"]), str(stored.event.attributes["text"]))
        for stored in events
        if stored.event.attributes["task"] == task
    ]


_SENTENCES: Mapping[str, str] = {
    "process.started": "{who} started it for {case}",
    "process.completed": "everything is done",
    "process.cancelling": "{who} cancelled it: {reason}",
    "process.cancelled": "it is cancelled",
    "process.stuck": "it is stuck: {reason}",
    "process.resumed": "{who} let it go on: {comment}",
    "process.migrated": "{who} moved it to another version of the process",
    "process.given": "it was told anew what it began with",
    "process.defined": "this version of the process came into use",
    "task.ready": "{step} is {state}",
    "task.started": "{who} took {step}",
    "task.accepted": "{who} accepted {step}",
    "task.offered": "{step} is offered again",
    "task.returned": "{step} went back: {reasons}",
    "task.reopened": "{step} is open again: {reasons}",
    "task.completed": "{who} finished {step}",
    "task.skipped": "{step} is not needed",
    "task.cancelled": "{step} was taken off: {reason}",
    "task.failed": "{step} failed and is tried again: {error}",
    "task.dead": "{step} failed too often: {error}",
    "task.restarted": "{who} started {step} again",
    "task.released": "{who} gave {step} back",
    "task.delegated": "{who} gave {step} to {to}{team}",
    "task.commented": "{who}: {text}",
    "task.escalated": "{step} is late; {to} is told",
    "task.refused": "what {who} filled in for {step} did not fit: {fields}",
    "task.unassigned": "{step} is for nobody: {reason}",
    "clock.jumped": "the clock had gone back by {seconds} s",
    "link.used": "by a link of {person}",
    "handoff.offered": "{from_team} offers {step} to {to_team} (attempt {attempt})",
    "handoff.accepted": "{who} accepted the handoff",
    "handoff.rejected": "{who} rejected the handoff: {reason}",
    "handoff.started": "{who} began what was handed over",
    "handoff.escalated": "the handoff waits too long; {to} is told",
    "handoff.withdrawn": "the offer was taken back: {reason}",
    "gate.evaluated": "gate {gate} is {verdict}{missing}",
    "token.moved": "where ways join, one more was gone",
    "timer.fired": "the time of {step} has come",
    "task.noted": "{who} noted {answers} for {step}",
    "tracker.applied": "{system} brought {step} to {wanted} ({columns})",
    "tracker.refused": "{system} wanted {wanted} {person} of {step}, which was refused: {reason}",
    "start.made": "{entity} {key} came to meet what start {start} waits for",
}


def _missing(given: Mapping[str, Any]) -> str:
    return f": {_shown(given['failed'])} (score {float(given.get('score') or 0):.0%})" if "failed" in given else ""


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def _step(given: Mapping[str, Any]) -> str:
    if "step" in given:
        return str(given["step"])
    task = str(given.get("task") or "")
    return task.split("/")[-2] if task.count("/") >= 2 else task


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {given}" for name, given in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
