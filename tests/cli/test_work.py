"""Work across teams from the command line, as two people of two teams would use it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main
from accord.store import open_store

MAP = """
name: campaigns
teams: {marketing: {owner: Mia}, studio: {owner: Sam}}
gates: {complete: {checks: {budget: {check: budget > 0, reason: no budget is given}}}}
processes:
  campaign:
    variables: {client: {type: text, required: true}, pages: integer}
    steps:
      brief: {title: Write the brief, team: marketing, gate: complete, sla: 4h, form: {budget: "number(12,2)", urgent: boolean}}
      draw: {title: Draw it, team: studio, after: [brief], accept_within: 2h}
      paid: {kind: wait, message: payment, after: [draw]}
"""


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `accord work …` on a map of two teams; gives the exit code and what was printed."""
    (tmp_path / "map.yaml").write_text(MAP)

    def run(*arguments: str, as_json: bool = True) -> tuple[int, Any, str]:
        import json

        capsys.readouterr()
        code = main(["work", *arguments, "--map", str(tmp_path), *(["--json"] if as_json else [])])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if as_json and printed.out else printed.out, printed.err

    return run


def test_a_case_goes_from_team_to_team(call: Any) -> None:
    """Start, fill in, hand over, reject, mend, accept, finish, and a message from outside."""
    code, started, _ = call("start", "campaign", "--case", "C1", "--variable", "client=ACME", "--variable", "pages=4", "--by", "Mia")
    assert code == 0
    instance = started["instance"]
    brief, draw = f"{instance}/brief/1", f"{instance}/draw/1"
    code, body, _ = call("complete", brief, "--answer", "budget=0", "--answer", "urgent=no", "--by", "Mia")
    assert (code, body["task"]["state"], body["task"]["reasons"]) == (1, "started", ["no budget is given"])
    assert call("complete", brief, "--answer", "budget=12.50", "--by", "Mia")[0] == 0
    _, listed, _ = call("tasks", "--team", "studio")
    assert [(i["task"]["task"], i["title"], i["task"]["state"], i["sla"]) for i in listed["tasks"]] == [
        (draw, "Draw it", "offered", "on time")
    ]
    assert [(o["from_team"], o["to_team"], o["attempt"]) for o in listed["offers"]] == [("marketing", "studio", 1)]
    assert call("reject", draw, "--reason", "which size?", "--by", "Sam")[0] == 0
    assert call("comment", brief, "A4, as always", "--by", "Mia")[0] == 0
    assert call("complete", brief, "--answer", "budget=13", "--by", "Mia")[0] == 0
    assert call("claim", draw, "--by", "Sam")[1]["task"]["assignee"] == "Sam"
    assert call("complete", draw, "--by", "Sam")[0] == 0
    _, cards, _ = call("board")
    assert [(c["instance"], c["open_steps"], c["blocked_since"]) for c in cards["instances"]] == [(instance, ["paid"], None)]
    assert call("signal", "payment", "--key", "C1", "--content", '{"paid": true}', "--by", "bank")[1]["reached"] == [instance]

    _, shown, _ = call("show", instance)
    told = [sentence for _, sentence in shown["history"]]
    assert shown["instance"]["status"] == "completed"
    assert "Sam rejected the handoff: which size?" in told
    assert "brief is open again: which size?" in told
    assert shown["instance"]["variables"] == {"client": "ACME", "pages": 4, "budget": 13.0, "paid": True}


def test_the_inbox_reads_well_on_a_terminal(call: Any) -> None:
    """Most people never see the JSON."""
    call("start", "campaign", "--case", "C1", "--variable", "client=[red]ACME", "--by", "Mia")
    _, text, _ = call("tasks", as_json=False)

    assert "Write the brief" in text
    assert "on time, 4.0 h left" in text


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("start", "campain", "--case", "1"), 2, "Did you mean 'campaign'"),
        (("start", "campaign", "--case", "1"), 2, "'client' is a required property"),
        (("start", "campaign", "--case", "1", "--variable", "client"), 2, "name=value"),
        (("claim", "nothing"), 2, "task 'nothing' does not exist"),
        (("signal", "payment", "--key", "C9"), 2, "reached nobody"),
        (("signal", "payment", "--key", "C9", "--content", "[1]"), 2, "no JSON object"),
        (("tasks", "--state", "asleep"), 2, "States: offered"),
        (("show", "gone"), 2, "process instance 'gone'"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_way_out(call: Any, arguments: tuple[str, ...], code: int, said: str) -> None:
    """No traceback, no half-done change."""
    found, _, error = call(*arguments)

    assert found == code
    assert said in error


def test_people_work_while_another_process_holds_the_lease(call: Any, tmp_path: Path) -> None:
    """A synchronization may run for hours; a claim must not wait for it."""
    _, started, _ = call("start", "campaign", "--case", "C1", "--variable", "client=ACME", "--by", "Mia")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with open_store(str(tmp_path / ".accord" / "store.db"), segments=tmp_path / "s") as other, other.lease("a long run"):
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(10)
        assert call("claim", f"{started['instance']}/brief/1", "--by", "Mia")[0] == 0
    finally:
        done.set()
        thread.join()
