"""The proof of agreement names every difference and believes nothing of what the engine thinks it did."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Field
from accord.model.system import System
from accord.sync import reconcile


def test_every_missing_extra_and_different_key_is_named_with_both_values(two: Any) -> None:
    """Zero differences is only a proof if a difference would have been seen."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'x', 1), ('2', 'y', 2), ('3', 'z', 3)")
    two.sync()
    two.sql("b", "UPDATE things SET name = 'Y', size = NULL WHERE id = '2'")
    two.sql("b", "DELETE FROM things WHERE id = '3'")
    two.sql("b", "INSERT INTO things VALUES ('4', 'w', 4)")

    proof = two.reconcile()

    pair = proof.pairs[0]
    named = sorted((d["key"], d["kind"], d["field"], d["left_value"], d["right_value"]) for d in proof.differences.to_pylist())
    assert (pair.left, pair.right, pair.keys, pair.missing, pair.extra, pair.different) == ("a", "b", 2, 1, 1, 1)
    assert named == [
        ('{"id":"2"}', "different", "name", "y", "Y"),
        ('{"id":"2"}', "different", "size", "2", None),
        ('{"id":"3"}', "missing", "", None, None),
        ('{"id":"4"}', "extra", "", None, None),
    ]
    assert not proof.agrees


def test_agreement_is_an_event_with_the_counts(two: Any) -> None:
    """The audit reads it from the log."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'x', 1)")
    two.sync()

    proof = two.reconcile()

    event = list(two.store.read(types=["flow.reconciled"]))[-1].event
    assert proof.agrees
    assert event.attributes["pairs"] == [{"left": "a", "right": "b", "keys": 1, "missing": 0, "extra": 0, "different": 0}]
    assert event.attributes["differences"] == ""


def test_rows_that_break_the_contract_are_listed_apart(make_world: Any) -> None:
    """A bad row is not a failure to copy; it is a failure of its own."""
    from accord.model.entity import Field

    table = "CREATE TABLE things (id TEXT, name TEXT)"
    world = make_world({"a": table, "b": table}, [Field("id"), Field("name", required=True)])
    world.sql("a", "INSERT INTO things VALUES ('1', 'x'), ('2', NULL)")
    world.sync()

    proof = world.reconcile()

    assert proof.quarantined == {"a": 1, "b": 0}
    assert proof.pairs[0].agrees
    assert not proof.agrees


@pytest.mark.parametrize("read_all", [True, False])
def test_values_cut_by_a_system_agree_and_are_counted(make_world: Any, read_all: bool) -> None:
    """A proof that calls 1.239 and 1.24 equal, as near as they can be, has to say that a third place is gone."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, cost TEXT, name TEXT)"
    world = make_world({"a": table, "b": table}, [Field("id", required=True), Field("cost", "number(12,3)"), Field("name")])
    with duckdb.connect(str(world.folder / "b.duckdb")) as db:
        db.execute("CREATE TABLE things (id VARCHAR PRIMARY KEY, cost DECIMAL(12,2), name VARCHAR)")
    world.connectors["b"] = open_connector(System("b", "duckdb", "b.duckdb"), base=world.folder)
    world.sql("a", "INSERT INTO things VALUES ('1', '1.239', 'x'), ('2', '2.50', 'y'), ('3', '3.001', 'z'), ('4', '4.567', 'v')")
    world.sync()
    with duckdb.connect(str(world.folder / "b.duckdb")) as db:
        db.execute("UPDATE things SET name = 'other' WHERE id = '3'")  # a row that differs names its values anyway
        db.execute("UPDATE things SET cost = 9 WHERE id = '4'")

    proof = reconcile(world.map, "things", world.connectors, world.store, run="proof", now=world.now, read_all=read_all)

    (pair,) = proof.pairs
    assert ((pair.keys, pair.different), dict(pair.coarser)) == ((4, 2), {"cost": 1})
    named = proof.differences.select(["field", "left_value", "right_value"]).to_pylist()
    assert [tuple(one.values()) for one in named] == [("name", "z", "other"), ("cost", "4.567", "9.000")]  # as each system holds it
