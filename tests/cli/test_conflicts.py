"""The command that shows what lost and lets people decide."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main

MAP = """
name: shop
systems:
  store: {connector: sqlite, at: store.db}
  crm: {connector: sqlite, at: crm.db}
entities:
  customer:
    key: [id]
    fields: {id: {type: text, required: true}, name: text, note: text}
flows:
  customers:
    entity: customer
    authority: {name: human}
    bindings:
      store: {resource: customers, fields: {id: id, name: name, note: note}, changed_by: editor}
      crm: {resource: customers, fields: {id: id, name: name, note: note}}
"""


@dataclass
class Shop:
    """The folder of the map, and a shortcut to the command line."""

    folder: Path
    capture: Any

    def sql(self, system: str, statement: str) -> list[Any]:
        with sqlite3.connect(self.folder / f"{system}.db") as db:
            rows = db.execute(statement).fetchall()
        db.close()
        return rows

    def call(self, command: str, *arguments: str, code: int = 0) -> Any:
        self.capture.readouterr()
        assert main([command, str(self.folder / "map.yaml"), "--json", *arguments]) == code
        return json.loads(self.capture.readouterr().out)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder as its beginning left it, once one test has played that."""
    return tmp_path_factory.mktemp("begun")


@pytest.fixture
def shop(begun: Path, tmp_path: Path, capsys: Any) -> Shop:
    """A map whose two systems were edited apart in both fields."""
    made = Shop(tmp_path, capsys)
    if (begun / "map.yaml").exists():
        shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
        return made
    (tmp_path / "map.yaml").write_text(MAP)
    for name in ("store", "crm"):
        made.sql(name, "CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT, note TEXT, editor TEXT)")
        made.sql(name, "INSERT INTO customers VALUES ('7', 'old', 'old', 'eve')")
    made.call("sync")
    for name in ("store", "crm"):
        made.sql(name, f"UPDATE customers SET name = 'N {name}', note = 'T {name}', editor = 'kim'")
    made.call("sync")
    shutil.copytree(tmp_path, begun, dirs_exist_ok=True)
    return made


def test_a_conflict_is_listed_decided_and_carried_out(shop: Shop) -> None:
    """From the list to the decision without leaving the command line."""
    listed = shop.call("conflicts", "--open")
    (task,) = listed["open"]
    shop.call("conflicts", "--decide", task["id"], "--take", "crm", "--by", "ann")
    decided = shop.call("conflicts", "--key", "7")["open"][0]
    shop.call("sync")

    assert (task["values"], "lost" in listed) == ({"store": "N store", "crm": "N crm"}, False)
    assert (decided["status"], decided["decided_by"], decided["value"]) == ("decided", "ann", "N crm")
    assert shop.sql("store", "SELECT name FROM customers") == shop.sql("crm", "SELECT name FROM customers") == [("N crm",)]
    assert shop.call("conflicts", "--open")["open"] == []


def test_a_lost_value_is_restored_everywhere_at_once(shop: Shop) -> None:
    """Exit code 0 means that every system holds it."""
    (lost,) = [v for v in shop.call("conflicts")["lost"] if v["field"] == "note"]

    answer = shop.call("conflicts", "--restore", lost["id"], "--by", "ann")

    assert (lost["rule"], lost["loser"], lost["losing_value"], lost["winner"]) == ("authority", "crm", "T crm", "store")
    assert answer["outcome"] == "applied"
    assert shop.sql("store", "SELECT note FROM customers") == shop.sql("crm", "SELECT note FROM customers") == [("T crm",)]


def test_a_restoring_that_an_edit_overtook_says_so(shop: Shop) -> None:
    """Exit code 1: the newer edit stands."""
    (lost,) = [v for v in shop.call("conflicts")["lost"] if v["field"] == "note"]
    shop.sql("store", "UPDATE customers SET note = 'newer'")

    answer = shop.call("conflicts", "--restore", lost["id"], "--by", "ann", code=1)

    assert answer["outcome"] == "moved"
    assert shop.sql("crm", "SELECT note FROM customers") == [("newer",)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--decide", "abc", "--by", "ann"], "needs one value"),
        (["--decide", "abc", "--restore", "def"], "two things"),
        (["--take", "crm"], "say how"),
        (["--restore", "zzz", "--by", "ann"], "there is none"),
        (["--flow", "nothing"], "does not exist"),
    ],
)
def test_a_wrong_call_is_refused_with_what_was_expected(shop: Shop, arguments: list[str], message: str) -> None:
    """A decision is somebody's responsibility; it is not guessed from half a call."""
    assert message in shop.call("conflicts", *arguments, code=2)["error"]["message"]


def test_people_see_the_list_as_tables(shop: Shop) -> None:
    """Who, when, which rule, what lost to what."""
    shop.capture.readouterr()
    assert main(["conflicts", str(shop.folder / "map.yaml")]) == 0
    shown = shop.capture.readouterr().out

    for word in ("open: they wait for a person", "N store", "values that lost", "authority", "kim", "human"):
        assert word in shown


def test_what_waits_is_shown_and_decided_before_the_first_run_under_a_new_name(shop: Shop) -> None:
    """Whoever looks after the map was edited must not read that nothing waits: it stands under the old name until a run takes it over."""
    shop.sql("store", "INSERT INTO customers VALUES ('', 'nobody', '', 'eve'), (NULL, 'none', '', 'eve')")
    shop.call("sync")
    before = {name: shop.call(*name.split()) for name in ("conflicts", "status")}
    map_ = shop.folder / "map.yaml"
    map_.write_text(map_.read_text().replace("  customers:\n    entity", "  clients:\n    renamed_from: customers\n    entity"))

    listed, standing = shop.call("conflicts"), shop.call("status")["flows"]
    shop.capture.readouterr()
    assert main(["quarantine", "list", str(map_), "--json", "--flow", "clients"]) == 0
    held = json.loads(shop.capture.readouterr().out)["rows"]
    assert main(["quarantine", "discard", str(map_), "--json", "--flow", "clients", "--by", "ann"]) == 0
    assert json.loads(shop.capture.readouterr().out) == {"command": "quarantine discard", "discarded": 1, "waiting": 0, "deletes": 0}
    (note,) = [v for v in listed["lost"] if v["field"] == "note" and v["rule"] == "authority"]
    shop.call("conflicts", "--decide", listed["open"][0]["id"], "--take", "crm", "--by", "ann")
    shop.call("conflicts", "--restore", note["id"], "--by", "ann")

    def without(rows: list[Any]) -> list[Any]:
        return [{n: v for n, v in row.items() if n not in ("flow", "lag_seconds")} for row in rows]

    assert {row["flow"] for row in (*listed["open"], *listed["lost"], *standing, *held)} == {"clients"}
    for part in ("open", "lost"):
        assert without(listed[part]) == without(before["conflicts"][part]) != []
    assert (len(held), without(standing)) == (1, without(before["status"]["flows"]))
    assert shop.call("sync")["flows"][0]["waiting"] == 0
    for system in ("store", "crm"):
        assert shop.sql(system, "SELECT name, note FROM customers WHERE id = '7'") == [("N crm", note["losing_value"])]
