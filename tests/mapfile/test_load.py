"""Loading: files and folders become one map, and what cannot be read says why and where."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from accord.mapfile import MapProblems, lint, load_map
from accord.model.errors import MapError
from accord.model.values import Duration

Write = Callable[..., Path]
SMALL = "name: small\nteams:\n  ops: {title: Operations}\n"


def test_every_section_of_the_demo_map_is_read(demo_path: Path) -> None:
    """The example uses every section; an empty one would mean the loader forgot it."""
    loaded = load_map(demo_path)

    for section in ("calendars", "teams", "systems", "entities", "flows", "processes", "logs", "targets", "objectives", "risks", "reviews"):
        assert getattr(loaded, section), section
    assert loaded.unit_values["hour"].amount == Decimal("48.50")
    assert loaded.flows["campaigns"].freshness == Duration(900)
    assert loaded.processes["delivery"].steps["launch"].sla == Duration(28 * 3600)


def test_a_text_keeps_the_form_it_was_written_in(write: Write) -> None:
    """1.0, no, 0123 and dates are numbers, booleans and dates to other YAML readers; names and codes must not change on the way."""
    loaded = load_map(write("name: x\nversion: 1.0\nvariables: {a: no, b: 0123, c: 2026-01-01, d: 0x1F, e: 1e3}\n"))

    assert loaded.version == "1.0"
    assert dict(loaded.variables) == {"a": "no", "b": "0123", "c": "2026-01-01", "d": "0x1F", "e": "1e3"}


def test_shorthands_stand_for_a_fields_type_and_a_bindings_column(demo_path: Path) -> None:
    """The two commonest lines of a map are single words."""
    loaded = load_map(demo_path)

    assert loaded.entities["campaign"].fields["planned_start"].type == "date"
    assert loaded.flows["campaigns"].bindings["planner"].fields["name"].column == "title"
    assert loaded.flows["campaigns"].bindings["tracker"].fields["name"].column == ""


def test_places_are_the_lines_of_the_names(demo_path: Path, demo_text: str) -> None:
    """Other parts of Accord report against the map by these places."""
    loaded = load_map(demo_path)

    line = demo_text.splitlines().index("  campaign:") + 1
    assert (loaded.entities["campaign"].place.file, loaded.entities["campaign"].place.line) == (str(demo_path), line)


def test_sections_of_several_files_and_the_map_folder_are_put_together(write: Write, tmp_path: Path) -> None:
    """A map is split over as many files as one likes."""
    write(a=SMALL, b="teams:\n  sales: {title: Sales}\nsystems:\n")
    (tmp_path / "map").mkdir()
    (tmp_path / "map" / "c.yml").write_text("teams: {legal: {title: Legal}}\n", encoding="utf-8")
    (tmp_path / "map" / "notes.txt").write_text("not: [a map", encoding="utf-8")

    loaded = load_map(tmp_path)

    assert sorted(loaded.teams) == ["legal", "ops", "sales"]
    assert [Path(f).name for f in loaded.files] == ["a.yaml", "b.yaml", "c.yml"]
    assert load_map([tmp_path / "a.yaml", tmp_path / "b.yaml"]).teams.keys() == {"ops", "sales"}


def test_a_name_given_in_two_files_names_both_places(write: Write) -> None:
    """Which of the two would count is not for the loader to decide."""
    folder = write(a=SMALL, b="name: other\nteams:\n  ops: {title: Ops}\n")

    problems = lint(folder)

    assert [(p.place.file, p.place.line) for p in problems] == [(str(folder / "b.yaml"), 1), (str(folder / "b.yaml"), 3)]
    assert "'ops' is given twice" in problems[1].message
    assert f"{folder / 'a.yaml'}:3" in problems[1].expected
    assert f"{folder / 'a.yaml'}:1" in problems[0].expected


def test_load_raises_with_every_problem_and_the_place_of_the_first(write: Write) -> None:
    """One round of mending for ten mistakes, not ten."""
    folder = write("name: x\ntitel: X\nteams:\n  ops: {ownr: Ana}\nsystems:\n  crm: {connector: sqlite}\n")

    with pytest.raises(MapProblems) as raised:
        load_map(folder)

    assert len(raised.value.problems) == 3
    assert isinstance(raised.value, MapError)
    assert raised.value.exit_code == 2
    assert raised.value.place.line == 2
    assert "3 problems" in str(raised.value)


def test_one_problem_is_the_message_itself(write: Write) -> None:
    """what, where, expected, what to do: in one line."""
    folder = write(SMALL + "titel: X\n")

    with pytest.raises(MapProblems) as raised:
        load_map(folder)

    assert str(raised.value).startswith(f"{folder / 'map.yaml'}:4: the map: 'titel' is not a key. Known: ")
    assert str(raised.value).endswith("Did you mean 'title'?")


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 0, "is empty"),
        (b"# only a comment\n", 0, "is empty"),
        (b"- a\n- b\n", 1, "not a mapping of sections"),
        (b"just a text\n", 1, "not a mapping of sections"),
        (b"name: x\n\tteams: y\n", 2, "a tab stands"),
        (b"name: x\nteams:\n\t- y\n", 3, "a tab stands"),
        (b"name: x\ntitle: \xff\xfe\n", 2, "not UTF-8"),
        (b"name: 'x\nteams: {}\n", 0, "not YAML"),
        (b"name: x\nteams: {a: [}\n", 2, "not YAML"),
        (b"name: x\n--- \nname: y\n", 2, "second document"),
        (b"name: !!python/object:os.system x\n", 1, "a tag"),
        (b"name: x\nteams: !custom {a: {}}\n", 2, "a tag"),
        (b"name: x\n? [a, b]\n: c\n", 2, "a key is not a name"),
        (b"name: x\n~: c\n", 2, "a key is not a name"),
        (b"name: x\nname: y\n", 2, "'name' is given twice"),
        (b"name: x\nteams: {a: {title: b, title: c}}\n", 2, "'title' is given twice"),
        (b"name: x\nteams: *nothing\n", 2, "no anchor"),
        (b"name: x\nteams: &t {a: *t}\n", 2, "inside its own anchor"),
        (b'name: "\\U99999999"\n', 0, "not YAML"),
        (b"name: x\x07\n", 0, "not YAML"),
        (b"name: " + b"[" * 5000 + b"\n", 1, "nested more than"),
        (b"#" * 5_000_001, 0, "too large"),
    ],
    ids=lambda value: str(value)[:24] if not isinstance(value, int) else None,
)
def test_what_is_no_map_text_is_refused_with_its_line(tmp_path: Path, content: bytes, line: int, words: str) -> None:
    """Whatever is in the file, the answer is a sentence with a place, never a traceback."""
    path = tmp_path / "map.yaml"
    path.write_bytes(content)

    problems = lint(path)

    assert any(words in p.message for p in problems), problems
    assert all(p.place.file == str(path) for p in problems)
    if line:
        assert any(words in p.message and p.place.line == line for p in problems), problems


def test_a_billion_laughs_are_refused_before_they_cost_memory(tmp_path: Path) -> None:
    """Nine levels of nine aliases would stand for 387 million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    path = tmp_path / "map.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")

    problems = lint(path)

    assert ["aliases" in p.message for p in problems] == [True]


def test_aliases_and_merges_are_written_out(write: Write) -> None:
    """Repeating parts may be shared; what is given beside a merge wins."""
    folder = write(
        "name: x\nentities:\n  a:\n    key: [id]\n    fields: &common\n      id: text\n      at: timestamp\n"
        "  b:\n    key: [id]\n    fields:\n      <<: *common\n      at: date\n"
    )

    entities = load_map(folder).entities

    assert {n: f.type for n, f in entities["b"].fields.items()} == {"at": "date", "id": "text"}


@pytest.mark.parametrize("make", ["missing.yaml", "empty"])
def test_a_path_without_a_map_says_so(tmp_path: Path, make: str) -> None:
    """The commonest slip on a command line is the wrong folder."""
    (tmp_path / "empty").mkdir()

    problems = lint(tmp_path / make)

    assert len(problems) == 1
    assert problems[0].place.file == str(tmp_path / make)


def test_a_file_that_does_not_parse_does_not_make_the_others_wrong(write: Write) -> None:
    """References into the broken file are not called mistakes; its own mistake and those of form elsewhere are."""
    folder = write(a="name: x\nteams: {ops: {", b="systems:\n  crm: {connector: sqlite, at: x, owner: ops, colour: red}\n")

    messages = [p.message for p in lint(folder)]

    assert len(messages) == 2
    assert "not YAML" in messages[0]
    assert "'colour' is not a key" in messages[1]


def test_a_null_counts_as_not_given(write: Write) -> None:
    """A key left for later must not change a default, and a required one must be named."""
    assert load_map(write("name: x\ntitle:\nteams:\n  ops:\n    owner: ~\n")).teams["ops"].owner == ""
    assert ["'at' is missing" in p.message for p in lint(write("name: x\nsystems:\n  a:\n    connector: csv\n    at:\n"))] == [True]
