"""`accord quarantine`: what people and programs see of the rows that wait."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main

MAP = """\
name: shop
systems:
  a: {connector: sqlite, at: a.db}
  b: {connector: sqlite, at: b.db}
entities:
  thing: {key: [id], fields: {id: {type: text, required: true}, size: {type: integer, maximum: 9}}}
flows:
  things:
    entity: thing
    bindings:
      a: {resource: things, direction: read, fields: {id: id, size: size}}
      b: {resource: things, direction: write, create: true, fields: {id: id, size: size}}
"""


def answered(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = 0) -> dict[str, Any]:
    """The JSON a call answers with."""
    assert main([*map(str, words), "--json"]) == code
    body: dict[str, Any] = json.loads(capsys.readouterr().out)
    return body


def sql(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()


def test_a_row_is_listed_discarded_and_back_once_corrected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way of two bad rows: seen, one put aside, both mended."""
    (tmp_path / "map.yaml").write_text(MAP)
    sql(tmp_path / "a.db", "CREATE TABLE things (id TEXT, size TEXT)")
    sql(tmp_path / "a.db", "INSERT INTO things VALUES ('1','10'), ('2','x'), ('3','3')")
    here = tmp_path / "map.yaml"
    answered(capsys, "sync", here)

    listed = answered(capsys, "quarantine", "list", here)
    put_aside = answered(capsys, "quarantine", "discard", here, "--key", "2", "--note", "known")
    again = answered(capsys, "quarantine", "retry", here, code=1)
    sql(tmp_path / "a.db", "UPDATE things SET size = id")
    mended = answered(capsys, "quarantine", "retry", here)
    wrong = main(["quarantine", "discard", str(here), "--key", "7"])

    assert (listed["waiting"], [r["reason"] for r in listed["reasons"]]) == (2, ["size: … is above …", "size: … is no whole number"])
    assert put_aside == {"command": "quarantine discard", "discarded": 1, "waiting": 1, "deletes": 0}
    assert (again["meant"], again["waiting"]) == (1, 1)
    assert (mended["released"], mended["waiting"]) == (2, 0)
    assert wrong == 2

    sql(tmp_path / "a.db", "UPDATE things SET id = '1' WHERE id = '3'")
    answered(capsys, "sync", here)
    twice = answered(capsys, "quarantine", "discard", here, "--key", "1")
    assert (twice["discarded"], twice["deletes"]) == (2, 1)
    assert answered(capsys, "sync", here)["flows"][0]["counts"]["deleted"] == 1


def test_a_retry_tells_of_the_rows_that_were_meant_whatever_they_wait_for_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One mended wrongly waits for another reason, and one that was not asked for returns along: neither may look like success."""
    here = tmp_path / "map.yaml"
    here.write_text(MAP)
    sql(tmp_path / "a.db", "CREATE TABLE things (id TEXT, size TEXT)")
    sql(tmp_path / "a.db", "INSERT INTO things VALUES ('1','10'), ('2','x'), ('3','y'), (NULL,'z')")
    answered(capsys, "sync", here)
    sql(tmp_path / "a.db", "UPDATE things SET size = CASE id WHEN '2' THEN '12' ELSE '3' END WHERE id IS NOT NULL")

    told = answered(capsys, "quarantine", "retry", here, "--reason", "no whole number", code=1)
    again = main(["quarantine", "retry", str(here), "--key", "2"])

    assert (told["meant"], told["waiting"], told["released"]) == (3, 2, 2)
    assert again == 1
    assert "1 row judged again: 0 no longer wait, 1 still do" in capsys.readouterr().out
