"""Fields may be called whatever a column may be called, also what Accord calls columns of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import accord.sync
from accord.model.entity import Field

PROGRAM = Path(accord.sync.__file__).parent
KEYWORDS = {"all", "and", "as", "case", "end", "from", "in", "is", "not", "null", "on", "or", "select", "then", "when", "where"}


def words() -> list[str]:
    """Every name that a query of the synchronization gives or asks for: a column, an alias, a table."""
    found = {"outcome", "filename", *"abcdefghijklmnopqrstuvwxyz"}
    for file in PROGRAM.rglob("*.py"):
        pairs = re.findall(r"\bAS ([a-z][a-z0-9_]*)|\b[a-z]{1,2}[0-9]?\.([a-z][a-z0-9_]*)", file.read_text())
        found |= {word for pair in pairs for word in pair}
    return sorted(found - KEYWORDS - {"", "rowid"})


NAMES = words()
CHOSEN = ("source", "target", "key", "field", "value", "op", "outcome", "rid", "n", "moment", "status")


def built(make_world: Any, keys: Sequence[str], names: Sequence[str]) -> Any:
    """Two systems with this key and these fields, all text."""
    columns = ", ".join(f'"{n}" TEXT' for n in (*keys, *names))
    table = f"CREATE TABLE things ({columns}, PRIMARY KEY ({', '.join(f'{chr(34)}{k}{chr(34)}' for k in keys)}))"
    fields = [*(Field(k, required=True) for k in keys), *(Field(n) for n in names)]
    authority = {"*": "latest", names[0]: "human", names[1]: "merge"}
    return make_world({"a": table, "b": table}, fields, key=tuple(keys), authority=authority)


def lived(world: Any, keys: Sequence[str], names: Sequence[str]) -> None:
    """What may happen to a row: made, edited on one and on several sides, refused, corrected, deleted, made again."""
    marks = ", ".join("?" * (len(keys) + len(names)))

    def add(row: str, value: str) -> None:
        world.sql("a", f"INSERT INTO things VALUES ({marks})", *[row] * len(keys), *(f"{value} {n}" for n in names))

    def edit(side: str, row: str, values: dict[str, str]) -> None:
        edits = ", ".join(f"\"{n}\" = '{v}'" for n, v in values.items())
        world.sql(side, f"UPDATE things SET {edits} WHERE \"{keys[0]}\" = '{row}'")

    for row in "123456":
        add(row, "first")
    first = world.sync()
    assert (first.counts["inserted"], first.counts["verified"]) == (6, 6)
    for side, row in (("b", "1"), ("a", "2"), ("b", "2")):
        edit(side, row, {n: f"{side} {n}" for n in names})
    world.sql("b", f"DELETE FROM things WHERE \"{keys[0]}\" = '3'")
    entity = world.map.entities["thing"]
    strict = replace(entity, fields={**entity.fields, names[2]: replace(entity.fields[names[2]], pattern="(?s:[^!]*)")})
    world.map = replace(world.map, entities={"thing": replace(strict, version="2.0.0")})
    edit("b", "4", {names[2]: "no!"})
    second = world.sync()
    assert (second.waiting, second.open_conflicts, second.counts["deleted"]) == (1, 1, 1)
    edit("b", "4", {names[2]: "yes"})
    add("3", "again")
    third = world.sync(whole=True)
    assert (third.waiting, third.counts["inserted"]) == (0, 1)
    assert not world.sync().changed
    proof = world.reconcile()
    assert {(d["kind"], d["field"]) for d in proof.differences.to_pylist()} == {("different", names[0])}


def test_fields_may_be_called_like_columns_of_our_own(make_world: Any) -> None:
    """«source» and «key» are the first words people have for a field."""
    lived(built(make_world, ("binding", "reason"), CHOSEN), ("binding", "reason"), CHOSEN)


@pytest.mark.prove
@pytest.mark.parametrize("part", range(8))
def test_fields_and_keys_may_be_called_like_anything_the_program_names(part: int, make_world: Any) -> None:
    """Whatever is added to a query later is a name that some field has already; keys stand in every join."""
    keys, names = NAMES[part::8], NAMES[(part + 1) % 8 :: 8]
    lived(built(make_world, keys, names), keys, names)
