"""Reviews: owed by the calendar, recorded once per period, with decisions that stand and actions that are followed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from accord.cli.main import main
from accord.govern.reviews import Held, finish_action, hold, list_actions, list_reviews, note_due
from accord.measure import discover_kpis, measure_kpis, open_measure
from accord.model.errors import TerminalError, UnknownName, UsageError
from accord.model.event import Event
from accord.model.goals import Review
from accord.model.integration_map import IntegrationMap
from accord.model.reviews import owed_periods, period_at
from accord.model.values import Duration
from accord.store import Store, open_store

MAP = IntegrationMap(
    "m",
    timezone="Europe/Berlin",
    reviews={
        "validation": Review("validation", "Validation", "month", Duration.parse("10d"), "data_it", ("assess",)),
        "framework": Review("framework", "Framework", "quarter", Duration.parse("10d")),
    },
)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


START = day("2026-02-20")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store in which the reviews were scheduled on 20 February."""
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as opened:
        note_due(MAP, opened, now=START)
        yield opened


def states(found: list[Held]) -> list[tuple[str, str, str]]:
    return [(held.review, held.period, held.state) for held in found]


def test_months_and_quarters_begin_at_midnight_where_the_organization_is() -> None:
    """31 December 23:30 UTC is January in Berlin; a quarter spans the change of clocks."""
    late = datetime(2025, 12, 31, 23, 30, tzinfo=UTC)

    assert (period_at("month", late, "Europe/Berlin").name, period_at("month", late, "UTC").name) == ("2026-01", "2025-12")
    quarter = period_at("quarter", late, "Europe/Berlin")
    assert (quarter.name, quarter.start, quarter.end) == ("2026-Q1", day("2025-12-31T23:00"), day("2026-03-31T22:00"))
    assert [p.name for p in owed_periods("month", day("2025-11-15"), day("2026-02-10"), "UTC")] == ["2025-11", "2025-12", "2026-01"]
    assert owed_periods("month", day("2026-02-01"), day("2026-02-28T23:59"), "UTC") == []


def test_a_review_falls_due_when_its_period_ends_and_is_overdue_when_its_time_is_over(store: Store) -> None:
    """Nothing is owed from before it was scheduled; looking is not what makes it due."""
    assert list_reviews(MAP, store, now=day("2026-02-27")) == []

    assert states(list_reviews(MAP, store, now=day("2026-03-05"))) == [("validation", "2026-02", "due")]
    assert states(list_reviews(MAP, store, now=day("2026-04-12"))) == [
        ("validation", "2026-02", "overdue"),
        ("framework", "2026-Q1", "overdue"),
        ("validation", "2026-03", "overdue"),
    ]


def test_what_falls_due_is_noted_once(store: Store) -> None:
    """Every command that writes asks for it."""
    assert note_due(MAP, store, now=day("2026-03-05")) == 1
    assert note_due(MAP, store, now=day("2026-03-06")) == 0
    assert note_due(MAP, store, now=day("2026-05-01")) == 3

    events = [(s.event.attributes["review"], s.event.attributes["period"]) for s in store.read(types=["review.due"])]
    assert events == [("validation", "2026-02"), ("validation", "2026-03"), ("validation", "2026-04"), ("framework", "2026-Q1")]


def test_a_review_is_held_once_and_its_decisions_stand(store: Store) -> None:
    """The same call again is a repeat; another one for the same period is refused."""
    now = day("2026-03-05")
    actions = ["Map the budget; Luis; 2026-03-20", "Call the agency"]
    given = {"by": "Mia", "decisions": ["go on"], "actions": actions}
    held = hold(MAP, store, "validation", now=now, **given)
    head = store.head()
    again = hold(MAP, store, "validation", now=day("2026-03-06"), **given)

    assert (held.state, held.period, held.held_by, held.decisions) == ("held", "2026-02", "Mia", ("go on",))
    assert [(a.id, a.what, a.who, a.due_on) for a in held.actions] == [
        ("validation/2026-02/1", "Map the budget", "Luis", "2026-03-20"),
        ("validation/2026-02/2", "Call the agency", "", ""),
    ]
    assert (again, store.head()) == (held, head)
    with pytest.raises(TerminalError, match="was held by Mia; its decisions stand"):
        hold(MAP, store, "validation", by="Sam", decisions=["stop"], now=now)
    assert store.head() == head


def test_the_oldest_due_one_is_held_first_and_late_ones_stay_late(store: Store) -> None:
    """A backlog is worked off in order."""
    now = day("2026-04-12")
    first = hold(MAP, store, "validation", by="Mia", decisions=["a"], now=now)
    second = hold(MAP, store, "validation", by="Mia", decisions=["b"], now=now)
    early = hold(MAP, store, "validation", by="Mia", decisions=["c"], period="2026-04", now=now)

    assert [(h.period, h.state) for h in (first, second, early)] == [
        ("2026-02", "held late"),
        ("2026-03", "held late"),
        ("2026-04", "held"),
    ]
    assert note_due(MAP, store, now=day("2026-05-02")) == 0


def test_each_review_lists_what_moved_since_the_one_before(store: Store) -> None:
    """So that nobody has to find it."""
    hold(MAP, store, "validation", by="Mia", decisions=["a"], now=day("2026-03-05"))
    body = {"id": "c", "flow": "f", "key": "{}", "field": "x", "values": {}}
    store.append([Event("c", "conflict.opened", day("2026-03-09"), "f", body)])

    held = hold(MAP, store, "validation", by="Mia", decisions=["b"], now=day("2026-04-03"))

    assert [(m.what, m.before, m.after) for m in held.moved] == [("open conflicts", 0, 1)]


def test_an_action_is_done_once(store: Store) -> None:
    """And is open until somebody says so."""
    hold(MAP, store, "validation", by="Mia", decisions=["a"], actions=["x; Luis"], now=day("2026-03-05"))
    assert [a.id for a in list_actions(store, only_open=True)] == ["validation/2026-02/1"]

    first = finish_action(store, "validation/2026-02/1", by="Luis", now=day("2026-03-07"))
    again = finish_action(store, "validation/2026-02/1", by="Mia", now=day("2026-03-08"))

    assert (first.done_by, again) == ("Luis", first)
    assert list_actions(store, only_open=True) == []
    with pytest.raises(UnknownName, match="action 'nothing'"):
        finish_action(store, "nothing", by="Luis", now=day("2026-03-08"))


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"name": "validaton"}, UnknownName, "Did you mean 'validation'"),
        ({"decisions": [" "]}, UsageError, "at least one decision"),
        ({"by": ""}, UsageError, "somebody who held it"),
        ({"actions": ["x; Luis; soon"]}, UsageError, r"Expected WHAT; WHO; YYYY-MM-DD"),
        ({"actions": ["; Luis"]}, UsageError, "cannot be read"),
        ({"actions": ["a; b; 2026-01-01; c"]}, UsageError, "cannot be read"),
        ({"period": "2026-09"}, UnknownName, "Known: 2026-02, 2026-03"),
        ({"name": "framework"}, UsageError, "is not due before 2026-03-31.*--period 2026-Q1"),
    ],
)
def test_what_cannot_be_recorded_is_said_and_changes_nothing(
    store: Store, given: dict[str, object], error: type[Exception], said: str
) -> None:
    """A clear answer instead of half a record."""
    now = day("2026-03-05")
    note_due(MAP, store, now=now)
    head, call = store.head(), {"name": "validation", "by": "Mia", "decisions": ["go on"], **given}

    with pytest.raises(error, match=said):
        hold(MAP, store, now=now, **call)  # type: ignore[arg-type]

    assert store.head() == head


def test_overdue_reviews_are_a_kpi(store: Store) -> None:
    """Held in time, held late, not held; one that still has time does not count. Nobody needs to have looked."""
    hold(MAP, store, "validation", by="Mia", decisions=["a"], now=day("2026-03-05"))
    hold(MAP, store, "validation", by="Mia", decisions=["a"], period="2026-03", now=day("2026-04-20"))
    now = day("2026-05-05")

    with open_measure(MAP, store, now=now) as measure:
        (figure, *_) = measure_kpis(measure, [discover_kpis()["overdue_reviews"]])

    assert (figure.n, round(figure.value or 0, 4)) == (3, 0.6667)


def test_projections_are_the_same_after_a_rebuild(store: Store) -> None:
    """Reviews, schedules and actions are computed from the log alone."""
    hold(MAP, store, "validation", by="Mia", decisions=["a"], actions=["x"], now=day("2026-03-05"))
    finish_action(store, "validation/2026-02/1", by="Luis", now=day("2026-03-07"))
    note_due(MAP, store, now=day("2026-05-05"))
    names = ("review", "review_schedule", "review_action")
    before = [store.table(name) for name in names]

    store.rebuild()

    assert [store.table(name) for name in names] == before


def test_the_command_lists_holds_and_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A map without reviews has the two that every organization has; exit code 1 says that one is overdue."""
    path = tmp_path / "map.yaml"
    path.write_text("name: m\n")

    def call(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["review", str(path), *arguments])
        return code, capsys.readouterr().out

    code, text = call("--due")
    assert (code, "nothing is due; next: integration_validation on" in text) == (0, True)
    with open_store(tmp_path / ".accord" / "store.db", segments=tmp_path / ".accord" / "segments") as opened:
        (since,) = {row[0] for row in opened.rows("SELECT since FROM review_schedule")}
        moment = day("2020-01-15")
        body = {"review": "integration_validation", "every": "month", "period": "month"}
        opened.append([Event("older", "review.scheduled", moment, "test", body)])
        assert {row[0] for row in opened.rows("SELECT since FROM review_schedule")} == {since}  # the first word stands
        times = {"due_at": "2026-02-01T00:00:00+00:00", "until": "2026-02-11T00:00:00+00:00"}
        due = {"review": "integration_validation", "period": "2026-01", "every": "month", "owner": "", **times}
        opened.append([Event("due", "review.due", moment, "test", due)])

    assert call("--due", "--json")[0] == 1
    code, text = call("--hold", "integration_validation", "--decision", "late", "--by", "Mia", "--json")
    assert (code, json.loads(text)["held"]["period"], json.loads(text)["held"]["state"]) == (0, "2026-01", "held late")
    ends = datetime.fromisoformat(json.loads(call("--json")[1])["next"]["integration_validation"])
    now = period_at("month", ends - timedelta(days=1), "UTC").name
    code, text = call("--hold", "integration_validation", "--period", now, "--decision", "go on", "--action", "x; Sam", "--by", "Mia")
    assert (code, f"held: Monthly integration validation for {now} by Mia: go on" in text, "x" in text) == (0, True, True)
    code, text = call("--done", f"integration_validation/{now}/1", "--by", "Sam")
    assert (code, "done: x" in text) == (0, True)
    assert call("--decision", "x")[0] == call("--run")[0] == call("--hold", "a", "--done", "b")[0] == 2
