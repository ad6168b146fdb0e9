"""A ticket and its task say the same, whoever moved; each test is a whole story over a tracker in SQLite."""

from __future__ import annotations

from typing import Any

from accord.work.tracker import open_refusals


def test_closing_the_ticket_finishes_the_task_once_its_form_is_filled_in(board: Any) -> None:
    """First refused: the ticket says why, and it is written down once. Then the process goes on as if finished in Accord, and rests."""
    board.offered()
    assert board.ticket("task", "title", "state", "person") == ("poster-1/draw/1", "Draw it", "todo", None)
    before = board.task()
    board.edit(state="closed", person="Sue", closed_by="Sue")

    result = board.sync()

    (finding,) = [f for f in result.findings if f.kind == "refused"]
    assert (result.status, result.counts["refused"], "'link' is a required property" in finding.sentence) == ("partial", 1, True)
    assert board.task() == before
    board.sync()
    (event,) = board.events("tracker.refused")
    assert (event["system"], event["wanted"]["status"], event["state"]) == ("work", "done", "offered")
    assert (board.ticket("state")[0], "'link' is a required property" in board.ticket("note")[0]) == ("closed", True)
    assert [r.task for r in open_refusals(board.workspace.store)] == [before.task]

    board.edit(link="https://x/4")
    board.settle()

    task = board.task()
    assert (task.state, task.ended_by, task.attempt) == ("completed", "Sue", 1)
    assert [t.step for t in board.work.tasks()] == ["print"]
    assert board.workspace.store.rows("SELECT value FROM work_variable WHERE name = 'link'") == [('"https://x/4"',)]
    assert (len(board.events("tracker.applied")), len(board.events("task.completed"))) == (1, 2)
    assert board.ticket("state", "person", "closed_by", "note") == ("closed", "Sue", "Sue", None)
    assert open_refusals(board.workspace.store) == []


def test_finishing_the_task_closes_the_ticket(board: Any) -> None:
    """The other way, with who did it and what was filled in; the engine's own move is no command to it."""
    board.offered()
    board.work.complete(board.task().task, by="Sue", answer={"link": "https://x/2"})

    board.settle()

    assert board.ticket("state", "closed_by", "link") == ("closed", "Sue", "https://x/2")
    assert board.events("tracker.applied") == board.events("tracker.refused") == []


def test_a_ticket_that_is_deleted_comes_back_and_one_that_was_invented_makes_no_task(board: Any) -> None:
    """What tasks there are is the process's to say."""
    board.offered()
    board.sql("DELETE FROM tickets")
    board.sql("INSERT INTO tickets (task, state, changed) VALUES ('mine', 'todo', '2026-03-02T10:00:00+00:00')")

    board.sync()

    assert board.sql("SELECT task, state FROM tickets ORDER BY 1") == [("mine", "todo"), ("poster-1/draw/1", "todo")]
    assert [task.step for task in board.work.tasks()] == ["draw"]
