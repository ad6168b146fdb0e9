"""Plan and apply as people call them: a file in between that someone can look at."""

from __future__ import annotations

import json
import shutil
from typing import Any


def test_a_plan_is_shown_row_by_row_written_and_applied(small: Any) -> None:
    """What is approved is what happens."""
    small.sql("a", "UPDATE things SET name = 'X' WHERE id = '1'")
    small.sql("b", "DELETE FROM things WHERE id = '2'")
    file = small.folder / "plan.json"

    planned, text, _ = small.call("plan", str(small.folder), "--out", str(file))
    untouched = small.rows("b")["1"]
    applied, done = small.json("apply", str(file), str(small.folder))

    assert (planned, applied) == (0, 0)
    assert "x → X" in text
    assert "delete" in text
    assert untouched == ("x", 1)
    assert done["done"]
    assert small.rows("a") == small.rows("b") == {"1": ("X", 1), "3": ("z", 3)}


def test_what_does_not_exist_yet_is_planned_as_it_will_be(small: Any) -> None:
    """A file, a sheet or a table that the flow makes: the plan names the values that are then written, and applying it is no surprise."""
    map_ = small.folder / "map.yaml"
    text = map_.read_text().replace("entities:", "  new: {connector: sqlite, at: new.db}\nentities:")
    made = "      new: {resource: things, create: true, fields: {id: id, size: size, at: {column: at, timezone: Europe/Berlin}}}\n"
    map_.write_text(
        text.replace("size: integer", "size: integer\n      at: timestamp").replace("size: size}}", "size: size, at: at}}") + made
    )
    for name in "ab":
        small.sql(name, "ALTER TABLE things ADD COLUMN at TIMESTAMP")
        small.sql(name, "UPDATE things SET at = '2026-03-02 09:00:00'")
    file = str(small.folder / "plan.json")

    looked, dry = small.json("sync", str(small.folder), "--dry-run")
    planned, body = small.json("plan", str(small.folder), "--out", file)
    there = (small.folder / "new.db").exists()
    applied, _, error = small.call("apply", file, str(small.folder))

    assert (looked, planned, there, applied) == (0, 0, False, 0), error
    assert [t["inserts"] for t in dry["flows"][0]["plan"] if t["binding"] == "new"] == [3]
    assert "rows" not in dry["flows"][0]["plan"][0], "rows are shown by accord plan"
    assert body["writes"] == 3
    assert len(small.rows("new")) == 3


def test_a_plan_of_flows_that_all_failed_says_nothing_about_what_is_to_be_written(small: Any) -> None:
    """«Nothing to write» would be taken for agreement."""
    (small.folder / "b.db").rename(small.folder / "away.db")

    code, text, error = small.call("plan", str(small.folder))

    assert (code, text) == (3, "")
    assert "there is no such file" in error


def test_a_plan_tells_what_it_found_and_what_waits(small: Any) -> None:
    """Nothing to write is no word about rows that are held back, or a flow whose systems could not be judged."""
    map_ = small.folder / "map.yaml"
    stricter = map_.read_text().replace("name: text", "name: {type: text, pattern: '[a-z]'}")
    map_.write_text(stricter.replace("name: small", "name: small\nstatus: approved"))
    small.sql("a", "UPDATE things SET name = 'XX' WHERE id = '2'")

    code, _, error = small.call("plan", str(small.folder))
    line = 1 + map_.read_text().split("\n").index("      name: {type: text, pattern: '[a-z]'}")
    assert (code, f"field 'name' must match '[a-z]', before '' ({map_}:{line})" in error) == (1, True)
    map_.write_text(map_.read_text().replace("    key: [id]", "    key: [id]\n    version: 2.0.0"))

    code, text, _ = small.call("plan", str(small.folder))
    _, body = small.json("plan", str(small.folder))

    assert code == 0
    assert "nothing to write" in text
    assert "1 rows of a/things break the contract" in text
    assert "1 row waits in quarantine" in text
    assert "agree" not in text
    assert (body["waiting"], [f["kind"] for f in body["findings"]]) == (1, ["contract_changed", "quarantine"])
    small.call("sync", str(small.folder))
    _, kept, _ = small.call("contract", "history", str(small.folder))
    assert "thing: version 2.0.0, before 1.0.0, since" in kept
    assert "  breaking: field 'name' must match '[a-z]', before ''" in kept


def test_a_plan_that_is_out_of_date_is_refused_with_what_moved(small: Any) -> None:
    """Exit code 1, the key that moved by name, and nothing written."""
    small.sql("a", "UPDATE things SET name = 'X' WHERE id = '1'")
    file = str(small.folder / "plan.json")
    small.call("plan", str(small.folder), "--out", file)
    small.sql("a", "UPDATE things SET name = 'Y' WHERE id = '1'")

    code, _, error = small.call("apply", file, str(small.folder))

    assert code == 1
    assert '{"id":"1"}' in error
    assert "otherwise than planned" in error
    assert small.rows("b")["1"] == ("x", 1)


def test_a_plan_file_with_a_changed_byte_is_refused(small: Any) -> None:
    """A plan travels by mail and review tools."""
    small.sql("a", "UPDATE things SET name = 'X' WHERE id = '1'")
    file = small.folder / "plan.json"
    small.call("plan", str(small.folder), "--out", str(file))
    file.write_text(file.read_text().replace('"X"', '"Z"'))

    code, _, error = small.call("apply", str(file), str(small.folder))

    assert code == 1
    assert "changed after it was signed" in error
    assert small.rows("b")["1"] == ("x", 1)


def test_a_plan_with_nothing_to_do_applies_to_nothing(small: Any) -> None:
    """Repeating the round trip is harmless."""
    file = str(small.folder / "plan.json")

    planned, body = small.json("plan", str(small.folder), "--out", file)
    applied, text, _ = small.call("apply", file, str(small.folder))

    assert (planned, body["writes"], applied) == (0, 0, 0)
    assert "writes nothing" in text


def test_too_many_deletes_need_a_word_when_the_plan_is_made(small: Any) -> None:
    """And the word is in the plan, so that whoever approves it sees it."""
    ids = ", ".join(f"('n{i}', 'x', 1)" for i in range(8))
    small.sql("a", f"INSERT INTO things VALUES {ids}")
    small.call("sync", str(small.folder))
    small.sql("a", "DELETE FROM things WHERE id LIKE 'n%'")
    file = small.folder / "plan.json"

    refused, _, error = small.call("plan", str(small.folder), "--out", str(file))
    assert refused == 1
    assert "delete guard" in error
    assert not file.exists()

    small.call("plan", str(small.folder), "--out", str(file), "--allow-deletes")
    applied, _, _ = small.call("apply", str(file), str(small.folder))

    assert json.loads(file.read_text())["flows"][0]["allow_deletes"]
    assert applied == 0
    assert set(small.rows("b")) == {"1", "2", "3"}


def test_what_brings_a_restored_system_up_can_be_seen_before(small: Any) -> None:
    """Nobody lets a run write over a system that was just saved without a look; and a wrong name is told with those there are."""
    backup, plan, here = small.folder / "backup.db", str(small.folder / "plan.json"), str(small.folder)
    shutil.copy(small.folder / "b.db", backup)
    small.sql("a", "UPDATE things SET name = 'X' WHERE id = '1'")
    small.sql("a", "DELETE FROM things WHERE id = '2'")
    small.sql("a", "INSERT INTO things VALUES ('4', 'w', 4)")
    assert small.call("sync", here)[0] == 0
    shutil.copy(backup, small.folder / "b.db")
    small.sql("a", "UPDATE things SET size = 9 WHERE id = '3'")

    planned, text, _ = small.call("plan", here, "--restored", "b", "--out", plan)
    _, body = small.json("plan", here, "--restored", "b")
    _, dry = small.json("sync", here, "--restored", "b", "--dry-run")
    untouched = small.rows("b")
    applied, _, _ = small.call("apply", plan, here)
    unknown, _, error = small.call("sync", here, "--restored", "c")
    watched, _, single = small.call("sync", here, "--restored", "b", "--watch")

    assert (planned, applied, unknown, watched) == (0, 0, 2, 2)
    assert "b/things is brought up to what was agreed: 1 rows there show something else than agreed, 1 are missing, and 1 were" in text
    assert [(t["binding"], t["inserts"], t["updates"], t["deletes"]) for t in body["flows"][0]["targets"]] == [("b", 1, 2, 1)]
    assert [f["kind"] for f in dry["flows"][0]["findings"]] == ["restored"]
    assert untouched == {"1": ("x", 1), "2": ("y", 2), "3": ("z", 3)}
    assert small.rows("b") == small.rows("a") == {"1": ("X", 1), "3": ("z", 9), "4": ("w", 4)}
    assert "system 'c', which does not exist. Known: a, b" in error
    assert "--restored" in single


def test_one_plan_holds_rows_and_what_they_point_at(family: Any, unsynced: Any) -> None:
    """Each flow is planned as if those before it had run, and what a later flow has to delete for is deleted after it."""
    two, here, file = family(), str(unsynced.folder), str(unsynced.folder / "plan.json")
    two.sql("a", "INSERT INTO parents VALUES ('p', ''), ('q', '')")
    two.sql("a", "INSERT INTO things VALUES ('1', '', 'p'), ('2', '', 'p'), ('3', '', 'q')")
    assert unsynced.call("sync", here)[0] == 0
    two.sql("a", "DELETE FROM things WHERE id = '1'")
    two.sql("a", "INSERT INTO parents VALUES ('r', '')")
    two.sql("a", "UPDATE things SET up = 'r' WHERE id = '2'")
    two.sql("a", "UPDATE things SET up = 'p' WHERE id = '3'")  # at what is about to go
    two.sql("a", "DELETE FROM parents WHERE id = 'p'")
    two.sql("a", "INSERT INTO things VALUES ('4', '', 'r')")

    _, dry = unsynced.json("sync", here, "--dry-run")
    planned, plan = unsynced.json("plan", here, "--out", file)
    applied, done = unsynced.json("apply", file, here)

    effects = ("inserts", "updates", "deletes")
    assert [[[t[e] for e in effects] for t in f["targets"]] for f in plan["flows"]] == [[[1, 0, 1]], [[1, 1, 1]]]
    assert [[[t[e] for e in effects] for t in f["plan"] if t["binding"] == "b"] for f in dry["flows"]] == [[[1, 0, 1]], [[1, 1, 1]]]
    assert (planned, applied, done["done"], two.keys("b")) == (0, 0, True, {"parents": "qr", "things": "234"})
    assert two.sql("b", "SELECT id, up FROM things ORDER BY id") == [("2", "r"), ("3", "q"), ("4", "r")]

    for system in "ab":
        two.sql(system, "INSERT INTO parents VALUES ('s', '')")  # nothing to write, and yet a child may point at it from now on
    two.sql("a", "INSERT INTO things VALUES ('5', '', 's')")
    unsynced.call("plan", here, "--out", file)

    assert (unsynced.call("apply", file, here)[0], two.keys("b")) == (0, {"parents": "qrs", "things": "2345"})


def test_one_plan_holds_rows_and_the_codes_they_are_read_by(unsynced: Any) -> None:
    """Rows that nobody touched mean something else once their code does, also where logs tell which rows were touched."""
    here, file = str(unsynced.folder), str(unsynced.folder / "plan.json")
    (unsynced.folder / "map.yaml").write_text("""
name: coded
systems: {a: {connector: sqlite, at: a.db}, b: {connector: sqlite, at: b.db}}
entities:
  kinds: {key: [code], fields: {code: text, label: text}}
  things: {key: [id], fields: {id: text, kind: text}}
flows:
  kinds:
    entity: kinds
    bindings: {a: {resource: kinds, fields: {code: code, label: label}}, b: {resource: kinds, fields: {code: code, label: label}}}
  things:
    entity: things
    bindings:
      a: {resource: things, capture: cdc, fields: {id: id, kind: {column: kind, lookup: {entity: kinds, code: code, value: label}}}}
      b: {resource: things, capture: cdc, fields: {id: id, kind: kind}}
""")
    for system in "ab":
        unsynced.sql(system, "CREATE TABLE kinds (code TEXT PRIMARY KEY, label TEXT)")
        unsynced.sql(system, "CREATE TABLE things (id TEXT PRIMARY KEY, kind TEXT)")
    unsynced.sql("a", "INSERT INTO kinds VALUES ('1', 'one'), ('2', 'two')")
    unsynced.sql("a", "INSERT INTO things VALUES ('x', '1'), ('y', '2')")
    assert [unsynced.call("sync", here)[0] for _ in range(2)] == [0, 0]
    unsynced.sql("a", "UPDATE kinds SET label = 'uno' WHERE code = '1'")
    unsynced.sql("a", "INSERT INTO kinds VALUES ('3', 'tre')")
    unsynced.sql("a", "INSERT INTO things VALUES ('z', '3')")

    unsynced.call("plan", here, "--out", file)
    applied, text, error = unsynced.call("apply", file, here)

    assert (applied, unsynced.rows("b")) == (0, {"x": ("uno",), "y": ("two",), "z": ("tre",)}), text + error
