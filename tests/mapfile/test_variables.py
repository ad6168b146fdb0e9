"""Variables are filled in once, secrets never."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from accord.mapfile import lint, load_map

Write = Callable[..., Path]
SYSTEM = "name: x\nvariables: {data: ./data}\nsystems:\n  crm: {connector: sqlite, at: %s}\n"


def at(folder: Path, **variables: str) -> str:
    return load_map(folder, variables).systems["crm"].at


def test_values_of_the_call_win_over_those_of_the_map(write: Write) -> None:
    """--data points a map at other data without a change of its text."""
    folder = write(SYSTEM % '"${data}/crm.db"')

    assert at(folder) == "./data/crm.db"
    assert at(folder, data="/elsewhere") == "/elsewhere/crm.db"


def test_map_is_the_folder_of_the_map(write: Write) -> None:
    """A map that brings files along finds them from wherever it is called."""
    folder = write(SYSTEM % '"${map}/crm.db"')

    assert at(folder) == f"{folder.resolve()}/crm.db"
    assert at(folder / "map.yaml") == f"{folder.resolve()}/crm.db"


def test_variables_may_use_variables(write: Write) -> None:
    """One root, several folders."""
    folder = write("name: x\nvariables: {root: /srv, data: '${root}/data'}\nsystems:\n  crm: {connector: sqlite, at: '${data}/a'}\n")

    assert at(folder) == "/srv/data/a"
    assert at(folder, root="/home") == "/home/data/a"


def test_numbers_and_choices_are_filled_in_too(write: Write) -> None:
    """A target may be set from outside, and is still checked."""
    folder = write("name: x\nstatus: ${s}\nvariables: {s: approved, level: '0.9'}\ntargets: {t: {kpi: k, at_least: '${level}'}}\n")

    assert load_map(folder).targets["t"].at_least == 0.9
    assert load_map(folder).status == "approved"
    assert "'high' is not a number" in lint(folder, {"level": "high"})[0].message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("'${dta}/x'", "Did you mean 'data'?"),
        ("'${data'", "no closing brace"),
        ("'${}'", "has no value"),
        ("'${env:}'", "names no environment variable"),
        ("'${env:A-B}'", "names no environment variable"),
        ("'${env:A B}'", "names no environment variable"),
    ],
)
def test_a_variable_that_cannot_be_filled_in_is_a_problem_of_its_line(write: Write, text: str, words: str) -> None:
    """A path that keeps a ${} in it would be looked for under that name."""
    problems = lint(write(SYSTEM % text))

    assert len(problems) == 1
    assert words in str(problems[0])
    assert problems[0].place.line == 4


def test_circles_and_chains_of_variables_end(write: Write) -> None:
    """Doubling at every step would take 2^40 steps, a circle for ever."""
    doubling = ", ".join(f"v{i}: '${{v{i - 1}}}${{v{i - 1}}}'" for i in range(1, 41))
    started = time.monotonic()

    circle = lint(write("name: x\nvariables: {a: '${b}', b: '${a}'}\ntitle: ${a}\n"))
    chain = lint(write("name: x\nvariables: {v0: x, " + doubling + "}\ntitle: ${v40}\n"))
    nothing = lint(write("name: x\nvariables: {v0: '', " + doubling + "}\ntitle: ${v40}\n"))

    assert "defined by itself (a → b → a)" in circle[0].message
    assert chain
    assert nothing == []
    assert time.monotonic() - started < 30


def test_secrets_stay_out_of_the_map(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not in the model cannot be in a hash, a diff, a log or a report; connectors fill it in when they are opened."""
    monkeypatch.setenv("PGPASS_X", "hidden")
    folder = write(SYSTEM % "'postgresql://${env:PGUSER_X}:${env:PGPASS_X}@h/db'")

    assert at(folder) == "postgresql://${env:PGUSER_X}:${env:PGPASS_X}@h/db"


def test_a_secret_where_nothing_is_opened_is_a_mistake(write: Write) -> None:
    """It would stay there as it is written, and be looked for under that name."""
    problems = lint(write("name: x\ntitle: '${s}'\nvariables: {s: '${env:TITLE}'}\nlogs: {l: {path: '${env:LOG}', format: xes}}\n"))

    assert [(p.place.line, "only where a system is opened" in p.message) for p in problems] == [(2, True), (4, True)]


def test_as_written_keeps_variables_in_texts(write: Write) -> None:
    """Maps are compared and rewritten as their author wrote them."""
    folder = write(SYSTEM % '"${data}/crm.db"')

    assert load_map(folder, as_written=True).systems["crm"].at == "${data}/crm.db"


def test_a_mistake_in_a_variable_is_told_once_where_it_is_defined(write: Write) -> None:
    """It may be used in fifty places; the one to mend is its own."""
    problems = lint(write("name: x\ntitle: ${a}\nvariables: {a: '${nope}'}\nteams: {t: {title: '${a}', owner: '${a}'}}\n"))

    assert [(p.place.line, "variable 'nope' has no value" in p.message) for p in problems] == [(3, True)]
