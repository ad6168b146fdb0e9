"""What every log of changes must do, whatever it is made of."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from accord.connectors.feed_state import KeepsFeeds
from accord.connectors.protocol import ChangeBatch, Connector, Feed, Keyed, Logged
from accord.connectors.registry import open_connector
from accord.model.system import System
from accord.model.types import CanonicalType

TYPES = {"a": CanonicalType("integer"), "b": CanonicalType("text"), "v": CanonicalType("text"), "n": CanonicalType("number", 12, 2)}


@pytest.fixture(params=["mysql", "postgresql", "sqlite"])
def logged(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A system of each kind that keeps a log, with a resource of a hundred rows."""
    urls = {"postgresql": "logical_url", "mysql": "mysql_url"}
    at = request.getfixturevalue(urls[request.param]) if request.param in urls else str(tmp_path / "system.db")
    connector = open_connector(System("under_test", request.param, at), base=tmp_path)
    assert isinstance(connector, Logged)
    assert isinstance(connector, Keyed)
    connector.create("r", TYPES, ["a", "b"])
    write(connector, "insert", range(100), "v")
    yield connector
    connector.close()


def write(connector: Connector, op: str, numbers: Any, value: str, old: str | None = None) -> None:
    """Insert, update or delete the rows of these numbers."""
    rows = list(numbers)
    texts = [value] * len(rows)
    amounts = pa.array([Decimal(n) for n in rows], pa.decimal128(12, 2))
    none = pa.nulls(len(rows), pa.decimal128(12, 2)) if old is None else amounts
    data = {"_op": [op] * len(rows), "a": pa.array(rows, pa.int64()), "b": [f"b{n}" for n in rows], "v": texts, "n": amounts}
    data |= {"_old_v": pa.array([old] * len(rows), pa.string()), "_old_n": none}
    result = connector.apply(ChangeBatch("r", ("a", "b"), ("v", "n"), pa.table(data), "batch"))
    assert result.stale is None
    assert result.refused is None


def drained(feed: Feed) -> tuple[set[tuple[int, str]], str]:
    """Every key until now, and the last position."""
    found: set[tuple[int, str]] = set()
    position = ""
    while (batch := feed.read()) is not None:
        assert batch.keys is not None
        found |= {(row["a"], row["b"]) for row in batch.keys.to_pylist()}
        position = batch.position
    return found, position


def test_a_log_tells_every_change_once_it_is_set_up_and_again_until_it_is_acknowledged(
    logged: Any, duck: duckdb.DuckDBPyConnection
) -> None:
    """Set up, first full read, changes, restart, acknowledge, restart: nothing missing and the keys are those scan_keys takes."""
    feed = logged.open_feed("r", ["a", "b"], name="conformance_1", after=None)
    write(logged, "update", [98, 99], "during the first full read", "v")
    first = feed.read()
    assert first.keys is None
    assert first.reason
    write(logged, "insert", range(100, 110), "v")
    write(logged, "update", range(10), "x", "v")
    write(logged, "delete", range(20, 25), "v", "v")
    expected = {(n, f"b{n}") for n in [*range(10), *range(20, 25), 98, 99, *range(100, 110)]}

    seen, position = drained(feed)
    feed.close()
    again = logged.open_feed("r", ["a", "b"], name="conformance_1", after=first.position)
    repeated, _ = drained(again)
    again.acknowledge(position)
    again.close()
    write(logged, "update", [50], "y", "v")
    later = logged.open_feed("r", ["a", "b"], name="conformance_1", after=position)
    last = later.read()
    later.close()
    logged.drop_feed("r", name="conformance_1")

    assert expected - {(98, "b98"), (99, "b99")} <= seen <= expected
    assert repeated == seen
    duck.register("arrived", last.keys)
    duck.execute("CREATE TABLE keys AS SELECT * EXCLUDE (_changed_at) FROM arrived")
    assert duck.execute(f"SELECT * FROM {logged.scan_keys(duck, 'r', 'keys')}").fetchall() == [(50, "b50", "y", Decimal(50))]
    assert duck.execute("SELECT typeof(_changed_at) FROM arrived").fetchall() == [("TIMESTAMP WITH TIME ZONE",)]


def test_two_feeds_of_one_resource_do_not_take_each_others_changes(logged: Any) -> None:
    """Two flows, or two stores, may watch the same table."""
    feeds = [logged.open_feed("r", ["a", "b"], name=name, after=None) for name in ("one", "two")]
    for feed in feeds:
        assert feed.read().keys is None
    write(logged, "update", [1], "x", "v")

    seen = []
    for feed in feeds:
        keys, position = drained(feed)
        feed.acknowledge(position)
        seen.append(keys)
        feed.close()
    for name in ("one", "two"):
        logged.drop_feed("r", name=name)

    assert seen == [{(1, "b1")}, {(1, "b1")}]


def test_a_dropped_feed_is_begun_anew_from_everything(logged: Any) -> None:
    """Whatever happened between is not in it; a server that keeps its log for nobody in particular still has it.

    One that is kept goes by its name alone: of a flow that is gone from the map nobody knows the resource.
    """
    feed = logged.open_feed("r", ["a", "b"], name="conformance_2", after=None)
    position = feed.read().position
    feed.close()
    kept = [f.name for f in logged.feeds()] if isinstance(logged, KeepsFeeds) else []
    logged.drop_feed("", name="conformance_2")
    if isinstance(logged, KeepsFeeds):
        mine = logged.feed_called("conformance_2")
        assert (mine in kept, mine in [f.name for f in logged.feeds()]) == (True, False)
    write(logged, "update", [1], "x", "v")

    again = logged.open_feed("r", ["a", "b"], name="conformance_2", after=position)
    found = again.read()
    again.close()
    logged.drop_feed("r", name="conformance_2")

    if logged.kind == "mysql":
        assert [(row["a"], row["b"]) for row in found.keys.to_pylist()] == [(1, "b1")]
    else:
        assert found.keys is None
