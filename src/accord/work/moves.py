"""The interpreter: what follows when a step is finished, as events; one transaction at a time, nothing kept between them.

``Moves`` reads the instances a command touches, changes them in memory in the same way as the projections will, and collects the events.
Nothing here reads a clock or writes: the caller gives the time and appends the events in the transaction that was read from.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from accord.model.event import Event, ObjectRef, utc_text
from accord.model.process import Step
from accord.model.spelling import speller
from accord.store.database import Rows
from accord.work.beginnings import BEGINNERS
from accord.work.deadlines import accept_by, due_now
from accord.work.definition import Definition, Definitions, Way
from accord.work.expression import evaluate, holds
from accord.work.gates import GateResult, evaluate_gate
from accord.work.givers import PARTS, UNATTENDED, doer_of, last_worker, sent_back_to
from accord.work.inheritance import above, anew, needed
from accord.work.said import first, said
from accord.work.state import ENDED, OBJECT, Handoff, Instance, Task, ended_parts, instance_of, load_instance, open_parts

_artefact = speller(ensure_ascii=True)
JUMP = timedelta(seconds=1)  # machines that share a store differ by less; a clock that is further back is told


class Moves:
    """The events of one command.

    Args:
        rows: what the transaction reads from.
        definitions: where they come from.
        now: the time, aware, in UTC.
        by: who asked for it.
        key: makes the ids of the events; a command that may be repeated gives the same key again.
    """

    def __init__(self, rows: Rows, definitions: Definitions, *, now: datetime, by: str, key: str) -> None:
        self.rows, self.definitions, self.now, self.by, self._key = rows, definitions, now, by, key
        self.clock = now  # what the clock says; ``now`` is never before what has happened to the instances at hand
        self._held: list[str] = []
        self.events: list[Event] = []
        self._instances: dict[str, Instance] = {}
        self._about: dict[str, tuple[ObjectRef, ...]] = {}  # what the events of an instance are about
        self._moved: dict[str, tuple[list[list[str]], list[list[str]]]] = {}
        self._defined: set[str] = set()
        self._leaving: Counter[str] = Counter()
        self._starting: set[str] = set()  # tasks whose instances are being started: the first may end before the last begins

    def instance(self, name: str) -> Instance:
        """An instance as this command has changed it so far."""
        if name not in self._instances:
            loaded = self._instances[name] = load_instance(self.rows, name)
            if loaded.last_at is not None and loaded.last_at > self.now:
                # The clock went back: what happens now did not happen before what happened last.
                self.now = loaded.last_at
                if self.now - self.clock >= JUMP:
                    self._held.append(name)
        return self._instances[name]

    def holding(self, task: str) -> Instance | None:
        """The instance of a task, when this command has read it already."""
        return next((instance for instance in self._instances.values() if task in instance.tasks), None)

    def definition(self, instance: Instance) -> Definition:
        """The definition an instance runs by."""
        return self.definitions.get(self.rows, instance.definition)

    def emit(self, type_: str, instance: Instance, /, **attributes: Any) -> None:
        """Collect an event about an instance and its case."""
        about = self._about.get(instance.instance)
        if about is None:
            case = (ObjectRef("case", instance.case),) if instance.case else ()
            about = self._about[instance.instance] = (ObjectRef(OBJECT, instance.instance), *case)
        body = {"instance": instance.instance, "process": instance.process, **attributes}
        self.events.append(Event(f"{self._key}:{len(self.events)}", type_, self.now, f"process:{instance.process}", body, about))

    def taken(self) -> list[Event]:
        """The collected events, waiting tokens included; after this the command is over."""
        for name, (arrived, used) in self._moved.items():
            self.emit("token.moved", self._instances[name], arrived=arrived, used=used)
        self._moved.clear()
        for name in self._held if self.events else ():
            self.emit("clock.jumped", self._instances[name], clock=stamp(self.clock), seconds=(self.clock - self.now).total_seconds())
        self._held.clear()
        return self.events

    def start(
        self,
        definition: Definition,
        instance: str,
        *,
        case: str,
        variables: Mapping[str, Any],
        parent: str = "",
        parent_task: str = "",
        inherited: Iterable[str] = (),
        giver: Task | None = None,
    ) -> Instance:
        """Begin an instance.

        Args:
            definition: what it runs by.
            instance: its id.
            case: the key of what it carries.
            variables: what it knows at the start.
            parent: the instance that waits for it.
            parent_task: the task of the parent that waits for it.
            inherited: those of the variables that the parent gave it as they are.
            giver: whose work its first steps carry on.
        """
        made = Instance(instance, definition.process.name, definition.hash, case, parent, parent_task, "running", dict(variables))
        made.inherited.update(inherited)
        self._instances[instance] = made
        if definition.hash not in self._defined:
            self._defined.add(definition.hash)
            if not self.definitions.known(self.rows, definition.hash):
                process = definition.process
                self.emit("process.defined", made, definition=definition.hash, version=process.version, body=definition.body)
        given = {"definition": definition.hash, "case": case, "by": self.by, "variables": dict(variables)}
        if parent:
            given |= {"parent": parent, "parent_task": parent_task, "inherited": sorted(made.inherited)}
        self.emit("process.started", made, **given)
        with self._under_way(made):
            for step in definition.beginnings:
                self.begin(made, definition.steps[step], giver)
        self.settle(made)
        return made

    def begin(self, instance: Instance, step: Step, giver: Task | None) -> None:
        """Begin a step: make its task, and go on at once where nothing has to be waited for."""
        number = instance.times(step.name) + 1
        if number > step.max_times:
            self.stuck(instance, f"step '{step.name}' would begin for the {number}th time; at most {step.max_times} are allowed")
            return
        task = Task(
            f"{instance.instance}/{step.name}/{number}", instance.instance, instance.process, step.name, number, step.kind, "", "", "", ""
        )
        task.case, task.team, task.from_task, task.ready_at = instance.case, step.team, giver.task if giver else "", self.now
        if step.when and not holds(step.when, instance.variables, holder=f"step '{step.name}', when"):
            task.state, task.ended_at = "skipped", self.now
            instance.tasks[task.task] = task
            self.emit("task.skipped", instance, **first(task))
            self._leave(instance, task, giver)
            return
        instance.tasks[task.task] = task
        BEGINNERS[step.kind](self, instance, step, task, giver)

    def finish(self, instance: Instance, task: Task, outputs: Mapping[str, Any]) -> None:
        """End a task, or open it again where a gate is not passed; then whatever comes next begins."""
        definition = self.definition(instance)
        by_hand = task.state == "started"
        if task.kind in PARTS and by_hand:  # mended, after what its instances gave
            outputs = {**self._results(task), **outputs}
        variables = {**instance.variables, **outputs}
        results = self._gates(definition, instance, task, variables)
        refused = [result for result in results if not result.passed]
        if task.kind == "decision" and results:
            # Whoever judges the work of others cannot mend it: the verdict is what the routes look at.
            outputs = {**outputs, "passed": not refused, "failed_checks": [name for result in refused for name in result.failed]}
        elif refused:
            reasons = [reason for result in refused for reason in result.reasons]
            if task.state == "started":
                self.reopen(instance, task, reasons, state="started")
            else:  # what an action or others made: to the person whose work it carried on, or to its team
                self.send_back(instance, task, reasons)
            return
        instance.learn(outputs)
        task.state, task.ended_at, task.ended_by = "completed", self.now, self.by
        self.emit("task.completed", instance, task=task.task, step=task.step, by=self.by, attempt=task.attempt, variables=dict(outputs))
        again = self._offer_again(instance, task)
        if task.kind in PARTS and self._waits_on(task.task):
            self.reopen(instance, task, (), state="waiting")
        if again or task.open:
            return
        if instance.status == "cancelling":
            self.undo_next(instance)
            return
        left = task.attempt > 1 and any(after.from_task == task.task and after.kind != "undo" for after in instance.tasks.values())
        if not left:  # else it was opened again by who had its work, and what had come after it was taken off meanwhile
            self._leave(instance, task, task if by_hand else self._giver(instance, task))
        self.settle(instance)

    def _offer_again(self, instance: Instance, task: Task) -> bool:
        """Offer work that was sent back to a task anew, the same handoff, whose clock never stopped; actions between carry it on anew."""
        held = [instance]
        if task.attempt > 1:
            held += [self.instance(name) for name in sent_back_to(self.rows, task.task) if name != instance.instance]
        found = False
        for one in held:
            returned = [handoff for handoff in one.handoffs.values() if handoff.from_task == task.task and handoff.state == "rejected"]
            actions = [after for after in one.tasks.values() if after.from_task == task.task and after.state == "returned" and after.action]
            if one is not instance and (returned or actions):
                self._tell_anew(one)
            for handoff in returned:
                self._offer(one, one.tasks[handoff.to_task], task, handoff)
            for after in actions:
                self.reopen(one, after, after.reasons, state="queued")
            found = found or bool(returned or actions)
        return found

    def _tell_anew(self, part: Instance) -> None:
        """Give an instance what those it is part of know now: the work it sent back may have changed it."""
        if not part.parent:
            return
        parent = self.instance(part.parent)
        self._tell_anew(parent)
        step = self.definition(parent).steps[parent.tasks[part.parent_task].step]
        given = self.given_to(self.definition(part), parent)
        fresh = anew(part, given, evaluate(step.each, parent.variables, holder=said(step, "each")) if step.each else None)
        if fresh:
            inherited = sorted(fresh.keys() - {"item"})
            self.emit("process.given", part, variables=fresh, inherited=inherited)
            part.variables.update(fresh)
            part.inherited.update(inherited)

    def holder(self, task: str) -> Instance:
        """The instance of a task."""
        return self.holding(task) or self.instance(instance_of(self.rows, task))

    def _giver(self, instance: Instance, task: Task) -> Task:
        """Whose work an ended step hands on: its own, or where nobody worked at it what it was given.

        At a wait nobody works, nor at a step that runs instances: there it is who worked last in these.
        """
        if task.kind not in UNATTENDED:
            return task
        if task.kind in PARTS and task.state == "completed":
            team = last_worker(self.rows, self._instances.values(), task.task)
            if team:
                return replace(task, team=team)
        if not task.from_task:
            return task
        before = self.holder(task.from_task)
        return self._giver(before, before.tasks[task.from_task])

    def send_back(self, instance: Instance, giver: Task, reasons: Iterable[str]) -> None:
        """Let work be done again by who can: its doer, or for what nobody did, its team, by hand."""
        reasons = list(reasons)
        at, doer, between = doer_of(instance, giver, self.holder, lambda one: self.definition(one).steps)
        for one, action in between:
            action.state, action.reasons, action.ended_at = "returned", tuple(reasons), None
            self.emit("task.returned", one, task=action.task, by=self.by, reasons=reasons)
        # Two who send work of one person back each say why; who is at it already stays at it.
        state = doer.state if doer.state in ("ready", "started") else ""
        reasons = [*(doer.reasons if state else ()), *reasons]
        self.reopen(at, doer, reasons, state=state or ("ready" if doer.team or doer.kind != "auto" else "dead"))

    def reopen(self, instance: Instance, task: Task, reasons: Iterable[str], *, state: str) -> None:
        """Open a task again, with the reasons why."""
        task.attempt, task.state, task.reasons, task.ended_at = task.attempt + 1, state, tuple(reasons), None
        body = {"task": task.task, "step": task.step, "state": state, "attempt": task.attempt, "reasons": list(task.reasons)}
        task.failures = 0
        if state == "queued":
            task.run_at = self.clock
            body["run_at"] = stamp(self.clock)
        self.emit("task.reopened", instance, **body, **self.due_now(instance, task))

    def end_task(self, instance: Instance, task: Task, reason: str) -> None:
        """Take a task off; instances it waited for are cancelled with it, and an offer is withdrawn."""
        task.state, task.ended_at = "cancelled", self.now  # first, so that no instance that ends now goes on with it
        for child in open_parts(self.rows, task.task):
            self.cancel(self.instance(child), reason, compensate=True)
        self.emit("task.cancelled", instance, task=task.task, step=task.step, by=self.by, reason=reason)
        handoff = instance.handoffs.get(task.handoff)
        if handoff is not None and handoff.state in ("offered", "rejected"):
            handoff.state = "withdrawn"
            self.emit("handoff.withdrawn", instance, handoff=handoff.handoff, reason=reason)

    def cancel(self, instance: Instance, reason: str, *, compensate: bool) -> None:
        """End an instance early; what its finished steps did is taken back in reverse order."""
        instance.status = "cancelling"  # before its tasks end, so that nothing begins behind them
        for task in instance.open_tasks():
            self.end_task(instance, task, reason)
        self.emit("process.cancelling", instance, reason=reason, by=self.by)
        if compensate:
            self.undo_next(instance)
        else:
            self._cancelled(instance)

    def undo_next(self, instance: Instance) -> None:
        """Queue the action that takes the last finished step back which is not taken back yet; without any, the instance is cancelled."""
        definition = self.definition(instance)
        undone = {task.from_task for task in instance.tasks.values() if task.kind == "undo"}
        for task in reversed(list(instance.tasks.values())):
            if task.kind == "undo" or task.state != "completed" or task.task in undone or not definition.steps[task.step].undo:
                continue
            undo = Task(f"{task.task}/undo", instance.instance, instance.process, task.step, task.number, "undo", instance.case, "", "", "")
            undo.team, undo.from_task, undo.ready_at, undo.run_at = task.team, task.task, self.now, self.clock
            undo.state, undo.action = "queued", definition.steps[task.step].undo
            instance.tasks[undo.task] = undo
            self.emit("task.ready", instance, **first(undo), state="queued", action=undo.action, run_at=stamp(self.clock))
            return
        self._cancelled(instance)

    def stuck(self, instance: Instance, reason: str) -> None:
        """Stop an instance where a person has to look; nothing of it is lost."""
        instance.status = "stuck"
        self.emit("process.stuck", instance, reason=reason)

    def resume(self, instance: Instance, step: str, variables: Mapping[str, Any], comment: str) -> None:
        """Go on with a stuck instance: with what is open, and with a step that begins anew where one is named.

        What is open of that step is taken off, and tokens that wait at it are used up by it.
        """
        instance.status = "running"
        instance.learn(variables)
        self.emit("process.resumed", instance, by=self.by, step=step, comment=comment, variables=dict(variables))
        if step:
            definition = self.definition(instance)
            for task in [task for task in instance.open_tasks() if task.step == step]:
                self.end_task(instance, task, "it begins anew")
            waiting = [place for place, count in instance.tokens.items() if place[0] == step for _ in range(count)]
            if waiting:
                instance.tokens.subtract(waiting)
                self._moved.setdefault(instance.instance, ([], []))[1].extend([list(place) for place in waiting])
            before = {way.source for way in definition.ways_in[step]}
            givers = [task for task in instance.tasks.values() if task.step in before and task.state == "completed" and task.ended_at]
            with self._under_way(instance):
                self.begin(instance, definition.steps[step], max(givers, key=lambda task: task.ended_at or self.now, default=None))
        self.settle(instance)

    def _cancelled(self, instance: Instance) -> None:
        instance.status = "cancelled"
        self._moved.pop(instance.instance, None)
        instance.tokens.clear()
        self.emit("process.cancelled", instance, by=self.by)
        self._tell_parent(instance)

    def _leave(self, instance: Instance, task: Task, giver: Task | None) -> None:
        """Go on from an ended step, on every way out, or on the one a decision takes."""
        definition = self.definition(instance)
        step = definition.steps[task.step]
        ways = definition.ways_out[task.step]
        if step.routes and task.state != "skipped":
            taken = next(
                (r for r in step.routes.values() if not r.when or holds(r.when, instance.variables, holder=said(step, r.name))), None
            )
            if taken is None:
                self.stuck(instance, f"decision '{step.name}': no route is open; give one without 'when'")
                return
            ways = (*ways, *((Way(step.name, taken.to, taken.name),) if taken.to else ()))
        with self._under_way(instance):
            for way in ways:
                self._arrive(instance, definition, way, giver)

    @contextmanager
    def _under_way(self, instance: Instance) -> Iterator[None]:
        """Until the last way out is gone nothing is over: a step on the first may end on the spot."""
        self._leaving[instance.instance] += 1
        try:
            yield
        finally:
            self._leaving[instance.instance] -= 1

    def _arrive(self, instance: Instance, definition: Definition, way: Way, giver: Task | None) -> None:
        target = definition.steps[way.target]
        if not definition.waits_for_all(way.target):
            self.begin(instance, target, giver)
            return
        arrived, used = self._moved.setdefault(instance.instance, ([], []))
        instance.tokens[way.target, way.name] += 1
        arrived.append([way.target, way.name])
        needed = [(way.target, other.name) for other in definition.ways_in[way.target]]
        if all(instance.tokens[place] for place in needed):
            instance.tokens.subtract(needed)
            used.extend([list(place) for place in needed])
            self.begin(instance, target, giver)

    def settle(self, instance: Instance) -> None:
        """End an instance in which nothing is left to do."""
        if instance.status != "running" or self._leaving[instance.instance] or instance.open_tasks():
            return
        waiting = sorted({step for (step, _), count in instance.tokens.items() if count > 0})
        if waiting:
            self.stuck(instance, f"step '{waiting[0]}' waits for a way in that can no longer be gone")
            return
        instance.status = "completed"
        self.emit("process.completed", instance)
        self._tell_parent(instance)

    def _tell_parent(self, instance: Instance) -> None:
        """End the parent's task when this was the last instance it waited for."""
        if instance.parent and instance.parent_task not in self._starting and not self._waits_on(instance.parent_task):
            parent = self.instance(instance.parent)  # only now: it may hold a long list, and this is asked for each item
            self.gather(parent, parent.tasks[instance.parent_task])

    def _parts(self, task: str) -> dict[str, Instance]:
        return {name: instance for name, instance in self._instances.items() if instance.parent_task == task}

    def _waits_on(self, task: str) -> bool:
        """Whether an instance of a task has yet to end."""
        held = self._parts(task)
        if any(part.status not in ENDED for part in held.values()):
            return True
        return any(name not in held for name in open_parts(self.rows, task, most=len(held) + 1))

    def gather(self, parent: Instance, task: Task) -> None:
        """End a task that waits for instances when the last of them has ended."""
        if task.state != "waiting" or self._waits_on(task.task):
            return
        results = self._results(task)
        if not results:
            self.stuck(parent, f"step '{task.step}': what it waited for was cancelled")
            return
        self.finish(parent, task, results)

    def _results(self, task: Task) -> dict[str, Any]:
        """What the instances of a task gave, as the variable named as its step; empty when none came to its end."""
        ended = ended_parts(self.rows, task.task) | {name: (part.status, part.results) for name, part in self._parts(task.task).items()}
        results = [given for _, (status, given) in sorted(ended.items()) if status == "completed"]
        return {task.step: results if task.kind == "foreach" else results[0]} if results else {}

    def given_to(self, definition: Definition, instance: Instance) -> dict[str, Any]:
        """The variables that an instance of a definition is given when it begins as a part of another."""
        wanted = needed(self.definitions, definition)
        given = {name: value for name, value in instance.variables.items() if name.lower() in wanted}
        return self._from_above(instance, wanted, given) | given

    def migrate(self, instance: Instance, new: Definition) -> None:
        """Go on by another definition; what it may read and the one before did not is given by what the instance is part of."""
        if not self.definitions.known(self.rows, new.hash):
            self.emit("process.defined", instance, definition=new.hash, version=new.process.version, body=new.body)
        given = self._from_above(instance, needed(self.definitions, new), instance.variables)
        more = {"variables": given, "inherited": sorted(given)} if given else {}
        self.emit("process.migrated", instance, definition=new.hash, by=self.by, **{"from": instance.definition}, **more)
        instance.definition = new.hash
        instance.variables.update(given)
        instance.inherited.update(given)

    def _from_above(self, instance: Instance, wanted: Set[str], known: Iterable[str]) -> dict[str, Any]:
        return above(instance.parent, wanted - {name.lower() for name in known}, self.rows, self._instances) if instance.parent else {}

    def starting(self, task: Task) -> None:
        """From here to ``started`` no instance of a task ends it: the others have yet to begin."""
        self._starting.add(task.task)

    def started(self, parent: Instance, task: Task) -> None:
        """All instances of a task have begun; some may have ended on the spot."""
        self._starting.discard(task.task)
        self.gather(parent, task)

    def _gates(self, definition: Definition, instance: Instance, task: Task, variables: Mapping[str, Any]) -> list[GateResult]:
        """The step's own gate, and those of the teams that would be offered what it made."""
        if task.kind == "undo":
            return []
        step = definition.steps[task.step]
        names = [step.gate] if step.gate in definition.gates else []
        for way in definition.ways_out[task.step]:
            target = definition.steps[way.target]
            if target.accept_gate in definition.gates and target.team != step.team:
                names.append(target.accept_gate)
        results = []
        for name in dict.fromkeys(names):
            result = evaluate_gate(definition.gates[name], variables)
            results.append(result)
            body = {"gate": name, "task": task.task, "passed": result.passed, "score": round(result.score, 6)}
            self.emit("gate.evaluated", instance, **body, failed=list(result.failed), attempt=task.attempt)
        return results

    def ready(self, instance: Instance, step: Step, task: Task, giver: Task | None) -> None:
        """A task for people; work that comes from another team is offered to them first."""
        wanted = str(evaluate(step.assignee, instance.variables, holder=said(step, "assignee")) or "") if step.assignee else ""
        task.assignee = wanted if not wanted or self.definitions.employs(wanted) else ""
        if giver is not None and giver.team and step.team and giver.team != step.team and giver.kind != "undo":
            task.handoff, task.state = f"{task.task}/handoff", "offered"
            handoff = Handoff(task.handoff, giver.team, step.team, giver.task, task.task, "offered", 0, stamp(self.now))
            instance.handoffs[handoff.handoff] = handoff
            self.emit(
                "task.ready",
                instance,
                **first(task),
                state="offered",
                handoff=task.handoff,
                **accept_by(self.definition(instance), task, self.clock),
            )
            self._offer(instance, task, giver, handoff)
        else:
            task.state = "ready"
            self.emit("task.ready", instance, **first(task), state="ready", **self.due_now(instance, task))
        if step.assignee and not task.assignee:
            # A task for nobody would wait for ever: it is its team's, and that the map found no person for it is seen.
            reason = f"'{wanted}' is not among people" if wanted else "assignee gives nobody"
            self.emit("task.unassigned", instance, task=task.task, step=task.step, team=task.team, reason=reason)

    def _offer(self, instance: Instance, task: Task, giver: Task, handoff: Handoff) -> None:
        step = self.definition(instance).steps[task.step]
        handoff.state, handoff.attempt, task.state = "offered", handoff.attempt + 1, "offered"
        artefact = _artefact({"task": giver.task, "variables": instance.variables})
        sla = step.accept_within or step.sla
        self.emit(
            "handoff.offered",
            instance,
            handoff=handoff.handoff,
            case=instance.case,
            step=task.step,
            from_team=handoff.from_team,
            to_team=handoff.to_team,
            from_task=handoff.from_task,
            to_task=task.task,
            attempt=handoff.attempt,
            artefact_hash=hashlib.sha256(artefact.encode()).hexdigest(),
            **({"sla_hours": sla.hours} if sla else {}),
        )
        if handoff.attempt > 1:
            self.emit("task.offered", instance, task=task.task, **accept_by(self.definition(instance), task, self.clock))

    def due_now(self, instance: Instance, task: Task) -> dict[str, Any]:
        """``due_at`` and timers of a task that begins now."""
        return due_now(self.definition(instance), task, self.clock)


def stamp(moment: datetime) -> str:
    """A time as the log keeps it."""
    return utc_text(moment)
