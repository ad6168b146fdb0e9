"""Erasing a person from the command line: nothing of them is found afterwards, and the log verifies."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from accord.store import Store
from accord.work import open_work
from accord.workspace import open_workspace

MAP = """
name: shop
teams: {sales: {owner: Mia}}
systems:
  crm: {connector: sqlite, at: crm.db}
  shop: {connector: sqlite, at: shop.db}
entities:
  customer:
    key: [id]
    fields:
      id: text
      name: {type: text, personal: true}
      mail: {type: text, personal: true, pattern: '.+@.+'}
      city: {type: text, personal: true}
      size: integer
  order:
    key: [number]
    person: customer
    fields:
      number: text
      customer: {type: text, references: customer}
      wish: {type: text, personal: true, pattern: '.* harp|.* drum'}
flows:
  customers:
    entity: customer
    authority: {city: human}
    bindings:
      crm: {resource: customers, fields: {id: id, name: name, mail: mail, city: city, size: size}}
      shop: {resource: customers, fields: {id: id, name: name, mail: mail, city: city, size: size}}
  orders:
    entity: order
    bindings:
      crm: {resource: orders, fields: {number: number, customer: customer, wish: wish}}
      shop: {resource: orders, fields: {number: number, customer: customer, wish: wish}}
processes:
  welcome:
    case: customer
    variables: {address: {type: text, personal: true}}
    steps:
      call:
        team: sales
        form: {phone: {type: text, personal: true}, interested: boolean}
"""
SECRETS = ("Xanthippe", "xq77@secret", "old-xq@secret", "Quillburg", "Quillstadt", "Nightingale", "0151-7733", "violet harp", "her twin")
ACTOR = "Wendeline Ashcombe"
_numbers = itertools.count(1)


@dataclass
class Shop:
    """Two systems with customers c1 (the one to be erased) and c2, their orders, and work about both."""

    small: Any
    store_url: str
    options: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return Path(self.small.folder) / ".accord"

    def call(self, *arguments: str) -> tuple[int, str, str]:
        more = ["--store", self.store_url] if self.store_url else []
        code, text, error = self.small.call(*arguments, *more)
        return code, text, error

    def erase(self, *arguments: str) -> tuple[int, Any]:
        code, text, error = self.call("erase", *arguments, "--map", str(self.small.folder), "--by", ACTOR, "--json")
        return code, json.loads(text or error)

    def sync(self) -> None:
        assert self.call("sync", str(self.small.folder))[0] == 0

    def opened(self) -> Any:
        return open_workspace(self.small.folder, store_url=self.store_url)

    def everything(self) -> str:
        """Every byte of the state, segments as the values they hold, and all rows of the store's database."""
        parts = [path.read_bytes().decode("latin-1") for path in sorted(self.state.rglob("*")) if path.is_file()]
        for path in sorted(self.state.rglob("*.parquet")):
            parts.append(str(duckdb.sql(f"SELECT * FROM read_parquet('{path}')").fetchall()))
        if self.store_url:
            with psycopg.connect(self.store_url) as db:
                db.execute("SET search_path TO accord")
                tables = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
                for (table,) in tables:
                    parts.append(str(db.execute(f'SELECT * FROM "{table}"'.encode()).fetchall()))
                stats = "SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE schemaname = current_schema()"
                parts.append(str(db.execute(stats.encode()).fetchall()))
        return "\n".join(parts)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.prove)])
def shop(request: pytest.FixtureRequest, tmp_path: Path, unsynced: Any) -> Shop:
    """With a history: values that lost, an open conflict, a row in quarantine, orders that are gone, and a process of each customer."""
    url = str(request.getfixturevalue("postgres_url")) if request.param == "postgresql" else ""
    (tmp_path / "map.yaml").write_text(MAP)
    made = Shop(unsynced, url)
    for system in ("crm", "shop"):
        made.small.sql(system, "CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT, mail TEXT, city TEXT, size INTEGER)")
        made.small.sql(system, "CREATE TABLE orders (number TEXT PRIMARY KEY, customer TEXT, wish TEXT)")
    made.small.sql(
        "crm",
        "INSERT INTO customers VALUES ('c1', 'Xanthippe', 'old-xq@secret', 'Berlin', 1), ('c2', 'Bert Other', 'bert@other', 'Bonn', 2)",
    )
    made.small.sql("crm", "INSERT INTO orders VALUES ('o1', 'c1', 'violet harp'), ('o2', 'c2', 'green drum'), ('o3', 'c1', 'her twin')")
    made.sync()
    made.small.sql("crm", "UPDATE customers SET mail = 'xq77@secret', city = 'Quillburg' WHERE id = 'c1'")
    made.small.sql("shop", "UPDATE customers SET mail = 'xq77@secret.lost', city = 'Quillstadt' WHERE id = 'c1'")
    for system in ("crm", "shop"):
        made.small.sql(system, "DELETE FROM orders WHERE number = 'o1'")
    made.sync()
    with made.opened() as workspace:
        work = open_work(workspace.map, workspace.store)
        for customer, address, phone in (("c1", "Nightingale Lane 3", "0151-7733"), ("c2", "Side Street 9", "0151-9944")):
            instance = work.start("welcome", case=customer, by=ACTOR, variables={"address": address})
            (task,) = [t for t in work.tasks() if t.instance == instance]
            work.comment(task.task, by=ACTOR, text=f"lives in {address}")
            work.complete(task.task, by=ACTOR, answer={"phone": phone, "interested": True})
    return made


def test_nothing_of_an_erased_person_is_found_and_the_log_verifies(shop: Shop, tmp_path: Path) -> None:
    """Every byte of the state is looked at, since what is left anywhere is not erased."""
    shop.small.sql("crm", "DELETE FROM orders WHERE number = 'o3'")
    head = tmp_path / "head.json"
    assert shop.call("audit", "head", str(shop.small.folder), "--to", str(head))[0] == 0
    before = shop.everything()
    assert all(secret in before for secret in SECRETS)
    export = tmp_path / "export"
    assert shop.call("audit", "export", str(export), str(shop.small.folder))[0] == 0
    exported = (export / "events.jsonl").read_text()
    assert [secret for secret in (*SECRETS, ACTOR) if secret in exported] == []

    code, shown = shop.erase("c1")
    assert (code, shown["done"], shown["found"]["events"] > 3, shown["found"]["rows"] > 8) == (0, False, True, True)
    assert sum(r["rows"] for r in shown["systems"]) == 2
    assert all(secret in shop.everything() for secret in SECRETS)

    code, done = shop.erase("c1", "--yes", "--reason", "a request")

    assert (code, done.get("done"), done.get("remains")) == (0, True, []), done
    after = shop.everything()
    assert [secret for secret in SECRETS if secret in after] == []
    assert shop.small.sql("crm", "SELECT id FROM customers") == [("c2",)]
    assert shop.small.sql("shop", "SELECT id FROM customers") == [("c2",)]
    code, text, _ = shop.call("audit", "verify", str(shop.small.folder), "--head", str(head))
    assert (code, "segments were erased" in text) == (0, True)
    with shop.opened() as workspace:
        _rebuilt_alike(workspace.store)
        started = [s.event for s in workspace.store.read(types=["process.started"])]
        assert [e.attributes["variables"]["address"] for e in started] == [None, "Side Street 9"]
        assert {e.attributes["by"] for e in started} == {ACTOR}
        commented = [s.event.attributes["text"] for s in workspace.store.read(types=["task.commented"])]
        assert commented[0].startswith("erased-")
        assert commented[1] == "lives in Side Street 9"
    assert "green drum" in after

    shop.sync()
    assert shop.small.sql("crm", "SELECT id FROM customers") == [("c2",)]
    assert shop.erase("c1", "--yes", "--reason", "again")[0] == 0
    assert shop.erase("c1")[1]["found"]["segments"] == 0
    assert [secret for secret in SECRETS if secret in shop.everything()] == []


def _rebuilt_alike(store: Store) -> None:
    tables = ("work_variable", "work_task", "conflict", "flow_state", "erased_segment", "relation")
    before = [store.table(name) for name in tables]
    store.rebuild()
    assert [store.table(name) for name in tables] == before


@pytest.mark.prove
def test_who_acted_becomes_a_pseudonym_everywhere(shop: Shop) -> None:
    """The name of somebody who left the company is personal as well; that the same person did it all must still show."""
    assert ACTOR in shop.everything()

    assert shop.erase(ACTOR, "--yes", "--reason", "left")[0] == 0

    assert ACTOR not in shop.everything()
    with shop.opened() as workspace:
        names = {s.event.attributes["by"] for s in workspace.store.read(types=["process.started", "task.started", "person.erased"])}
        assert len(names) == 1
        assert names.pop().startswith("erased-")
        assert set(workspace.store.table("work_task")["ended_by"].to_pylist()) == {
            s.event.attributes["by"] for s in workspace.store.read(types=["task.completed"])
        }


@pytest.mark.prove
def test_rows_that_systems_still_hold_are_said_to_remain(shop: Shop) -> None:
    """An order is the firm's as well: Accord does not delete it, and must not say that nothing is left."""
    shop.small.sql("crm", "UPDATE orders SET wish = 'violet drum' WHERE number = 'o3'")
    shop.sync()

    code, done = shop.erase("c1", "--yes", "--reason", "a request")

    assert code == 1
    assert any("1 rows of 'order'" in sentence for sentence in done["remains"])
    assert shop.small.sql("crm", "SELECT number FROM orders ORDER BY 1") == [("o2",), ("o3",)]

    shop.small.sql("crm", "DELETE FROM orders WHERE customer = 'c1'")
    shop.sync()
    code, done = shop.erase("c1", "--yes", "--reason", "a request")
    assert (code, done["remains"]) == (0, [])
    after = shop.everything()
    assert [secret for secret in (*SECRETS, "violet drum") if secret in after] == []
