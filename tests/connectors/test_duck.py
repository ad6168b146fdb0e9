"""DuckDB as Accord opens it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.connectors import duck
from accord.connectors.duck import borrowed_duck, load_scanner, open_duck
from accord.connectors.json_text import canonical_json
from accord.model.errors import SystemUnreachable
from accord.store.aside import aside

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("scanner", ["sqlite", "postgres"])
def test_a_scanner_loads_without_a_network(scanner: str) -> None:
    """The wheels beside the installation come first, and a second call is harmless."""
    con = open_duck()

    assert load_scanner(con, scanner) == "wheel"
    assert load_scanner(con, scanner) == "wheel"


def test_what_is_no_wheel_of_the_installation_has_to_be_signed(tmp_path: Path) -> None:
    """A folder of the user is no place that only an installation writes to."""
    wheel = Path(str(find_spec("duckdb_extension_sqlite_scanner").submodule_search_locations[0])) / "extensions" / f"v{duckdb.__version__}"
    content = (wheel / "sqlite_scanner.duckdb_extension").read_bytes()
    (tmp_path / "other.duckdb_extension").write_bytes(content[:-256] + bytes(256))  # its signature stands last
    con = open_duck()

    with pytest.raises(duckdb.IOException, match="signature is either missing or invalid"):
        con.execute(f"LOAD '{tmp_path}/other.duckdb_extension'")
    with pytest.raises(duckdb.InvalidInputException, match="Cannot change allow_unsigned_extensions"):
        con.execute("SET allow_unsigned_extensions = true")


def test_as_many_fields_are_compared_as_a_table_may_have() -> None:
    """MySQL allows 4,096 columns, and a run asks of all of them in one condition whether one differs."""
    with borrowed_duck() as con:
        assert con.execute(f"SELECT {' OR '.join(f'a = {n}' for n in range(4096))} FROM (SELECT 4095 AS a)").fetchall() == [(True,)]


def test_times_are_utc_and_nothing_is_fetched_by_itself() -> None:
    """A server in another zone must not shift what is compared."""
    con = open_duck()

    found = con.execute("SELECT current_setting('TimeZone'), current_setting('autoinstall_known_extensions')").fetchone()

    assert found == ("UTC", False)


def test_what_does_not_fit_into_memory_is_put_aside_where_nobody_else_can_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files themselves everybody could read, and they hold the values of all systems."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    con = open_duck(memory_limit="30MB")

    con.execute("CREATE TABLE many AS SELECT i, repeat('x', 1000) || i AS text FROM range(50000) r(i)")

    (own,) = tmp_path.iterdir()
    assert own.stat().st_mode & 0o077 == 0
    assert [folder.name.startswith(aside()) for folder in own.iterdir()] == [True]
    con.close()
    assert list(own.iterdir()) == []


def test_tables_take_half_of_the_memory_there_is() -> None:
    """Values on their way to and from a system are beside them, and a process that takes more than there is gets killed."""
    limits = []
    for con in (open_duck(), duckdb.connect()):
        number, unit = con.execute("SELECT current_setting('memory_limit')").fetchone()[0].split()
        limits.append(float(number) * {"MiB": 1, "GiB": 1024, "TiB": 1 << 20}[unit])

    assert limits[0] == pytest.approx(limits[1] * 0.625, rel=0.02)


@given(JSON)
def test_equal_json_has_one_canonical_text(value: object) -> None:
    """Order of members, spaces and the spelling of numbers do not matter."""
    import json

    compact = json.dumps(value, separators=(",", ":"))
    spread = json.dumps(value, indent=3, ensure_ascii=False, sort_keys=True)

    assert canonical_json(compact) == canonical_json(spread) is not None


@pytest.mark.parametrize(
    ("left", "right"), [("1", "2"), ('"1"', "1"), ("12345678901234567890123", "12345678901234567890124"), ("[1,2]", "[2,1]"), ("null", "0")]
)
def test_different_json_has_different_canonical_texts(left: str, right: str) -> None:
    """Among them numbers that are one double."""
    assert canonical_json(left) != canonical_json(right)


@pytest.mark.parametrize("text", ["", "{", "nope", "[" * 100_000])
def test_what_is_no_json_has_no_canonical_text(text: str) -> None:
    """Not an error: the values of systems are what they are."""
    assert canonical_json(text) is None


def test_a_file_that_was_read_takes_no_memory_afterwards(tmp_path: Path) -> None:
    """A watch reads new segments in each run; an engine that kept them would grow for as long as it lives."""
    con = open_duck()
    con.execute(f"COPY (SELECT range AS n FROM range(10_000)) TO '{tmp_path}/rows.parquet'")

    con.execute(f"SELECT sum(n) FROM '{tmp_path}/rows.parquet'").fetchall()

    assert con.execute("SELECT count(*) FROM duckdb_external_file_cache()").fetchall() == [(0,)]


def test_borrowers_get_a_new_engine_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine keeps a little of every join: one that lived as long as a watch would make it grow for days."""
    monkeypatch.setattr(duck, "_engine", {})
    monkeypatch.setattr(duck, "_lent", Counter())
    monkeypatch.setattr(duck, "_MOST_LENT", 3)
    engines = []

    for _ in range(7):
        with borrowed_duck():
            engines.append(duck._engine[os.getpid(), 1])

    assert [engines.index(engine) for engine in engines] == [0, 0, 0, 3, 3, 3, 6]
    with pytest.raises(duckdb.ConnectionException):
        engines[0].execute("SELECT 1")


def test_borrowers_keep_the_engine_that_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run borrows once more within its own: the new engine waits until all have given back, also after one that failed."""
    monkeypatch.setattr(duck, "_engine", {})
    monkeypatch.setattr(duck, "_lent", Counter())
    monkeypatch.setattr(duck, "_MOST_LENT", 1)

    with borrowed_duck() as con:
        first = duck._engine[os.getpid(), 1]
        con.execute("CREATE TABLE t AS SELECT 1 AS n")
        for _ in range(3):
            with pytest.raises(duckdb.CatalogException), borrowed_duck() as other:
                other.execute("SELECT * FROM missing")

        assert duck._engine[os.getpid(), 1] is first
        assert con.execute("FROM t").fetchall() == [(1,)]

    with borrowed_duck():
        assert duck._engine[os.getpid(), 1] is not first


def test_what_a_killed_process_had_put_aside_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be as large as the data; what a living one put aside stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "import os, sys; from accord.store.aside import aside; os.makedirs(f'{sys.argv[1]}/{aside()}x/y')"
    open_duck().close()
    (folder,) = tmp_path.iterdir()
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
    (folder / f"{aside()}x").mkdir()
    before = len(list(folder.iterdir()))

    open_duck().close()

    assert (before, [p.name for p in folder.iterdir()]) == (2, [f"{aside()}x"])


def test_errors_that_lead_back_to_each_other_are_looked_through_once() -> None:
    """A client that raises a kept error again makes such a ring; the look for too little memory went round it for ever."""
    first, second = SystemUnreachable("crm", "there", "no answer"), OSError("reset")
    first.__cause__, second.__context__ = second, first

    with pytest.raises(SystemUnreachable), borrowed_duck():
        raise first
