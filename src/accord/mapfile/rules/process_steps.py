"""Every step of a process has what its kind needs, and somebody or something that can do it."""

from __future__ import annotations

from collections.abc import Iterator

from accord.mapfile.expression import mistakes
from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.process import Gate, Process, Step
from accord.model.ways import ways_of

Path = tuple[str, ...]
_CALLS = ("subprocess", "foreach")


def check(facts: Facts) -> Iterator[Problem]:
    """Steps that could not be carried out, ways that lead nowhere, and expressions that cannot be evaluated."""
    for process in facts.map.processes.values():
        for step in process.steps.values():
            path, holder = ("processes", process.name, "steps", step.name), f"process '{process.name}', step '{step.name}'"
            yield from _names(facts, process, step, path, holder)
            yield from _kind(facts, step, path, holder)
            yield from _people(facts, process, step, path, holder)
            yield from _accepting(facts, process, step, path, holder)
            yield from _expressions(facts, step, path, holder)
        yield from _calls(facts, process)
    for gate in facts.map.gates.values():
        yield from _gate(facts, gate)


def _names(facts: Facts, process: Process, step: Step, path: Path, holder: str) -> Iterator[Problem]:
    for route in step.routes.values():
        if route.to and route.to not in process.steps:
            yield facts.unknown((*path, "routes", route.name, "to"), f"{holder}, route '{route.name}'", "to: step", route.to, process.steps)
    if step.on_overdue and step.on_overdue not in process.steps:
        yield facts.unknown((*path, "on_overdue"), holder, "on_overdue: step", step.on_overdue, process.steps)
    for key in ("gate", "accept_gate"):
        name = getattr(step, key)
        # A map that declares no gates names those of a system; they are looked at there.
        if name and facts.map.gates and name not in facts.map.gates:
            yield facts.unknown((*path, key), holder, f"{key}: gate", name, facts.map.gates)
    if step.process and step.process not in facts.map.processes:
        yield facts.unknown((*path, "process"), holder, "process: process", step.process, facts.map.processes)


def _kind(facts: Facts, step: Step, path: Path, holder: str) -> Iterator[Problem]:
    if step.kind != "decision" and step.routes:
        yield facts.problem((*path, "routes"), f"{holder}: only a decision has routes.", "Expected kind: decision, or after: in the steps.")
    if step.kind == "decision" and not step.routes:
        yield facts.problem(path, f"{holder}: the decision has no routes.", "Expected routes: {name: {to: step, when: condition}}.")
    if step.routes and all(route.when for route in step.routes.values()):
        what = f"{holder}: no route is open when none of the conditions is true."
        yield facts.problem((*path, "routes"), what, "Expected a last route without when:.")
    if step.kind == "auto" and not step.action:
        yield facts.problem(path, f"{holder}: it calls nothing.", "Expected action:.")
    if step.kind == "wait" and not (step.delay or step.until or step.message):
        yield facts.problem(path, f"{holder}: it waits for nothing.", "Expected delay:, until: or message:.")
    if step.delay and step.until:
        yield facts.problem((*path, "until"), f"{holder}: delay and until are both given.", "Keep one.")
    if step.kind in _CALLS and not step.process:
        yield facts.problem(path, f"{holder}: it runs no process.", "Expected process:.")
    if step.case and step.kind not in _CALLS:
        yield facts.problem((*path, "case"), f"{holder}: it runs no process with a case.", "Expected kind: subprocess or foreach.")
    for name in step.lacks:
        if name not in step.covers:
            yield facts.problem((*path, "lacks", name), f"{holder}: it lacks something of '{name}', which it does not cover.")
    if step.kind == "foreach" and not step.each:
        yield facts.problem(path, f"{holder}: it has no list to run over.", "Expected each:.")
    if step.on_overdue and step.sla is None:
        yield facts.problem((*path, "on_overdue"), f"{holder}: without sla its time is never over.", "Expected sla:.")
    if step.form and step.form_schema:
        yield facts.problem((*path, "form_schema"), f"{holder}: form and form_schema are both given.", "Keep one.")
    if step.max_times < 1:
        yield facts.problem((*path, "max_times"), f"{holder}: max_times is {step.max_times}.", "Expected 1 or more.")
    if step.retries < 0:
        yield facts.problem((*path, "retries"), f"{holder}: retries is {step.retries}.", "Expected 0 or more.")


def _accepting(facts: Facts, process: Process, step: Step, path: Path, holder: str) -> Iterator[Problem]:
    """A gate that is never looked at would let everything through that both teams agreed to look at."""
    if not step.accept_gate or not step.team:
        return
    sources = [way.source for way in ways_of(process) if way.target == step.name and not way.route]
    before = [process.steps[name] for name in sources if name in process.steps]
    if not any(giver.team and giver.team != step.team and giver.kind != "decision" for giver in before):
        what = f"{holder}: accept_gate is never looked at: no step of another team leads straight here."
        yield facts.problem((*path, "accept_gate"), what, "Expected after: a step of the giving team, or the gate as gate: of that step.")


def _people(facts: Facts, process: Process, step: Step, path: Path, holder: str) -> Iterator[Problem]:
    # A map without teams is one person's or one group's: everybody may do everything.
    if step.asks_people and facts.map.teams and not (step.team or step.assignee or step.backup or process.owner):
        yield facts.problem(path, f"{holder}: nobody is named who does it.", "Expected team:, assignee:, or an owner: of the process.")


def _expressions(facts: Facts, step: Step, path: Path, holder: str) -> Iterator[Problem]:
    given: list[tuple[Path, str]] = [((key,), getattr(step, key)) for key in ("when", "assignee", "until", "correlate", "each", "case")]
    given += [(("routes", route.name, "when"), route.when) for route in step.routes.values()]
    given += [(("arguments", name), sql) for name, sql in step.arguments.items()]
    for key, sql in given:
        for message, expected in mistakes(sql, None) if sql else ():
            yield facts.problem((*path, *key), f"{holder}, {' '.join(key)}: {message}", expected)


def _gate(facts: Facts, gate: Gate) -> Iterator[Problem]:
    path, holder = ("gates", gate.name), f"gate '{gate.name}'"
    for team in gate.teams:
        if team not in facts.map.teams:
            yield facts.unknown((*path, "teams"), holder, "teams: team", team, facts.map.teams)
    text = gate.threshold.strip()
    number = text.removesuffix("%")
    try:
        share = float(number) / (100 if number != text else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        yield facts.problem((*path, "threshold"), f"{holder}: the threshold '{gate.threshold}' is no share.", "Expected for example 95%.")
    for point in gate.checks.values():
        for message, expected in mistakes(point.check, None) if point.check else ():
            yield facts.problem((*path, "checks", point.name, "check"), f"{holder}, check '{point.name}': {message}", expected)
        if point.weight <= 0:
            yield facts.problem((*path, "checks", point.name, "weight"), f"{holder}, check '{point.name}': its weight is not above zero.")


def _calls(facts: Facts, process: Process) -> Iterator[Problem]:
    """A process that runs itself, with nothing to stop it."""
    seen: set[str] = set()
    ahead = [process.name]
    while ahead:
        found = facts.map.processes.get(ahead.pop())
        for step in found.steps.values() if found else ():
            # A condition can end it; so can a list that is empty at last, and a decision that does not come here.
            if step.kind != "subprocess" or step.when or not _always(found, step):
                continue
            if step.process == process.name:
                path = ("processes", process.name, "steps")
                yield facts.problem(path, f"process '{process.name}' runs itself without end.", "Give the step that runs it a when:.")
                return
            if step.process not in seen:
                seen.add(step.process)
                ahead.append(step.process)


def _always(process: Process | None, step: Step) -> bool:
    """Whether no decision of the process stands before everything else."""
    return process is not None and not any(other.kind == "decision" for other in process.steps.values())
