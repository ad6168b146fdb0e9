"""Lists of an API that are read while rows come and go and processes end: no row that was there all the time is ever missed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from accord.connectors.duck import borrowed_duck
from accord.connectors.registry import open_connector
from accord.model.errors import DataRefused, SystemChanged, SystemUnreachable
from accord.model.system import Resource, System

STYLES: list[dict[str, str]] = [
    {"pages": "page"},
    {"pages": "offset"},
    {"pages": "page", "total": "total"},
    {"pages": "link"},
    {"pages": "cursor", "cursor_path": "link"},
    {"pages": "key", "cursor_param": "after"},
]
FAULTS = ["429 3600", "reset", "503", "cut", "garbage"]
OPTIONS = {"items": "data", "page_size": "10", "retries": "0"}


class Restless:
    """An API that changes and breaks between requests for a while, and then stands still."""

    def __init__(self, api: Any, seed: int) -> None:
        self.api, self.rng = api, random.Random(seed)
        self.style = STYLES[seed % len(STYLES)]
        api.rows["things"], api.ordered, api.most = {}, self.style["pages"] == "key", self.rng.choice([5, 10])
        api.put("things", [{"id": self.key(), "name": "x"} for _ in range(self.rng.randrange(60))])
        self.always = {key[0] for key in api.rows["things"]}
        self.left = self.rng.randrange(5, 60)
        self.changes, self.breaks = self.rng.choice([0, 0.05, 0.2]), self.rng.choice([0, 0.1, 0.3])
        api.before = self.before

    def key(self) -> str:
        return f"{self.rng.random():.9f}"

    def before(self, method: str, path: str) -> None:
        self.left -= 1
        if self.left < 0:
            return
        rows = self.api.rows["things"]
        if self.rng.random() < self.changes:
            if rows and self.rng.random() < 0.5:
                gone = self.rng.choice(list(rows))
                self.api.remove("things", *gone)
                self.always.discard(gone[0])
            else:
                new, items = self.key(), list(rows.items())
                items.insert(self.rng.randrange(len(items) + 1), ((new,), {"id": new, "name": "x"}))
                self.api.rows["things"] = dict(items)
        if self.rng.random() < self.breaks:
            self.api.faults.append(("GET", self.rng.choice(FAULTS)))

    def read(self, folder: Path) -> set[str]:
        """What the first process that comes to the end sees."""
        things = {"things": Resource("things", key=("id",))}
        for _ in range(60):
            connector: Any = open_connector(
                System("crm", "rest", self.api.url, options=OPTIONS | self.style, resources=things), base=folder
            )
            connector.keep_in(folder / "readings")
            connector.read_under("things", "flow", "mark")
            try:
                with borrowed_duck() as con:
                    return {row[0] for row in con.execute(f"SELECT id FROM {connector.scan(con, 'things')}").fetchall()}
            except (SystemUnreachable, SystemChanged, DataRefused):
                continue
            finally:
                connector.close()
        raise AssertionError("it was never read")


def _all_seen(api: Any, folder: Path, seeds: range) -> None:
    for seed in seeds:
        world = Restless(api, seed)
        found = world.read(folder)
        assert world.always <= found, f"seed {seed}, {world.style}: {sorted(world.always - found)[:5]} missed"
        assert [path for path in (folder / "readings").rglob("*") if path.is_file()] == [], f"seed {seed}"
        api.faults.clear()


def test_no_row_that_stays_is_missed_by_readings_that_end_and_go_on(rest_api: Any, tmp_path: Path) -> None:
    """It would be deleted in every other system. Each style of pages once."""
    _all_seen(rest_api, tmp_path, range(12, 18))


@pytest.mark.prove
def test_no_row_that_stays_is_missed_in_any_style(rest_api: Any, tmp_path: Path) -> None:
    """Sixty restless lists of each style."""
    _all_seen(rest_api, tmp_path, range(6 * 60))
