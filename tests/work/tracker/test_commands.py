"""Each write of a row is the command a person would have given, or is refused with the engine's own words and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main
from accord.mapfile import lint
from accord.model.errors import UnknownName
from accord.model.event import Event
from accord.work.tracker import open_refusals


def test_a_ticket_goes_through_its_whole_life(board: Any) -> None:
    """Taken, passed on, put back, given to somebody, taken and done."""
    board.begin()
    steps = []
    for write in (
        {"status": "started", "assignee": "Sue"},
        {"assignee": "Sam", "status": "started"},
        {"status": "open", "assignee": None},
        {"assignee": "Sue"},
        {"status": "started", "assignee": "Sam"},
        {"status": "done", "assignee": "Sam", "answer__link": "https://x/1"},
    ):
        assert board.write(**write) == ("updated", "")
        task = board.task()
        steps.append((task.state, task.assignee))

    assert steps == [("started", "Sue"), ("started", "Sam"), ("ready", ""), ("ready", "Sue"), ("started", "Sam"), ("completed", "Sam")]
    assert board.task().ended_by == "Sam"
    ((state, accepted, started),) = board.workspace.store.rows("SELECT state, accepted_at, started_at FROM handoff WHERE step = 'draw'")
    assert (state, accepted) == ("started", started)


def test_a_repeat_changes_nothing_and_an_outdated_write_is_stale(board: Any) -> None:
    """A flow that died before it could note what it had done writes the same again."""
    board.begin()
    before = board.row()
    assert board.write(status="started", assignee="Sue") == ("updated", "")
    head = board.workspace.store.head()

    assert board.write(status="started", assignee="Sue") == ("unchanged", "")
    board.row = lambda resource="tasks": before
    assert board.write(status="done", assignee="Sam") == ("stale", "")

    assert board.workspace.store.head() == head


def test_a_ticket_sent_back_rejects_the_handoff_with_its_reason(board: Any) -> None:
    """The giving team's task opens again; without a reason nothing is sent back."""
    board.begin()
    assert board.write(status="rejected", assignee="Sam")[1].startswith("no reason is given")

    assert board.write(status="rejected", assignee="Sam", reason="no size given") == ("updated", "")

    (again,) = board.work.tasks()
    assert (again.step, again.attempt, again.reasons) == ("brief", 2, ("no size given",))
    assert (board.events("handoff.rejected")[0]["by"], board.row()["status"], board.row()["reason"]) == ("Sam", "rejected", "no size given")


def test_a_task_that_somebody_else_has_is_not_finished(board: Any) -> None:
    """Sue has it in Accord, Sam closed it in the tracker: neither is believed over the other without a word."""
    board.begin()
    board.work.claim(board.task().task, by="Sue")
    before = board.task()

    outcome, reason = board.write(status="done", assignee="Sam", ended_by="Sam", answer__link="https://x/1")

    assert (outcome, "is Sue's" in reason, board.task()) == ("refused", True, before)
    assert board.row()["refused"] == reason
    (event,) = board.events("tracker.refused")
    assert (event["assignee"], event["person"], event["reason"]) == ("Sue", "Sam", reason)
    assert board.write(status="done", assignee="Sue", answer__link="https://x/1") == ("updated", "")
    assert (board.task().ended_by, board.row()["refused"]) == ("Sue", None)


def test_a_disagreement_is_seen_where_people_look(board: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the list of tasks, and in the history of the case."""
    board.begin().write(status="done", ended_by="Sue")

    assert main(["work", "tasks", "--map", str(tmp_path / "map.yaml"), "--team", "studio"]) == 0
    assert "the tracker says otherwise" in capsys.readouterr().out
    assert main(["work", "tasks", "--map", str(tmp_path / "map.yaml"), "--team", "studio", "--json"]) == 0
    (refused,) = json.loads(capsys.readouterr().out)["refused"]
    assert main(["work", "show", "poster-1", "--map", str(tmp_path / "map.yaml"), "--json"]) == 0
    _, told = json.loads(capsys.readouterr().out)["history"][-1]

    assert (refused["task"], refused["wanted"], refused["person"]) == ("poster-1/draw/1", {"status": "done"}, "Sue")
    assert told == f"work wanted status done Sue of draw, which was refused: {refused['reason']}"
    assert open_refusals(board.workspace.store, team="marketing") == []


def test_without_a_person_the_system_signs_and_takes_nothing_from_anybody(board: Any) -> None:
    """A tracker that does not say who closed a ticket must not finish another's work in his name."""
    board.begin()
    board.work.claim(board.task().task, by="Sue")
    assert "is Sue's" in board.write(status="done", answer__link="https://x/1")[1]
    board.work.release(board.task().task, by="Sue")

    assert board.write(status="done", answer__link="https://x/1") == ("updated", "")

    assert board.task().ended_by == "work"


def test_a_gate_that_is_not_passed_opens_nothing_again(opened: Any, tmp_path: Path, gated: str) -> None:
    """Each run of the flow tries again: the attempts of the task must not grow by that, nor the log."""
    board = opened(tmp_path, text=gated).begin()
    write = {"status": "done", "assignee": "Sue", "answer__link": "ftp://x"}
    outcome, reason = board.write(**write)
    head = board.workspace.store.head()
    assert board.write(**write) == (outcome, reason)

    assert (outcome, "no web address" in reason) == ("refused", True)
    assert (board.task().state, board.task().attempt, board.events("gate.evaluated")) == ("offered", 1, [])
    assert board.workspace.store.head() == head
    board.workspace.close()


def test_a_task_that_is_over_is_not_moved_any_more(board: Any) -> None:
    """Its process was cancelled while the ticket was being closed."""
    board.begin()
    board.work.cancel("poster-1", by="Mia", reason="no budget")

    assert "is cancelled and cannot be claimed" in board.write(status="done", answer__link="https://x/1")[1]
    assert "only its process opens" in board.write(status="open")[1]
    assert "is cancelled and cannot be delegated" in board.write(assignee="Sue")[1]
    assert "its answers stand" in board.write(answer__link="https://x/1")[1]

    assert (board.task().state, board.task().ended_by) == ("cancelled", "Mia")


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        ({"status": "cancelled"}, "not cancelled by itself"),
        ({"status": "half done"}, "is none there is. Known: cancelled, done, open, rejected, started"),
        ({"title": "Paint it"}, "'title' of 'poster-1/draw/1' follows from its process"),
        ({"reason": "late"}, "a reason comes with a rejection"),
        ({"ended_by": "Sue"}, "is known when it ends"),
        ({"status": "done", "state": "started"}, "cannot be done and started"),
        ({"state": "returned", "reason": " "}, "no reason is given"),
        ({"op": "delete"}, "is part of a process and not deleted"),
        ({"op": "insert", "key": "mine", "status": "open"}, "a task comes from its process"),
        ({"answer__link": "", "status": "done"}, "'link' is a required property"),
    ],
)
def test_what_cannot_be_is_answered_clearly(shared: Any, write: dict[str, Any], reason: str) -> None:
    """And is on record, with the task as it was."""
    before, count = shared.task(), len(shared.events("tracker.refused"))

    outcome, said = shared.write(**write)

    assert (outcome, reason in said) == ("refused", True), said
    assert (shared.task(), len(shared.events("tracker.refused"))) == (before, count + 1)


def test_what_a_ticket_says_of_the_form_is_kept_until_it_is_done(board: Any) -> None:
    """People fill in a ticket over days."""
    board.begin()
    assert board.write(answer__link="https://x/3") == ("updated", "")
    assert (board.row()["answer.link"], [e["answers"] for e in board.events("task.noted")]) == ("https://x/3", [{"link": "https://x/3"}])

    assert board.write(status="done", answer__link="https://x/3") == ("updated", "")

    assert board.workspace.store.rows("SELECT value FROM work_variable WHERE name = 'link'") == [('"https://x/3"',)]


def test_a_personal_answer_is_sealed_in_the_log_and_open_to_the_flow(opened: Any, tmp_path: Path, text: str) -> None:
    """Who is erased one day must not stand in the record of a ticket."""
    board = opened(tmp_path, text=text.replace("link: {type: text, required: true}", "link: {type: text, required: true, personal: true}"))
    board.begin()
    assert board.write(answer__link="sue@home") == ("updated", "")
    assert (board.row()["answer.link"], board.write(answer__link="sue@home")) == ("sue@home", ("unchanged", ""))
    assert board.write(status="done", ended_by="Kim", answer__link="sue@home") == ("updated", "")
    assert board.write(status="done", ended_by="Kim", answer__link="sue@home") == ("unchanged", "")

    bodies = " ".join(body for (body,) in board.workspace.store.rows("SELECT body FROM event"))
    assert "task.noted" in bodies
    assert "sue@home" not in bodies
    assert '"Kim"' not in bodies
    board.workspace.close()


def test_a_handoff_is_accepted_through_its_own_resource(board: Any) -> None:
    """For a team whose tracker holds handoffs and not tasks."""
    board.begin()
    assert (board.row("handoffs")["from_team"], board.row("handoffs")["state"]) == ("marketing", "offered")
    assert "does not become 'started'" in board.write(resource="handoffs", state="started")[1]

    assert board.write(resource="handoffs", state="accepted") == ("updated", "")

    assert (board.task().state, [e["by"] for e in board.events("handoff.accepted")]) == ("ready", ["work"])
    assert "is ready and cannot be rejected" in board.write(resource="handoffs", state="rejected", reason="late")[1]


def test_a_column_or_resource_that_is_not_there_is_named(board: Any) -> None:
    """As for every system."""
    board.begin()
    with pytest.raises(UnknownName, match=r"resource 'jobs'.*Known: handoffs, tasks"):
        board.row("jobs")


def test_the_token_moves_with_tasks_and_not_with_runs_of_flows(board: Any) -> None:
    """Both stand in the same log, and an idle flow must stay idle."""
    board.begin()
    tracker = board.workspace.connector("work")
    before = tracker.change_token("tasks")
    board.workspace.store.append([Event("e", "flow.run_finished", board.clock(), "flow:x", {"flow": "x", "run": "r", "state": {}})])
    assert tracker.change_token("tasks") == before

    board.work.claim(board.task().task, by="Sue")

    assert tracker.change_token("tasks") != before


def test_the_feed_names_the_tasks_that_moved(board: Any) -> None:
    """``sync --watch`` need not read all tasks to find the one."""
    tracker = board.workspace.connector("work")
    feed = tracker.open_feed("tasks", ["task"], name="f", after=None)
    first = feed.read()
    assert first.keys is None
    board.begin()

    changes = feed.read()

    assert sorted(changes.keys["task"].to_pylist()) == ["poster-1/brief/1", "poster-1/draw/1"]
    assert feed.read() is None
    again = tracker.open_feed("tasks", ["task"], name="f", after=first.position).read(limit=1)
    assert (again.keys.num_rows, again.more) == (1, True)


def test_projections_are_the_same_after_a_rebuild(board: Any) -> None:
    """Refusals and tasks are computed from the log alone."""
    board.begin()
    board.write(status="done")
    store = board.workspace.store
    before = [store.table(name) for name in ("work_task", "work_refusal", "handoff")]
    assert before[1].num_rows == 1

    store.rebuild()

    assert [store.table(name) for name in ("work_task", "work_refusal", "handoff")] == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: {column: title, direction: read}", "title: title", "'title' follows from the process and cannot be set"),
        ("status: status", "status: stat", "there is no column 'stat'"),
        ("link: answer.link", "link: answer.lnk", "there is no column 'answer.lnk'"),
        ("existence: [work]", "existence: [work, board]", "tasks come and go with their processes, not with rows of 'board'"),
    ],
)
def test_a_flow_over_tasks_that_would_be_refused_row_by_row_is_found_before(
    tmp_path: Path, text: str, old: str, new: str, said: str
) -> None:
    """One sentence to the person who writes the map."""
    (tmp_path / "map.yaml").write_text(text.replace(old, new, 1))

    problems = lint(tmp_path / "map.yaml")

    assert (len(problems), said in problems[0].message) == (1, True), problems
