"""``accord identity`` from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MAP = """
name: small
systems:
  a: {connector: sqlite, at: a.db}
  b: {connector: sqlite, at: b.db}
entities:
  thing:
    key: [id]
    identity: {match: {name: {normalized: [name], decide: review}}}
    fields: {id: text, name: text, size: integer}
flows:
  things:
    entity: thing
    bindings:
      a: {resource: things, own_key: id, fields: {name: name, size: size}}
      b: {resource: things, own_key: id, fields: {name: name, size: size}}
"""


def test_a_proposal_is_listed_accepted_merged_and_undone(small: Any, tmp_path: Path) -> None:
    """From question to answer and back, with what a program needs to follow it."""
    folder = tmp_path / "people"
    folder.mkdir()
    (folder / "map.yaml").write_text(MAP)
    small.folder = folder
    for system, row in (("a", "('1', 'Ada', 1), ('2', 'Eve', 2)"), ("b", "('x', 'ADA', 1)")):
        small.sql(system, "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)")
        small.sql(system, f"INSERT INTO things VALUES {row}")
    assert small.call("sync", str(folder))[0] == 0

    code, listed = small.json("identity", "list", str(folder))
    assert (code, len(listed["proposals"]), listed["links"]) == (0, 1, {"a/things": 1, "b/things": 1})
    code, accepted = small.json("identity", "accept", listed["proposals"][0]["id"], str(folder), "--by", "ada")
    assert code == 0
    assert small.call("sync", str(folder))[0] == 0
    assert sorted(r[0] for r in small.rows("b").values()) == ["Ada", "Eve"]

    code, shown = small.json("identity", "show", "x", str(folder))
    assert {link["canonical"] for link in shown["links"]} == {accepted["canonical"]}
    code, _, error = small.call("identity", "show", "a/things", str(folder))
    assert (code, "Keys are known of a/things (2, such as " in error, "; b/things (2, such as " in error) == (2, True, True)
    code, _, error = small.call("identity", "show", str(folder), "x")
    assert (code, error) == (2, f"error: x: there is no such map, but '{folder}' is one. Give the map last, or as --map {folder}.\n")
    code, eve = small.json("identity", "show", "2", str(folder))
    other = eve["links"][0]["canonical"]
    assert small.json("identity", "merge", accepted["canonical"], other, str(folder))[0] == 0
    assert small.call("sync", str(folder))[0] == 0
    assert small.json("identity", "show", other, str(folder))[1]["merges"][0]["winner"] == accepted["canonical"]
    assert small.call("identity", "unmerge", other, str(folder))[0] == 0
    assert small.call("sync", str(folder))[0] == 0
    assert small.call("reconcile", str(folder))[0] == 0


def test_what_is_not_there_is_answered_with_what_is(small: Any) -> None:
    """2 means the call is wrong, and the sentence says how it would be right."""
    code, _, error = small.call("identity", "list", str(small.folder))

    assert code == 2
    assert "no entity of this map has identity" in error
