"""Canonical text of the documents of a jsonb column, made the short way where it may be."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import psycopg

from accord.connectors import postgresql_json
from accord.connectors.duck import borrowed_duck
from accord.connectors.json_text import canonical_json
from accord.connectors.postgresql_types import columns_of
from accord.connectors.registry import open_connector
from accord.model.system import System

SIMPLE = [json.dumps({"k": n, "on": n % 2 == 0, "tag": f"t {n}"}) for n in range(60)]
OTHERS = [
    *("null", "5", '"text"', "[]", "{}", "[1, 2]", '{"k": 1}', '{"k": 1, "on": true}', '{"on": 1, "tag": 2}', '{"b": 1, "aa": 2, "k": 3}'),
    *('{"k": 1, "on": true, "tag": "t", "zz": 1}', '{"k": {"on": 1, "tag": 2}}', '{"k": [1, 2], "on": 1, "tag": 2}'),
    *(
        '{"k": 1.50, "on": 1, "tag": 2}',
        '{"k": 1.0, "on": 1, "tag": 2}',
        '{"k": 1e23, "on": 1, "tag": 2}',
        '{"k": 1e-7, "on": 1, "tag": 2}',
    ),
    *('{"k": 100000000000000000000000.0, "on": 1, "tag": 2}', '{"k": 123456789012345678901234567890, "on": 1, "tag": 2}'),
    *('{"k": -0, "on": 1, "tag": 2}', '{"k": "a.b", "on": 1, "tag": 2}', '{"k": "a: b, c", "on": "  ", "tag": " "}'),
    *(
        r'{"k": "a\"b", "on": 1, "tag": 2}',
        r'{"k": "\\", "on": 1, "tag": 2}',
        '{"k": "é", "on": 1, "tag": 2}',
        '{"k": "\x7f", "on": 1, "tag": 2}',
    ),
    *(r'{"k": "\u001f", "on": 1, "tag": 2}', '{"k": {}, "on": [1], "tag": 2}', '{"k": {"a": 1, "on": 2}, "tag": 3}'),
    *(r'{"k": "\n", "on": 1, "tag": 2}', '{"k": "{[:{:[", "on": 1, "tag": 2}', '{"k": "on", "on": "tag", "tag": "k"}'),
    *(r'{"k": ",\"on\":", "x": ",\"tag\":", "y": 1}', '{"é": 1, "on": 1, "tag": 2}', '{"": 1, "k": 2, "on": 3, "tag": 4}'),
    json.dumps({"k": "x" * 3_000, "on": 1, "tag": 2}),
    '{"k": 1' + "0" * 400 + ', "on": 1, "tag": 2}',
]


def _made_up(chance: random.Random) -> str:
    def value(depth: int) -> Any:
        some: list[Any] = [0, -7, 12, 1.5, 1e21, True, None, "", "k", '"', ',"on":', ": ", "on", "\\", "ü", "."]
        if depth and chance.random() < 0.1:
            return chance.choice([{"on": value(0)}, [value(0)], {}])
        return chance.choice(some)

    keys = chance.sample(["k", "on", "tag", "a", 'on"', "z", "kk"], k=chance.choice([2, 3, 3, 3, 4]))
    return json.dumps({key: value(1) for key in (keys if chance.random() < 0.5 else ["k", "on", "tag"])})


def test_the_short_way_gives_the_same_text(postgres_url: str, tmp_path: Path) -> None:
    """Bases hold the text: a document told in two ways would be written again and again."""
    chance = random.Random(3)
    documents = [*SIMPLE, *OTHERS, *(_made_up(chance) for _ in range(800)), None]
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("DROP TABLE IF EXISTS documents; CREATE TABLE documents (id int, doc jsonb, ordered json)")
        with db.cursor() as cursor:
            cursor.executemany("INSERT INTO documents VALUES (%s, %s, '{}')", list(enumerate(documents)))
    connector: Any = open_connector(System("s", "postgresql", postgres_url), base=tmp_path)
    with borrowed_duck() as con:
        stream = connector.stream(con, "documents")
        relation = stream.read(["id", "doc"], [])
        rows = con.execute(f'SELECT doc, "{stream.canonical["doc"]}" FROM {relation}').fetchall()
        stream.close()
    connector.close()

    assert list(stream.canonical) == ["doc"]  # json keeps the order and the doubles it was given
    assert len(rows) == len(documents)
    assert [made for text, made in rows] == [canonical_json(text) for text, made in rows]


def test_simple_documents_are_known_by_their_keys(postgres_url: str) -> None:
    """Where the first documents are of many kinds, or not flat and in order, every document is looked at as any other."""
    kinds = {
        "one": SIMPLE,
        "two": [*SIMPLE[:10], *['{"a": 1}'] * 10],
        "nulls": [None] * 10,
        "disorder": ['{"b": 1, "aa": 2}'] * 10,
        "many": [json.dumps({f"k{n}": n}) for n in range(60)],
    }
    found = {}
    with psycopg.connect(postgres_url, autocommit=True) as db:
        for name, documents in kinds.items():
            db.execute("DROP TABLE IF EXISTS kinds CASCADE; CREATE TABLE kinds (doc jsonb); CREATE VIEW seen AS SELECT doc FROM kinds")
            with db.cursor() as cursor:
                cursor.executemany("INSERT INTO kinds VALUES (%s)", [(d,) for d in documents])
            found[name] = {k: set(v) for k, v in postgresql_json.shapes(db, "kinds", columns_of(db, "kinds")).items()}
            assert not postgresql_json.shapes(db, "seen", columns_of(db, "seen"))

    simple = ("k", "on", "tag")
    assert found == {"one": {"doc": {simple}}, "two": {"doc": {simple, ("a",)}}, "nulls": {}, "disorder": {}, "many": {}}
