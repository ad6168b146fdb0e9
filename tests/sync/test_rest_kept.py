"""A long list of an API whose reading was stopped in the middle: the next process goes on there, wherever that is sound."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from accord.lifecycle.erasing import erase_person
from accord.lifecycle.run_id import new_run_id
from accord.model.errors import AccordError, SystemUnreachable
from accord.model.flow import Flow
from accord.sync import FlowResult, run_flow
from accord.sync.live import Taken
from accord.sync.watch import FlowReport, Watch
from accord.workspace import Workspace, open_workspace

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PAGES = 8
MAP = """
name: long-lists
systems:
  db: {{connector: sqlite, at: db.db}}
  api:
    connector: rest
    at: {url}
    options: {{items: data, page_size: "10", retries: "0", auth: bearer, token: geheim-4711, params: "api_key=geheim-0815-xyz", {options}}}
    resources:
      things: {{key: [id], options: {{updated_since: since}}}}
entities:
  thing:
    key: [id]
    fields:
      id: {{type: text, required: true}}
      name: {{type: text, personal: true}}
flows:
  things:
    entity: thing
    bindings:
      db: {{resource: things, fields: {{id: id, name: name}}}}
      api: {{resource: things, fields: {{id: id, name: {column}}}{binding}}}
"""
CURSOR = "pages: cursor, cursor_path: next"
RUN = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from accord.sync import run_flow
from accord.workspace import open_workspace
with open_workspace(Path(sys.argv[1])) as w:
    run_flow(w.map, "things", w.connectors(), w.store, run=sys.argv[2], now=datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
"""


class World:
    """An API with eight pages of rows, an empty table beside it, and a workspace for both."""

    def __init__(self, api: Any, folder: Path) -> None:
        self.api, self.folder, self.runs, self.breaks, self.fault = api, folder, 0, 0, "429 3600"
        api.put("things", [{"id": f"{i:04}", "name": f"n{i}"} for i in range(10 * PAGES)])
        api.before = self._before
        self.sql("CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)")
        self.write_map()

    def write_map(self, options: str = CURSOR, *, column: str = "name", binding: str = "") -> None:
        text = MAP.format(url=self.api.url, options=options, column=column, binding=binding)
        (self.folder / "map.yaml").write_text(text, encoding="utf-8")

    def sql(self, statement: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "db.db")) as db, db:
            return db.execute(statement).fetchall()

    def _before(self, method: str, path: str) -> None:
        if self.breaks and method == "GET" and self.api.asked("GET", "limit=") == self.breaks:
            self.api.faults.append(("GET", self.fault))
            self.breaks = 0

    def opened(self) -> Workspace:
        return open_workspace(self.folder / "map.yaml")

    def sync(self, **named: Any) -> Any:
        """One run, as a new process has it."""
        self.runs += 1
        with self.opened() as w:
            return run_flow(w.map, "things", w.connectors(), w.store, run=f"run-{self.runs}", now=NOW, **named)

    def broken(self, pages: int) -> str:
        """A run that the API sends away after so many pages; what it says."""
        self.api.log.clear()
        self.breaks = pages
        with pytest.raises(SystemUnreachable) as caught:
            self.sync()
        self.api.log.clear()
        return str(caught.value)

    @property
    def asked(self) -> int:
        """Requests for a page of the list since the last time."""
        count = self.api.asked("GET", "limit=")
        self.api.log.clear()
        return int(count)

    @property
    def kept(self) -> list[Path]:
        return [path for path in sorted((self.folder / ".accord" / "readings").rglob("*")) if path.is_file()]

    def agree(self) -> None:
        """What both hold, read by means that are none of ours."""
        there = {key[0]: item["name"] for key, item in self.api.rows["things"].items()}
        assert there == dict(self.sql("SELECT id, name FROM things"))


@pytest.fixture
def world(rest_api: Any, tmp_path: Path) -> World:
    return World(rest_api, tmp_path)


def killed(world: World, pages: int) -> None:
    """A run of a process of its own that is killed when it asks for the page after so many."""
    world.runs += 1
    began = threading.Event()
    process = subprocess.Popen([sys.executable, "-c", RUN, str(world.folder / "map.yaml"), f"killed-{world.runs}"])

    def before(method: str, path: str) -> None:
        began.wait(30)
        if world.api.asked("GET", "limit=") == pages:
            os.kill(process.pid, signal.SIGKILL)

    world.api.before = before
    began.set()
    assert process.wait(60) == -signal.SIGKILL
    world.api.before = lambda method, path: None
    world.api.log.clear()


def test_a_killed_process_is_followed_by_one_that_goes_on_at_the_next_page(world: World) -> None:
    """A list of thousands of pages under a budget of some hundred an hour would else never be read. The page before is looked at again."""
    killed(world, 6)
    private = [stat.S_IMODE(path.stat().st_mode) for path in world.kept if path.suffix != ".lock"]
    text = b"".join(path.read_bytes() for path in world.kept)

    result = world.sync()

    assert (result.counts["inserted"], world.asked) == (10 * PAGES, PAGES - 6 + 1)
    assert len(private) > 5
    assert set(private) == {0o600}
    assert b"geheim" not in text
    assert world.kept == []
    world.agree()


def test_what_was_agreed_since_is_not_taken_back_by_pages_of_before(world: World) -> None:
    """A run over some rows may end between: a page from before it shows them as they were, which would look like an edit."""
    world.write_map(binding=", capture: cursor, cursor: updated_at")
    world.api.stamp = "updated_at"
    world.api.put("things", list(world.api.rows["things"].values()))
    world.sync()
    world.runs += 1
    world.api.log.clear()
    world.breaks = 4
    with pytest.raises(SystemUnreachable):
        world.sync(whole=True)
    world.sql("UPDATE things SET name = 'edited here' WHERE id = '0003'")
    world.api.put("things", [{"id": "0004", "name": "edited there"}])
    partial = world.sync()

    swept = world.sync(whole=True)

    assert (partial.counts["updated"], swept.changed) == (2, False)
    assert dict(world.sql("SELECT id, name FROM things WHERE id IN ('0003', '0004')")) == {"0003": "edited here", "0004": "edited there"}
    world.agree()


def test_a_dry_run_and_another_map_go_on_with_nothing_and_an_erasure_takes_all(world: World) -> None:
    """A dry run promises to write nowhere; pages read under another map do not fit; and readings hold rows of whomever, in clear."""
    world.broken(4)
    before = world.kept
    world.sync(dry_run=True)
    dry = world.asked
    world.write_map(binding=", where: \"id < '0070'\"")
    world.sync()
    anew = world.asked
    world.broken(4)
    left = world.kept

    with world.opened() as w:
        plan = erase_person(w, "0005", by="Ann", reason="request", run="erase-1", now=NOW)

    assert (dry, anew, bool(before), bool(left)) == (PAGES, PAGES, True, True)
    assert plan.remains == ()
    assert world.kept == []
    assert ("0005",) not in world.api.rows["things"]


class Editor:
    """Changes a row of the first page once a reading broke behind it, and ends the watch at the second run that ends well."""

    def __init__(self, world: World) -> None:
        self.world, self.older, self.end = world, list[float](), lambda: None

    def failed(self, flow: Flow, run: str, error: AccordError, now: datetime) -> None:
        self.world.api.put("things", [{"id": "0003", "name": "edited"}])

    def finished(self, flow: Flow, result: FlowResult, now: datetime, stages: Mapping[str, float]) -> None:
        self.older.append(result.older_seconds)
        if len(self.older) == 2:
            self.end()

    def started(self, flow: Flow, run: str, now: datetime) -> None: ...
    def applied(self, flow: Flow, taken: Taken) -> None: ...
    def short_way(self, flow: Flow, reason: str) -> None: ...
    def state(self, report: FlowReport) -> None: ...


def test_what_was_edited_behind_a_reading_that_broke_is_looked_for_as_soon_as_it_is_read(world: World) -> None:
    """The run that goes on shows the first pages as they were before the fault; the next look may be minutes away."""
    world.breaks, editor = 4, Editor(world)
    world.fault = "reset"
    with world.opened() as w:
        watch = Watch(
            w.map,
            ["things"],
            w.connectors(),
            w.store,
            new_run=new_run_id,
            clock=lambda: datetime.now(UTC),
            renew=lambda: None,
            observers=[editor],
        )
        editor.end = watch.end
        late = threading.Timer(20, watch.end)
        late.start()
        try:
            watch.run()
        finally:
            late.cancel()

    first, then = editor.older
    assert first > 0.4 > 0 == then  # half a second at least is between two tries
    world.agree()


@pytest.mark.prove
def test_whatever_page_a_process_is_killed_at_nothing_is_lost_and_little_read_twice(world: World) -> None:
    """A list that takes four processes, then edits on both sides, and four more."""
    for round_ in range(2):
        for reached in range(2, PAGES, 2):
            killed(world, 2 if reached == 2 else 3)
        world.sync()
        assert world.asked <= 4
        if round_ == 0:
            world.agree()
            world.sql("UPDATE things SET name = 'here' WHERE id LIKE '%7'")
            world.api.put("things", [{"id": f"{i:04}", "name": "there"} for i in range(3, 10 * PAGES, 10)])
    world.sync()
    world.agree()


@pytest.fixture(autouse=True)
def quiet(world: World) -> Iterator[None]:
    """No request of a run that was killed comes late."""
    yield
    world.api.before = lambda method, path: None
