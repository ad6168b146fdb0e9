"""``accord sync``: what its options promise."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest


def test_whole_finds_what_no_capture_told_of(small: Any) -> None:
    """A row edited past the log of its system is seen by the next look at everything, or when somebody does not want to wait for that."""
    map_ = small.folder / "map.yaml"
    map_.write_text(map_.read_text().replace("size: size}}", "size: size}, capture: cdc}"))
    for size in (7, 8):
        assert small.call("sync", str(small.folder))[0] == 0
        small.sql("a", f"UPDATE things SET size = {size} WHERE id = '2'")
    assert small.call("sync", str(small.folder))[0] == 0

    small.sql("a", "UPDATE things SET size = 9 WHERE id = '1'")
    ((outbox,),) = small.sql("a", "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%seq INTEGER PRIMARY KEY%'")
    small.sql("a", f'DELETE FROM "{outbox}"')
    ordinary, _, _ = small.call("sync", str(small.folder))
    unseen = small.rows("b")
    whole, _, _ = small.call("sync", str(small.folder), "--whole")

    assert (ordinary, whole) == (0, 0)
    assert (unseen["1"], unseen["2"]) == (("x", 1), ("y", 8))
    assert small.rows("b")["1"] == ("x", 9)


def test_whole_is_of_one_run(small: Any) -> None:
    """Watching goes on by itself; its runs look at what moved."""
    code, _, error = small.call("sync", str(small.folder), "--watch", "--whole")

    assert code == 2
    assert "single" in error


def test_a_mistake_of_the_map_that_only_a_system_shows_ends_its_own_flow_and_no_other(small: Any) -> None:
    """One wrong name in a map of forty flows held up all those after it, and those before it went unmentioned."""
    file = small.folder / "map.yaml"
    flow = file.read_text().partition("flows:\n")[2]
    for name, wrong in (("afar", "sise"), ("beyond", "nam")):
        right = "size: size" if wrong == "sise" else "name: name"
        small.sql("a", f"CREATE TABLE {name} (id TEXT PRIMARY KEY, name TEXT, size INTEGER)")
        small.sql("b", f"CREATE TABLE {name} (id TEXT PRIMARY KEY, name TEXT, size INTEGER)")
        more = flow.replace("things", name).replace(right, f"{right.partition(':')[0]}: {wrong}", 1)
        file.write_text(file.read_text().replace("flows:\n", f"flows:\n{more}"))
    small.sql("a", "UPDATE things SET size = 9 WHERE id = '1'")

    planned, plan, first = small.call("plan", str(small.folder))
    code, said, error = small.call("sync", str(small.folder))

    assert small.rows("b")["1"] == ("x", 9)
    assert (planned, code) == (2, 2)
    assert "9" in plan
    assert ("afar" in said, "beyond" in said, "updated 1" in said) == (True, True, True)
    for told in (first, error):
        assert all(f"'{wrong}'" in told for wrong in ("sise", "nam"))
        assert "map.yaml:" in told


def test_what_a_run_found_is_told_to_people(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows kept back and columns that changed are no secret of --json; «no change» is no claim of agreement while something waits."""
    map_ = small.folder / "map.yaml"
    map_.write_text(
        map_.read_text()
        .replace("name: text", "name: {type: text, pattern: '[a-z]'}")
        .replace("entity: thing", "entity: thing\n    drift: evolve")
    )
    small.sql("a", "UPDATE things SET name = 'XX' WHERE id = '2'")
    small.sql("b", "ALTER TABLE things DROP COLUMN size")

    code, first, _ = small.call("sync", str(small.folder))
    _, again, _ = small.call("sync", str(small.folder))
    _, status = small.json("status", str(small.folder))
    files = [path.stat().st_size for path in small.folder.rglob("segments/*.parquet")]

    moment = (small.folder / "map.yaml").stat().st_mtime - 400 * 86_400
    monkeypatch.setattr("accord.cli.commands.status.clock", lambda: datetime.fromtimestamp(moment, UTC))
    _, behind = small.json("status", str(small.folder))

    assert [(flow["lag_seconds"], flow["late"]) for flow in behind["flows"]] == [(None, True)]  # by a clock that was set back
    assert code == 0
    assert status["segments"] == {"files": len(files), "bytes": sum(files), "let_go": 0}
    assert "1 rows of a/things break the contract" in first
    assert "'XX' does not match" in first
    assert "b/things no longer has 'size'" in first
    assert "1 row waits in quarantine: accord quarantine list" in first
    assert "b/things no longer has 'size'" in again
    assert "the systems agree" not in again


def test_a_conflict_left_to_a_person_is_a_task(small: Any) -> None:
    """Who looks at what is to be done sees it, the team of the flow its own, until somebody decided; it is one, however many hold it."""
    map_ = small.folder / "map.yaml"
    owned = map_.read_text().replace("entity: thing", "entity: thing\n    owner: ops\n    authority: {name: human}")
    map_.write_text(owned + "teams: {ops: {title: Ops}, sales: {title: Sales}}\n")
    for system in "ab":
        small.sql(system, f"UPDATE things SET name = '{system}!' WHERE id = '2'")

    _, told, _ = small.call("sync", str(small.folder))
    _, mine = small.json("work", "tasks", "--map", str(small.folder), "--team", "ops")
    _, theirs = small.json("work", "tasks", "--map", str(small.folder), "--team", "sales")
    _, shown, _ = small.call("work", "tasks", "--map", str(small.folder))
    (task,) = mine["conflicts"]
    small.call("conflicts", str(small.folder), "--decide", task["conflict"]["id"], "--take", "a", "--by", "Ann")
    _, decided = small.json("work", "tasks", "--map", str(small.folder))

    assert "1 conflict waits for a person" in told
    assert (task["team"], task["conflict"]["field"], task["conflict"]["values"]) == ("ops", "name", {"a": "a!", "b": "b!"})
    assert (theirs["conflicts"], decided["conflicts"]) == ([], [])
    assert "name of things 2" in shown


def test_rows_a_target_refused_make_the_call_fail_though_all_others_are_written(small: Any) -> None:
    """A cron job looks at nothing but the exit code; rows that wait in quarantine are known to wait, these are not where they belong."""
    small.call("sync", str(small.folder))
    small.sql("b", "CREATE TRIGGER no BEFORE UPDATE ON things WHEN NEW.size > 99 BEGIN SELECT RAISE(ABORT, 'at most 99'); END")
    small.sql("a", "UPDATE things SET size = CASE id WHEN '1' THEN 100 ELSE 50 END")

    code, told, _ = small.call("sync", str(small.folder))
    dry, _, _ = small.call("sync", str(small.folder), "--dry-run")
    small.sql("a", "UPDATE things SET size = 99 WHERE id = '1'")
    mended, _, _ = small.call("sync", str(small.folder))

    assert (code, "b/things refused 1 rows (at most 99)" in told, small.rows("b")["2"][1]) == (1, True, 50)
    assert (dry, mended) == (0, 0)


def test_the_map_may_be_named_with_an_option(small: Any) -> None:
    """Some commands are about something else than the map, and take it so alone; they say it, too."""
    here = str(small.folder)

    assert small.call("sync", "--map", here)[0] == 0
    assert small.call("lint", here, "--map", here)[0] == 0
    code, _, error = small.call("sync", here, "--map", f"{here}/map.yaml")
    assert (code, error) == (
        2,
        f"error: two maps are named: {here} and --map {here}/map.yaml. Give one: a YAML file, or a folder whose YAML files are the map.\n",
    )
    code, _, error = small.call("erase", "ann", here)
    assert (code, "The map is named with --map." in error) == (2, True)
