"""What a page of tasks, handoffs and cases shows, and that it is found without looking at everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accord.mapfile import load_map
from accord.store import Store, open_store
from accord.work import Work, open_work
from accord.work.inbox import board, comments, counts, history, inbox, offers, passages

MakeWork = Callable[..., Work]
CASE = """
processes:
  p:
    steps:
      a: {team: marketing, sla: 4h}
      b: {team: studio, after: [a], accept_within: 2h}
      c: {team: legal, after: [b]}
"""


def test_both_teams_see_the_same_handoff_from_their_side(work_with: MakeWork, store: Store, clock: Any) -> None:
    """Offered, late, sent back, offered again, taken, begun; the wait runs from the first offer to the acceptance."""
    work = work_with(CASE)
    instance = work.start("p", case="1", by="Mia")
    work.complete(f"{instance}/a/1", by="Mia")

    def seen() -> tuple[str, str, float]:
        (found,) = passages(store, instance, now=clock())
        return found.giver_sees, found.receiver_sees, found.waited_hours

    clock.move(hours=1)
    assert seen() == ("waits for studio", "to be accepted or sent back", 1.0)
    clock.move(hours=2)
    work.fire()
    assert seen() == ("waits for studio; it is late", "to be accepted or sent back; it is late", 3.0)
    work.reject(f"{instance}/b/1", by="Sam", reason="which size?")
    assert seen()[:2] == ("to be mended: which size?", "sent back to marketing on 2026-03-02")
    assert [(o["state"], o["from_team"]) for o in offers(store, from_team="marketing")] == [("rejected", "marketing")]
    assert offers(store, to_team="legal") == []
    work.complete(f"{instance}/a/1", by="Mia")
    work.accept(f"{instance}/b/1", by="Sam")
    clock.move(hours=5)
    assert seen() == ("taken by studio on 2026-03-02", "accepted, not begun yet", 3.0)
    work.claim(f"{instance}/b/1", by="Sam")
    assert seen()[:2] == ("in work at studio since 2026-03-02", "in work")


def test_lists_come_in_pages_that_hold_everything_once(work_with: MakeWork, store: Store, clock: Any) -> None:
    """The most urgent first; what is late, by team, by person, and the cases with how long they are blocked."""
    work = work_with(CASE)
    for number in range(7):
        work.start("p", case=str(number), by="Mia")
        clock.move(minutes=90)
    work.claim(inbox(store, now=clock())[1].task.task, by="Mia")
    pages = [inbox(store, now=clock(), limit=3, offset=offset) for offset in (0, 3, 6, 9)]

    assert [i.task.case for page in pages for i in page] == list("0123456")
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert [(i.task.case, i.hours_left) for i in inbox(store, now=clock(), overdue=True)][:2] == [("0", -6.5), ("1", -5.0)]
    assert [i.task.case for i in inbox(store, now=clock(), person="Mia")] == ["1"]
    assert counts(store) == {"marketing": {"ready": 6, "started": 1}}
    cards = [card for offset in (0, 4) for card in board(store, now=clock(), limit=4, offset=offset)]
    assert [card.case for card in cards] == list("0123456")
    assert [(c.blocked_hours, c.age_hours) for c in cards[:3]] == [(10.5, 10.5), (0.0, 9.0), (7.5, 7.5)]
    assert board(store, now=clock(), process="q") == []


def test_a_history_is_read_in_pages_with_what_people_wrote(work_with: MakeWork, store: Store) -> None:
    """A case of months has thousands of events."""
    work = work_with(CASE)
    instance = work.start("p", case="1", by="Mia")
    work.comment(f"{instance}/a/1", by="Mia", text="A4, as always")
    work.complete(f"{instance}/a/1", by="Mia")
    whole = history(store, instance)
    first = history(store, instance, limit=3)

    assert [*first, *history(store, instance, after=first[-1].seq)] == whole
    assert "Mia: A4, as always" in [entry.said for entry in whole]
    assert [(who, text) for _, who, text in comments(store, f"{instance}/a/1")] == [("Mia", "A4, as always")]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store with open tasks among many that are over."""
    folder = tmp_path_factory.mktemp("many")
    path = folder / "map.yaml"
    path.write_text(
        "name: t\nteams: {a: {owner: Mia}, b: {owner: Sam}}\nprocesses: {all: {steps: {each: {kind: foreach, each: items, process: one}}}, "
        "one: {steps: {x: {team: a, when: 'item > 20'}, y: {team: b, after: [x]}}}}"
    )
    with open_store(folder / "store.db", segments=Path(folder) / "segments") as store:
        open_work(load_map(path), store).start("all", case="1", by="Mia", variables={"items": list(range(40))})
        yield store


def test_nothing_is_found_by_looking_at_every_row(many: Store, monkeypatch: pytest.MonkeyPatch, clock: Any) -> None:
    """What is over piles up for years; a page must cost what is open."""
    asked: list[tuple[str, tuple[Any, ...]]] = []
    rows = many.rows

    def watched(sql: str, *values: Any) -> list[Any]:
        asked.append((sql, values))
        return rows(sql, *values)

    monkeypatch.setattr(many, "rows", watched)
    for find in (
        lambda: inbox(many, now=clock()),
        lambda: inbox(many, now=clock(), team="a", overdue=True),
        lambda: inbox(many, now=clock(), person="Mia"),
        lambda: counts(many),
        lambda: offers(many),
        lambda: offers(many, from_team="a"),
        lambda: offers(many, to_team="a"),
        lambda: board(many, now=clock()),
        lambda: board(many, now=clock(), process="one"),
        lambda: passages(many, "x", now=clock()),
    ):
        find()

    plans = [line for sql, values in asked for *_, line in rows(f"EXPLAIN QUERY PLAN {sql}", *values)]
    assert len(asked) >= 10
    assert [line for line in plans if line.startswith("SCAN") and "CONSTANT" not in line and "USING COVERING INDEX" not in line] == []
