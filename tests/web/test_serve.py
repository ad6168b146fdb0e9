"""`accord serve` as it is started: beside the worker, in a process of its own, until it is told to end."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from accord.cli.main import main

MAP = """
name: test
public_url: http://localhost:1
teams: {a: {owner: Mia}}
people: {Mia: {email: mia@example.org, team: a}}
processes: {p: {steps: {look: {team: a, form: {pages: {type: integer, required: true}}}}}}
"""


@pytest.fixture
def started() -> Iterator[Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]]:
    """Starts it with arguments; gives the process and what it said about itself."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        command = [sys.executable, "-m", "accord", "serve", *arguments, "--port", "0", "--json"]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        out, lines = running[-1].stdout, ""
        assert out is not None
        while not lines.endswith("}\n"):
            line = out.readline()
            assert line, running[-1].communicate()
            lines += line
        return running[-1], json.loads(lines)

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_link_of_a_mail_is_used_in_a_browser(
    tmp_path: Path, mail_server: Any, started: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker writes with the address of the map, the server answers there; it ends when it is told to, with nothing half done."""
    (tmp_path / "map.yaml").write_text(MAP)
    mail_server.kept.clear()
    assert main(["work", "start", "p", "--case", "C", "--map", str(tmp_path)]) == 0
    mail = ("--mail", f"smtp://127.0.0.1:{mail_server.server_address[1]}", "--sender", "accord@example.org")
    assert main(["worker", str(tmp_path), *mail]) == 0
    (message,) = mail_server.kept
    found = re.search(r"Finish it:\s+http://localhost:1(/links/\S+)", message.get_body(("plain",)).get_content())
    assert found is not None

    process, said = started(str(tmp_path))
    with socket.socket() as other, pytest.raises(OSError, match="refused"):
        other.connect(("127.0.0.2", int(said["url"].rpartition(":")[2])))  # it listens on 127.0.0.1 and nowhere else

    assert (said["command"], said["serves"]) == ("serve", ["reports", "links", "webhooks"])
    with httpx.Client(base_url=said["url"], timeout=30) as client:
        assert "Pages" in client.get(found[1]).text
        assert client.post(found[1], data={"answer.pages": "4"}).status_code == 200
        assert client.post(found[1], data={"answer.pages": "4"}).status_code == 410
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert process.communicate() == ("", "")
    capsys.readouterr()
    assert main(["work", "board", "--map", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["instances"] == []


def test_a_folder_of_reports_needs_no_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The workspace of a run whose map lies elsewhere, or is being worked on: it gets as far as the port, which is taken."""
    (tmp_path / "deliverables" / "run").mkdir(parents=True)
    (tmp_path / "deliverables" / "run" / "executive.html").write_text("Executive")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = ("--port", str(taken.getsockname()[1]))

        assert main(["serve", str(tmp_path), *port]) == 2
        assert "cannot be opened" in capsys.readouterr().err
        (tmp_path / "map").mkdir()
        (tmp_path / "map" / "map.yaml").write_text("name: [broken")
        assert main(["serve", str(tmp_path), *port]) == 2
        assert "map.yaml" in capsys.readouterr().err
        assert main(["serve", str(tmp_path), "--reports", "only", *port]) == 2
        assert "cannot be opened" in capsys.readouterr().err


def test_what_is_missing_is_said_before_anything_is_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partner must not find out that a secret was forgotten."""
    assert main(["serve", str(tmp_path)]) == 2
    assert "holds no report" in capsys.readouterr().err
    monkeypatch.delenv("SHOP_SECRET", raising=False)
    (tmp_path / "map.yaml").write_text(MAP + "webhooks: {shop: {messages: [x], secret: '${env:SHOP_SECRET}'}}")

    assert main(["serve", str(tmp_path)]) == 2
    assert "SHOP_SECRET" in capsys.readouterr().err


def test_a_changed_map_is_served_without_a_new_start(
    tmp_path: Path, started: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who adds a webhook or mends a form need not know who started the server; a map that is wrong takes nothing down."""
    monkeypatch.setenv("SHOP", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
    path = tmp_path / "map.yaml"
    path.write_text(MAP)
    process, said = started(str(tmp_path))
    errors = process.stderr
    with httpx.Client(base_url=said["url"], timeout=30) as client:
        assert client.post("/webhooks/shop", json={}).status_code == 404

        path.write_text(MAP + "webhooks: {shop: {messages: [placed], secret: '${env:SHOP}'}}\n")
        assert "the new one is served from here on" in errors.readline()
        assert client.post("/webhooks/shop", json={}).status_code == 401

        path.write_text(MAP + "webhooks: nonsense\n")
        told = errors.readline()
        while "is served until it is mended" not in told:
            told += errors.readline()
        assert "The map has changed and is not served" in told
        assert client.post("/webhooks/shop", json={}).status_code == 401
