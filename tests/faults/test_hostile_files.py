"""Files made to be wrong: each is refused with its place, quickly, or read without losing a column."""

from __future__ import annotations

import io
import os
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from accord.connectors.duck import open_duck
from accord.connectors.registry import open_connector
from accord.model.errors import AccordError, DataRefused, SystemUnreachable
from accord.model.system import System


def rows(kind: str, at: str, base: Path) -> list[tuple[object, ...]]:
    """The rows of resource ``items``."""
    with open_duck() as con:
        relation = open_connector(System("sys", kind, at), base=base).scan(con, "items")
        return con.execute(f"SELECT * FROM {relation}").fetchall()


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


GOOD_PARQUET = parquet(pa.table({"id": ["K0"], "name": ["a"]}))
WIDE = ",".join(f"c{i}" for i in range(100_000))


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("items.csv", f"{WIDE}\n{WIDE}\n".encode(), "100,000 columns"),
        ("items.csv", b"id,name,Name\nK0,a,b\n", "differ in capitals only"),
        (
            "items.csv",
            b'id;name\n1;"a, b"\n',
            "items.csv:1: its header is one column 'id;name', with ';' in its name. Expected columns with ','",
        ),
        ("items.csv", b"id,name,_accord_line\nK0,a,b\n", "_accord_line"),
        ("items.csv", b"id,name,_Accord_Row\nK0,a,b\n", "_Accord_Row"),
        ("items.jsonl", b'{"id": "K0", "_accord_row": 1}\n', "items.jsonl:1"),
        ("items.jsonl", b'{"id": "K0", "\\udfff": 1}\n', "items.jsonl:1: half of a character"),
        ("items.jsonl", b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "items.jsonl:1"),
        ("items.parquet", GOOD_PARQUET[:-60] + b"\xff" * 40 + GOOD_PARQUET[-20:], "items.parquet"),
        ("items.parquet", GOOD_PARQUET[:-20], "items.parquet"),
        ("items.parquet", parquet(pa.table({"name": ["a"], "NAME": ["b"]})), "differ in capitals only"),
        ("items.jsonl", b'{"id": "K0", "name": "a"}\n{"id": "K1", "Name": "b"}\n', "items.jsonl:2: the columns 'Name', 'name' differ"),
        ("items.parquet", parquet(pa.table({"id": ["a"], "_accord_line": [1]})), "_accord_line"),
    ],
)
def test_a_file_that_cannot_be_kept_whole_is_refused_with_its_place(name: str, data: bytes, says: str, tmp_path: Path) -> None:
    """A column read under another name would be written back under it, or not at all."""
    (tmp_path / name).write_bytes(data)

    with pytest.raises(DataRefused) as caught:
        rows(Path(name).suffix[1:], ".", tmp_path)

    assert says in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", ["items*", "items[1]", "i?ems"])
def test_a_name_with_the_signs_of_a_pattern_is_one_file(name: str, tmp_path: Path) -> None:
    """What DuckDB takes for a pattern would read the neighbor's rows as well."""
    (tmp_path / "items1.csv").write_text("id\nneighbor\n")
    (tmp_path / "items2.csv").write_text("id\nneighbor\n")
    (tmp_path / f"{name}.csv").write_text("id\nown\n")
    connector = open_connector(System("sys", "csv", "."), base=tmp_path)

    with open_duck() as con:
        assert con.execute(f"SELECT * FROM {connector.scan(con, name)}").fetchall() == [("own",)]


def workbook() -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.title = "items"
    book.active.append(["id", "name"])
    book.active.append(["K0", "a"])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def sheet_changed(change: Callable[[bytes], bytes]) -> bytes:
    """A workbook whose sheet was written by somebody with other aims."""
    source, target = zipfile.ZipFile(io.BytesIO(workbook())), io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            data = source.read(name)
            archive.writestr(name, change(data) if "sheet1" in name else data)
    return target.getvalue()


def with_row(row: bytes) -> bytes:
    return sheet_changed(lambda data: data.replace(b"</sheetData>", row + b"</sheetData>"))


def lying_about_sizes(data: bytes) -> bytes:
    """The directory of the archive says each part is 100 bytes."""
    changed, at = bytearray(data), data.find(b"PK\x01\x02")
    while at != -1:
        changed[at + 24 : at + 28] = struct.pack("<I", 100)
        at = changed.find(b"PK\x01\x02", at + 4)
    return bytes(changed)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (sheet_changed(lambda data: data[: len(data) // 2]), "it cannot be read"),
        (with_row(b"<row r='3'><c r='A3' t='d'><v>notadate</v></c></row>"), "it cannot be read"),
        (with_row(b"<row r='104857699'><c r='A104857699' t='inlineStr'><is><t>z</t></is></c></row>"), "beyond 1,048,576"),
        (lying_about_sizes(workbook()), "it cannot be read"),
        (
            sheet_changed(lambda data: b'<!DOCTYPE x [<!ENTITY a "a">]>' + data.replace(b"</sheetData>", b"</sheetData>&a;")),
            "defines entities",
        ),
        (workbook()[:200] + b"\0" * 300 + workbook()[500:], "it cannot be read"),
        (b"id,name\nK0,a\n", "not a zip file"),
    ],
    ids=["cut-sheet", "no-date", "far-row", "lying-sizes", "entity", "zeroed", "csv"],
)
def test_a_workbook_made_to_be_wrong_is_refused(data: bytes, says: str, tmp_path: Path) -> None:
    """Sheets are parsed row by row, so what is wrong in them shows late."""
    (tmp_path / "book.xlsx").write_bytes(data)

    with pytest.raises(DataRefused) as caught:
        rows("xlsx", "book.xlsx", tmp_path)

    assert says in str(caught.value)
    assert "book.xlsx" in str(caught.value)
    assert "\n" not in str(caught.value)


def database(path: Path, script: str) -> None:
    db = sqlite3.connect(path)
    db.executescript(script)
    db.close()


def test_a_view_that_cannot_be_read_does_not_hide_the_tables_beside_it(tmp_path: Path) -> None:
    """Somebody dropped a table and forgot a view of it; the system is there all the same."""
    database(tmp_path / "s.db", "CREATE TABLE items(id); INSERT INTO items VALUES('K0')")
    database(tmp_path / "s.db", "CREATE TABLE t(a); CREATE VIEW broken AS SELECT a FROM t; DROP TABLE t")

    described = open_connector(System("sys", "sqlite", "s.db"), base=tmp_path).describe()

    assert [(r.name, r.row_count) for r in described.resources] == [("items", 1)]


def test_a_view_over_a_table_that_is_gone_is_refused_and_not_called_unreachable(tmp_path: Path) -> None:
    """Trying again, which an unreachable system asks for, would never help."""
    database(tmp_path / "s.db", "CREATE TABLE t(id); CREATE VIEW items AS SELECT id FROM t; DROP TABLE t")

    with pytest.raises(DataRefused, match=r"no such table: main\.t"):
        rows("sqlite", "s.db", tmp_path)


@pytest.mark.parametrize(("kind", "at", "name"), [("sqlite", "s.db", "s.db"), ("csv", ".", "items.csv"), ("xlsx", "b.xlsx", "b.xlsx")])
def test_a_pipe_in_the_place_of_a_file_is_refused_and_never_waited_for(kind: str, at: str, name: str, tmp_path: Path) -> None:
    """Opening a pipe nobody writes to has no end."""
    os.mkfifo(tmp_path / name)

    with pytest.raises((SystemUnreachable, AccordError)) as caught:
        rows(kind, at, tmp_path)

    assert "no regular file" in str(caught.value)
