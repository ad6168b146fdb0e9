"""A broken diagram never gives a traceback: mutants of good ones are read, or answered with problems that have a place."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from accord.mapfile.bpmn import BpmnProblems, export_bpmn, import_bpmn
from accord.model.entity import Field
from accord.model.errors import UsageError
from accord.model.integration_map import IntegrationMap
from accord.model.process import Process, Route, Start, Step
from accord.model.values import Duration

CAMPAIGN = Path(__file__).parent / "bpmn" / "campaign.bpmn"
JUNK = [
    "", "0", "-1", "1e999", "nan", "true", "&lt;", "&#0;", "&x;", "<", ">", "\x00", "é", "a" * 300, "P1D", "PT0S", "${x}", "x = 1", "'",
    "]]>",
    "<!-- ", "<![CDATA[", "<!DOCTYPE a>", "task", "parallelGateway", "exclusiveGateway", "subProcess", "boundaryEvent", "endEvent",
    "{", "[[]]",
    '{"kind": "wait"}', '{"sla": 5}', '{"routes": {"a": {"to": "b"}}}', '{"steps": {}}', "\\ud800", "start", "xmlns",
]  # fmt: skip
PROCESS = Process(
    "p",
    title="all of it",
    owner="a",
    starts={"m": Start("m", message="hello", when="x > 1")},
    steps={
        "first": Step("first"),
        "a": Step("a", team="a", after=("first",), sla=Duration(60), on_overdue="f", form={"q": Field("q")}),
        "b": Step("b", team="b", after=("a",), kind="auto", action="do", arguments={"x": "1"}, when="n > 1"),
        "c": Step("c", after=("a",), kind="wait", message="go", delay=Duration(60)),
        "d": Step("d", after=("b", "c"), kind="decision", routes={"y": Route("y", to="e", when="n > 1"), "n": Route("n", to="a")}),
        "e": Step("e", kind="foreach", process="other", each="list_distinct(items)"),
        "f": Step("f", kind="decision", routes={"on": Route("on")}),
        "g": Step("g", after=("d", "f"), kind="decision", form={"q": Field("q")}, when="v", routes={"on": Route("on", to="h")}),
        "h": Step("h", after=("g",), join="all"),
    },
)


def mutant(text: str, rng: random.Random) -> str:
    """The text with one line, word or piece of it changed."""
    lines = text.splitlines(keepends=True)
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        del lines[i]
    elif kind == 1:
        lines.insert(j, lines[i])
    elif kind == 2:
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == 3:
        ids = list(re.finditer(r'(sourceRef|targetRef|attachedToRef|default|id|messageRef)="([^"]*)"', text))
        one, other = rng.choice(ids), rng.choice(ids)
        return text[: one.start(2)] + other[2] + text[one.end(2) :]
    elif kind == 4:
        return text[: rng.randrange(len(text))] if rng.random() < 0.1 else "".join(lines[: min(i, j)] + lines[max(i, j) :])
    else:
        word = rng.choice(list(re.finditer(r"[\w.:-]+", text)))
        return text[: word.start()] + rng.choice(JUNK) + text[word.end() :]
    return "".join(lines)


@pytest.mark.parametrize("mutants", [120, pytest.param(3000, marks=pytest.mark.prove)])
def test_a_mutant_is_read_or_answered(mutants: int) -> None:
    """An error of ours instead of an answer sends people away; what was read can be drawn again."""
    texts = [CAMPAIGN.read_text(encoding="utf-8"), export_bpmn(IntegrationMap("m", processes={"p": PROCESS}), "p")]
    rng = random.Random(20261122)
    read, homeless = 0, list[int]()

    for number in range(mutants):
        text = rng.choice(texts)
        for _ in range(rng.randrange(1, 3)):
            text = mutant(text, rng)
        try:
            found = import_bpmn(text, "mutant.bpmn")
        except BpmnProblems as error:
            homeless += [number] if any(p.place.file != "mutant.bpmn" for p in error.problems) else []
            continue
        read += 1
        map_ = IntegrationMap("m", processes=found.processes)
        for name in found.processes:
            try:
                again = import_bpmn(export_bpmn(map_, name))
            except UsageError:
                continue
            assert set(again.processes[name].steps) == set(found.processes[name].steps), number

    assert homeless == []
    assert mutants / 10 < read < mutants * 0.9, f"{read} were read: the mutants are all broken or all good, so this shows nothing"
