"""Projections hold what the log says, and nothing else."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.model.errors import UnknownName, UsageError
from accord.model.event import Event, ObjectRef
from accord.store import Store, open_store
from accord.store.projection import discover

MakeEvent = Callable[..., Event]
OpenStore = Callable[..., Store]
START = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def rows(store: Store, name: str) -> list[dict[str, Any]]:
    """A projection as dicts."""
    return list(store.table(name).to_pylist())


def test_a_run_is_running_until_it_finished(store: Store, event: MakeEvent) -> None:
    """A run that was killed still says running: that is how one sees it."""
    store.append(
        [event("run.started", run="r1", command="sync", map_hash="m"), event("run.started", run="r2", command="assess", map_hash="m")]
    )
    store.append([event("run.finished", run="r1", status="done", seconds=1.5)])

    assert [
        (row["run"], row["command"], row["status"], row["seconds"], row["started_seq"], row["finished_seq"]) for row in rows(store, "run")
    ] == [
        ("r1", "sync", "done", 1.5, 1, 3),
        ("r2", "assess", "running", None, 2, None),
    ]


def test_objects_come_into_being_by_being_named(store: Store, event: MakeEvent) -> None:
    """OCEL: an event is related to any number of objects, each in a role."""
    task, team = ObjectRef("task", "T-1", "subject"), ObjectRef("team", "ops", "to")
    store.append([event("a.b", (task, team, task)), event("a.c", (ObjectRef("task", "T-1", "parent"),))])

    assert rows(store, "object") == [
        {"type": "task", "id": "T-1", "attributes": "{}", "last_seq": 2},
        {"type": "team", "id": "ops", "attributes": "{}", "last_seq": 1},
    ]
    assert [tuple(row.values()) for row in rows(store, "relation")] == [
        (1, "task", "T-1", "subject"),
        (2, "task", "T-1", "parent"),
        (1, "team", "ops", "to"),
    ]


def test_the_last_value_of_an_object_attribute_stands(store: Store, event: MakeEvent) -> None:
    """Attributes are set by events one by one; those not named keep their value."""
    store.append([event("a.b", object_attributes={"task": {"T-1": {"name": "x", "size": 1}}})])
    store.append(
        [event("a.b", object_attributes={"task": {"T-1": {"size": 2}}}), event("a.b", object_attributes={"task": {"T-1": {"new": None}}})]
    )
    store.append([event("a.b", (ObjectRef("task", "T-1"),))])

    (row,) = rows(store, "object")
    assert json.loads(row["attributes"]) == {"name": "x", "size": 2, "new": None}
    assert row["last_seq"] == 4


def test_the_state_of_a_flow_is_replaced_by_role_and_its_records_are_appended(store: Store, event: MakeEvent) -> None:
    """Conflicts and changes are what happened; a base or golden state is what holds now."""
    store.append(
        [event("flow.run_finished", flow="f", run="1", state={"golden": [A], "base:crm": [A], "conflicts": [A], "changes": [A, B]})]
    )
    store.append([event("flow.run_finished", flow="f", run="2", state={"golden": [B, C], "conflicts": [B], "changes": [C]})])
    store.append(
        [
            event("flow.run_finished", flow="f", run="3", state={"golden": [B, C], "quarantine": []}),
            event("flow.run_finished", flow="g", run="3"),
        ]
    )

    assert store.flow_state("f") == {"base:crm": (A,), "golden": (B, C)}
    assert store.flow_records("f", "changes") == {0: A, 1: B, 2: C}
    assert store.flow_records("f", "changes", after=2) == store.flow_records("f", "changes", last=1) == {2: C}
    assert store.flow_records("f", "conflicts") == {0: A, 1: B}
    assert store.flow_state("g") == store.flow_state("unknown") == {}


def test_a_segment_is_asked_for_until_every_flow_that_named_it_let_it_go(store: Store, event: MakeEvent) -> None:
    """Equal rows are one file, whoever wrote them; a name that comes back is asked for again."""
    state = {"base:crm": [A], "golden": [B]}
    store.append([event("flow.run_finished", flow=f, run="1", rows_kept=True, state=state) for f in "fg"])
    store.append([event("flow.renamed", **{"flow": "h", "from": "f", "run": "2"}), event("segment.released", flow="h", segments=[A, B])])
    assert {(r["sha"], r["flow"]) for r in rows(store, "segment")} == {(A, "g"), (B, "g")}

    store.append([event("segment.released", flow="g", segments=[A]), event("flow.reconciled", flow="g", differences=A)])

    assert {(r["sha"], r["use"], r["passing"]) for r in rows(store, "segment")} == {
        (A, "flow.reconciled differences", 0),
        (B, "flow.run_finished golden", 1),
    }
    store.append([event("segment.removed", through=3)])
    assert {r["sha"] for r in rows(store, "released_segment")} == {A, B}
    store.append([event("segment.removed", through=5)])
    assert rows(store, "released_segment") == []


def test_an_empty_list_empties_a_role(store: Store, event: MakeEvent) -> None:
    """No row is quarantined any more."""
    store.append([event("flow.run_finished", flow="f", run="1", state={"quarantine": [A]})])
    store.append([event("flow.run_finished", flow="f", run="2", state={"quarantine": []})])

    assert store.flow_state("f") == {}


def test_an_intent_is_pending_until_its_run_finished(store: Store, event: MakeEvent) -> None:
    """A crash between applying and finishing leaves the intent: the next run knows what it may find written."""
    first, second = (
        event("flow.intended", flow="f", run="1", segments={"crm": A}),
        event("flow.intended", flow="f", run="1", segments={"erp": B}),
    )
    store.append([first, event("flow.intended", flow="g", run="1", segments={"crm": A})])
    store.append([second])
    assert [stored.event for stored in store.pending_intents("f")] == [first, second]

    store.append([event("flow.run_finished", flow="f", run="1", status="done")])

    assert store.pending_intents("f") == ()
    assert len(store.pending_intents("g")) == 1


def test_a_later_run_settles_the_intents_of_the_bases_it_moved(store: Store, event: MakeEvent) -> None:
    """Else a broken run's intent would stay for ever, and take a person's later edit to the same value for its own writing."""
    store.append([event("flow.intended", flow="f", run="broken", segments={"crm": A, "erp": B})])

    store.append([event("flow.run_finished", flow="f", run="2", state={"golden": [C]})])
    still = len(store.pending_intents("f"))
    store.append([event("flow.run_finished", flow="f", run="3", state={"base:crm": [C]})])
    half = len(store.pending_intents("f"))
    store.append([event("flow.run_finished", flow="f", run="4", state={"base:erp": [C]})])

    assert (still, half, len(store.pending_intents("f"))) == (1, 1, 0)


def test_a_finding_is_open_from_being_seen_to_being_cleared(store: Store, event: MakeEvent) -> None:
    """Seen again, it keeps the time of its first sight; after it was cleared it starts anew."""
    seen = {
        "kind": "stale",
        "subject": "crm/leads",
        "sentence": "old",
        "severity": "problem",
        "count": 3,
        "examples": ["L-1"],
        "detail": {"h": 2},
    }
    store.append([event("finding.seen", **seen), event("finding.seen", kind="stale", subject="erp/costs", sentence="s")])
    store.append([event("finding.seen", **{**seen, "count": 5}), event("finding.cleared", kind="stale", subject="erp/costs")])

    (row,) = rows(store, "finding")
    assert (row["subject"], row["count"], row["severity"], row["examples"], row["detail"]) == (
        "crm/leads",
        5,
        "problem",
        '["L-1"]',
        '{"h":2}',
    )
    assert (row["first_seq"], row["last_seq"]) == (1, 3)

    store.append([event("finding.cleared", kind="stale", subject="crm/leads"), event("finding.seen", **seen)])
    assert [(row["first_seq"], row["last_seq"]) for row in rows(store, "finding")] == [(6, 6)]


def test_every_kpi_value_is_kept_and_the_latest_is_found(store: Store, event: MakeEvent) -> None:
    """The course of a KPI is its history; a report shows the last value per dimensions and window."""
    store.append(
        [event("kpi.measured", kpi="wait", dims={"team": "a"}, window="all", value=1.5, unit="h", n=3, low=1, high=2, evidence={"q": "x"})]
    )
    store.append([event("kpi.measured", kpi="wait", dims={"team": "a"}, window="all", value="2.5", unit="h")])
    store.append([event("kpi.measured", kpi="wait", dims={}, window="all", value=None, not_measured="no handoff")])
    store.append([event("kpi.measured", kpi="wait", dims={"team": "a"}, window={"last": "90d"}, value=9)])

    assert [row["value"] for row in rows(store, "kpi_value")] == [1.5, 2.5, None, 9.0]
    assert [(row["dims"], row["window"], row["value"]) for row in rows(store, "kpi_latest")] == [
        ('{"team":"a"}', "all", 2.5),
        ("{}", "all", None),
        ('{"team":"a"}', '{"last":"90d"}', 9.0),
    ]


def test_baselines_targets_deliverables_and_steps_stand_as_last_said(store: Store, event: MakeEvent) -> None:
    """Repeating a step replaces what it said before; the log keeps both."""
    for value in (1, 2):
        store.append(
            [
                event("baseline.frozen", name="start", kpis={"wait": value}, window="2025", hash="h"),
                event("target.judged", target="t", verdict="met" if value == 2 else "not met", value=value),
                event("deliverable.written", step="assess", name="gaps", sha=A, path=f"p{value}", run="r", covers=["A1"]),
                event("step.finished", run="r", step="assess", status="done", metrics=[{"value": value}]),
            ]
        )

    assert [(row["name"], row["kpis"], row["seq"]) for row in rows(store, "baseline")] == [("start", '{"wait":2}', 5)]
    assert [(row["target"], row["verdict"], json.loads(row["detail"])["value"]) for row in rows(store, "target_result")] == [
        ("t", "met", 2)
    ]
    assert [(row["name"], row["path"], row["covers"]) for row in rows(store, "deliverable")] == [("gaps", "p2", '["A1"]')]
    assert [(row["step"], row["metrics"]) for row in rows(store, "step")] == [("assess", '[{"value":2}]')]


def test_times_are_instants_in_utc(store: Store) -> None:
    """An event from another zone keeps its instant, to the microsecond."""
    when = datetime(2026, 3, 29, 3, 30, 0, 123456, tzinfo=UTC).astimezone()
    store.append([Event("1", "run.started", when, "t", {"run": "r"})])

    column = store.table("run")["started_at"]
    assert column.type == pa.timestamp("us", tz="UTC")
    assert column.to_pylist()[0] == when


@pytest.mark.parametrize(
    ("type_", "attributes", "names"),
    [
        ("run.started", {}, "'run'"),
        ("flow.run_finished", {"flow": "f", "run": ""}, "'run'"),
        ("flow.run_finished", {"flow": "f", "run": "r", "state": {"golden": [1]}}, "'state.golden'"),
        ("kpi.measured", {"kpi": "k", "value": "many"}, "'value'"),
        ("kpi.measured", {"kpi": "k", "value": "nan"}, "'value'"),
        ("kpi.measured", {"kpi": "k", "value": 1, "n": 2**63}, "'n'"),
        ("kpi.measured", {"kpi": "k", "value": 1, "dims": ["a"]}, "'dims'"),
        ("finding.seen", {"kind": 5, "subject": "s"}, "'kind'"),
    ],
)
def test_an_event_a_projection_cannot_hold_is_not_accepted(
    store: Store, event: MakeEvent, type_: str, attributes: dict[str, Any], names: str
) -> None:
    """Once in the log it would break every rebuild; the message names event, type and attribute."""
    with pytest.raises(UsageError, match=f"type '{type_}': attribute {names}"):
        store.append([event(), event(type_, **attributes)])

    assert store.head().seq == 0


def test_text_that_a_database_cannot_hold_is_shown_and_not_lost(store: Store, event: MakeEvent) -> None:
    """PostgreSQL refuses NUL; one such value in a system must not stop a run."""
    store.append([event("finding.seen", (ObjectRef("t", "a\0b"),), kind="k", subject="s\0", sentence="x\0y")])

    assert rows(store, "finding")[0]["sentence"] == "x␀y"
    assert next(store.read(object=ObjectRef("t", "a\0b"))).event.attributes["sentence"] == "x\0y"


def test_an_unknown_projection_is_answered_with_those_there_are(store: Store) -> None:
    """A typo should not send anyone to the source."""
    with pytest.raises(UnknownName, match=r"Known: baseline.*finding.*Did you mean 'finding'"):
        store.table("findings")


def test_tables_have_the_same_types_empty_and_filled(store: Store) -> None:
    """Views over a fresh workspace are typed like those over a full one."""
    for projection in discover():
        for name in (projection.name, *projection.views):
            table = store.table(name)
            assert table.num_rows == 0
            assert table.column_names == list(projection.columns)
            assert pa.null() not in table.schema.types


DROPPED_IN = '''
"""How many events of each type there are."""
from accord.store.projection import Projection

def apply(tx, events):
    for stored in events:
        tx.run("INSERT INTO type_count VALUES (?, 1) ON CONFLICT (type) DO UPDATE SET n = type_count.n + 1", stored.event.type)

PROJECTION = Projection("type_count", {"type": "text", "n": "integer"}, ("type",), apply)
'''


@pytest.fixture
def projections_folder(tmp_path: Path) -> Iterator[Path]:
    """A further folder that is searched for projections."""
    import importlib
    import sys

    package = importlib.import_module("accord.store.projections")
    folder = tmp_path / "projections"
    folder.mkdir()
    package.__path__.append(str(folder))
    yield folder
    package.__path__.remove(str(folder))
    sys.modules.pop("accord.store.projections.type_count", None)
    importlib.invalidate_caches()


def test_a_projection_is_one_new_file(open_here: OpenStore, event: MakeEvent, projections_folder: Path) -> None:
    """Dropped in, it is filled from the log there already is and kept up; taken out, its table goes."""
    open_here().append([event("a.x"), event("a.y"), event("a.x")])
    (projections_folder / "type_count.py").write_text(DROPPED_IN)

    store = open_here()
    store.append([event("a.y")])
    assert rows(store, "type_count") == [{"type": "a.x", "n": 2}, {"type": "a.y", "n": 2}]

    (projections_folder / "type_count.py").unlink()
    with pytest.raises(UnknownName):
        open_here().table("type_count")
    assert open_here().verify().seq == 4


def test_a_changed_definition_is_computed_anew(open_here: OpenStore, event: MakeEvent) -> None:
    """An update of Accord may change what a projection means; nobody has to think of a migration."""
    from dataclasses import replace

    open_here().append([event("run.started", run="r", command="sync")])
    original = {projection.name: projection for projection in discover()}["run"]
    changed = replace(original, columns={**original.columns, "note": "text"})

    store = open_here(projections=(changed,))

    assert rows(store, "run")[0]["note"] is None
    assert rows(store, "run")[0]["command"] == "sync"


names = st.sampled_from(["a", "b", "ü 'x\"", "%s?"])
shas = st.sampled_from([A, B, C])
refs = st.lists(st.builds(ObjectRef, names, names, st.sampled_from(["", "q"])), max_size=3)
numbers = st.none() | st.integers(-5, 5) | st.floats(-1e9, 1e9)
known = st.one_of(
    st.tuples(st.just("run.started"), st.fixed_dictionaries({"run": names, "command": names, "map_hash": shas})),
    st.tuples(st.just("run.finished"), st.fixed_dictionaries({"run": names, "status": names, "seconds": numbers})),
    st.tuples(
        st.just("step.finished"), st.fixed_dictionaries({"run": names, "step": names, "status": names, "metrics": st.lists(numbers)})
    ),
    st.tuples(
        st.just("flow.intended"), st.fixed_dictionaries({"flow": names, "run": names, "segments": st.dictionaries(names, shas, max_size=2)})
    ),
    st.tuples(
        st.just("flow.run_finished"),
        st.fixed_dictionaries(
            {
                "flow": names,
                "run": names,
                "state": st.dictionaries(
                    st.sampled_from(["golden", "base:a", "base:b", "changes", "conflicts"]), st.lists(shas, max_size=3), max_size=3
                ),
            }
        ),
    ),
    st.tuples(st.just("segment.released"), st.fixed_dictionaries({"flow": names, "segments": st.lists(shas, max_size=2)})),
    st.tuples(st.just("segment.removed"), st.fixed_dictionaries({"through": st.integers(0, 25)})),
    st.tuples(st.just("flow.renamed"), st.fixed_dictionaries({"flow": names, "from": names, "run": names})),
    st.tuples(st.just("flow.reconciled"), st.fixed_dictionaries({"flow": names, "differences": st.none() | shas})),
    st.tuples(st.just("log.imported"), st.fixed_dictionaries({"log": names, "sha": shas})),
    st.tuples(
        st.just("finding.seen"),
        st.fixed_dictionaries({"kind": names, "subject": names, "count": st.integers(0, 9), "examples": st.lists(names)}),
    ),
    st.tuples(st.just("finding.cleared"), st.fixed_dictionaries({"kind": names, "subject": names})),
    st.tuples(
        st.just("kpi.measured"), st.fixed_dictionaries({"kpi": names, "dims": st.dictionaries(names, names, max_size=2), "value": numbers})
    ),
    st.tuples(st.just("baseline.frozen"), st.fixed_dictionaries({"name": names, "kpis": st.dictionaries(names, numbers), "window": names})),
    st.tuples(st.just("target.judged"), st.fixed_dictionaries({"target": names, "verdict": names})),
    st.tuples(
        st.just("deliverable.written"), st.fixed_dictionaries({"step": names, "name": names, "sha": shas, "covers": st.lists(names)})
    ),
    st.tuples(
        st.just("thing.moved"),
        st.fixed_dictionaries(
            {"object_attributes": st.dictionaries(names, st.dictionaries(names, st.dictionaries(names, numbers), max_size=2), max_size=2)}
        ),
    ),
)
histories = st.lists(st.tuples(known, refs), max_size=25)


def events_of(history: list[tuple[tuple[str, dict[str, Any]], list[ObjectRef]]]) -> list[Event]:
    """Numbered events of a generated history."""
    return [
        Event(str(number), type_, START + timedelta(minutes=number), "test", attributes, tuple(objects))
        for number, ((type_, attributes), objects) in enumerate(history)
    ]


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Every projection and view."""
    return {name: rows(store, name) for projection in discover() for name in (projection.name, *projection.views)}


def check_history(url: str | Path, folder: Path, history: list[Any], batches: list[int]) -> None:
    """One store grows batch by batch; rebuilt, and against one grown at once, it holds the same."""
    events = events_of(history)
    borders = sorted({0, len(events), *(border for border in batches if border < len(events))})
    with open_store(url, segments=folder) as store:
        for start, end in itertools.pairwise(borders):
            store.append(events[start:end])
        grown = everything(store)

        store.rebuild()

        assert everything(store) == grown
        assert store.verify().seq == len(events)
    with open_store(folder / "at_once.db", segments=folder) as other:
        other.append(events)
        assert everything(other) == grown
        assert other.head().seq == len(events)


@pytest.mark.parametrize("examples", [20, pytest.param(300, marks=pytest.mark.prove)])
def test_rebuilding_gives_what_growing_gave_on_sqlite(new_folder: Callable[[], Path], examples: int) -> None:
    """Every table but the log is rebuildable from it, and how events were batched leaves no trace."""

    @given(history=histories, batches=st.lists(st.integers(0, 25), max_size=5))
    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def check(history: list[Any], batches: list[int]) -> None:
        folder = new_folder()
        check_history(folder / "store.db", folder, history, batches)

    check()


@pytest.mark.parametrize("examples", [6, pytest.param(60, marks=pytest.mark.prove)])
def test_rebuilding_gives_what_growing_gave_on_postgresql(
    new_schema: Callable[[], str], new_folder: Callable[[], Path], examples: int
) -> None:
    """The same on PostgreSQL, compared with SQLite: both databases hold the same tables."""

    @given(history=histories, batches=st.lists(st.integers(0, 25), max_size=5))
    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def check(history: list[Any], batches: list[int]) -> None:
        check_history(new_schema(), new_folder(), history, batches)

    check()
