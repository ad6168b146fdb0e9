"""An API over HTTP and a database kept in agreement, both ways."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.errors import DataRefused, SystemUnreachable
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.identity import Identity
from accord.model.integration_map import IntegrationMap
from accord.model.system import Resource, System
from accord.model.values import Duration
from accord.store import open_store

FIELDS = {
    "id": Field("id", "integer", required=True),
    "name": Field("name"),
    "budget": Field("budget", "number(12,2)"),
    "due": Field("due", "timestamp"),
    "extra": Field("extra", "json"),
    "size": Field("size", "integer"),
}
OPTIONS = {"items": "data", "pages": "cursor", "cursor_path": "next", "retry_seconds": "0.01", "retries": "1", "page_size": "20"}


@pytest.fixture
def make(rest_api: Any, tmp_path: Path, world_class: Any) -> Iterator[Callable[..., Any]]:
    """A table of forty rows in SQLite, an API with one more, and a two-way flow between them."""
    opened: list[Any] = []

    def build(*, resource: dict[str, str] | None = None, **api: Any) -> Any:
        with sqlite3.connect(tmp_path / "db.db") as db:
            db.execute(
                "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, budget DECIMAL(12,2), due TIMESTAMP, extra JSON, size INTEGER)"
            )
            rows = [(i, f"n{i}", f"{i}.50", "2026-01-01 00:00:00", '{"a": [1]}') for i in range(40)]
            db.executemany("INSERT INTO things VALUES (?, ?, ?, ?, ?, NULL)", rows)
        db.close()
        rest_api.stamp = "updated_at"
        rest_api.put_text(
            "things", '{"id": 100, "name": "theirs", "budget": 7.00, "due": "2026-02-01T00:00:00Z", "extra": {"b": 2}, "more": "kept"}'
        )
        columns = {"id": "integer", "budget": "number(12,2)", "extra": "json", "size": "integer"}
        things = Resource("things", key=("id",), columns=columns, options=resource or {})
        systems = {
            "db": System("db", "sqlite", "db.db"),
            "api": System("api", "rest", rest_api.url, options=OPTIONS, resources={"things": things}),
        }
        mapped = {n: FieldMapping(n) for n in FIELDS}
        bindings = {"db": Binding("db", "things", mapped), "api": Binding("api", "things", mapped, **api)}
        flows = {"things": Flow("things", "thing", bindings, authority={"*": "db", "name": "api"})}
        map_ = IntegrationMap("test", systems=systems, entities={"thing": Entity("thing", ("id",), FIELDS)}, flows=flows)
        connectors = {n: open_connector(s, base=tmp_path) for n, s in systems.items()}
        store = open_store(tmp_path / "store.db", segments=tmp_path / "segments")
        opened.extend([store, *connectors.values()])
        return world_class(tmp_path, store, map_, connectors)

    yield build
    for thing in opened:
        thing.close()


def agreed(world: Any, api: Any) -> None:
    """Both sides as other programs read them, and the proof."""
    ours = {str(key): row[0] for key, row in world.rows("db").items()}
    assert {key[0]: item["name"] for key, item in api.rows["things"].items()} == ours
    proof = world.reconcile()
    assert proof.agrees, proof.differences.to_pylist()


def test_edits_inserts_and_deletes_go_both_ways_and_then_all_is_quiet(make: Any, rest_api: Any) -> None:
    """The whole promise on a system without transactions; what the map does not know stays."""
    world = make()

    first = world.sync()
    quiet = world.sync()
    rest_api.put("things", [{**rest_api.rows["things"]["3",], "name": "edited there"}])
    rest_api.remove("things", "5")
    world.sql("db", "UPDATE things SET budget = 99.90 WHERE id = 4")
    world.sql("db", "DELETE FROM things WHERE id = 6")
    world.sql("db", "INSERT INTO things (id, name) VALUES (7000, 'new')")
    second = world.sync()
    writes = sum(rest_api.asked(m) for m in ("POST", "PATCH", "DELETE"))
    last = world.sync()

    assert (first.status, first.counts["inserted"], quiet.changed) == ("done", 41, False)
    assert (second.counts["updated"], second.counts["deleted"], second.counts["inserted"]) == (2, 2, 1)
    assert (last.changed, sum(rest_api.asked(m) for m in ("POST", "PATCH", "DELETE"))) == (False, writes)
    assert world.rows("db")[3][0] == "edited there"
    assert rest_api.rows["things"]["4",]["budget"] == "99.90"
    assert rest_api.rows["things"]["100",]["more"] == "kept"
    agreed(world, rest_api)


def test_a_write_that_an_api_did_not_carry_out_is_no_edit_back(make: Any, rest_api: Any) -> None:
    """It answered with success; its old value is the API's fault and nobody's wish, and the write is tried again until it is taken."""
    world = make()
    world.sync()
    rest_api.quiet = True
    world.sql("db", "UPDATE things SET name = 'ours' WHERE id = 4")
    world.sql("db", "DELETE FROM things WHERE id = 6")
    world.sql("db", "INSERT INTO things (id, name) VALUES (7000, 'new')")
    rest_api.faults += [(method, "204") for method in ("PATCH", "DELETE", "POST") for _ in range(2)]

    refused = world.sync(), world.sync()

    assert [(r.counts["refused"], r.counts["deleted"]) for r in refused] == [(3, 0)] * 2
    assert "and yet name stayed as it was" in str(refused[0].findings)
    assert (world.rows("db")[4][0], 6 in world.rows("db"), world.rows("db")[7000][0]) == ("ours", False, "new")
    assert world.sync().counts["refused"] == 0
    agreed(world, rest_api)


@pytest.mark.parametrize("quiet", [False, pytest.param(True, marks=pytest.mark.prove)])
def test_an_api_that_shows_late_what_it_took_takes_nothing_back(make: Any, rest_api: Any, quiet: bool) -> None:
    """Read from a copy that lags behind, the old value looked like an edit of the API, and a new row like one that it had deleted."""
    world = make()
    world.sync()
    rest_api.quiet = quiet
    world.sql("db", "UPDATE things SET name = 'ours', budget = 99.90 WHERE id = 4")
    world.sql("db", "DELETE FROM things WHERE id = 6")
    world.sql("db", "INSERT INTO things (id, name) VALUES (7000, 'new')")
    ours = world.rows("db")
    rest_api.lag()

    late = world.sync(), world.sync()
    rest_api.shown = None
    writes = sum(rest_api.asked(m) for m in ("POST", "PATCH", "DELETE"))
    after = world.sync(), world.sync()

    assert [(r.status, r.counts["refused"], r.counts["updated"], r.counts["inserted"], r.counts["deleted"]) for r in late] == [
        ("partial", 3, 0, 0, 0)
    ] * 2
    assert quiet or any("does not show it yet" in e for f in late[0].findings for e in (f.sentence, *f.examples))
    assert world.rows("db") == ours
    assert [r.status for r in after] == ["done", "done"]
    assert sum(rest_api.asked(m) for m in ("POST", "PATCH", "DELETE")) == writes
    assert not after[1].changed
    agreed(world, rest_api)


def test_a_list_that_lags_behind_single_rows_takes_nothing_back(make: Any, rest_api: Any) -> None:
    """A write that was read back is agreed; the list of the next run would undo it, and with it what people wrote in the other system."""
    world = make(resource={"late_lists": "true"})
    world.sync()
    world.sql("db", "UPDATE things SET name = 'ours', budget = 99.90 WHERE id = 4")
    world.sql("db", "DELETE FROM things WHERE id = 6")
    world.sql("db", "INSERT INTO things (id, name) VALUES (7000, 'new')")
    ours = world.rows("db")
    rest_api.lag()
    rest_api.late_lists_only = True
    first = world.sync()
    asked = rest_api.asked("GET", "things/")

    late = world.sync()
    single = rest_api.asked("GET", "things/") - asked
    proof = world.reconcile()
    rest_api.put("things", [{**rest_api.rows["things"]["4",], "name": "edited there"}])
    rest_api.shown = None
    world.sync()

    assert (first.status, late.status, late.changed, single) == ("done", "done", False, 3)
    assert (proof.differences.num_rows, proof.rows) == (0, {"db": 41, "api": 41})
    assert {**ours, 4: ("edited there", *ours[4][1:])} == world.rows("db")
    agreed(world, rest_api)


def test_an_answer_that_is_no_row_is_no_delete(make: Any, rest_api: Any) -> None:
    """The row asked for by key would be missing, and be deleted everywhere; other answers without one were errors already."""
    world = make(resource={"updated_since": "since"}, capture="cursor", cursor="updated_at")
    world.sync()
    world.sync()
    world.sql("db", "UPDATE things SET budget = 99.90 WHERE id = 4")
    rest_api.faults += [("/things/4", "say {}")] * 2

    with pytest.raises(DataRefused, match="an object without a member of the row"):
        world.sync()
    rest_api.faults.clear()

    assert (world.sync().counts["updated"], rest_api.rows["things"]["4",]["budget"]) == (1, "99.90")
    agreed(world, rest_api)


def test_an_api_that_breaks_in_the_middle_of_the_writing_is_finished_by_the_next_run(make: Any, rest_api: Any) -> None:
    """No row is lost, none is made twice, and the run says who was away."""
    world = make()
    sent = []

    def before(method: str, path: str) -> None:
        if method == "POST":
            sent.append(path)
            if len(sent) > 15:
                rest_api.faults.append(("*", "reset"))

    rest_api.before = before
    with pytest.raises(SystemUnreachable, match="'api'"):
        world.sync()
    rest_api.before = lambda method, path: None
    rest_api.faults.clear()
    arrived = len(rest_api.rows["things"])

    again = world.sync()

    assert 1 < arrived < 41
    assert again.status == "done"
    agreed(world, rest_api)


def test_with_updated_since_a_run_asks_for_what_changed_and_for_no_page_more(make: Any, rest_api: Any) -> None:
    """The list of an API may have a million rows and its budget a thousand requests; deletes come with the sweep."""
    world = make(resource={"updated_since": "since"}, capture="cursor", cursor="updated_at", overlap=Duration(3))
    world.sync()
    world.sync()
    rest_api.clock += 100
    rest_api.put("things", [{**rest_api.rows["things"]["3",], "name": "edited there"}])
    rest_api.remove("things", "5")
    rest_api.log.clear()

    changed = world.sync()
    listed = [path for method, path, _ in rest_api.log if "/things?" in path and "since=" not in path]
    swept = world.sync(whole=True)

    assert changed.counts["updated"] == 1
    assert world.rows("db")[3][0] == "edited there"
    assert listed == []
    assert swept.counts["deleted"] == 1
    agreed(world, rest_api)


def test_a_row_that_is_dated_ahead_hides_no_later_change(make: Any, rest_api: Any) -> None:
    """One slip in a date must not make an API's list of changes look empty until the next sweep."""
    world = make(resource={"updated_since": "since"}, capture="cursor", cursor="updated_at", overlap=Duration(3))
    world.sync()
    rest_api.clock = 10**9
    rest_api.put("things", [{**rest_api.rows["things"]["4",], "name": "dated ahead"}])
    world.sync()
    rest_api.clock = 86_400 * 60  # the day before the run; the first rows are of two months ago
    rest_api.put("things", [{**rest_api.rows["things"]["3",], "name": "edited there"}])

    world.sync()

    assert (world.rows("db")[4][0], world.rows("db")[3][0]) == ("dated ahead", "edited there")


def test_a_row_that_the_api_hides_from_its_condition_is_none_that_comes_late(make: Any, rest_api: Any) -> None:
    """What the API makes of a new row decides whether it meets the condition; waiting for it would be making it again and again."""
    world = make(where="more = 'kept'")
    first = world.sync()
    posts = rest_api.asked("POST")

    assert (first.status, first.counts["refused"], first.counts["inserted"]) == ("done", 0, 41)
    assert (world.sync().changed, rest_api.asked("POST")) == (False, posts)
    assert len(world.rows("db")) == 41


def test_a_row_under_a_key_of_the_api_is_found_again_after_it_was_made(make: Any, rest_api: Any) -> None:
    """Whose row a key of its own stands for is known before it is asked whether it is shown."""
    world = make()
    rest_api.rows["things"].clear()
    mapped = {n: FieldMapping(n) for n in FIELDS if n != "id"}
    fields = {**FIELDS, "id": Field("id", required=True)}
    bindings = {
        "db": Binding("db", "things", mapped, own_key="id", new_key="next"),
        "api": Binding("api", "things", mapped, own_key="id", new_key="next"),
    }
    flow = Flow("things", "thing", bindings, authority={"*": "db"})
    entity = Entity("thing", ("id",), fields, identity=Identity({}))
    world.map = replace(world.map, entities={"thing": entity}, flows={"things": flow})

    first = world.sync()

    assert (first.status, first.counts["refused"], first.counts["inserted"]) == ("done", 0, 40)
    world.sql("db", "UPDATE things SET name = 'ours' WHERE id = 4")
    second = world.sync()
    assert (second.counts["refused"], second.counts["updated"], world.sync().changed) == (0, 1, False)


def test_an_integer_that_an_api_keeps_as_a_double_stays_whole_in_the_other_system(make: Any, rest_api: Any) -> None:
    """Beyond 2^53 JSON of JavaScript has no room for it; the nearest one it has would else be written over the one that was typed."""
    world, save = make(), rest_api.save
    rest_api.save = lambda name, item: save(name, item | {"size": item.get("size") and int(float(item["size"]))})
    world.sync()
    world.sql("db", "UPDATE things SET size = 9007199254740993 WHERE id = 3")

    world.sync()
    quiet = world.sync()

    assert rest_api.rows["things"]["3",]["size"] == 9007199254740992
    assert quiet.changed is False
    assert world.rows("db")[3][4] == 9007199254740993


def test_an_empty_text_that_an_api_shows_for_none_is_no_edit(make: Any, rest_api: Any) -> None:
    """It has no word for nothing; its empty text would else be written over it in the next run."""
    world, save = make(), rest_api.save
    rest_api.save = lambda name, item: save(name, item | {"name": item.get("name") or ""})
    world.sync()
    world.sql("db", "UPDATE things SET name = NULL WHERE id = 3")
    world.sql("db", "INSERT INTO things (id) VALUES (700)")

    world.sync()
    quiet = world.sync()

    assert {rest_api.rows["things"][key,]["name"] for key in ("3", "700")} == {""}
    assert (quiet.changed, [world.rows("db")[key][0] for key in (3, 700)]) == (False, [None, None])
