"""A map may spell a column in other letters than its system: what is read so is written so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Field
from accord.model.flow import Binding, FieldMapping
from accord.model.system import System

FIELDS = [Field("id", required=True), Field("name"), Field("size", "integer")]
UPPER = {"id": FieldMapping("id", "ID"), "name": FieldMapping("name", "NAME"), "size": FieldMapping("size", "SIZE")}
CREATE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)"


@pytest.mark.parametrize("kind", ["sqlite", "cdc", "csv", "jsonl"])
def test_columns_may_be_spelled_in_other_letters(make_world: Any, kind: str) -> None:
    """Databases and people take «NAME» and «name» for the same. It was read so, and every write back was refused or went beside it."""
    at, file = {"sqlite": ("c.db", ""), "cdc": ("c.db", ""), "csv": ("files", "c.csv"), "jsonl": ("files", "c.jsonl")}[kind]
    world = make_world({"a": CREATE}, FIELDS)
    first = {"csv": "id,name,size\n2,two,2\n", "jsonl": '{"id": "2", "name": "two", "size": 2}\n'}
    if kind in first:
        (world.folder / at).mkdir()
        (world.folder / at / file).write_text(first[kind])
    else:
        world.sql("c", CREATE)
        world.sql("c", "INSERT INTO things VALUES ('2', 'two', 2)")
    table, capture = kind in ("sqlite", "cdc"), "cdc" if kind == "cdc" else "snapshot"
    system, flow = System("c", "sqlite" if table else kind, at), world.map.flows["things"]
    resource = "things" if table else "c"
    bindings = {**flow.bindings, "c": Binding("c", resource, UPPER, capture=capture)}
    world.map = replace(world.map, systems={**world.map.systems, "c": system}, flows={"things": replace(flow, bindings=bindings)})
    world.connectors["c"] = open_connector(system, base=world.folder)
    world.sql("a", "INSERT INTO things VALUES ('1', 'one', 1)")

    world.sync()
    world.sql("a", "UPDATE things SET name = 'deux' WHERE id = '2'")
    result = world.sync()

    assert (result.status, result.counts["updated"], result.counts["verified"], result.waiting) == ("done", 1, 1, 0)
    assert not world.sync().changed
    assert world.reconcile().differences.num_rows == 0
    if table:
        assert world.sql("c", "SELECT * FROM things ORDER BY id") == [("1", "one", 1), ("2", "deux", 2)]
    else:
        text = (world.folder / at / file).read_text()
        assert "deux" in text
        assert "NAME" not in text
