"""Defects of each kind are found where they are, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from accord.lifecycle.assess.agreement import compare_systems
from accord.lifecycle.assess.data_quality import check_contracts, check_rules
from accord.lifecycle.assess.defects import defects, findings
from accord.lifecycle.observe import Observation
from accord.model.entity import Entity, Field, Rule
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.organization import Calendar
from accord.model.system import System

FIELDS = ("id", "name", "hours", "status", "due_at", "parent")


def _binding(name: str, *, direction: str = "both", fields: tuple[str, ...] = FIELDS) -> Binding:
    mapped = {f: FieldMapping(f, column=f"{f}_col") for f in fields}
    return Binding(name, "tasks", mapped, system=name, direction=direction)  # type: ignore[arg-type]


TASK = Entity(
    "task",
    ("id",),
    {
        "id": Field("id", required=True, pattern="T-[0-9]+"),
        "name": Field("name", required=True),
        "hours": Field("hours", type="number(12,2)", unit="h", minimum="0", maximum="200"),
        "status": Field("status", values=("open", "done")),
        "due_at": Field("due_at", type="timestamp"),
        "parent": Field("parent", references="task"),
    },
    rules={"named": Rule("named", "name <> 'bad' or status = 'done'", "a bad task that is not done")},
)
MAP = IntegrationMap(
    "t",
    calendars={"b": Calendar("b", timezone="Europe/Berlin")},
    systems={n: System(n, "sqlite", n) for n in ("a", "b", "c")},
    entities={"task": TASK},
    flows={"tasks": Flow("tasks", "task", {n: _binding(n) for n in ("a", "b", "c")}, authority={"*": "a"})},
)


def _row(number: int, **changes: object) -> dict[str, object]:
    return {
        "id": f"T-{number}",
        "name": f"task {number}",
        "hours": 7 + number % 5,
        "status": "open",
        "due_at": f"2026-0{1 + number % 9}-10 08:00:00+00",
        "parent": "T-1",
    } | changes


def _found(observed: Observation, con: duckdb.DuckDBPyConnection) -> set[tuple[str, str, str, str]]:
    check_contracts(observed)
    compare_systems(observed, MAP)
    check_rules(observed)
    return {(r["kind"], r["system"], r["key"], r["field"]) for r in defects(con).to_pylist()}


def test_systems_that_agree_have_no_defects(con: duckdb.DuckDBPyConnection, observe: Callable[..., Observation]) -> None:
    """A report that names what is not there is not read again."""
    rows = [_row(i) for i in range(1, 30)]

    assert _found(observe(MAP, {("tasks", "a"): rows, ("tasks", "b"): rows, ("tasks", "c"): rows}), con) == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": None}, ("missing_value", "b", "T-5", "name")),
        ({"hours": "many"}, ("bad_value", "b", "T-5", "hours")),
        ({"status": "opn"}, ("bad_code", "b", "T-5", "status")),
        ({"hours": -1}, ("out_of_range", "b", "T-5", "hours")),
        ({"hours": 420}, ("unit_error", "b", "T-5", "hours")),
        ({"parent": "T-999"}, ("orphan", "b", "T-5", "parent")),
        ({"name": "bad"}, ("stale_field", "b", "T-5", "name")),
        ({"name": "older"}, ("stale_field", "b", "T-5", "name")),
        ({"hours": 0.1167}, ("unit_error", "b", "T-5", "hours")),
        ({"due_at": "2026-06-10 10:00:00+00"}, ("time_zone_error", "b", "T-5", "due_at")),
        ({"due_at": "2026-06-10 09:00:00+00"}, ("stale_field", "b", "T-5", "due_at")),
    ],
    ids=lambda v: v[0] if isinstance(v, tuple) else None,
)
def test_a_defect_is_named_by_kind_system_key_and_field(
    con: duckdb.DuckDBPyConnection, observe: Callable[..., Observation], change: dict[str, object], expected: tuple[str, ...]
) -> None:
    """One injected defect gives one defect: consequences of it are not reported beside it."""
    good = [_row(i, hours=7) for i in range(1, 30)]
    bad = [r | change if r["id"] == "T-5" else r for r in good]

    found = _found(observe(MAP, {("tasks", "a"): good, ("tasks", "b"): bad, ("tasks", "c"): good}), con)

    assert found == {expected}


def test_a_broken_rule_is_found_when_no_other_system_says_which_value_is_wrong(
    con: duckdb.DuckDBPyConnection, observe: Callable[..., Observation]
) -> None:
    """A row both systems agree on can still be wrong."""
    rows = [_row(i, **({"name": "bad"} if i == 5 else {})) for i in range(1, 9)]

    found = _found(observe(MAP, {("tasks", "a"): rows, ("tasks", "b"): rows}), con)

    assert found == {("rule_broken", s, "T-5", "named") for s in "ab"}


def test_missing_and_duplicate_records_are_found(con: duckdb.DuckDBPyConnection, observe: Callable[..., Observation]) -> None:
    """Both are what a synchronization must not spread."""
    good = [_row(i) for i in range(1, 30)]

    found = _found(observe(MAP, {("tasks", "a"): good, ("tasks", "b"): [*good[:-1], good[3]]}), con)

    assert found == {("missing_record", "b", "T-29", ""), ("duplicate_record", "b", "T-4", "")}


def test_an_empty_target_is_not_full_of_missing_records(con: duckdb.DuckDBPyConnection, observe: Callable[..., Observation]) -> None:
    """Before the initial load a target holds nothing; that is a step to do, not thousands of defects."""
    assert _found(observe(MAP, {("tasks", "a"): [_row(1), _row(2)], ("tasks", "b"): []}), con) == set()


def test_what_two_of_three_systems_hold_is_believed_over_the_authority(
    con: duckdb.DuckDBPyConnection, observe: Callable[..., Observation]
) -> None:
    """The assessment says who is the odd one; what to write is the flow's own rule."""
    good = [_row(i) for i in range(1, 9)]
    odd = [r | {"name": "odd"} if r["id"] == "T-5" else r for r in good]

    found = _found(observe(MAP, {("tasks", "a"): odd, ("tasks", "b"): good, ("tasks", "c"): good}), con)

    assert found == {("stale_field", "a", "T-5", "name")}


def test_a_difference_in_most_rows_is_laid_to_the_mapping(con: duckdb.DuckDBPyConnection, observe: Callable[..., Observation]) -> None:
    """A thousand rows off by 60 are one wrong unit, and mended in one place."""
    good = [_row(i, hours=2) for i in range(1, 30)]
    minutes = [r | {"hours": 120} for r in good]
    observed = observe(MAP, {("tasks", "a"): good, ("tasks", "b"): minutes})
    check_contracts(observed)

    systematic = compare_systems(observed, MAP)

    assert [(s.system, s.field, s.kind, s.rows, s.of) for s in systematic] == [("b", "hours", "unit_error", 29, 29)]


def test_findings_count_and_give_examples(con: duckdb.DuckDBPyConnection, observe: Callable[..., Observation]) -> None:
    """A person needs the number, the place and a few keys; all keys stay in the table."""
    good = [_row(i) for i in range(1, 30)]
    bad = [r | {"name": None} if i % 3 == 0 else r for i, r in enumerate(good)]
    check_contracts(observe(MAP, {("tasks", "a"): bad}))

    found = findings(defects(con), MAP, {("a", "tasks"): 29})

    assert [(f.kind, f.subject, f.count, len(f.examples)) for f in found] == [("missing_value", "a/tasks.name", 10, 5)]
    assert found[0].sentence.startswith("a/tasks: records that have no value in 'name', which the contract requires: 10 (34.5% of 29).")
