"""A command loads what it uses."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

TOOLS = ("cryptography.hazmat.primitives.serialization", "httpx", "jinja2", "jsonschema", "opentelemetry", "openpyxl", "pandas", "sqlglot")
DRIVERS = ("psycopg", "pymysql")
ENGINES = ("accord.mapfile", "accord.store", "accord.sync", "duckdb", "numpy", "pyarrow", "rich.progress")
LOOK = """
import sys
from accord.cli.main import main
assert main(sys.argv[2:]) == int(sys.argv[1][0])
print(*sorted({name for name in sys.argv[1][1:].split() if name in sys.modules}))
"""


def loaded(expected: int, looked_for: tuple[str, ...], *arguments: str) -> tuple[list[str], str]:
    """Which of the modules a process of its own has after the command, and what it said."""
    call = [sys.executable, "-c", LOOK, f"{expected} {' '.join(looked_for)}", *arguments]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split(), done.stdout + done.stderr


@pytest.mark.parametrize("command", ["sync", "reconcile"])
def test_two_sqlite_files_wait_for_no_driver_of_another_system(small: Any, command: str) -> None:
    """Loading every driver and every tool of the other commands took longer than what a short command does."""
    found, _ = loaded(0, (*TOOLS, *DRIVERS), command, str(small.folder))

    assert found == []


def test_the_help_waits_for_no_engine() -> None:
    """What a person asks for first should be there at once."""
    found, said = loaded(0, (*TOOLS, *DRIVERS, *ENGINES), "--help")

    assert found == []
    assert "reconcile" in said


def test_a_command_is_found_without_loading_the_others() -> None:
    """Most calls are short, and loading everything takes half of their time."""
    assert loaded(0, ("accord.cli.commands.serve", *ENGINES[2:3]), "schema", "--help")[0] == []


def test_a_misspelled_command_is_told_what_was_meant() -> None:
    """The list it is compared with names commands that are not loaded."""
    found, said = loaded(2, ENGINES, "shema")

    assert found == []
    assert "schema" in said
