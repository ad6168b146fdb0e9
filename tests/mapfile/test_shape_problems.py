# ruff: noqa: E501  a case is one line, so that the table can be read
"""Mistakes of form: every kind of wrong key or value names its line, what was expected and what may have been meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from accord.mapfile import lint

Changed = Callable[[str, str], Path]

CASES = [
    ("owner: Ana, backup", "ownr: Ana, backup", "team 'marketing': 'ownr' is not a key.", "Did you mean 'owner'?"),
    ("flows:\n", "flws:\n", "the map: 'flws' is not a key.", "Did you mean 'flows'?"),
    ("{key: [item_id], ", "{kei: [item_id], ", None, None),
    ("title: Operations, domain", "name: ops, domain", "team 'operations': 'name' is not a key.", "The name is the key it stands under"),
    ("{connector: sqlite, at", "{at", "system 'planner': 'connector' is missing.", "Expected connector: the kind of system"),
    ("        resource: campaigns\n", "", "flow 'campaigns', binding 'planner': 'resource' is missing.", "table, file or sheet"),
    ("priority: 2", "priority: two", "system 'tracker', priority: 'two' is not a whole number.", "such as 3"),
    ("priority: 2", "priority: [2]", "a list stands where a single value is needed", "whole number"),
    ("priority: 2", "priority: 99999999999999999999", "is not a whole number", "such as 3"),
    ("at_least: 0.95", "at_least: high", "target 'sync', at_least: 'high' is not a number.", "such as 0.95"),
    ("at_least: 0.95", "at_least: .nan", "is not a number", "such as 0.95"),
    ("at_least: 0.95", "at_least: 1e999", "is not a number", "such as 0.95"),
    ("at_least: 0.95", "at_least: 95%", "'95%' is not a number", "such as 0.95"),
    ("amount: 48.50", "amount: 48,50", None, None),
    ("amount: 48.50", "amount: a lot", "unit value 'hour', amount: 'a lot' is not an exact number.", "12.50"),
    ("freshness: 15m", "freshness: 15 minutes", "'15 minutes' is not a duration.", "90s, 15m, 4h, 2d or 1w"),
    ("freshness: 15m", "freshness: -15m", "'-15m' is not a duration.", "90s, 15m"),
    ("required: true, pattern", "required: yes, pattern", "entity 'campaign', field 'id', required: 'yes' is not true or false.", "Did you mean true?"),
    ("deletes: ignore", "deletes: marks", "flow 'campaigns', deletes: 'marks' is not possible here.", "propagate, mark or ignore. Did you mean 'mark'?"),
    ("kind: decision", "kind: ''", "kind: '' is not possible here", "human, auto"),
    ("existence: [planner]", "existence: planner", "the text 'planner' stands where a list is needed", "such as [planner]"),
    ("existence: [planner]", "existence: [planner, ]", None, None),
    ("existence: [planner]", "existence: [planner, ~]", "item 2 of the list is empty", "Remove it"),
    ("existence: [planner]", "existence: {planner: 1}", "a mapping stands where a list is needed", "such as [a, b]"),
    ("teams:\n  marketing", "teams: []\nteamz:\n  marketing", "teams: a list stands where a mapping is needed.", "name: value"),
    ("fields: {id: id, effort: hours, state: state}", "fields: [id, effort]", "binding 'planner', fields: a list stands where a mapping is needed.", "each line, such as id: …."),
    ("status: state\n", "status: [state]\n", "field 'status': a list stands where a mapping is needed", "Expected the keys column"),
    ("options: {compression: none}", "options: {compression: }", "system 'content', options: 'compression' has no value.", "after the colon"),
    ("options: {compression: none}", "options: {compression: [a]}", "options, 'compression': a list stands where a single value", "Expected a text"),
    ("      dates: {check", "      dates: planned\n      dates2: {check", "rule 'dates': the text 'planned' stands where a mapping is needed", "keys check"),
    ("- type: campaign.launched\n        time: launched_at", "- time: launched_at", "events, item 1: 'type' is missing.", "object.verb"),
    ("handoffs:\n      entity: handoff", "handoffs: yes\n    handoff:\n      entity: handoff", "process 'delivery', handoffs: the text 'yes'", "Expected the keys"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message", "expected"), [c for c in CASES if c[2]], ids=lambda v: str(v)[:40])
def test_a_mistake_of_form_is_named_with_its_line(changed: Changed, old: str, new: str, message: str, expected: str) -> None:
    """The sentence must let a person mend the line without the manual."""
    path = changed(old, new)

    problems = lint(path)

    found = [p for p in problems if message in p.message]
    assert found, problems
    assert expected in found[0].expected
    assert 0 < found[0].place.line <= len(path.read_text().splitlines())


@pytest.mark.parametrize(
    ("old", "new", "line"), [("deletes: ignore", "deletes: marks", "marks"), ("at_least: 0.95", "at_least: x", "at_least: x")]
)
def test_the_line_is_the_one_that_was_changed(changed: Changed, old: str, new: str, line: str) -> None:
    """A wrong line is worse than none."""
    path = changed(old, new)

    problem = lint(path)[0]

    assert line in path.read_text().splitlines()[problem.place.line - 1]


def test_a_wrong_value_is_one_problem_and_hides_no_other(demo_text: str, tmp_path: Path) -> None:
    """Ten slips in ten places are ten problems: none starts a cascade, none covers another."""
    text = demo_text
    slips = [
        ("timezone: Europe/Berlin\ncurrency: EUR", "timezone: Europe/Berln\ncurrency: EURO"),
        ("owner: marketing, priority: 1", "owner: marketng, priority: 1"),
        ("planned_start: date", "planned_start: dat"),
        ("check: planned_end >= planned_start", "check: planned_end >>= planned_start"),
        ("status: tracker, budget: latest", "status: trackr, budget: latest"),
        ("after: [brief], inputs", "after: [brif], inputs"),
        ("offered: handed_over_at", "offered: handed_over"),
        ("at_least: 0.95", "at_least: 0.95, at_most: 1"),
        ("likelihood: 4", "likelihood: 6"),
        ("steps: [improve, benchmark]", "steps: [improve, bench]"),
    ]
    for old, new in slips:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "map.yaml"
    path.write_text(text, encoding="utf-8")

    assert len(lint(path)) == 11, lint(path)  # the first slip is two


def test_the_demo_map_has_no_problem(demo_path: Path) -> None:
    """What the other tests change must be right before."""
    assert lint(demo_path) == []
