"""Real records of a marketplace, carried both ways between the files they came in and a database, then proven equal."""

from __future__ import annotations

import csv
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.mapfile import load_map
from accord.model.integration_map import IntegrationMap
from accord.store import Store, open_store
from accord.sync import reconcile, run_flow

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FLOWS = ("sellers", "orders", "payments", "reviews")
FILES = {"sellers": "sellers", "orders": "orders", "payments": "order_payments", "reviews": "order_reviews"}
Rows = dict[tuple[str, ...], dict[str, str]]


def both_ways(map_: IntegrationMap) -> IntegrationMap:
    """The example's flows between its files and tables of the same names in the ledger's database, each side free to edit."""
    flows = {}
    for name in FLOWS:
        flow = map_.flows[name]
        source = replace(next(iter(flow.bindings.values())), direction="both")
        table = replace(source, name="ledger", system="ledger", resource=f"their_{name}", create=True)
        flows[name] = replace(flow, bindings={source.name: source, "ledger": table}, authority={})
    return replace(map_, flows=flows)


class Marketplace:
    """The files in a folder of their own, the database, and what they should hold after everything that was done."""

    def __init__(self, folder: Path, url: str, store: Store) -> None:
        self.folder, self.url, self.store = folder, url, store
        self.map = both_ways(load_map(ROOT / "examples" / "olist", {"data": str(folder), "payments_url": url}))
        self.connectors = {name: open_connector(system, base=folder) for name, system in self.map.systems.items()}
        self.keys = {name: self._columns(name, self.map.entities[self.map.flows[name].entity].key) for name in FLOWS}

    def _columns(self, flow: str, fields: tuple[str, ...]) -> tuple[str, ...]:
        mappings = self.map.flows[flow].bindings["ledger"].fields
        return tuple(mappings[f].column or f for f in fields)

    def path(self, flow: str) -> Path:
        return self.folder / "olist" / f"{FILES[flow]}.csv"

    def files(self, flow: str) -> Rows:
        with self.path(flow).open(encoding="utf-8", newline="") as file:
            return {tuple(row[k] for k in self.keys[flow]): row for row in csv.DictReader(file)}

    def write_file(self, flow: str, rows: Rows) -> None:
        with self.path(flow).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(next(iter(rows.values()))))
            writer.writeheader()
            writer.writerows(rows.values())

    def table(self, flow: str, *columns: str) -> dict[tuple[str, ...], tuple[Any, ...]]:
        keys = self.keys[flow]
        shown = ", ".join(f'"{c}"::text' for c in (*keys, *columns))
        with psycopg.connect(self.url) as db:
            rows = db.execute(f"SELECT {shown} FROM their_{flow}".encode()).fetchall()
        return {row[: len(keys)]: row[len(keys) :] for row in rows}

    def sync(self, run: str) -> dict[str, bool]:
        """Whether each flow changed something."""
        results = {f: run_flow(self.map, f, self.connectors, self.store, run=run, now=NOW) for f in FLOWS}
        assert {f: r.status for f, r in results.items()} == dict.fromkeys(FLOWS, "done")
        return {f: r.changed for f, r in results.items()}

    def differences(self) -> dict[str, int]:
        proofs = {f: reconcile(self.map, f, self.connectors, self.store, run="proof", now=NOW) for f in FLOWS}
        return {f: sum(p.missing + p.extra + p.different for p in proof.pairs) for f, proof in proofs.items()}


@pytest.fixture
def marketplace(tmp_path: Path, shared_data: Path, postgres_url: str) -> Iterator[Marketplace]:
    shutil.copytree(shared_data / "marketing" / "olist", tmp_path / "olist", copy_function=shutil.copyfile)
    (tmp_path / "olist").chmod(0o755)
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        made = Marketplace(tmp_path, postgres_url, store)
        yield made
        for connector in made.connectors.values():
            connector.close()


def edit(rows: Rows, keys: list[tuple[str, ...]], change: Callable[[dict[str, str]], None]) -> None:
    for key in keys:
        change(rows[key])


def test_real_records_edited_on_both_sides_end_equal(marketplace: Marketplace) -> None:
    """Real text (accents, line breaks, quotes, empty fields, repeated ids) both ways; what no field is mapped to stays as it was."""
    chance, world = random.Random(3), marketplace
    world.sync("first")
    assert not any(world.sync("again").values())
    sellers, orders, payments, reviews = (world.files(f) for f in FLOWS)
    titles = {key: row["review_comment_title"] for key, row in reviews.items()}

    # In the files: sellers move, some leave, one comes; a review is answered in other words.
    picked = chance.sample(sorted(sellers), 45)
    edit(sellers, picked[:30], lambda row: row.update(seller_city="São Tomé das Letras, «novo»"))
    for key in picked[30:44]:
        del sellers[key]
    sellers["f" * 32,] = {"seller_id": "f" * 32, "seller_zip_code_prefix": "00123", "seller_city": "nova", "seller_state": "SP"}
    world.write_file("sellers", sellers)
    talked = chance.sample(sorted(reviews), 25)
    edit(reviews, talked, lambda row: row.update(review_comment_message='linha um\nlinha "dois", ção'))
    world.write_file("reviews", reviews)
    # In the database: orders are called off, payments are corrected to the cent, some are taken back, one is added.
    called_off, paid = chance.sample(sorted(orders), 40), chance.sample(sorted(payments), 60)
    with psycopg.connect(world.url) as db, db.cursor() as cursor:
        cursor.executemany("UPDATE their_orders SET order_status = 'canceled' WHERE order_id = %s", called_off)
        cursor.executemany(
            "UPDATE their_payments SET payment_value = payment_value + 0.01 WHERE order_id = %s AND payment_sequential = %s", paid[:40]
        )
        cursor.executemany("DELETE FROM their_payments WHERE order_id = %s AND payment_sequential = %s", paid[40:])
        cursor.execute(
            "INSERT INTO their_payments (order_id, payment_sequential, payment_type, payment_installments, payment_value) "
            "VALUES (%s, 99, 'voucher', 1, 12.34)",
            called_off[0],
        )
    edit(orders, called_off, lambda row: row.update(order_status="canceled"))
    edit(payments, paid[:40], lambda row: row.update(payment_value=str(Decimal(row["payment_value"]) + Decimal("0.01"))))
    for key in paid[40:]:
        del payments[key]
    payments[*called_off[0], "99"] = {"payment_type": "voucher", "payment_installments": "1", "payment_value": "12.34"}

    world.sync("edited")

    assert world.differences() == dict.fromkeys(FLOWS, 0)
    assert not any(world.sync("quiet").values())
    place = ("seller_zip_code_prefix", "seller_city", "seller_state")
    wanted = {key: tuple(row[c] for c in place) for key, row in sellers.items()}
    assert world.table("sellers", *place) == wanted
    assert {key: row["order_status"] for key, row in world.files("orders").items()} == {k: r["order_status"] for k, r in orders.items()}
    cents = {key: (row["payment_type"], Decimal(row["payment_value"])) for key, row in payments.items()}
    assert {key: (row["payment_type"], Decimal(row["payment_value"])) for key, row in world.files("payments").items()} == cents
    said = world.table("reviews", "review_comment_message")
    assert all(said[key] == ('linha um\nlinha "dois", ção',) for key in talked)
    assert {key: row["review_comment_title"] for key, row in world.files("reviews").items()} == titles
