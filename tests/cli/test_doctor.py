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
        code, _, told = small.call("sync", str(small.folder))

    assert (code, told.count(f"process {os.getpid()}")) == (3, 1)
