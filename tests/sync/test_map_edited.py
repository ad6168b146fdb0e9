"""A map that is edited between two runs: what it asks for now is what the next run brings about, for old rows as for new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from accord.model.entity import Field
from accord.model.flow import FieldMapping


def remap(world: Any, binding: str, fields: Mapping[str, FieldMapping], **more: Any) -> None:
    """Put other mappings into the world's map."""
    flow = world.map.flows["things"]
    bindings = {**flow.bindings, binding: replace(flow.bindings[binding], fields=dict(fields))}
    world.map = replace(world.map, flows={"things": replace(flow, bindings=bindings, **more)})


ALL = {name: FieldMapping(name) for name in ("id", "name", "size")}


def agreed(world: Any, fields: Mapping[str, FieldMapping]) -> None:
    """Both systems hold two rows and agree as far as b's mappings go."""
    remap(world, "b", fields)
    world.sql("a", "INSERT INTO things VALUES ('1', 'one', 10), ('2', 'two', 20)")
    world.sql("b", "INSERT INTO things VALUES ('1', 'one', NULL), ('2', 'two', NULL)")
    world.sync()
    world.sync()


@pytest.mark.parametrize("before", [None, FieldMapping("size", direction="read"), FieldMapping("size", column="name", read="20")])
def test_a_field_that_a_system_comes_to_hold_is_filled_in_the_rows_it_has(two: Any, before: FieldMapping | None) -> None:
    """Nobody edited those rows, so that nothing but the map says that they lack something."""
    agreed(two, {**{n: m for n, m in ALL.items() if n != "size"}, **({"size": before} if before else {})})
    remap(two, "b", ALL)

    result = two.sync()

    assert two.rows("b") == {"1": ("one", 10), "2": ("two", 20)}
    assert two.rows("a") == two.rows("b")
    assert result.counts["updated"] == 2
    assert two.sync().counts["updated"] == 0
    assert not two.reconcile().differences


def test_what_a_field_held_before_it_was_mapped_is_no_edit(two: Any) -> None:
    """As with a row that a system shows for the first time: it joins what is agreed, and its old value is kept as one that lost."""
    agreed(two, {n: m for n, m in ALL.items() if n != "size"})
    two.sql("b", "UPDATE things SET size = 99 WHERE id = '1'")
    remap(two, "b", ALL)

    two.sync()

    assert two.rows("a") == {"1": ("one", 10), "2": ("two", 20)}
    assert two.rows("b") == two.rows("a")
    (lost,) = two.segments("conflicts")
    assert (lost["field"], lost["losing_value"], lost["winning_value"], lost["rule"]) == ("size", "99", "10", "first contact")
    assert two.sync().changed is False


def test_what_only_the_newly_mapped_system_knows_is_taken_over(two: Any) -> None:
    """A field that nobody held yet has no agreed value to join."""
    agreed(two, {n: m for n, m in ALL.items() if n != "size"})
    two.sql("a", "UPDATE things SET size = NULL WHERE id = '1'")
    two.sync()
    two.sql("b", "UPDATE things SET size = 99 WHERE id = '1'")
    remap(two, "b", ALL)

    two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("one", 99), "2": ("two", 20)}


def test_a_corrected_unit_changes_the_system_that_was_read_wrongly(two: Any) -> None:
    """All its values mean something else now; that is the map's doing, and must not overwrite what the others hold."""
    fields = {**two.map.entities["thing"].fields, "size": Field("size", "number(12,2)", unit="h")}
    two.map = replace(two.map, entities={"thing": replace(two.map.entities["thing"], fields=fields)})
    agreed(two, ALL)
    assert two.rows("b")["1"] == ("one", 10)
    remap(two, "b", {**ALL, "size": FieldMapping("size", unit="min")})

    two.sync()

    assert two.rows("a") == {"1": ("one", 10), "2": ("two", 20)}
    assert two.rows("b") == {"1": ("one", 600), "2": ("two", 1200)}
    assert two.sync().changed is False


def test_a_renamed_column_keeps_the_edits_made_before_the_map_followed(two: Any) -> None:
    """Its values are the agreed ones but for the rows that people changed meanwhile: those are edits."""
    agreed(two, ALL)
    two.sql("b", "ALTER TABLE things RENAME COLUMN size TO amount")
    two.sql("b", "UPDATE things SET amount = 11 WHERE id = '1'")
    remap(two, "b", {**ALL, "size": FieldMapping("size", column="amount")})

    two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("one", 11), "2": ("two", 20)}
    assert two.segments("conflicts") == []


def test_a_system_that_is_left_out_for_a_while_is_taken_up_where_it_was(make_world: Any) -> None:
    """Its base stays: what people changed there meanwhile are edits, and what the others did reaches it."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT)"
    world = make_world(dict.fromkeys("abc", table), [Field("id", required=True), Field("name")])
    world.sql("a", "INSERT INTO things VALUES ('1', 'one'), ('2', 'two')")
    world.sync()
    whole = world.map
    flow = whole.flows["things"]
    world.map = replace(whole, flows={"things": replace(flow, bindings={n: b for n, b in flow.bindings.items() if n != "c"})})
    world.sql("a", "UPDATE things SET name = 'uno' WHERE id = '1'")
    world.sync()
    world.sql("c", "UPDATE things SET name = 'zwei' WHERE id = '2'")
    world.map = whole

    world.sync()

    assert world.rows("a") == world.rows("b") == world.rows("c") == {"1": ("uno",), "2": ("zwei",)}


def test_a_column_that_was_gone_for_a_while_gets_what_was_agreed_without_it(two: Any) -> None:
    """Under ``drift: quarantine`` the others go on; when the column is back, its edits are edits and the rest is filled in."""
    agreed(two, ALL)
    remap(two, "b", ALL, drift="quarantine")
    two.sync()
    two.sql("b", "ALTER TABLE things RENAME COLUMN name TO label")
    two.sql("a", "UPDATE things SET name = 'uno' WHERE id = '1'")
    two.sync()
    two.sql("b", "ALTER TABLE things RENAME COLUMN label TO name")
    two.sql("b", "UPDATE things SET name = 'dos' WHERE id = '2'")

    two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("uno", 10), "2": ("dos", 20)}


def test_a_system_restored_from_a_backup_is_brought_up_by_not_believing_it_once(two: Any) -> None:
    """What it shows is older than what was agreed, and would count as edits of people."""
    agreed(two, ALL)
    backup = (two.folder / "a.db").read_bytes()
    two.sql("b", "UPDATE things SET name = 'newer' WHERE id = '1'")
    two.sql("b", "INSERT INTO things VALUES ('3', 'three', 30)")
    two.sync()
    (two.folder / "a.db").write_bytes(backup)
    believed = two.map
    bindings = believed.flows["things"].bindings
    once = replace(believed.flows["things"], bindings={**bindings, "a": replace(bindings["a"], direction="write")})

    two.map = replace(believed, flows={"things": once})
    two.sync()
    two.map = believed
    result = two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("newer", 10), "2": ("two", 20), "3": ("three", 30)}
    assert not any(result.counts[effect] for effect in ("inserted", "updated", "deleted"))
