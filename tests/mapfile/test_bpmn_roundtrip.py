"""A process that goes out as BPMN comes back the same, whatever its shape; and engines of others walk it in the same way."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from accord.mapfile.bpmn import diagram_text, export_bpmn, import_bpmn, read_diagram
from accord.mapfile.content import meaning
from accord.mapfile.shapes import record
from accord.model.entity import Field
from accord.model.errors import DataRefused, UsageError
from accord.model.integration_map import IntegrationMap
from accord.model.organization import Team
from accord.model.process import Process, Route, Start, Step
from accord.model.values import Duration
from accord.model.ways import beginnings, waits_for_all, ways_of

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
TEAMS = {"a": Team("a", title="Team <A> & co."), "b": Team("b")}
WAITS = (
    {"delay": Duration(90)},
    {"until": "due + 1"},
    {"message": "go"},
    {"message": "go", "delay": Duration(86_461)},
    {"message": "go", "until": "due"},
    {"message": "go", "correlate": "'signal'"},
    {"message": "go", "correlate": "invoice"},
)


def out(process: Process) -> str:
    return export_bpmn(IntegrationMap("m", teams=TEAMS, processes={process.name: process}), process.name)


def same(process: Process) -> Any:
    """What two processes must share: every key of every step, and where its ways lead and come from."""
    steps = {}
    for name, step in process.steps.items():
        into = tuple(way for way in ways_of(process) if way.target == name)
        joins = len(into) > 1 and waits_for_all(process, name, into)
        steps[name] = (meaning(record(Step), replace(step, after=(), join="")), sorted(step.after), joins)
    return steps, meaning(record(Process), replace(process, steps={}))


@st.composite
def everything(draw: Any, shape: Process) -> Process:
    """The process with every kind of step, and with what BPMN has no word for."""
    steps = {}
    for name, step in shape.steps.items():
        made = replace(step, team=draw(st.sampled_from(["", "a", "b"])), title=draw(st.sampled_from(["", "Zwölf «é»", name])))
        if step.kind == "decision":
            made = replace(made, form=draw(st.sampled_from([{}, {"q": Field("q", type="integer", minimum="1")}])))
        else:
            kind = draw(st.sampled_from(["human", "auto", "wait", "subprocess", "foreach", "pass"]))
            made = replace(made, kind="decision" if kind == "pass" else kind, sla=None, on_overdue="")
            if kind in ("human", "auto", "subprocess", "foreach"):
                made = replace(made, sla=step.sla or draw(st.sampled_from([None, Duration(5400)])), on_overdue=step.on_overdue)
            more: dict[str, Any] = {
                "human": {"gate": "g", "assignee": "who", "accept_within": Duration(60)},
                "auto": {"action": "do", "arguments": {"x": "'a' || \"B\""}, "retries": 2},
                "wait": draw(st.sampled_from(WAITS)),
                "subprocess": {"process": "other one"},
                "foreach": {"process": "other", "each": draw(st.sampled_from(["items", "list_distinct(items)"]))},
                "pass": {"routes": {"on": Route("on")}},
            }[kind]
            made = replace(made, **more)
        steps[name] = made
    starts = {"m": Start("m", message="hello", when="x > 1"), "n": Start("n", message="hello"), "e": Start("e", entity="order")}
    chosen = {name: starts[name] for name in draw(st.sets(st.sampled_from(list(starts))))}
    return replace(shape, name="the 1st process", title="A title", owner="a", version="7", steps=steps, starts=chosen)


@cache
def standard() -> Any:
    """The schema of BPMN 2.0, as the other engine ships it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from SpiffWorkflow.bpmn.parser import BpmnValidator

    return BpmnValidator()


def there_and_back(data: Any, token_game: Any) -> None:
    process = data.draw(everything(data.draw(token_game.processes(skips=True, late=True))))
    if not beginnings(process):
        with pytest.raises(UsageError, match="no step is the first"):
            out(process)
        return
    text = out(process)
    standard().validate(etree.fromstring(text.encode()))
    found = import_bpmn(text)
    again = found.processes[process.name]

    assert same(again) == same(process)
    assert [str(note) for note in found.left_out] == []
    positions = found.diagrams[process.name]
    assert {shape.get("id") for shape in _nodes(text)} == set(positions.boxes)


def _nodes(text: str) -> list[Any]:
    """Elements that have a place on paper."""
    root = etree.fromstring(text.encode())
    flow = ("Task", "Event", "Gateway", "callActivity")
    return [e for e in root.iter() if e.tag.startswith("{http://www.omg.org/spec/BPMN/20100524/MODEL}") and e.tag.endswith(flow)]


@settings(max_examples=25, derandomize=True, suppress_health_check=QUIET, deadline=None)
@given(st.data())
def test_a_process_comes_back_as_it_went(token_game: Any, data: Any) -> None:
    """Every key and every way; a diagram that loses one silently changes what people do."""
    there_and_back(data, token_game)


@pytest.mark.prove
@settings(max_examples=2500, suppress_health_check=QUIET, deadline=None)
@given(st.data())
def test_a_process_comes_back_as_it_went_for_long(token_game: Any, data: Any) -> None:
    """As above, with thousands."""
    there_and_back(data, token_game)


def walk(data: Any, token_game: Any) -> int:
    """Walk one process in SpiffWorkflow and in the plain game; returns how many steps were compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from SpiffWorkflow.bpmn.parser import BpmnParser
        from SpiffWorkflow.bpmn.script_engine import PythonScriptEngine
        from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
        from SpiffWorkflow.util.task import TaskState

    class Told(PythonScriptEngine):  # type: ignore[misc] # it ships no types
        """Answers conditions from the facts, which are one for all: a foreign engine keeps them per branch."""

        def evaluate(self, task: Any, expression: str, external_context: Any = None) -> bool:
            return facts[expression]

    process = data.draw(token_game.processes(skips=True))
    explored = token_game.explore(process)
    # What starves, does not end, or has two tokens in one place, BPMN leaves to the engine.
    if explored is None or explored.starves or explored.endless or explored.most > 1:
        return 0
    names = sorted(set(token_game.variables_of(process)))

    def answers() -> dict[str, bool]:
        """Of the ways out of one gateway at most one is open: an engine may look at them in any order."""
        open_ways = {name[:-1]: data.draw(st.integers(0, 2)) for name in names}
        return {name: open_ways[name[:-1]] == int(name[-1]) if name.startswith("v") else data.draw(st.booleans()) for name in names}

    facts = answers()
    parser = BpmnParser()
    parser.add_bpmn_str(out(process).encode())
    flow = BpmnWorkflow(parser.get_spec("p"), script_engine=Told())
    game = token_game.play(process, lambda sql: facts[sql])
    flow.do_engine_steps()
    for compared in range(20):
        if game.stuck:  # our bound on loops, which BPMN does not have
            return compared
        ready = {task.task_spec.bpmn_id: task for task in flow.get_tasks(state=TaskState.READY, manual=True)}
        assert Counter(list(ready)) == game.open()
        if not ready:
            assert flow.is_completed() == (game.status == "completed")
            return compared
        chosen = data.draw(st.sampled_from(sorted(ready)))
        facts.update(answers())
        ready[chosen].run()
        flow.do_engine_steps()
        game.finish(chosen)
    return 20


@settings(max_examples=25, derandomize=True, suppress_health_check=QUIET, deadline=None)
@given(st.data())
def test_another_engine_walks_it_in_the_same_way(token_game: Any, data: Any) -> None:
    """What is exported must mean the same to others: SpiffWorkflow has the same tasks open after each answer."""
    walk(data, token_game)


@pytest.mark.prove
@settings(max_examples=2500, suppress_health_check=QUIET, deadline=None)
@given(st.data())
def test_another_engine_walks_it_in_the_same_way_for_long(token_game: Any, data: Any) -> None:
    """As above, with thousands."""
    walk(data, token_game)


def test_a_diagram_says_no_more_than_it_can(tmp_path: Path) -> None:
    """A route behind one that is always open, and a time nobody watches, would be drawn as ways work could go."""
    routes = {"a": Route("a"), "b": Route("b", when="x > 1")}
    with pytest.raises(UsageError, match="route 'b' is never taken"):
        out(Process("p", steps={"d": Step("d", kind="decision", routes=routes)}))
    with pytest.raises(UsageError, match="is not drawn"):
        out(Process("p", steps={"d": Step("d", kind="wait", message="x", sla=Duration(5), on_overdue="e"), "e": Step("e")}))
    with pytest.raises(UsageError, match="has no steps"):
        out(Process("p"))
    with pytest.raises(UsageError, match=r"U\+0007"):
        out(Process("p", steps={"d": Step("d", title="bell\a")}))


def test_positions_are_kept_in_a_file(tmp_path: Path) -> None:
    """Beside the map, where moving a box changes no definition; a broken file is told, not drawn."""
    diagram = import_bpmn(out(Process("p", steps={"a": Step("a", team="b"), "b": Step("b", after=("a",))}))).diagrams["p"]
    path = tmp_path / "p.json"

    path.write_text(diagram_text(diagram))

    assert read_diagram(path) == diagram
    assert not read_diagram(tmp_path / "none.json")
    wrong = ('"a": [1, 2]', '"a": [1, 2, 3, 1e999]', '"a": [1, 2, 3, "x"]')
    for broken in ("", "[]", *(f'{{"boxes": {{{part}}}, "lanes": {{}}, "bends": {{}}}}' for part in wrong)):
        path.write_text(broken)
        with pytest.raises(DataRefused, match="no file of positions"):
            read_diagram(path)
