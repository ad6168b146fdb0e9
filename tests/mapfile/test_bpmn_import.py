"""A diagram drawn in another tool becomes a process of the map, keeps its positions, and is refused by name and line where it cannot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accord.mapfile import MapProblems, load_map
from accord.mapfile.bpmn import BpmnProblems, add_processes, export_bpmn, import_bpmn, processes_text
from accord.model.errors import UsageError
from accord.model.integration_map import IntegrationMap
from accord.model.process import Process, Step
from accord.model.values import Duration

CAMPAIGN = Path(__file__).parent / "bpmn" / "campaign.bpmn"
HEAD = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:accord="urn:accord:bpmn:1">\n<message id="m" name="go"/>\n'
    '<process id="p">\n'
)


def problems(text: str) -> list[str]:
    with pytest.raises(BpmnProblems) as refused:
        import_bpmn(text, "f.bpmn")
    return [str(problem) for problem in refused.value.problems]


def diagram(nodes: str, *flows: str) -> str:
    """A file with these nodes, and flows written «a b»."""
    lines = [f'<sequenceFlow id="f{n}" sourceRef="{flow.split()[0]}" targetRef="{flow.split()[1]}"/>' for n, flow in enumerate(flows)]
    return f"{HEAD}{nodes}\n{chr(10).join(lines)}\n</process></definitions>"


def steps(text: str) -> dict[str, Step]:
    return dict(import_bpmn(text).processes["p"].steps)


def ways(text: str) -> dict[str, tuple[tuple[str, ...], str]]:
    """Of each step what it comes after, and its join."""
    return {name: (step.after, step.join) for name, step in steps(text).items()}


def test_a_diagram_of_another_tool_becomes_a_process() -> None:
    """Lanes are teams, gateways are ways, a timer at a task is its SLA, an inner process of many is a list to run over."""
    found = import_bpmn(CAMPAIGN.read_bytes(), "campaign.bpmn")
    process = found.processes["campaign"]
    by = process.steps

    assert {name: team.title for name, team in found.teams.items()} == {"marketing": "Marketing", "studio": "Studio"}
    assert process.starts["brief_comes_in"].message == "brief received"
    assert (by["design"].team, by["design"].sla, by["design"].on_overdue) == ("studio", Duration(172_800), "use_a_template")
    assert (by["make_assets"].kind, by["make_assets"].each, by["make_assets"].join) == ("foreach", "assets", "any")
    assert list(found.processes[by["make_assets"].process].steps) == ["draw", "proofread"]
    assert (by["budget"].message, by["agency_replies"].message) == ("budget released", "agency replied")
    assert by["good_enough"].routes["yes"].when == "score >= 3 AND status = 'final'"
    assert (by["launch"].kind, by["launch"].action, by["tell_everybody"].action) == ("auto", "launch", "tell")
    assert [str(note) for note in found.left_out][-1] == "campaign.bpmn:93: 'textAnnotation' is left out."


def test_positions_come_back_where_they_were() -> None:
    """A diagram that is laid out anew at each import is drawn by nobody twice."""
    found = import_bpmn(CAMPAIGN.read_bytes())
    out = export_bpmn(IntegrationMap("m", teams=found.teams, processes=found.processes), "campaign", found.diagrams["campaign"])

    def bounds(text: str) -> list[str]:
        return sorted(re.findall(r'x="\d+" y="\d+" width="\d+" height="\d+"', text))

    assert bounds(out) == bounds(CAMPAIGN.read_text())
    for bend in ('x="650" y="170"', 'x="1110" y="300"'):
        assert bend in out
    again = import_bpmn(out)
    kept, came = found.diagrams["campaign"], again.diagrams["campaign"]
    assert (came.boxes, came.lanes) == (kept.boxes, kept.lanes)
    assert kept.bends.items() <= came.bends.items()
    assert again.processes["campaign"].steps == found.processes["campaign"].steps


def test_a_new_step_finds_a_free_place() -> None:
    """Nothing that was placed by hand moves, and nothing is drawn over it."""
    found = import_bpmn(CAMPAIGN.read_bytes())
    process = found.processes["campaign"]
    more = {**process.steps, "archive": Step("archive", team="marketing", after=("tell_everybody",))}
    out = export_bpmn(IntegrationMap("m", processes={"campaign": Process("campaign", steps=more)}), "campaign", found.diagrams["campaign"])
    boxes = import_bpmn(out).diagrams["campaign"].boxes

    assert {key: box for key, box in boxes.items() if key in found.diagrams["campaign"].boxes}.items() <= (
        found.diagrams["campaign"].boxes.items()
    )
    new = boxes["archive"]
    assert not any(
        new.x < b.x + b.width and b.x < new.x + new.width and new.y < b.y + b.height and b.y < new.y + new.height
        for key, b in boxes.items()
        if key != "archive"
    )


TWO = '<startEvent id="s"/><task id="a"/><task id="b"/><task id="c"/><endEvent id="e"/>'
FORK, JOIN, MERGE = '<parallelGateway id="fork"/>', '<parallelGateway id="join"/>', '<exclusiveGateway id="merge"/>'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            diagram(TWO + FORK + JOIN, "s fork", "fork a", "fork b", "a join", "b join", "join c", "c e"),
            {"a": ((), ""), "b": ((), ""), "c": (("a", "b"), "")},
            id="split and join vanish",
        ),
        pytest.param(
            diagram(TWO + FORK + MERGE, "s fork", "fork a", "fork b", "a merge", "b merge", "merge c", "c e"),
            {"a": ((), ""), "b": ((), ""), "c": (("a", "b"), "any")},
            id="a merge begins with each",
        ),
        pytest.param(
            diagram(TWO + FORK + JOIN, "s fork", "fork a", "fork b", "a join", "b join", "join e", "join c"),
            {"a": ((), ""), "b": ((), ""), "c": (("together",), ""), "together": (("a", "b"), "")},
            id="a join with a fork behind it stays",
        ),
        pytest.param(
            diagram(TWO + FORK + JOIN, "s fork", "fork a", "fork join", "a join", "join b", "b c", "c e"),
            {"a": (("begin",), ""), "b": (("a", "begin"), ""), "c": (("b",), ""), "begin": ((), "")},
            id="a join that waits for the start",
        ),
        pytest.param(
            diagram(TWO, "s a", "a b", "a c", "b e"), {"a": ((), ""), "b": (("a",), ""), "c": (("a",), "")}, id="two ways out of a task"
        ),
    ],
)
def test_gateways_say_the_same_without_being_there(text: str, expected: dict[str, tuple[tuple[str, ...], str]]) -> None:
    """A map of steps is read; one full of gateways is not. What cannot be said without them stays."""
    found = {name: (tuple(sorted(after)), join) for name, (after, join) in ways(text).items()}

    assert found == expected


def test_the_first_step_may_be_come_back_to() -> None:
    """In a map a step that something leads to does not begin; the diagram's start does."""
    text = diagram(
        '<startEvent id="s"/><task id="a"/><exclusiveGateway id="x" name="again?" default="f3"/><endEvent id="e"/>'
        '<sequenceFlow id="back" sourceRef="x" targetRef="a"><conditionExpression>more = true</conditionExpression></sequenceFlow>',
        "s a", "a x", "s a", "x e",
    )  # fmt: skip
    text = text.replace('<sequenceFlow id="f2" sourceRef="s" targetRef="a"/>', "")
    found = steps(text)

    assert found["begin"].after == ()
    assert (found["a"].after, found["a"].join) == (("begin",), "")
    assert found["again"].routes["a"].to == "a"


TASK = '<startEvent id="s"/>\n{}\n<endEvent id="e"/>'


@pytest.mark.parametrize(
    ("element", "said"),
    [
        ('<scriptTask id="a"/>', "f.bpmn:5: the element 'scriptTask' is not taken."),
        ('<inclusiveGateway id="a"/>', "f.bpmn:5: the element 'inclusiveGateway' is not taken."),
        ('<eventBasedGateway id="a"/>', "f.bpmn:5: the element 'eventBasedGateway' is not taken."),
        ('<transaction id="a"/>', "f.bpmn:5: the element 'transaction' is not taken."),
        ('<serviceTask id="a" name="Send"/>', "f.bpmn:5: serviceTask 'Send' does not say what it calls."),
        ('<callActivity id="a"/>', "f.bpmn:5: callActivity 'a' calls nothing."),
        ('<task id="a"><standardLoopCharacteristics/></task>', "f.bpmn:5: standardLoopCharacteristics is not taken."),
        ('<task id="a"><multiInstanceLoopCharacteristics isSequential="true"/></task>', "one after the other are not taken."),
        ('<intermediateCatchEvent id="a"><errorEventDefinition/></intermediateCatchEvent>', "errorEventDefinition is not taken"),
        ('<intermediateCatchEvent id="a"><messageEventDefinition messageRef="x"/></intermediateCatchEvent>', "no message or signal 'x'"),
        (
            '<intermediateCatchEvent id="a"><timerEventDefinition><timeDuration>P1M</timeDuration></timerEventDefinition>'
            "</intermediateCatchEvent>",
            "'P1M' is no duration",
        ),
        (
            '<intermediateCatchEvent id="a"><timerEventDefinition><timeCycle>R3/PT1H</timeCycle></timerEventDefinition>'
            "</intermediateCatchEvent>",
            "a timer without timeDuration or timeDate is not taken.",
        ),
        ('<task id="a"/><boundaryEvent id="z" attachedToRef="a"><errorEventDefinition/></boundaryEvent>', "not taken on boundaryEvent"),
        (
            '<receiveTask id="a" messageRef="m"/><boundaryEvent id="z" attachedToRef="a" cancelActivity="false"><timerEventDefinition>'
            '<timeDuration>PT1H</timeDuration></timerEventDefinition></boundaryEvent><sequenceFlow id="y" sourceRef="z" targetRef="e"/>',
            "f.bpmn:5: a timer stands on 'a', which waits, and leads somewhere else.",
        ),
        ('<task id="a" isForCompensation="true"/>', "isForCompensation is not taken."),
        ('<task id="a"/><task id="a"/>', "task has no id of its own."),
        ('<task id="a"/><task id="b"/>', "f.bpmn:5: nothing leads to 'b'."),
    ],
)
def test_what_is_not_taken_is_named_with_its_line(element: str, said: str) -> None:
    """A diagram that is taken in half runs half a process."""
    found = problems(diagram(TASK.format(element), "s a", "a e"))

    assert len(found) == 1, found
    assert said in found[0]


@pytest.mark.parametrize(
    ("flows", "said"),
    [
        ('<sequenceFlow id="g" sourceRef="a" targetRef="nowhere"/>', "leads from or to 'nowhere', which is not here."),
        ('<sequenceFlow id="g" sourceRef="s" targetRef="a"/>', "two sequence flows lead from"),
        ('<exclusiveGateway id="x"/><parallelGateway id="y"/><task id="b"/><sequenceFlow id="g" sourceRef="a" targetRef="x"/><sequenceFlow '
         'id="h" sourceRef="x" targetRef="y"/><sequenceFlow id="i" sourceRef="y" targetRef="x"/><sequenceFlow id="j" sourceRef="y" '
         'targetRef="b"/>', "gateways lead to each other"),
        ('<exclusiveGateway id="x"/><task id="b"/><sequenceFlow id="g" sourceRef="a" targetRef="x"/><sequenceFlow id="h" sourceRef="x" '
         'targetRef="b"/><sequenceFlow id="i" sourceRef="x" targetRef="e"/>', "'x' has several ways out without a condition."),
        ('<task id="b"/><sequenceFlow id="g" sourceRef="a" targetRef="b"><conditionExpression>n = 1</conditionExpression></sequenceFlow>',
         "has a condition."),
    ],
)  # fmt: skip
def test_ways_a_map_cannot_say_are_refused(flows: str, said: str) -> None:
    """Each of these runs in some engines, and differently in each."""
    text = diagram(TASK.format('<task id="a"/>') + flows, "s a", "a e")
    text = text.replace('<sequenceFlow id="f0"', '<parallelGateway id="split"/><sequenceFlow id="f0"') if "two" in said else text
    if "two" in said:
        text = diagram(TASK.format('<task id="a"/><parallelGateway id="split"/>'), "s split", "split a", "split a", "a e")
        text = text.replace(
            '<startEvent id="s"/>', '<startEvent id="s0"/><task id="s"/><sequenceFlow id="z" sourceRef="s0" targetRef="s"/>'
        )

    assert any(said in problem for problem in problems(text)), problems(text)


@pytest.mark.parametrize(
    ("condition", "sql"),
    [
        ("${amount > 10}", "amount > 10"),
        ("#{amount ge 10 and !ok}", "amount >= 10 AND NOT (ok)"),
        ('=status = "it\'s"', "status = 'it''s'"),
        ("a == 1 || b != 'x' && c", "(a = 1 OR b <> 'x' AND c)"),
        ("not (a or b)", "NOT (((a OR b)))"),
        ("x == null", "x IS NULL"),
        ("null != x", "x IS NOT NULL"),
        ("n > -1.5", "n > -1.5"),
        ("a.b > 1", None),
        ("execution.getVariable('x')", None),
        ("amount >", None),
        ("a in (1, 2)", None),
        ("(" * 500 + "a", None),
        ("a; DROP TABLE x", None),
        ("x" * 5000, None),
    ],
)
def test_conditions_are_translated_or_refused(condition: str, sql: str | None) -> None:
    """A condition that is guessed sends work the wrong way, and nobody sees it."""
    escaped = condition.replace("&", "&amp;").replace("<", "&lt;")
    text = diagram(
        TASK.format('<task id="a"/><exclusiveGateway id="x" default="f2"/>')
        + '<sequenceFlow id="g" sourceRef="x" targetRef="a"><conditionExpression/></sequenceFlow>',
        "s x", "a e", "x e",
    ).replace("<conditionExpression/>", f"<conditionExpression>{escaped}</conditionExpression>")  # fmt: skip

    if sql is None:
        assert any("the expression" in problem and "f.bpmn:6" in problem for problem in problems(text))
    else:
        assert next(step for step in steps(text).values() if step.routes).routes["a"].when == sql


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]><definitions/>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><definitions/>',
        "",
        "<",
        "<a/>",
        "<definitions/>",
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"/>',
        '<?xml version="1.0" encoding="x-unknown"?><a/>',
        HEAD + "<subProcess id='a'>" * 50,
        HEAD + "<task/>" * 61_000,
        HEAD + "x" * 5_000_001,
    ],
)
def test_a_hostile_file_is_answered(text: str) -> None:
    """Diagrams come by mail: none of them may fill the memory, read a file, or end in a traceback."""
    assert problems(text)


def test_many_gateways_end_soon() -> None:
    """Chains of forks and merges have more ways than anybody could follow."""
    nodes = '<startEvent id="s"/><task id="a"/>' + "".join(f'<parallelGateway id="p{n}"/><exclusiveGateway id="x{n}"/>' for n in range(40))
    flows = ["s p0"] + [flow for n in range(40) for flow in (f"p{n} x{n}", f"p{n} x{n}", f"x{n} p{n + 1}" if n < 39 else f"x{n} a")]

    assert problems(diagram(nodes, *flows))


def test_many_gateways_behind_each_other_end_soon() -> None:
    """Nor has a chain of them an end in the call stack."""
    nodes = '<startEvent id="s"/><task id="a"/>' + "".join(f'<exclusiveGateway id="x{n}"/>' for n in range(900))
    flows = ["s x0", *(f"x{n} x{n + 1}" for n in range(899)), "x899 a"]

    assert "gateways stand behind each other" in problems(diagram(nodes, *flows))[0]


@pytest.mark.parametrize("name", ["../../outside", "/etc/outside", "a/b", "..", "x" * 300])
def test_no_name_in_a_diagram_leads_out_of_the_map(tmp_path: Path, name: str) -> None:
    """Files are named after processes, and a diagram names processes."""
    text = diagram('<task id="a"/>').replace('<process id="p">', f'<process id="p" accord:name="{name}">')
    folder = tmp_path / "map"
    folder.mkdir()
    (folder / "map.yaml").write_text("name: m\n")

    if len(name) > 80:
        assert len(add_processes(folder, import_bpmn(text)).file.stem) == 80
    else:
        with pytest.raises(MapProblems, match="cannot be a name"):
            add_processes(folder, import_bpmn(text))
    assert not (tmp_path / "outside.yaml").exists()


def test_an_import_is_put_into_a_map(tmp_path: Path) -> None:
    """Lanes meet the teams of the map by title; only unknown ones are new, and the whole is checked before it is written."""
    (tmp_path / "map.yaml").write_text("name: m # mine\nteams: {mkt: {title: marketing, owner: Mia}}\n")
    found = import_bpmn(CAMPAIGN.read_bytes())

    addition = add_processes(tmp_path, found)
    addition.file.write_text(addition.text)
    map_ = load_map(tmp_path)

    assert addition.file.name == "campaign.yaml"
    assert set(map_.teams) == {"mkt", "studio"}
    assert map_.processes["campaign"].steps["check_the_brief"].team == "mkt"
    with pytest.raises(UsageError, match="--replace"):
        add_processes(tmp_path, found)
    assert add_processes(tmp_path, found, replacing=True).file == addition.file
    assert load_map(tmp_path).processes == map_.processes


def test_a_diagram_that_cannot_end_well_is_not_put_into_a_map(tmp_path: Path) -> None:
    """The rules for processes hold for drawn ones: here the way back leads through a join nobody else comes to again."""
    text = CAMPAIGN.read_text().replace(
        'sourceRef="Activity_mend" targetRef="Gateway_again"', 'sourceRef="Activity_mend" targetRef="Gateway_back"'
    )
    (tmp_path / "map.yaml").write_text("name: m\n")

    with pytest.raises(MapProblems, match="waits for ever"):
        add_processes(tmp_path, import_bpmn(text))


def test_an_import_as_text_is_a_map() -> None:
    """Without --into the output is a file of a map."""
    assert "check_the_brief" in processes_text(import_bpmn(CAMPAIGN.read_bytes()))
