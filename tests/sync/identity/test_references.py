"""A row that points at another by the key this has in its own system."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main

MAP = """
name: shop
systems:
  crm: {connector: sqlite, at: crm.db}
  shop: {connector: sqlite, at: shop.db}
entities:
  person:
    key: [id]
    identity:
      match:
        mail: {normalized: [email]}
    fields: {id: text, name: text, email: text}
  order:
    key: [number]
    fields:
      number: text
      who: {type: text, references: person}
      total: integer
flows:
  people:
    entity: person
    bindings:
      crm: {resource: contacts, own_key: cid, new_key: next, fields: {name: name, email: email}}
      shop: {resource: customers, own_key: code, new_key: "'c-' || id", fields: {name: name, email: mail}}
  orders:
    entity: order
    bindings:
      crm:
        resource: orders
        fields: {number: number, who: {column: contact, lookup: {entity: person, own_key: crm/contacts}}, total: total}
      shop:
        resource: orders
        fields: {number: number, who: {column: customer, lookup: {entity: person, own_key: shop/customers}}, total: total}
"""


class Shop:
    """Two databases in a folder, and the command line on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "map.yaml").write_text(MAP)
        self.sql("crm", "CREATE TABLE contacts (cid INTEGER PRIMARY KEY, name TEXT, email TEXT)")
        self.sql("crm", "CREATE TABLE orders (number TEXT PRIMARY KEY, contact INTEGER, total INTEGER)")
        self.sql("shop", "CREATE TABLE customers (code TEXT PRIMARY KEY, name TEXT, mail TEXT)")
        self.sql("shop", "CREATE TABLE orders (number TEXT PRIMARY KEY, customer TEXT, total INTEGER)")
        self.sql("crm", "INSERT INTO contacts VALUES (1, 'Ada', 'ada@x.org'), (2, 'Bob', 'bob@x.org')")
        self.sql("shop", "INSERT INTO customers VALUES ('k7', 'Ada', 'Ada@x.org'), ('k9', 'Cy', 'cy@x.org')")

    def sql(self, system: str, statement: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / f"{system}.db") as db:
            rows = db.execute(statement).fetchall()
        db.close()
        return rows

    def call(self, command: str) -> int:
        return main([command, str(self.folder)])


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_each_system_shows_the_key_that_it_knows(shop: Shop) -> None:
    """An order of contact 1 there is an order of customer k7 here, also for a customer who came to be only with this run."""
    shop.sql("crm", "INSERT INTO orders VALUES ('A', 1, 10), ('B', 2, 20)")
    shop.sql("shop", "INSERT INTO orders VALUES ('C', 'k9', 30)")

    assert shop.call("sync") == 0

    made = dict(shop.sql("shop", "SELECT name, code FROM customers"))
    there = dict(shop.sql("crm", "SELECT name, cid FROM contacts"))
    assert sorted(shop.sql("shop", "SELECT * FROM orders")) == [("A", "k7", 10), ("B", made["Bob"], 20), ("C", "k9", 30)]
    assert sorted(shop.sql("crm", "SELECT * FROM orders")) == [("A", 1, 10), ("B", 2, 20), ("C", there["Cy"], 30)]
    assert shop.call("reconcile") == 0


def test_a_changed_pointer_arrives_and_an_unknown_one_waits(shop: Shop) -> None:
    """A key that no person has is a reason to wait, not one to write an empty field; the order comes along once the person is there."""
    shop.sql("crm", "INSERT INTO orders VALUES ('A', 1, 10), ('B', 2, 20)")
    assert shop.call("sync") == 0

    shop.sql("shop", "UPDATE orders SET customer = 'k9' WHERE number = 'A'")
    shop.sql("crm", "INSERT INTO orders VALUES ('D', 77, 40)")
    shop.call("sync")
    cy = dict(shop.sql("crm", "SELECT name, cid FROM contacts"))["Cy"]
    before = shop.sql("shop", "SELECT number FROM orders WHERE number = 'D'")
    shop.sql("crm", "INSERT INTO contacts VALUES (77, 'Eve', 'eve@x.org')")
    shop.call("sync")

    assert shop.sql("crm", "SELECT contact FROM orders WHERE number = 'A'") == [(cy,)]
    assert before == []
    eve = dict(shop.sql("shop", "SELECT name, code FROM customers"))["Eve"]
    assert shop.sql("shop", "SELECT customer, total FROM orders WHERE number = 'D'") == [(eve, 40)]


def test_a_row_whose_pointer_is_known_only_once_a_plan_was_applied_is_left_to_a_second_one(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """The keys of new things are linked when they are written; both commands say which rows wait for that, and the second plan has them."""
    assert shop.call("sync") == 0
    shop.sql("crm", "INSERT INTO contacts VALUES (5, 'Eve', 'eve@x.org')")
    shop.sql("crm", "INSERT INTO orders VALUES ('A', 1, 10), ('E', 5, 50)")
    plan, said = str(shop.folder / "plan.json"), []
    for _ in range(2):
        capsys.readouterr()
        codes = main(["plan", str(shop.folder), "--out", plan]), main(["apply", plan, str(shop.folder)])
        said.append("".join(capsys.readouterr().out.split()))
        assert codes == (0, 0)

    assert "flow'orders':1rowwaitsforwhatisagreedin'people'first." in said[0]
    assert """flow'orders':1rowwaitedforwhatisagreednow:{"number":"E"};makeasecondplanwithaccordplan""" in said[0]
    assert ("waits" in said[1], "waited" in said[1]) == (False, False)
    assert [number for (number,) in shop.sql("shop", "SELECT number FROM orders ORDER BY 1")] == ["A", "E"]


def test_a_resource_without_own_keys_is_named(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Else the table would be empty, and every order would wait for ever."""
    map_ = shop.folder / "map.yaml"
    map_.write_text(map_.read_text().replace("own_key: crm/contacts", "own_key: crm/contact"))

    code = shop.call("lint")

    assert code == 2
    said = capsys.readouterr()
    assert "crm/contacts" in said.out + said.err


def test_an_own_key_that_was_never_there_is_a_mistake_of_the_map(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is gone where no run has seen anything."""
    map_ = shop.folder / "map.yaml"
    map_.write_text(map_.read_text().replace("own_key: cid", "own_key: cidd"))

    code = shop.call("sync")

    said = "map.yaml:23: binding 'crm': own_key names column 'cidd', which 'contacts' in system 'crm' does not have."
    assert (code, f"{said} Known: cid, email, name. Did you mean 'cid'?" in capsys.readouterr().err) == (2, True)
