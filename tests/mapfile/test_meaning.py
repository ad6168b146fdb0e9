# ruff: noqa: E501  a case is one line, so that the table can be read
"""Hash, diff and dump: what a map means, apart from how it is written."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.mapfile import content_hash, diff_maps, dump_map, load_map
from accord.mapfile.build import Builder
from accord.mapfile.shapes import ChoiceShape, ListShape, RecordShape, Shape, TableShape, map_shape
from accord.mapfile.source import read_text
from accord.mapfile.variables import Variables
from accord.model.integration_map import IntegrationMap
from accord.model.values import Duration

Write = Callable[..., Path]
Changed = Callable[[str, str], Path]

# Any text but ${, which begins a variable; surrogates are no text, and a map refuses control characters other than tab and line ends.
CONTROL = "".join(chr(code) for code in (*range(32), 127) if chr(code) not in "\t\n\r")
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters=CONTROL)
TEXTS = st.text(LETTERS, max_size=12).filter(lambda t: "${" not in t)
NAMES = st.text(LETTERS, min_size=1, max_size=8).filter(lambda t: "${" not in t)


def values(shape: Shape) -> st.SearchStrategy[Any]:
    """Any value of a shape, made from the model itself, so new keys are covered without an edit here."""
    if isinstance(shape, RecordShape):
        return records(shape).map(lambda make: make("x"))
    if isinstance(shape, TableShape):
        if isinstance(shape.item, RecordShape):
            return st.dictionaries(NAMES, records(shape.item), max_size=2).map(
                lambda made: {name: make(name) for name, make in made.items()}
            )
        return st.dictionaries(NAMES, values(shape.item), max_size=3)
    if isinstance(shape, ListShape):
        return st.lists(values(shape.item), max_size=2).map(tuple)
    if isinstance(shape, ChoiceShape):
        return st.sampled_from([w for w in shape.words if w])
    return {
        "text": TEXTS,
        "boolean": st.booleans(),
        "integer": st.integers(-(10**12), 10**12),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "decimal": st.decimals(-(10**9), 10**9, places=3),
        "duration": st.integers(0, 10**8).map(Duration),
    }[shape.kind]


def records(shape: RecordShape) -> st.SearchStrategy[Callable[[str], Any]]:
    """Records without their name yet: it comes from where they stand."""
    required = {k.name: values(k.shape) for k in shape.keys if k.required}
    optional = {k.name: st.one_of(st.just(k.default), values(k.shape)) for k in shape.keys if not k.required}

    def maker(given_values: dict[str, Any]) -> Callable[[str], Any]:
        return lambda name: shape.cls(**({"name": name} if shape.named else {}), **given_values)

    return st.fixed_dictionaries(required, optional=optional).map(maker)


def read_back(text: str) -> IntegrationMap:
    problems: list[Any] = []
    root = read_text(text, "map.yaml", problems)
    assert root is not None, (problems, text)
    builder = Builder(Variables({}, {}), as_written=True)
    built = builder.build(root)
    assert not problems + builder.problems, (problems, builder.problems, text)
    return built


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(records(map_shape()))
def test_a_dumped_map_loads_back_equal(make: Callable[[str], IntegrationMap]) -> None:
    """Design writes maps; what people then approve must be what was proposed, to the last quote."""
    original = make("x")

    again = read_back(dump_map(original))

    assert again == original
    assert content_hash(again) == content_hash(original)
    assert diff_maps(original, again) == []


def test_the_demo_map_survives_a_dump_with_its_variables(demo_path: Path, tmp_path: Path) -> None:
    """A proposal keeps ${data} where its author had it."""
    written = load_map(demo_path, as_written=True)

    (tmp_path / "map.yaml").write_text(dump_map(written), encoding="utf-8")

    assert load_map(tmp_path, as_written=True) == written
    assert "${data}/planner.db" in dump_map(written)
    assert "place" not in dump_map(written)


def test_the_hash_does_not_see_how_a_map_is_written(demo_path: Path, demo_text: str, tmp_path: Path) -> None:
    """Order, comments, files, quotes and the place of the data are not meaning."""
    original = load_map(demo_path).content_hash
    blocks = demo_text.split("\n\n")
    random.Random(3).shuffle(blocks)
    for i, block in enumerate(blocks):
        (tmp_path / f"{i}.yaml").write_text(f"# part {i}\n{block}\n", encoding="utf-8")

    assert len(blocks) > 10
    assert load_map(tmp_path).content_hash == original
    assert load_map(demo_path, {"data": "/somewhere"}).content_hash == original
    assert load_map(demo_path, as_written=True).content_hash == original
    assert len(original) == 64


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("at_least: 0.95", "at_least: 0.951"),
        ("existence: [planner]", "existence: [planner, tracker]"),
        ("mon, tue, wed", "tue, mon, wed"),
        ("title: Demo organization", "title: Demo"),
        ("{data: ./data", "{data: ./other"),
        ("amount: 48.50", "amount: 48.51"),
        ("sla: 2d", "sla: 3d"),
        ("cast(budget * 100 as bigint)", "cast(budget * 1000 as bigint)"),
    ],
)
def test_the_hash_sees_every_change_of_meaning(demo_path: Path, changed: Changed, old: str, new: str) -> None:
    """Evidence is tied to a map by this hash."""
    before, after = load_map(demo_path), load_map(changed(old, new))

    assert before.content_hash != after.content_hash
    assert diff_maps(before, after)


def test_amounts_and_durations_hash_by_value(changed: Changed, demo_path: Path) -> None:
    """48.5 and 48.50, 2d and 48h are one thing."""
    assert load_map(changed("amount: 48.50", "amount: 48.5")).content_hash == load_map(demo_path).content_hash
    assert load_map(changed("sla: 2d", "sla: 48h")).content_hash == load_map(demo_path).content_hash


DIFFERENCES = [
    ("status: tracker, budget", "status: planner, budget", "flow 'campaigns': authority of status changes from tracker to planner"),
    ("status: tracker, budget: latest", "status: tracker", "flow 'campaigns': authority of budget is no longer given (was latest)"),
    ("status: tracker,", "status: tracker, name: human,", "flow 'campaigns': authority of name is now human"),
    ("      owner_team: text\n", "      owner_team: text\n      due_at: timestamp\n", "entity 'campaign' gains field 'due_at' (timestamp)"),
    ("      planned_start: date\n", "      planned_start: timestamp\n", "entity 'campaign', field 'planned_start': type changes from date to timestamp"),
    ("      sla_hours: double\n", "      sla_time: double\n", "entity 'handoff', field 'sla_hours' is now called 'sla_time'"),
    ("links:\n", "links:\n  wiki: {at: x}\n", "link 'wiki' is new"),
    ("existence: [planner]", "existence: [tracker]", "flow 'campaigns': existence gains tracker and loses planner"),
    ("mon, tue, wed", "tue, mon, wed", "calendar 'office': days is reordered to tue, mon, wed, thu, fri"),
    ("owner: Ana, ", "", "team 'marketing': owner is no longer given (was Ana)"),
    ("version: 1.0", "version: 1.1", "the map: version changes from 1.0 to 1.1"),
    ("freshness: 15m", "freshness: 1h", "flow 'campaigns': freshness changes from 15m to 1h"),
    ("deletes: ignore", "deletes: propagate", "flow 'campaigns': deletes changes from ignore to propagate"),
    ("when: status <> 'cancelled'", "when: status = 'active'", "entity 'campaign', event 'campaign.launched': when changes from"),
    ("    events:\n", "    events:\n      - {type: campaign.ended, time: updated_at}\n", "entity 'campaign' gains event 'campaign.ended'"),
    ("{between: resource, ", "{between: team, ", "process 'support', handoffs: between changes from resource to team"),
    (", handoffs: {between: resource, ignore_activities: [Closed]}", "", "process 'support' loses handoffs"),
    ("closed: done", "closed: cancelled", "flow 'campaigns', binding 'tracker', field 'status': code closed changes from done to cancelled"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), DIFFERENCES, ids=lambda v: str(v)[:30])
def test_a_change_is_one_sentence(demo_path: Path, changed: Changed, old: str, new: str, sentence: str) -> None:
    """People approve sentences, not patches."""
    path = changed(old, new)
    if "sla_time" in new:
        path.write_text(path.read_text().replace("sla_hours: sla_hours", "sla_hours: sla_time"), encoding="utf-8")

    found = diff_maps(load_map(demo_path), load_map(path))

    assert found[0].startswith(sentence)
    assert len(found) == 1 + ("sla_time" in new)


def test_a_map_differs_from_nothing_by_everything(demo_path: Path) -> None:
    """Each noun that is new is named, and the other way round each that went."""
    full, nothing = load_map(demo_path), IntegrationMap("demo")

    assert "flow 'campaigns' is new" in diff_maps(nothing, full)
    assert "flow 'campaigns' is removed" in diff_maps(full, nothing)


def test_the_hash_of_a_map_made_in_code_is_the_one_of_its_text(tmp_path: Path) -> None:
    """A proposal has its hash before it is written."""
    made = dataclasses.replace(IntegrationMap("made"), title="Made in code")
    (tmp_path / "map.yaml").write_text(dump_map(made), encoding="utf-8")

    assert load_map(tmp_path).content_hash == content_hash(made)
