"""``accord init``: a map of what two systems hold alike, that loads, and whose first plan is right."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accord.cli.main import main
from accord.mapfile import load_map

Run = Callable[..., tuple[int, dict[str, Any], str]]
CODES = {"active": "1", "lapsed": "2", "new": "3"}
CUSTOMERS = [(n, f"Person {n}", f"p{n}@example.org", list(CODES)[n * 7 % 11 % 3], n * 7 / 100, f"0{1000 + n}") for n in range(150)]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A command with ``--json``: its exit code, what it said, and what it said about errors."""

    def call(*arguments: str) -> tuple[int, dict[str, Any], str]:
        capsys.readouterr()
        code = main([*arguments, "--json"])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if printed.out else {}, printed.err

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A database, and a folder of lists with most of its customers: other numbers, names of columns, codes and units."""
    with sqlite3.connect(tmp_path / "crm.db") as db:
        db.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT, status TEXT, hours_booked REAL, zip TEXT)")
        db.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?)", CUSTOMERS)
        # Its numbers are those of customers, and nothing else of it is.
        db.execute("CREATE TABLE rooms (id INTEGER PRIMARY KEY, floor TEXT, seats INTEGER)")
        db.executemany("INSERT INTO rooms VALUES (?, ?, ?)", [(n, f"floor {n % 5}", n % 9) for n in range(150)])
    db.close()
    (tmp_path / "exports").mkdir()
    with (tmp_path / "exports" / "subscribers.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subscriber_no", "full name", "mail", "state", "minutes booked", "zip code"])
        writer.writerows(
            [7000 + n, name, mail, CODES[state], round(hours * 60, 1), code] for n, name, mail, state, hours, code in CUSTOMERS[30:]
        )
    return tmp_path


def test_what_two_systems_hold_alike_is_a_flow_whose_first_plan_only_adds_what_is_missing(run: Run, folder: Path) -> None:
    """Also where keys, codes and units differ, and zeros in front are part of a value."""
    code, answer, _ = run("init", str(folder))
    map_ = load_map(folder)
    planned, plan, _ = run("plan", str(folder))

    assert (code, planned) == (0, 0)
    assert answer["flows"] == [{"flow": "customers", "entity": "customer", "systems": ["crm", "exports"]}]
    assert map_.entities["customer"].key == ("email",)
    assert map_.entities["customer"].fields["zip"].type == "text"
    there = map_.flows["customers"].bindings["exports"].fields
    assert {n: m.column for n, m in there.items()} == {
        "name": "full name", "email": "mail", "status": "state", "hours_booked": "minutes booked", "zip": "zip code",
    }  # fmt: skip
    assert there["status"].codes == {v: k for k, v in CODES.items()}
    assert there["hours_booked"].unit == "min"
    assert any("crm/rooms" in note for note in answer["notes"])
    targets = [t for p in plan["flows"] for t in p["targets"]]
    assert [
        (t["system"], t["inserts"], t["updates"], t["deletes"]) for t in targets if any((t["inserts"], t["updates"], t["deletes"]))
    ] == [("exports", 30, 0, 0)]


def test_numbers_that_each_system_counts_for_itself_are_no_key(run: Run, tmp_path: Path) -> None:
    """They are the same for nearly all rows, because both systems got them in one order; the last ones are others."""
    for name, skipped in (("a", -1), ("b", 95)):
        with sqlite3.connect(tmp_path / f"{name}.db") as db:
            db.execute("CREATE TABLE entries (row_no INTEGER PRIMARY KEY, posting_id TEXT, amount INTEGER)")
            held = [(f"CST-{n:05}", n * 13 % 97) for n in range(100) if n != skipped]
            db.executemany("INSERT INTO entries VALUES (?, ?, ?)", [(n, *values) for n, values in enumerate(held)])
        db.close()

    run("init", str(tmp_path))

    map_ = load_map(tmp_path)
    assert map_.entities["entry"].key == ("posting_id",)
    assert set(map_.flows["entries"].bindings["b"].fields) == {"posting_id", "amount"}


def test_a_folder_with_a_map_keeps_it(run: Run, folder: Path) -> None:
    """It is what people wrote."""
    (folder / "accord.yaml").write_text("name: mine\n")

    code, _, said = run("init", str(folder))

    assert code == 2
    assert "holds accord.yaml already" in said
    assert (folder / "accord.yaml").read_text() == "name: mine\n"


def test_a_difference_that_only_a_person_can_explain_is_left_out_and_said(run: Run, tmp_path: Path) -> None:
    """Written as it stands, one system's times would overwrite the other's."""
    rows = [(f"K{n}", f"thing {n}", f"2026-03-{n % 28 + 1:02} 10:{n % 60:02}:00") for n in range(80)]
    for name, hours in (("a", 10), ("b", 12)):
        with sqlite3.connect(tmp_path / f"{name}.db") as db:
            db.execute("CREATE TABLE visits (code TEXT PRIMARY KEY, title TEXT, seen_at TIMESTAMP)")
            db.executemany("INSERT INTO visits VALUES (?, ?, ?)", [(k, t, at.replace(" 10:", f" {hours}:")) for k, t, at in rows])
        db.close()

    _, answer, _ = run("init", str(tmp_path))

    assert set(load_map(tmp_path).flows["visits"].bindings["b"].fields) == {"code", "title"}
    assert any("b/visits, seen_at is left out" in note and "-2 h" in note for note in answer["notes"])


def test_small_tables_meet_by_their_names(run: Run, tmp_path: Path) -> None:
    """Three rows prove nothing; a common name and the same columns do for a proposal."""
    for name in "ab":
        with sqlite3.connect(tmp_path / f"{name}.db") as db:
            db.execute("CREATE TABLE teams (id INTEGER PRIMARY KEY, title TEXT)")
            db.execute(
                "CREATE TABLE empty_here (id INTEGER PRIMARY KEY, note TEXT)" if name == "a" else "CREATE TABLE other (k TEXT, v TEXT)"
            )
            db.executemany("INSERT INTO teams VALUES (?, ?)", [(1, "north"), (2, "south")])
        db.close()

    code, answer, _ = run("init", str(tmp_path))

    assert code == 0
    assert [f["flow"] for f in answer["flows"]] == ["teams"]
    assert load_map(tmp_path).entities["team"].key == ("id",)


def test_a_password_is_asked_of_the_environment_and_never_written(run: Run, postgres_url: str, tmp_path: Path) -> None:
    """A map is sent around."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("CREATE TABLE things (id bigint PRIMARY KEY, name text)")
        db.execute("INSERT INTO things VALUES (1, 'one')")
    at = postgres_url.replace("postgres:", "postgres:hush-hush", 1)

    code, answer, said = run("init", str(tmp_path), "--system", f"crm={at}")

    assert code == 0, said
    assert answer["secrets"] == ["CRM_PASSWORD"]
    written = (tmp_path / "accord.yaml").read_text()
    assert "hush-hush" not in written + said + json.dumps(answer)
    assert "${env:CRM_PASSWORD}" in written
    assert [f["systems"] for f in answer["flows"]] == [["crm"]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "holds no data files"),
        (["--system", "crm"], "names no system"),
        (["--system", "crm=list.txt"], "no address whose kind shows"),
        (["--system", "crm=none.db"], "there is no file"),
        (["--system", "a=x.db", "--system", "a=y.db"], "is given twice"),
        (["--system", "crm=."], "holds no .csv, .jsonl, .parquet file"),
    ],
)
def test_what_cannot_be_understood_is_said_and_nothing_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], said: str
) -> None:
    """Each with the way out."""
    monkeypatch.chdir(tmp_path)
    sqlite3.connect(tmp_path / "x.db").close()

    code, _, error = run("init", *given)

    assert code == 2
    assert said in error
    assert not list(tmp_path.glob("*.yaml"))
