"""What is noted about a batch before its target commits it, and what the target says of it after a crash.

Between the commit of a target and ``flow.applied`` in our log a process can die. So before the commit ``flow.applying`` says what will have
become of each row, and under which receipt the target can be asked. The next run asks, before it reads anything, and puts the answer into
the log: a system tells only of the last batch, and PostgreSQL forgets after some hundred million transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from accord.connectors.protocol import ApplyResult, Noting, Receipted
from accord.connectors.types import literal
from accord.model.event import Event, ObjectRef, StoredEvent
from accord.model.figure import Finding
from accord.sync.apply.targets import asks_for_keys
from accord.sync.capture.moved import feed_name, name_store
from accord.sync.cycle import Cycle, Side, names
from accord.sync.identity.links import LINKS
from accord.sync.identity.links import append as append_link
from accord.sync.identity.own_key import given_links
from accord.sync.merge.decisions import carries_decisions
from accord.sync.state.record import append

APPLYING, APPLIED, NOT_APPLIED = "flow.applying", "flow.applied", "flow.not_applied"


def to_note(cycle: Cycle, writing: Sequence[Side], moved: Sequence[Side], made: Collection[str]) -> list[Side]:
    """The sides of which it has to be known what became of a batch.

    Rows are agreed before they are written, or get their keys there, or hold what people decided, which counts once.

    Args:
        cycle: the run.
        writing: sides about to be written.
        moved: those with rows that are agreed before.
        made: names of those that get rows under new numbers.
    """
    return [s for s in writing if s in moved or s.name in made or asks_for_keys(cycle, s) or carries_decisions(cycle, s)]


def noting(cycle: Cycle, side: Side, round_: int, settle: Callable[[ApplyResult], None]) -> Noting:
    """What the connector of a side is told to note.

    Args:
        cycle: the run.
        side: about to be written.
        round_: of the run.
        settle: fills ``done_<i>`` with what is to become of each row.
    """
    name_store(cycle)

    def note(receipt: str, why: str, result: ApplyResult) -> None:
        settle(result)
        links = _links(cycle, side)
        more = {"links": links} if links else {}
        append(cycle, APPLYING, round=round_, target=side.name, left=left_rows(cycle, side), receipt=receipt, **more)
        if why:
            subject = f"{side.binding.holder}/{side.binding.resource}"
            what = f"{subject} could not tell, after a crash in the moment it commits a batch, whether it did ({why})"
            sentence = f"flow '{cycle.flow.name}': {what}. What it shows would then have to tell, which is not exact for every edit."
            cycle.findings.append(Finding("marker", subject, sentence, "info"))

    binding, system = side.binding, side.connector.system
    writer = feed_name(cycle.store, cycle.flow.name, side.name)
    return Noting(writer, f"{cycle.flow.name}/{side.name}", binding.marker and system.marker, note)


def _links(cycle: Cycle, side: Side) -> str:
    """The segment of the links of the keys a target gave; empty when it gave none. They count once it is known that it took the batch."""
    given = side.table("given")
    if not cycle.has(given) or not cycle.count(f"SELECT count(*) FROM {given}"):
        return ""
    moment = f"CAST({literal(cycle.now.isoformat())} AS TIMESTAMPTZ)"
    rows = f"SELECT *, {literal(cycle.run)}, {moment} FROM ({given_links(side, f'SELECT * FROM {given}')})"
    return cycle.store.write_segment_from(cycle.con, f"SELECT * FROM ({rows}) t({names(LINKS)}) ORDER BY ALL").sha


def _link(cycle: Cycle, sha: str, *, dry_run: bool) -> None:
    if dry_run:
        cycle.links.append(sha)
        return
    name = cycle.entity.name
    body = {"entity": name, "flow": cycle.flow.name, "run": cycle.run, "state": {"links": [sha]}}
    append_link(cycle.store, "identity.linked", name, body, run=cycle.run, now=cycle.clock())


def left_rows(cycle: Cycle, side: Side) -> str:
    """The segment of the rows a target leaves as they were, by ``done_<i>``; empty when there are none."""
    left = f"SELECT {names(cycle.keys)} FROM {side.table('done')} WHERE _status <> 'done'"
    return cycle.store.write_segment_from(cycle.con, f"{left} ORDER BY ALL").sha if cycle.count(f"SELECT count(*) FROM ({left})") else ""


def ask_targets(cycle: Cycle, *, dry_run: bool) -> None:
    """Ask each system that was being written when a run died whether it took the batch; before anything is read.

    A dry run keeps the answer to itself.

    Raises:
        SystemUnreachable, SystemChanged: a system gives none now.
    """
    for number, stored in enumerate(cycle.intents):
        found = cycle.outcomes[stored.seq] = outcome(cycle, stored)
        _ask(cycle, stored, found, number, dry_run=dry_run)


def _ask(cycle: Cycle, stored: StoredEvent, found: dict[str, str | None], number: int, *, dry_run: bool) -> None:
    """Complete what became of the batches of an intent: in their order, up to the first one that did not come to pass or cannot be told."""
    noted: dict[str, dict[str, Any]] = {}
    for target in stored.event.attributes.get("asked", ()):
        if target not in found:
            side = cycle.side(target)
            if side is None or not isinstance(side.connector, Receipted):
                return
            noted = noted or {str(e["target"]): e for e in _about(cycle, stored, APPLYING)}  # of each the last one
            last, told = noted.get(target), None  # never noted: never committed
            if last is not None:
                took = side.connector.was_committed(str(last["receipt"])) if last["receipt"] else None
                if took is None:
                    return
                told = str(last["left"]) if took else None
                if took and last.get("links"):
                    _link(cycle, str(last["links"]), dry_run=dry_run)
            found[target] = told
            if not dry_run:
                _record(cycle, stored, target, told, number)
        if found[target] is None:
            return  # the run died there: those after it were not reached


def outcome(cycle: Cycle, stored: StoredEvent) -> dict[str, str | None]:
    """Of an intent, what the log says of its targets: the segment of the rows left by one that took its batch; ``None``: it did not."""
    found: dict[str, str | None] = {}
    for event in _about(cycle, stored, APPLIED, NOT_APPLIED):
        found[str(event["target"])] = str(event["left"]) if "left" in event else None
    return found


def _about(cycle: Cycle, stored: StoredEvent, *types: str) -> list[dict[str, Any]]:
    """Attributes of the events about an intent: after it, of its run and round, and before the next intent of the flow.

    A run that is taken up under its own id begins with round 1 again.
    """
    given, run = stored.event.attributes, ObjectRef("run", str(stored.event.attributes["run"]))
    if "round" not in given:
        return []  # nothing is noted of it; what is noted of the same run is about another round
    until = min((s.seq for s in cycle.intents if s.seq > stored.seq), default=None)
    return [
        dict(s.event.attributes)
        for s in cycle.store.read(after=stored.seq, types=list(types), object=run)
        if s.event.attributes["flow"] in (given["flow"], cycle.flow.name)  # it may have been renamed in between
        and s.event.attributes["round"] == given["round"]
        and (until is None or s.seq < until)
    ]


def _record(cycle: Cycle, stored: StoredEvent, target: str, told: str | None, number: int) -> None:
    """Put an answer into the log, as the run that died would have."""
    run, type_ = str(stored.event.attributes["run"]), NOT_APPLIED if told is None else APPLIED
    body = {"flow": cycle.flow.name, "run": run, "round": stored.event.attributes["round"], "target": target, "told_by": cycle.run}
    about = (ObjectRef("flow", cycle.flow.name), ObjectRef("run", run))
    id_ = f"{cycle.run}:{cycle.flow.name}:{type_}:{stored.seq}:{target}:{number}"
    body = body if told is None else {**body, "left": told}
    cycle.store.append([Event(id_, type_, cycle.clock(), f"flow:{cycle.flow.name}", body, about)])
