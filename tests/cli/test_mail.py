"""Mail about tasks from the worker, and its links on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main

MAP = """
name: test
teams: {a: {owner: Mia}}
people: {Mia: {email: mia@example.org, team: a}}
processes:
  p:
    steps:
      look: {team: a, form: {pages: {type: integer, required: true}}}
"""


def test_a_person_is_written_to_and_finishes_by_the_link(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mail_server: tuple[str, list[str]]
) -> None:
    """Looking uses nothing up, a form that does not fit neither; the second use is refused with exit code 1."""
    (tmp_path / "map.yaml").write_text(MAP)

    def call(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main([*arguments, "--json"])
        printed = capsys.readouterr()
        return code, json.loads(printed.out or printed.err)

    assert call("work", "start", "p", "--case", "C", "--map", str(tmp_path))[0] == 0
    server = ("--mail", mail_server[0], "--sender", "accord@example.org")
    assert call("worker", str(tmp_path), *server)[1]["done"] == 1
    assert call("worker", str(tmp_path), *server)[1]["done"] == 0
    (message,) = mail_server[1]
    token = re.search(r"Finish it:\s+accord work redeem (\S+)", message.replace("=\r\n", "").replace("=3D", "="))
    assert token is not None
    redeem = ("work", "redeem", token[1], "--map", str(tmp_path))

    code, shown = call(*redeem, "--look")
    assert (code, shown["action"], shown["person"], shown["form"]["required"]) == (0, "complete", "Mia", ["pages"])
    assert call(*redeem, "--answer", "pages=many")[0] == 2
    code, done = call(*redeem, "--answer", "pages=4")
    assert (code, done["task"]["state"], done["task"]["ended_by"]) == (0, "completed", "Mia")
    assert call("work", "outbox", "--map", str(tmp_path))[1]["mail"] == {"states": {"sent": 1}, "dead": []}
    code, refused = call(*redeem)
    assert code == 1
    assert "used already" in json.dumps(refused)


def test_webhooks_are_sent_by_the_worker_and_restarted_by_a_person(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed is seen, with the way out; a secret that is not set is said before anything is done."""
    hook = "webhooks: {shop: {url: 'http://127.0.0.1:1/', types: ['task.*'], secret: '${env:SHOP_SECRET}'}}"
    (tmp_path / "map.yaml").write_text(MAP + hook)
    at = ("--map", str(tmp_path))
    monkeypatch.delenv("SHOP_SECRET", raising=False)
    assert main(["worker", str(tmp_path)]) == 2
    assert "SHOP_SECRET" in capsys.readouterr().err
    assert main(["worker", str(tmp_path), "--no-webhooks"]) == 0
    monkeypatch.setenv("SHOP_SECRET", "hush")
    assert main(["worker", str(tmp_path)]) == 0
    assert main(["work", "start", "p", "--case", "C", *at]) == 0
    assert main(["worker", str(tmp_path)]) == 0

    capsys.readouterr()
    assert main(["work", "outbox", *at]) == 0
    assert "ConnectError" in capsys.readouterr().out
    assert main(["work", "outbox", *at, "--restart", "shop", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["followers"]
    assert (row["name"], row["failures"], row["error"]) == ("webhook:shop", 0, "")
    assert main(["work", "outbox", *at, "--restart", "shop"]) == 2
