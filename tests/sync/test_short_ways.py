"""The fast paths (first load, single changes) know plain columns only; a value made of pieces must not slip into them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.flow import FieldMapping, Join, Lookup, Split
from accord.sync.live.simple import why_not
from accord.sync.load.eligible import understood
from accord.sync.run import open_cycle

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, v TEXT, w TEXT)"
EXTRAS = {
    "split": FieldMapping("v", split=Split(" ", 1)),
    "join": FieldMapping("v", join=Join(("v", "w"), " ")),
    "lookup": FieldMapping("v", lookup=Lookup(entity="thing", code="id", value="v")),
    "default": FieldMapping("v", default="x"),
    "separator": FieldMapping("v", separator=";"),
}


def world_with(make_world: Any, mapping: FieldMapping) -> Any:
    plain = {"id": FieldMapping("id"), "v": FieldMapping("v")}
    return make_world({"a": TABLE, "b": TABLE}, [Field("id", required=True), Field("v")], {"b": {"fields": {**plain, "v": mapping}}})


def eligible(world: Any) -> tuple[bool, bool]:
    """Whether the first load and the short way take the flow."""
    with open_cycle(world.map, "things", world.connectors, world.store, run="r", now=NOW, progress=None) as cycle:
        return understood(cycle), why_not(world.map, world.map.flows["things"]) == ""


@pytest.mark.parametrize("extra", EXTRAS)
def test_values_made_of_pieces_go_the_ordinary_way(make_world: Any, extra: str) -> None:
    """Both paths fill one column from one field; with more to it they would write something else than a run does."""
    assert eligible(world_with(make_world, EXTRAS[extra])) == (False, False)


def test_plain_columns_take_both_fast_paths(make_world: Any) -> None:
    """Otherwise the test above would hold for any reason."""
    assert eligible(world_with(make_world, FieldMapping("v"))) == (True, True)
