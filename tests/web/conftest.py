"""A real web server on 127.0.0.1 over a workspace whose clock stands, a mail server beside it, and a client."""

from __future__ import annotations

import re
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest

from accord.mapfile import load_map
from accord.store import Store, open_store
from accord.store.signing import SigningKey, load_or_create_key
from accord.web import Site, WebServer, make_app
from accord.web.guard import Tries
from accord.work import Work, open_work
from accord.work.links import page_address
from accord.work.mail import Mailbox, Post

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
MAP = """
name: acme
title: Acme <Marketing>
public_url: http://localhost:1/accord
calendars: {office: {timezone: Europe/Berlin}}
teams:
  marketing: {title: Marketing, owner: Mia, calendar: office}
  studio: {title: The studio, owner: Sam, backup: Sue, calendar: office}
people:
  Mia: {title: Mia Berg, email: mia@example.org, team: marketing}
  Sam: {title: Sam Ött, email: sam@example.org, team: studio}
  Sue: {email: sue@example.org, team: studio}
webhooks:
  shop: {secret: "${env:SECRET}", messages: [placed, paid]}
  bank: {secret: "${env:SECRET}", messages: [placed, paid], headers: true}
gates:
  enough: {checks: {money: {check: budget >= 100, reason: the budget is too small}}}
processes:
  campaign:
    title: Campaign
    steps:
      brief:
        title: Write the brief
        team: marketing
        sla: 16h
        gate: enough
        form:
          budget: {type: "number(12,2)", required: true, unit: EUR, maximum: "5000", description: What may be spent.}
          channel: {values: [Search, Mail], required: true}
          kickoff: {type: timestamp}
          urgent: {type: boolean, required: true}
          notes: {pattern: "[a-z ]*"}
          targets: {type: json}
      draw: {title: Draw it, team: studio, after: [brief], accept_within: 2h, sla: 8h}
  order:
    owner: marketing
    variables: {amount: {type: number, required: true}}
    starts: {placed: {message: placed}}
    steps:
      look: {team: marketing}
      pay: {kind: wait, message: paid, after: [look]}
"""
ANSWER = {"answer.budget": "1200.50", "answer.channel": "Mail", "answer.urgent": "false"}


class Clock:
    """A Monday morning, until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def move(self, **by: float) -> None:
        """Let time pass."""
        self.time += timedelta(**by)


class MailServer(socketserver.ThreadingTCPServer):
    """Takes every message."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.kept: list[EmailMessage] = []


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                taken = b""
                while not taken.endswith(b"\r\n.\r\n"):
                    taken += self.rfile.readline()
                self.server.kept.append(message_from_bytes(taken[:-5], policy=policy.default))  # type: ignore[arg-type]
            self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 fine\r\n")


@dataclass
class Office:
    """What is served, and how to reach it."""

    work: Work
    store: Store
    key: SigningKey
    clock: Clock
    mail: MailServer
    folder: Path
    faults: list[str] = field(default_factory=list)

    def tell(self) -> None:
        """Send the mail that is due."""
        post = Post(f"smtp://127.0.0.1:{self.mail.server_address[1]}")
        Mailbox(self.work, post, sender="accord@example.org", key=self.key, pages=page_address(self.work.map)).turn()

    def links(self, address: str) -> dict[str, str]:
        """The paths in the newest message to an address, by what they do."""
        message = [m for m in self.mail.kept if address in str(m["To"])][-1]
        body = message.get_body(("plain",))
        assert body is not None
        words = {"Accept it for your team": "accept", "Take it": "claim", "Finish it": "complete", "Send it back, with a reason": "reject"}
        found = re.findall(r"^([A-Z][^\n]*):\nhttp://localhost:1/accord(/links/\S+)$", body.get_content().replace("\r", ""), re.MULTILINE)
        return {words[said]: path for said, path in found}

    def brief(self) -> dict[str, str]:
        """Start a campaign; the links Mia gets."""
        self.work.start("campaign", case="C<1>", by="Mia")
        self.tell()
        return self.links("mia@example.org")

    def count(self, type_: str) -> int:
        return sum(1 for _ in self.store.read(types=[type_]))

    def rows(self) -> list[Any]:
        """All that could have changed."""
        return [
            self.store.rows(f"SELECT * FROM {name} ORDER BY 1, 2") for name in ("work_instance", "work_task", "work_variable", "handoff")
        ]


@pytest.fixture(scope="module")
def mail_server() -> Iterator[MailServer]:
    """The server of this file's tests."""
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    """What links are signed with."""
    return load_or_create_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def office(tmp_path: Path, key: SigningKey, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Nothing has begun yet."""
    monkeypatch.setenv("SECRET", SECRET)
    path, clock = tmp_path / "map.yaml", Clock()
    path.write_text(MAP, encoding="utf-8")
    mail_server.kept.clear()
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        yield Office(open_work(load_map(path), store, clock=clock), store, key, clock, mail_server, tmp_path)


@pytest.fixture
def serving() -> Iterator[Callable[..., str]]:
    """Serves a site until the test ends; gives its address. One refusal more or less is none of most tests' concern."""
    running: list[tuple[WebServer, threading.Thread]] = []

    def serve(site: Site, *, tries: Tries | None = None, failed: Callable[[str, Exception], None] = lambda said, error: None) -> str:
        server = WebServer(make_app(site, tries=tries or Tries(at_once=1e6), failed=failed))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        return server.url

    yield serve
    for server, _ in running:
        server.stop()
    for _, thread in running:
        thread.join()


@pytest.fixture
def web(office: Office, serving: Callable[..., str]) -> Iterator[httpx.Client]:
    """A client of the office's server."""
    url = serving(Site(office.work, office.key, office.folder / "deliverables"), failed=lambda said, error: office.faults.append(said))
    with httpx.Client(base_url=url, timeout=20) as client:
        yield client
    assert office.faults == []
