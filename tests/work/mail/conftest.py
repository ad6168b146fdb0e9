"""A mail server that takes, refuses or breaks off as it is told, and a map of two teams whose people have addresses."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from accord.mapfile import load_map
from accord.store import Store, open_store
from accord.store.signing import SigningKey, load_or_create_key
from accord.work import Work, open_work
from accord.work.mail import Mailbox, Post

MAP = """
name: acme
calendars: {office: {timezone: Europe/Berlin}}
teams:
  marketing: {title: Marketing, owner: Mia}
  studio: {title: The studio, owner: Sam, backup: Sue, calendar: office}
  legal: {title: Legal, owner: Lea, email: legal@example.org}
people:
  Mia: {title: Mia Berg, email: mia@example.org, team: marketing}
  Sam: {title: Sam Ött, email: sam@example.org, team: studio}
  Sue: {email: sue@example.org, team: studio}
  Lea: {email: lea@example.org, team: legal}
  Max: {team: marketing}
processes:
  campaign:
    title: Campaign
    steps:
      brief: {title: Write the brief, team: marketing, form: {budget: {type: number, required: true}}}
      draw: {title: Draw it, team: studio, after: [brief], accept_within: 2h, sla: 8h}
      check: {title: Check it, team: legal, after: [draw]}
"""


class MailServer(socketserver.ThreadingTCPServer):
    """Keeps what it took; ``answers`` are given to the next messages instead of «fine», an empty one breaks the connection off."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.kept: list[EmailMessage] = []
        self.refused: set[str] = set()
        self.answers: list[bytes] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"

    def to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.kept if address in str(message["To"])]


class _Session(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as messages need."""

    server: MailServer

    def handle(self) -> None:
        self.server.connections += 1
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            command = line.upper()
            if command.startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                taken = b""
                while not taken.endswith(b"\r\n.\r\n"):
                    part = self.rfile.readline()
                    if not part:
                        return
                    taken += part
                answer = self.server.answers.pop(0) if self.server.answers else b"250 fine"
                if answer.startswith(b"250") or not answer:
                    self.server.kept.append(message_from_bytes(taken[:-5].replace(b"\r\n..", b"\r\n."), policy=policy.default))  # type: ignore[arg-type]
                if not answer:
                    return  # taken, and gone before it said so
                self.wfile.write(answer + b"\r\n")
            elif command.startswith(b"RCPT") and any(address.encode().upper() in command for address in self.server.refused):
                self.wfile.write(b"550 nobody here\r\n")
            else:
                self.wfile.write(b"221 bye\r\n" if command.startswith(b"QUIT") else b"250 fine\r\n")


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """The server of this test."""
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


@dataclass
class Office:
    """The map's work with its outbox."""

    work: Work
    store: Store
    key: SigningKey
    server: MailServer
    clock: Any
    folder: Path

    def mailbox(self, url: str = "", pages: str = "https://accord.example/links/") -> Mailbox:
        return Mailbox(self.work, Post(url or self.server.url), sender="accord@example.org", key=self.key, pages=pages)

    def changed(self, text: str) -> Work:
        """Work on another map over the same store."""
        path = self.folder / f"map{len(text)}.yaml"
        path.write_text(text, encoding="utf-8")
        return open_work(load_map(path), self.store, clock=self.clock)


@pytest.fixture
def office(tmp_path: Path, clock: Any, key: SigningKey, mail_server: MailServer) -> Iterator[Office]:
    """Nothing has begun yet."""
    path = tmp_path / "map.yaml"
    path.write_text(MAP, encoding="utf-8")
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        yield Office(open_work(load_map(path), store, clock=clock), store, key, mail_server, clock, tmp_path)


@pytest.fixture
def tokens() -> Callable[[EmailMessage], dict[str, str]]:
    """The tokens of a message by what they do."""

    def found(message: EmailMessage) -> dict[str, str]:
        body = message.get_body(("plain",))
        assert body is not None
        lines = body.get_content().splitlines()
        words = {"Accept it": "accept", "Take it": "claim", "Finish it": "complete", "Send it": "reject"}
        return {
            name: lines[n + 1].removeprefix("https://accord.example/links/").removeprefix("accord work redeem ")
            for n, line in enumerate(lines)
            for said, name in words.items()
            if line.startswith(said)
        }

    return found
