"""Rows taken as they are, against the engine that would have computed them."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from accord.connectors.duck import open_duck
from accord.mapfile import load_map
from accord.sync.live.rows import SideRows

MAP = """
name: plain
systems: {a: {connector: postgresql, at: "postgresql://x/y"}, b: {connector: postgresql, at: "postgresql://x/z"}}
entities:
  item:
    key: [id]
    fields:
      id: {type: integer, required: true, maximum: "1000000"}
      name: {type: text, required: true}
      price: {type: "number(6,2)", minimum: "0.5", maximum: "100"}
      state: {type: text, values: [open, done]}
      on: date
      at: timestamp
      of: uuid
      live: boolean
      left: text
flows:
  items:
    entity: item
    bindings:
      a: {resource: items, fields: {id: id, name: name, price: price, state: state, on: on, at: at, of: of, live: live}}
      b: {resource: items, fields: {id: id, name: name, price: price, state: state, on: on, at: at, of: of, live: live}}
"""
TYPES = {
    "id": "BIGINT",
    "name": "VARCHAR",
    "price": "DECIMAL(6,2)",
    "state": "VARCHAR",
    "on": "DATE",
    "at": "TIMESTAMP WITH TIME ZONE",
    "of": "UUID",
    "live": "BOOLEAN",
}
POOL: dict[str, list[str | None]] = {
    "id": [None, "1", "01", "-1", "-0", "+1", "1.0", "999999", "1000001", "9223372036854775807", "9223372036854775808", "", " 1"],
    "name": [None, "", "a", " a ", "a'b", "é", "\n", "NULL", "a\\b"],
    "price": [None, "1.50", "1.5", "1", "0.49", "0.50", "-0.00", "0.00", "100.00", "100.01", "9999.99", "99999.99", "01.00", "1e1", ".50"],
    "state": [None, "open", "done", "Open", "other", ""],
    "on": [None, "2026-01-01", "2026-02-30", "0001-01-01", "0000-01-01", "26-01-01", "2026-1-1", "infinity", "2024-02-29"],
    "at": [
        None, "2026-01-01 00:00:00+00", "2026-01-01 00:00:00.5+00", "2026-01-01 00:00:00.50+00", "2026-01-01 00:00:00.123456+00",
        "2026-01-01T00:00:00Z", "2026-01-01 01:00:00+01", "2026-01-01 24:00:00+00", "2026-01-01 23:59:60+00", "infinity",
        "0001-01-01 00:00:00+00",
        "2026-01-01 00:00:00", "2026-13-01 00:00:00+00", "2026-01-01 00:00:00.+00",
    ],
    "of": [None, "123e4567-e89b-12d3-a456-426614174000", "123E4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000", "x"],
    "live": [None, "true", "false", "t", "TRUE", "1", "0"],
}  # fmt: skip
GOOD: dict[str, str | None] = {
    "id": "1", "name": "a", "price": "1.50", "state": "open", "on": "2026-01-01", "at": "2026-01-01 00:00:00+00",
    "of": "123e4567-e89b-12d3-a456-426614174000", "live": "true",
}  # fmt: skip


@pytest.fixture
def side(tmp_path: Path) -> SideRows:
    """A side without conversions."""
    (tmp_path / "map.yaml").write_text(MAP)
    map_ = load_map(tmp_path / "map.yaml")
    con = open_duck(threads=1)
    con.execute("SET TimeZone = 'UTC'")
    return SideRows(con, map_.entities["item"], map_.flows["items"].bindings["a"], TYPES)


def test_a_row_taken_as_it_is_is_what_the_engine_makes_of_it(side: SideRows) -> None:
    """Each odd text alone in a good row, and some at random together: where there is an answer without the engine, it is the engine's."""
    rng = random.Random(4)
    alone = [{**GOOD, name: text} for name, pool in POOL.items() for text in pool]
    mixed = [{name: rng.choice(pool[:4]) for name, pool in POOL.items()} for _ in range(40)]
    answered = 0
    assert side._plain is not None
    for row in itertools.chain(alone, mixed):
        found = side._plain.read(row)
        if found is not None:
            answered += 1
            assert side.asked(row) == found
            native, shown = side._plain.want(found) or ({}, {})
            wanted = side.asked_for(found)
            assert (wanted.native, wanted.shown, wanted.fits) == (native, shown, True)
        assert side.read(row) == side.asked(row)
    assert answered > 30  # else it would hold for nothing


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("name: name, price", "name: {column: name, default: x}, price"),
        ("state: {type: text, values", "state: {type: text, pattern: 'o.*', values"),
        ('minimum: "0.5"', 'minimum: "0.555"'),
        ("of: uuid", "of: text"),
        ("flows:", "    rules: {r: {check: 'price < 50'}}\nflows:"),
    ],
)
def test_what_is_converted_or_checked_otherwise_is_left_to_the_engine(tmp_path: Path, before: str, after: str) -> None:
    """What this does not know it must not answer."""
    assert before in MAP
    (tmp_path / "map.yaml").write_text(MAP.replace(before, after, 1))
    map_ = load_map(tmp_path / "map.yaml")
    con = open_duck(threads=1)
    side = SideRows(con, map_.entities["item"], map_.flows["items"].bindings["a"], TYPES)

    assert side._plain is None
    assert side.read(GOOD) == side.asked(GOOD)
