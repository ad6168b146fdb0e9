"""Kinds are found by scanning folders; secrets come from the environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import accord.connectors
from accord.connectors.registry import connector_kinds, open_connector
from accord.connectors.roundtrip import self_test
from accord.model.errors import UnknownName, UsageError
from accord.model.system import System

DROP_IN = '''
"""A folder of files separated by semicolons."""

from dataclasses import replace

from accord.connectors.csv_folder import CsvConnector


class SemicolonConnector(CsvConnector):
    """CSV with semicolons, whatever the map says."""

    kind = "semicolon"

    def __init__(self, system, *, base):
        super().__init__(replace(system, options={**system.options, "separator": ";"}), base=base)
'''


def test_the_kinds_of_the_first_issue_are_there() -> None:
    """SQLite, PostgreSQL, folders of CSV, Parquet and JSON lines, workbooks."""
    assert {"sqlite", "postgresql", "csv", "parquet", "jsonl", "xlsx"} <= set(connector_kinds())


def test_a_new_connector_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropped into the folder it is found, opens and keeps every type; nothing else is edited."""
    folder = tmp_path / "dropped"
    folder.mkdir()
    (folder / "semicolon_drop_in.py").write_text(DROP_IN)
    monkeypatch.setattr(accord.connectors, "__path__", [*accord.connectors.__path__, str(folder)])

    try:
        connector = open_connector(System("new", "semicolon", "files"), base=tmp_path)

        assert all(result.survives for result in self_test(connector))
        assert (tmp_path / "files" / "accord_self_test.csv").read_text().startswith("id;text;integer;")
    finally:
        sys.modules.pop("accord.connectors.semicolon_drop_in", None)


def test_two_files_that_claim_one_kind_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the alphabet would decide which one runs."""
    folder = tmp_path / "dropped"
    folder.mkdir()
    (folder / "csv_twice.py").write_text('class Another:\n    kind = "csv"\n')
    monkeypatch.setattr(accord.connectors, "__path__", [*accord.connectors.__path__, str(folder)])

    try:
        with pytest.raises(UsageError, match=r"'csv' is defined twice: .*csv_folder and .*csv_twice"):
            connector_kinds()
    finally:
        sys.modules.pop("accord.connectors.csv_twice", None)


def test_an_unknown_kind_is_answered_with_a_near_one(opened: Any) -> None:
    """The most frequent mistake in a first map."""
    with pytest.raises(UnknownName, match="Did you mean 'postgresql'"):
        opened("postgres")


def test_a_secret_is_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands neither in the map nor in what the connector shows of itself."""
    monkeypatch.setenv("ACCORD_TEST_PASSWORD", "hunter2")
    system = System("crm", "postgresql", "postgresql://ana:${env:ACCORD_TEST_PASSWORD}@db.invalid:5432/crm")

    connector = open_connector(system, base=tmp_path)

    assert "hunter2" not in repr(connector) + repr(connector.system)
    assert "ana@db.invalid:5432/crm" in repr(connector)


def test_a_secret_that_is_not_set_is_named(opened: Any) -> None:
    """The way out is the name of the variable."""
    with pytest.raises(UsageError, match="export ACCORD_NOT_SET="):
        opened("sqlite", "${env:ACCORD_NOT_SET}/x.db")
