"""Workbooks: other sheets stay, formulas are values, hostile files are refused."""

from __future__ import annotations

import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest

from accord.connectors.protocol import ChangeBatch
from accord.model.errors import DataRefused, SystemChanged
from accord.model.types import CanonicalType


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A workbook as people make it: two sheets, a format, a date, a formula, an empty row."""
    made = openpyxl.Workbook()
    sheet = made.active
    sheet.title = "plan"
    sheet.append(["id", "amount", "due", "twice"])
    sheet.append(["a", 10.5, datetime(2024, 2, 29), "=B2*2"])
    sheet.append([])
    sheet.append([7, 0.1, datetime(2024, 3, 1, 12, 30), None])
    sheet["B2"].number_format = "0.00 €"
    made.create_sheet("other").append(["keep", "me"])
    made.save(tmp_path / "w.xlsx")
    return tmp_path / "w.xlsx"


@pytest.mark.parametrize("mark", ["~$w.xlsx", ".~lock.w.xlsx#"])
def test_a_workbook_that_somebody_has_open_is_read_and_not_written(book: Path, opened: Any, rows_of: Any, change: Any, mark: str) -> None:
    """What they save next would take everything back that was written in between, and look like their edits."""
    connector, lock = opened("xlsx", "w.xlsx"), book.with_name(mark)
    lock.write_bytes(b"Ann")
    before = book.read_bytes()

    with pytest.raises(SystemChanged, match="is in use by others: somebody has it open"):
        change(connector, "plan", "update", [{"id": "a", "amount": "11"}], [{"amount": "10.5"}])

    assert len(rows_of(connector, "plan")) == 2
    assert book.read_bytes() == before
    lock.unlink()
    assert change(connector, "plan", "update", [{"id": "a", "amount": "11"}], [{"amount": "10.5"}]).updated == 1


def test_cells_are_read_as_exact_text(book: Path, opened: Any, rows_of: Any) -> None:
    """Whole numbers without a point, dates as ISO 8601; a formula never calculated has no value."""
    assert rows_of(opened("xlsx", "w.xlsx"), "plan") == [
        {"id": "a", "amount": "10.5", "due": "2024-02-29", "twice": None},
        {"id": "7", "amount": "0.1", "due": "2024-03-01T12:30:00", "twice": None},
    ]


def test_only_the_cells_of_the_batch_change(book: Path, opened: Any, change: Any) -> None:
    """Formats, formulas and other sheets are somebody's work."""
    new, old = {"id": "a", "amount": "12.5", "due": "2024-04-01"}, {"amount": "10.5", "due": "2024-02-29"}

    result = change(opened("xlsx", "w.xlsx"), "plan", "update", [new], [old])

    after = openpyxl.load_workbook(book)
    assert result.updated == 1
    assert [cell.value for cell in after["plan"][2]] == ["a", 12.5, datetime(2024, 4, 1), "=B2*2"]
    assert after["plan"]["B2"].number_format == "0.00 €"
    assert [cell.value for cell in after["other"][1]] == ["keep", "me"]


def test_a_cell_that_shows_the_value_already_stays_as_it_is(book: Path, opened: Any) -> None:
    """pandas writes booleans of a column with gaps as 1 and 0; the 0 of a row became the text «0» when another cell of it was edited."""
    row = {"_op": ["update"], "id": ["7"], "amount": ["0.1"], "due": ["x"], "_old_amount": ["0.1"], "_old_due": ["2024-03-01T12:30:00"]}
    batch = ChangeBatch("plan", ("id",), ("amount", "due"), pa.table(row), "b", types={"amount": CanonicalType("boolean")})

    opened("xlsx", "w.xlsx").apply(batch)

    assert [cell.value for cell in openpyxl.load_workbook(book)["plan"][4]] == [7, 0.1, "x", None]


def test_text_that_begins_with_an_equals_sign_is_no_formula(book: Path, opened: Any, change: Any, rows_of: Any) -> None:
    """Data from other systems must not run in a spreadsheet."""
    connector = opened("xlsx", "w.xlsx")

    change(connector, "plan", "insert", [{"id": "=1+1", "due": '=HYPERLINK("x")'}])

    assert openpyxl.load_workbook(book)["plan"].cell(5, 1).data_type == "s"
    assert rows_of(connector, "plan")[-1]["due"] == '=HYPERLINK("x")'


def test_rows_are_deleted_where_they_stand(book: Path, opened: Any, change: Any, rows_of: Any) -> None:
    """The row with the key, not the row with the number."""
    connector = opened("xlsx", "w.xlsx")

    result = change(connector, "plan", "delete", [{"id": "7", "amount": "0.1"}], [{"amount": "0.1"}])

    assert result.deleted == 1
    assert [row["id"] for row in rows_of(connector, "plan")] == ["a"]


def test_a_workbook_with_pictures_is_read_and_not_written(book: Path, opened: Any, change: Any, rows_of: Any) -> None:
    """They would be lost on the way, which nobody would notice until it is too late."""
    with zipfile.ZipFile(book, "a") as archive:
        archive.writestr("xl/charts/chart1.xml", "<c/>")
    before = book.read_bytes()
    connector = opened("xlsx", "w.xlsx")

    assert len(rows_of(connector, "plan")) == 2
    with pytest.raises(DataRefused, match="charts, which would be lost"):
        change(connector, "plan", "insert", [{"id": "b", "amount": "1"}])
    assert book.read_bytes() == before


def test_a_file_that_unpacks_to_far_more_is_refused(tmp_path: Path, opened: Any) -> None:
    """Before it is unpacked."""
    with zipfile.ZipFile(tmp_path / "w.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 50_000_000)

    with pytest.raises(DataRefused, match="unpacks to 50,000,000 bytes"):
        opened("xlsx", "w.xlsx").describe()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04broken"])
def test_what_is_no_workbook_is_refused(content: bytes, tmp_path: Path, opened: Any) -> None:
    """Among them the file of a download that was cut."""
    (tmp_path / "w.xlsx").write_bytes(content)

    with pytest.raises(DataRefused, match="an Excel workbook"):
        opened("xlsx", "w.xlsx").describe()


@pytest.mark.parametrize("before", ["", "<!-- a word -->", "<!--" + "x" * 70_000 + "-->"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(book: Path, opened: Any, before: str, encoding: str) -> None:
    """A workbook is XML, and XML can be a bomb or read files; whichever parser happens to be installed, none gets to see it."""
    with zipfile.ZipFile(book) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = parts["xl/workbook.xml"].decode()
    start = text.index("<workbook")
    text = f"<?xml version='1.0' encoding='{encoding}'?>{before}<!DOCTYPE a [<!ENTITY e 'x'>]>{text[start:]}"
    parts["xl/workbook.xml"] = text.encode(encoding)
    with zipfile.ZipFile(book, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)

    with pytest.raises(DataRefused, match=r"xl/workbook\.xml"):
        opened("xlsx", "w.xlsx").describe()
