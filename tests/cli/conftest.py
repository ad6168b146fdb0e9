"""A map of two SQLite files in a folder, and a shortcut to the command line."""

from __future__ import annotations

import json
import socketserver
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main

MAP = """
name: small
systems:
  a: {connector: sqlite, at: a.db}
  b: {connector: sqlite, at: b.db}
entities:
  thing:
    key: [id]
    fields:
      id: text
      name: text
      size: integer
flows:
  things:
    entity: thing
    bindings:
      a: {resource: things, fields: {id: id, name: name, size: size}}
      b: {resource: things, fields: {id: id, name: name, size: size}}
"""


@dataclass
class Small:
    """The folder of the map; ``call`` runs a command and gives its exit code and what it printed."""

    folder: Path
    capture: Any

    def sql(self, system: str, statement: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / f"{system}.db") as db:
            rows = db.execute(statement).fetchall()
        db.close()
        return rows

    def rows(self, system: str) -> dict[Any, tuple[Any, ...]]:
        return {row[0]: row[1:] for row in self.sql(system, "SELECT * FROM things")}

    def call(self, *arguments: str) -> tuple[int, str, str]:
        self.capture.readouterr()
        code = main([*arguments])
        printed = self.capture.readouterr()
        return code, printed.out, printed.err

    def json(self, *arguments: str) -> tuple[int, Any]:
        code, text, _ = self.call(*arguments, "--json")
        return code, json.loads(text)


@pytest.fixture
def unsynced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Small:
    """A folder for a map of the test's own."""
    return Small(tmp_path, capsys)


@pytest.fixture
def small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Small:
    """Two systems a and b with things (id, name, size), two-way, already synchronized with rows 1, 2 and 3."""
    (tmp_path / "map.yaml").write_text(MAP)
    made = Small(tmp_path, capsys)
    for system in "ab":
        made.sql(system, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)")
    made.sql("a", "INSERT INTO things VALUES ('1', 'x', 1), ('2', 'y', 2), ('3', 'z', 3)")
    assert made.call("sync", str(tmp_path))[0] == 0
    return made


class _Mail(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as one message needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                kept = b""
                while not kept.endswith(b"\r\n.\r\n"):
                    kept += self.rfile.readline()
                self.server.kept.append(kept.decode())  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 fine\r\n")


@pytest.fixture
def mail_server() -> Iterator[tuple[str, list[str]]]:
    """Its URL, and what it took."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail) as server:
        server.kept = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"smtp://127.0.0.1:{server.server_address[1]}", server.kept  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
