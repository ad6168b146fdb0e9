"""A partner: a web server that answers as it is told, and one that gives what it gets to Accord."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from accord.mapfile import load_map
from accord.store import Store, open_store
from accord.work import Work, open_work
from accord.work.webhooks import Receiver

SECRET, NEXT = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", "the-one-that-comes-after-it"
PROCESSES = """
processes:
  order:
    owner: a
    variables: {amount: {type: number, required: true}}
    starts: {placed: {message: placed}}
    steps:
      look: {team: a}
      pay: {kind: wait, message: paid, after: [look]}
"""


class Partner(ThreadingHTTPServer):
    """Keeps what it was sent; ``answers`` are used up first: a status, a status with headers, ``reset`` or ``slow``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[Any] = []
        self.let_go = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?token=hush"


class _Handler(BaseHTTPRequestHandler):
    server: Partner

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.seen.append(({k.lower(): v for k, v in self.headers.items()}, body))
        answer = self.server.answers.pop(0) if self.server.answers else 204
        if answer == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        if answer == "slow":
            self.server.let_go.wait(20)
            self.close_connection = True
            return
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ValueError):  # closed by the answer «reset»
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except (ConnectionError, ValueError):
            self.close_connection = True


def _serving(server: ThreadingHTTPServer) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def partner() -> Iterator[Partner]:
    """A web service of this test."""
    server = Partner()
    yield from _serving(server)
    server.let_go.set()


@pytest.fixture
def second() -> Iterator[Partner]:
    """Another one."""
    server = Partner()
    yield from _serving(server)
    server.let_go.set()


@pytest.fixture
def world(tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Work]]:
    """Work with webhooks given as YAML; each call opens it anew on the same store, as after a restart."""
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.setenv("BOTH", f"{NEXT} {SECRET}")
    opened: list[Store] = []

    def make(webhooks: str = "shop: {secret: '${env:SECRET}', messages: [placed, paid]}") -> Work:
        path = tmp_path / f"map{len(opened)}.yaml"
        path.write_text(f"name: acme\nteams: {{a: {{owner: Mia}}}}\nwebhooks: {{{webhooks}}}\n{PROCESSES}", encoding="utf-8")
        opened.append(open_store(tmp_path / "store.db", segments=tmp_path / "segments"))
        return open_work(load_map(path), opened[-1], clock=clock)

    yield make
    for store in opened:
        store.close()


class Gate(ThreadingHTTPServer):
    """Gives what it gets to a receiver."""

    daemon_threads = True

    def __init__(self, receiver: Receiver) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.receiver = receiver

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/"


class _Door(BaseHTTPRequestHandler):
    server: Gate

    def do_POST(self) -> None:
        length = min(int(self.headers.get("content-length") or 0), 1_048_577)
        received = self.server.receiver.receive(self.path.rpartition("/")[2], dict(self.headers), self.rfile.read(length))
        said = received.said.encode()
        self.send_response(received.status)
        self.send_header("content-length", str(len(said)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(said)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        pass


@pytest.fixture
def gate(world: Callable[..., Work]) -> Iterator[Gate]:
    """Accord behind a web server."""
    yield from _serving(Gate(Receiver(world())))
