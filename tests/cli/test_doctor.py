"""``accord doctor``: a system that cannot be used as the map says is not well."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from accord.cli import options
from accord.connectors.registry import open_connector
from accord.model.system import System


@pytest.fixture
def reader(postgres_url: str) -> Iterator[tuple[Any, str]]:
    """A database of two tables, and the address under which a role without rights reads it."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        role = f"doctor_{db.info.dbname}"
        db.execute("CREATE TABLE things (id text PRIMARY KEY, name text, size bigint); CREATE TABLE other (id int)")
        db.execute(f"CREATE ROLE {role} LOGIN".encode())
        yield db, postgres_url.replace("postgres:", role)
        db.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def checks(small: Any, at: str) -> tuple[int, dict[str, tuple[str, str]]]:
    path = small.folder / "map.yaml"
    path.write_text(path.read_text().replace("b: {connector: sqlite, at: b.db}", f"b: {{connector: postgresql, at: '{at}'}}"))
    code, answer = small.json("doctor", str(path))
    return code, {check["name"]: (check["status"], check["detail"]) for check in answer["checks"]}


def test_a_table_of_the_map_that_may_not_be_read_is_named_with_the_grant(small: Any, reader: tuple[Any, str]) -> None:
    """It was called well, since the server answers, and the first sync failed."""
    db, at = reader

    code, found = checks(small, at)
    db.execute(f"GRANT SELECT ON things TO doctor_{db.info.dbname}")
    again, granted = checks(small, at)

    assert code == 1
    assert found["system b"][0] == "failed"
    assert "no right to read things" in found["system b"][1]
    assert "GRANT SELECT ON things" in found["system b"][1]
    assert (again, granted["system b"][0]) == (0, "ok")
    assert "no right to read other, which the map does not use" in granted["system b"][1]


def test_the_feeds_a_system_keeps_are_shown_with_what_waits_in_them(small: Any) -> None:
    """One that nobody reads grows in the source."""
    connector = open_connector(System("a", "sqlite", "a.db"), base=small.folder)
    connector.open_feed("things", ["id"], name="f1", after=None)  # type: ignore[attr-defined]  # a logged one
    small.sql("a", "UPDATE things SET size = size + 1")
    rows = len(small.rows("a"))

    _, answer = small.json("doctor", str(small.folder / "map.yaml"))

    shown = {check["name"]: check["detail"] for check in answer["checks"]}
    assert shown["feed of a"] == f"_accord_outbox_f1: {rows} changes kept"


@pytest.mark.parametrize(("kind", "at"), [("sqlite", "new.db"), ("duckdb", "new.duckdb"), ("csv", "new")])
def test_a_file_that_the_first_run_makes_is_no_failure(small: Any, kind: str, at: str) -> None:
    """The map says that it is to be made; one that it does not say this of is missing."""
    path = small.folder / "map.yaml"
    text = path.read_text().replace("b: {connector: sqlite, at: b.db}", f"b: {{connector: {kind}, at: {at}}}")
    path.write_text(text)
    missing, _ = small.json("doctor", str(path))
    path.write_text(text.replace("b: {resource: things,", "b: {resource: things, create: true,"))

    code, answer = small.json("doctor", str(path))

    shown = {check["name"]: (check["status"], check["detail"]) for check in answer["checks"]}
    assert (missing, code, shown["system b"][0]) == (3, 0, "ok")
    assert "is not there yet" in shown["system b"][1]
    assert not (small.folder / at).exists()


def test_who_holds_the_store_is_named_once(small: Any) -> None:
    """Its process number stood there twice, once as part of the holder's name."""
    with options.workspace(small.folder / "map.yaml", None, {}, ""):
        code, _, told = small.call("sync", str(small.folder), "--wait", "0")

    assert (code, told.count(f"process {os.getpid()}")) == (3, 1)


def test_what_a_flow_that_is_gone_from_the_map_left_in_a_system_is_named_and_ended(small: Any) -> None:
    """Nobody reads it any more, no run would take it down, and it grows until the disk of its system is full."""
    path, folder = small.folder / "map.yaml", str(small.folder)
    whole = path.read_text()
    path.write_text(whole.replace("size: size}}", "size: size}, capture: cdc}"))
    open_connector(System("a", "sqlite", "a.db"), base=small.folder).open_feed("things", ["id"], name="f1", after=None)  # type: ignore[attr-defined]
    assert small.call("sync", folder)[0] == 0
    kept = small.json("doctor", folder)
    path.write_text(whole.split("flows:")[0])
    small.sql("a", "UPDATE things SET size = size + 1")

    told = small.json("sync", folder)[1]["findings"]
    named, answer = small.json("doctor", folder)
    ended, ending = small.json("doctor", folder, "--drop-feeds")

    def feeds(answer: Any) -> list[tuple[str, str]]:
        return [(c["status"], c["detail"]) for c in answer["checks"] if c["name"].startswith("feed of")]

    assert (kept[0], [status for status, _ in feeds(kept[1])]) == (0, ["ok"] * 3)
    assert sorted(f["subject"] for f in told) == ["things/a", "things/b"]
    assert (named, ended) == (1, 0)
    left = [detail for status, detail in feeds(answer) if status == "failed"]
    assert len(left) == 2
    assert "3 changes kept; left by flow 'things', binding 'a'" in left[0]
    assert sum("taken down now" in detail for _, detail in feeds(ending)) == 2
    assert [name for (name,) in small.sql("a", "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '%accord_outbox%'")] == [
        "_accord_outbox_f1"
    ]
    assert not small.sql("b", "SELECT name FROM sqlite_schema WHERE name LIKE '%outbox%'")
    assert (small.json("sync", folder)[1]["findings"], small.json("doctor", folder)[0]) == ([], 0)


def test_the_feeds_of_another_map_on_the_same_store_are_not_left(small: Any) -> None:
    """Ended by a map that knows nothing of them, they would make every row of the other one's flows be compared anew."""
    path, folder = small.folder / "map.yaml", str(small.folder)
    path.write_text(path.read_text().replace("size: size}}", "size: size}, capture: cdc}"))
    assert small.call("sync", folder)[0] == 0
    second = small.folder / "second" / "map.yaml"
    second.parent.mkdir()
    head = path.read_text().split("flows:")[0].replace("name: small", "name: second").replace("at: ", f"at: {folder}/")
    second.write_text(head)

    told = small.json("sync", str(second), "--workspace", folder)[1]["findings"]
    code, answer = small.json("doctor", str(second), "--workspace", folder, "--drop-feeds")

    feeds = [(c["status"], c["detail"]) for c in answer["checks"] if c["name"].startswith("feed of")]
    assert (told, code) == ([], 0)
    assert [(status, "of map 'small'" in detail) for status, detail in feeds] == [("ok", True)] * 2
    assert len(small.sql("a", "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '%accord_outbox%'")) == 1


def test_a_system_under_two_names_keeps_its_feeds(small: Any) -> None:
    """Each name shows the feeds of the other. Taken for left behind, they would be ended while the map reads them."""
    path, folder = small.folder / "map.yaml", str(small.folder)
    text = path.read_text().replace("size: size}}", "size: size}, capture: cdc}")
    path.write_text(text.replace("systems:\n", "systems:\n  again: {connector: sqlite, at: a.db}\n"))
    assert small.call("sync", folder)[0] == 0

    code, answer = small.json("doctor", folder, "--drop-feeds")

    feeds = {c["name"]: c["detail"] for c in answer["checks"] if c["name"].startswith("feed of")}
    assert (code, sorted(feeds)) == (0, ["feed of a", "feed of again", "feed of b"])
    assert feeds["feed of again"].endswith("of flow 'things', binding 'a'")
    assert len(small.sql("a", "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '%accord_outbox%'")) == 1


def test_a_feed_of_a_system_that_is_gone_from_the_map_is_looked_for_by_hand(small: Any) -> None:
    """Accord has no address of it any more, but knows the name; told once it is not told again."""
    path, folder = small.folder / "map.yaml", str(small.folder)
    path.write_text(path.read_text().replace("size: size}}", "size: size}, capture: cdc}", 1))
    assert small.call("sync", folder)[0] == 0
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.strip().startswith("a:")))
    ((outbox,),) = small.sql("a", "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '%accord_outbox%'")

    before = small.json("sync", folder)[1]["findings"]
    _, answer = small.json("doctor", folder, "--drop-feeds")
    after = small.json("sync", folder)[1]["findings"]

    (detail,) = [c["detail"] for c in answer["checks"] if c["name"] == "feed of flow things"]
    name = detail.partition("look for what has ")[2].partition(" in its name")[0]
    assert name.startswith("accord_")
    assert name in outbox
    assert ([f["subject"] for f in before], after) == (["things/a"], [])
