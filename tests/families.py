"""Rows that point at other rows, in SQLite files whose triggers are as strict as foreign keys: for tests of several flows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accord.sync import Ran, flow_order, run_flows
from accord.workspace import Workspace, open_workspace

LEVELS = {"grands": "", "parents": "grands", "things": "parents"}  # table: the table its rows point at; also the map's entities and flows


@dataclass
class Family:
    """A folder with a map of three levels over some systems, all but the first of which refuse what would leave a pointer to nothing."""

    folder: Path
    systems: Sequence[str] = "ab"
    levels: Sequence[str] = ("parents", "things")
    more: str = ""  # of each flow
    guard: str = "100%"
    capture: str = "snapshot"  # of the first system
    rule: str = ""  # the strict systems have foreign keys that act by it, and refuse nothing themselves
    cascades: str = ""  # of the bindings of the strict systems
    runs: int = 0

    def __post_init__(self) -> None:
        """Write the map and make empty tables."""
        for system in self.systems:
            with closing(sqlite3.connect(self.folder / f"{system}.db")) as db:
                db.executescript(
                    "".join(["BEGIN;", *(self._tables(level, strict=system != self.systems[0]) for level in self.levels), "COMMIT;"])
                )
        (self.folder / "map.yaml").write_text(self.text())

    def _up(self, level: str) -> str:
        return LEVELS[level] if LEVELS[level] in self.levels else ""

    def _tables(self, level: str, *, strict: bool) -> str:
        up = self._up(level)
        made = f"CREATE TABLE {level} (id TEXT PRIMARY KEY, name TEXT{', up TEXT' if up else ''});"
        if up and strict and self.rule:
            return made.replace("up TEXT", f"up TEXT REFERENCES {up} ON DELETE {self.rule}")
        if up and strict:
            pointed = f"EXISTS (SELECT 1 FROM {level} WHERE up = old.id)"
            lost = f"new.up IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {up} WHERE id = new.up)"
            stop = "BEGIN SELECT RAISE(ABORT, 'points at nothing'); END;"
            made += f"CREATE TRIGGER kept_{level} BEFORE DELETE ON {up} WHEN {pointed} {stop}"
            made += "".join(f"CREATE TRIGGER {when}_{level} BEFORE {when} ON {level} WHEN {lost} {stop}" for when in ("INSERT", "UPDATE"))
        return made

    def text(self) -> str:
        """The map."""
        entities, flows = [], []
        for level in self.levels:
            up = self._up(level)
            pointer = f", up: {{type: text, references: {up}}}" if up else ""
            entities.append(f"  {level}: {{key: [id], fields: {{id: text, name: text{pointer}}}}}")
            columns = f"{{id: id, name: name{', up: up' if up else ''}}}"
            more = dict.fromkeys(self.systems, f", cascades: {self.cascades}" if self.cascades else "")
            more[self.systems[0]] = f", capture: {self.capture}"
            bindings = ", ".join(f"{s}: {{resource: {level}, fields: {columns}{more[s]}}}" for s in self.systems)
            flows.append(f"  {level}: {{entity: {level}, delete_guard: {self.guard}, {self.more}bindings: {{{bindings}}}}}")
        systems = ", ".join(f"{system}: {{connector: sqlite, at: {system}.db}}" for system in self.systems)
        return "\n".join([f"name: family\nsystems: {{{systems}}}\nentities:", *entities, "flows:", *flows, ""])

    def sql(self, system: str, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement in a system."""
        with closing(sqlite3.connect(self.folder / f"{system}.db")) as db, db:
            return db.execute(statement).fetchall()

    def keys(self, system: str) -> dict[str, str]:
        """By level, the keys of its rows put together."""
        return {level: "".join(row[0] for row in self.sql(system, f"SELECT id FROM {level} ORDER BY id")) for level in self.levels}

    def opened(self) -> Workspace:
        """The workspace; to be closed."""
        return open_workspace(self.folder)

    def sync(self, *flows: str, **options: Any) -> Ran:
        """Run the flows, or all, as a caller of the library does."""
        self.runs += 1
        with self.opened() as workspace:
            chosen = [name for name in flow_order(workspace.map) if not flows or name in flows]
            run = f"run{self.runs}"
            return run_flows(workspace.map, chosen, workspace.connectors(), workspace.store, run=run, now=datetime.now(UTC), **options)
