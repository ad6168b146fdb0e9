"""Whatever happens, the short way ends where runs alone would have."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet as pq
import pytest

AWAY = 1000  # the twin of key k is k + AWAY; only k goes the short way
KEYS = 3
AT = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
EDITS = {
    "a": (
        "UPDATE items SET name = 'n{value}' WHERE id = {key}",
        "UPDATE items SET price = {value}.25 WHERE id = {key}",
        "UPDATE items SET state = 'done', price = NULLIF({value}, 3) WHERE id = {key}",
        "DELETE FROM items WHERE id = {key}",
        "INSERT INTO items VALUES ({key}, 'new{value}', 1, 'open', NULL, NULL) ON CONFLICT DO NOTHING",
    ),
    "b": (
        "UPDATE items SET title = 't{value}' WHERE no = {key}",
        "UPDATE items SET cents = {value} WHERE no = {key}",
        "UPDATE items SET flag = 'o' WHERE no = {key}",
        "DELETE FROM items WHERE no = {key}",
        "INSERT INTO items VALUES ({key}, 'born{value}', 5, 'd', NULL, NULL) ON CONFLICT DO NOTHING",
    ),
}


def twins(pair: Any, rounds: int, seed: int) -> tuple[int, int]:
    """Do the same to each key and its twin, take the first the short way and both by a run; returns rows taken and left."""
    rng = random.Random(seed)
    for key in range(KEYS + 1):  # one nobody touches: a table without any row is for people to look at, by whatever way
        for twin in (key, key + AWAY):
            pair.db["a"].execute("INSERT INTO items VALUES (%s, 'n', 1.50, 'open', %s, NULL)", (twin, AT))
    pair.sync()
    pair.open()
    went = left = 0
    for _ in range(rounds):
        touched: dict[tuple[str, int], None] = {}
        for _ in range(rng.randint(2, 6)):
            system, key, value = rng.choice("ab"), rng.randrange(KEYS), rng.randrange(1, 6)
            statement = rng.choices(EDITS[system], (4, 4, 2, 1, 2))[0]
            for twin in (key, key + AWAY):
                pair.db[system].execute(statement.format(key=twin, value=value).encode())
            touched[system, key] = None
        for system, key in touched:
            taken = pair.take(system, key)
            pair.take("b" if system == "a" else "a", key)  # the echo
            went, left = went + taken.inserted + taken.updated + taken.deleted, left + len(taken.left)
        pair.sync()
        pair.live.refresh()
        for name in "ab":
            rows = pair.rows(name)
            assert {k: r for k, r in rows.items() if k < AWAY} == {k - AWAY: r for k, r in rows.items() if k >= AWAY}
    lost = discarded(pair)
    assert sorted(v for k, *v in lost if k < AWAY) == sorted(v for k, *v in lost if k >= AWAY)
    assert pair.reconcile().agrees
    assert not pair.sync().changed
    return went, left


def discarded(pair: Any) -> list[tuple[Any, ...]]:
    """Every value that lost, by key."""
    found = []
    for sha in pair.store.flow_records("items", "conflicts").values():
        for row in pq.read_table(pair.store.read_segment(sha)).to_pylist():
            key = int(json.loads(row["key"])["id"])
            found.append((key, key % AWAY, row["field"], row["winner"], str(row["winning_value"]), str(row["losing_value"])))
    return found


def test_random_histories_end_as_by_runs_alone(pair: Any) -> None:
    """A second way to decide would be a second answer; the values that lose are the same as well."""
    went, left = twins(pair, 6, seed=3)

    assert went > 5
    assert left


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(10))
def test_many_random_histories_end_as_by_runs_alone(pair: Any, seed: int) -> None:
    """The long form."""
    twins(pair, 30, seed=100 + seed)
