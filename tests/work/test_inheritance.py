"""What instances know of those they are part of: what their process may read, and not ten thousand copies of a list."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from accord.model.event import Event, ObjectRef
from accord.store import Store
from accord.store.database import Row, Value
from accord.store.turn import Turn
from accord.work import Work

MakeWork = Callable[..., Work]
EACH = (
    "processes: {p: {owner: marketing, steps: {all: {kind: foreach, each: items, process: one}, end: {after: [all]}}}, "
    "one: {owner: studio, steps: {do: {team: studio}}}}"
)


def _variables(work: Work, instance: str) -> dict[str, Any]:
    rows = work.store.rows("SELECT name, value FROM work_variable WHERE instance = ?", instance)
    return {name: json.loads(value) for name, value in rows}


def _written(work: Work, count: int, key: str) -> int:
    """Bytes of events of a list of so many items, from its beginning to its end."""
    before = work.store.head().seq
    work.start("p", case=key, by="Mia", key=key, variables={"items": [f"item {n:04d} {'x' * 40}" for n in range(count)]})
    for task in work.tasks(team="studio"):
        work.complete(task.task, by="Sam", answer={"done": True})
    (end,) = work.tasks(team="")
    work.complete(end.task, by="Mia")
    return sum(len(body) for (body,) in work.store.rows("SELECT body FROM event WHERE seq > ?", before))


def test_a_list_of_twice_the_length_costs_twice(work_with: MakeWork, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each item that carried the whole list, or read it when it ended, would make ten thousand of them cost their square."""
    work, read = work_with(EACH), [0]
    real = Turn.rows

    def counted(self: Turn, sql: str, *values: Value) -> list[Row]:
        found = real(self, sql, *values)
        read[0] += sum(len(str(row)) for row in found)
        return found

    monkeypatch.setattr(Turn, "rows", counted)
    costs = []
    for count in (10, 40):
        read[0] = 0
        costs.append((_written(work, count, str(count)), read[0]))

    (short, little), (long, much) = costs
    assert long < 4.2 * short
    assert much < 4.2 * little


def test_an_instance_is_given_what_its_process_may_read(work_with: MakeWork) -> None:
    """Whatever an expression, a gate or a form names, also two instances further down and in another case."""
    work = work_with(
        "gates: {g: {checks: {proof: {evidence: evidence, check: \"EVIDENCE = 'e'\"}}}}\n"
        "processes: {p: {owner: marketing, steps: {sub: {kind: subprocess, process: one}}}, "
        "one: {owner: studio, variables: {declared: text}, steps: {a: {team: studio, when: 'BUDGET > 5', form: {filled: {type: text}}}, "
        "b: {after: [a], team: studio, kind: foreach, each: list_value(1), process: two}}}, "
        "two: {owner: legal, steps: {c: {team: legal, gate: g, assignee: lawyer}}}}"
    )
    everything = {"budget": 9, "declared": "d", "filled": "f", "evidence": "e", "lawyer": "Lea", "beside": "b", "items": [1]}
    instance = work.start("p", case="1", by="Mia", variables=everything)
    known = {name: value for name, value in everything.items() if name not in ("beside", "items")}
    assert _variables(work, f"{instance}/sub/1/sub") == known

    work.complete(f"{instance}/sub/1/sub/a/1", by="Sam", answer={"filled": "anew"})
    (last,) = work.tasks(team="legal")
    assert _variables(work, last.instance) == {"evidence": "e", "lawyer": "Lea", "item": 1, "position": 0}
    work.complete(last.task, by="Lea", answer={"lawyer": "Max"})

    # What came from above is not told to those above; what was written on the way is.
    assert _variables(work, instance)["sub"] == {"filled": "anew", "b": [{"item": 1, "position": 0, "lawyer": "Max"}]}
    work.store.rebuild()
    assert _variables(work, f"{instance}/sub/1/sub")["declared"] == "d"


def test_a_definition_that_reads_more_finds_it_after_migrating(work_with: MakeWork, store: Store) -> None:
    """An instance that goes on by a later definition must not miss what the one before had no use for."""
    text = "processes: {p: {owner: marketing, steps: {sub: {kind: subprocess, process: one}}}, one: {owner: studio, steps: {a: {}%s}}}"
    instance = work_with(text % "").start("p", case="1", by="Mia", variables={"budget": 9})
    part = f"{instance}/sub/1/sub"
    assert _variables(work_with(text % ""), part) == {}
    later = work_with(text % ", b: {after: [a], when: 'budget > 5'}")

    later.migrate(part, by="Mia")

    assert _variables(later, part) == {"budget": 9}
    later.complete(f"{part}/a/1", by="Mia")
    assert [task.step for task in later.tasks()] == ["b"]
    later.complete(f"{part}/b/1", by="Mia")
    assert _variables(later, instance) == {"budget": 9, "sub": {}}


def test_an_instance_begun_before_tells_all_it_knows(work_with: MakeWork, store: Store) -> None:
    """Logs of before name nothing as inherited; what those instances were given is read as it always was."""
    work = work_with(EACH)
    instance = work.start("p", case="1", by="Mia", variables={"items": ["x"]})
    (task,) = work.tasks()
    body = {"instance": task.instance, "process": "one", "variables": {"old": 1}}
    store.append([Event("old", "process.signalled", work.now(), "test", body, (ObjectRef("process_instance", task.instance),))])

    work.complete(task.task, by="Sam", answer={"done": True})

    assert _variables(work, instance)["all"] == [{"item": "x", "position": 0, "old": 1, "done": True}]
