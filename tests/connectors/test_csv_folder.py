"""CSV as it is found in the world."""

from __future__ import annotations

import csv
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from accord.connectors import files
from accord.connectors.duck import open_duck
from accord.connectors.unreadable import BROKEN, MARK, WHY_BROKEN, rows_alone
from accord.model.errors import DataRefused, SystemChanged, SystemUnreachable, UsageError
from accord.model.types import CanonicalType


def test_a_quoted_nothing_is_empty_text_and_an_unquoted_one_null(opened: Any, rows_of: Any, tmp_path: Path) -> None:
    """The one way CSV has to tell them apart; it is kept when the file is written."""
    (tmp_path / "t.csv").write_text('id,a,b\n1,"",\n')

    assert rows_of(opened("csv"), "t") == [{"id": "1", "a": "", "b": None}]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b'\xef\xbb\xbfid,a\r\n1,"x\ny"\r\n', {}),
        (b'id;a\n1;"x\ny"\n', {"separator": ";"}),
        (b"id\ta\n1\t'x\ny'", {"separator": "\\t", "quote": "'"}),
    ],
)
def test_marks_separators_and_line_ends_of_other_programs_are_read(
    content: bytes, options: dict[str, str], opened: Any, rows_of: Any, tmp_path: Path
) -> None:
    """Byte order mark, CRLF, no last line end, line ends within quotes."""
    (tmp_path / "t.csv").write_bytes(content)

    assert rows_of(opened("csv", options=options), "t") == [{"id": "1", "a": "x\ny"}]


def test_latin_1_is_read_when_it_is_declared(opened: Any, rows_of: Any, change: Any, tmp_path: Path) -> None:
    """And never written back half in another encoding."""
    (tmp_path / "t.csv").write_bytes("id,a\n1,café\n".encode("latin-1"))
    connector = opened("csv", options={"encoding": "latin-1"})

    assert rows_of(connector, "t") == [{"id": "1", "a": "café"}]
    with pytest.raises(UsageError, match="can only be read"):
        change(connector, "t", "update", [{"id": "1", "a": "x"}], [{"a": "café"}])


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", "", "the file is empty"),
        (b"id,a,a\n1,2,3\n", ":1", "'a' stands twice"),
        (b"id,a\n1,2,3\n2,3,4\n", ":2", "3 columns. Expected 2 columns"),
        (b"id,a\n1,2\n2", ":3", "1 columns in the line with which the file ends, as if it were cut off there. Expected 2 columns"),
        (b'id,a,b\n1,2,3\n2,"open\n3,shut",4,5\n', ":3", "4 columns in a row of 2 lines. Expected 3 columns as in the header, and a quote"),
        (b'id,a\n1,2\n2,"open\n', ":3", "quote"),
        (b"\xff\xfe\n", ":1", "not utf-8"),
    ],
)
def test_a_broken_file_is_refused_with_file_and_line(
    content: bytes, line: str, words: str, opened: Any, rows_of: Any, tmp_path: Path
) -> None:
    """Never half read, never with columns shifted."""
    (tmp_path / "t.csv").write_bytes(content)

    with pytest.raises(DataRefused) as caught:
        rows_of(opened("csv"), "t")

    assert f"t.csv{line}" in str(caught.value)
    assert words in str(caught.value)


def test_a_line_with_too_many_or_too_few_values_is_kept_apart(opened: Any, rows_of: Any, change: Any, tmp_path: Path) -> None:
    """It is the matter of that line; when the file is written it stays as it is, byte for byte."""
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbfid,a\r\n1,"x\r\ny"\r\n2,"3, 4",\xff\r\n\r\n5\r\n6,z,,\r\n')
    connector = opened("csv")

    rows = rows_of(connector, "t")
    change(connector, "t", "update", [{"id": "6", "a": "new"}], [{"a": "z"}])

    said = [(r["id"], r["a"], r[BROKEN], r[WHY_BROKEN]) for r in rows]
    assert said == [
        ("1", "x\r\ny", None, None),
        (None, None, f'2,"3, 4",{MARK}xFF', "line 4 is no row: 3 columns; expected 2 columns as in the header"),
        (None, None, "5", "line 6 is no row: 1 columns; expected 2 columns as in the header"),
        ("6", "z", None, None),
    ]
    assert path.read_bytes() == b'\xef\xbb\xbfid,a\r\n1,"x\r\ny"\r\n2,"3, 4",\xff\r\n5\r\n6,new\r\n'
    assert csv.field_size_limit() == 131_072  # as Python has it, for whoever else reads CSV in this process


def test_who_looks_at_the_columns_of_a_file_sees_only_its_own(opened: Any, tmp_path: Path) -> None:
    """What marks a line that is no row, or a text that is none, is nothing to propose a field for."""
    (tmp_path / "t.csv").write_bytes(b"id,a\n1,2\n2,3,4\n3,\xff\n")

    with closing(open_duck()) as con:
        relation = opened("csv").scan(con, "t")
        found = con.execute(rows_alone(con, relation))

        assert [column[0] for column in found.description] == ["id", "a"]
        assert [row[0] for row in found.fetchall()] == ["1", "3"]


def test_a_line_that_is_no_row_does_not_become_one_when_a_column_is_added(opened: Any, tmp_path: Path) -> None:
    """Its third value was never meant for the new column."""
    path = tmp_path / "t.csv"
    path.write_text("id,a\n1,2\n2,3,4\n")

    with pytest.raises(DataRefused, match="line 3 is no row"):
        opened("csv").add_columns("t", {"b": CanonicalType("text")})

    assert path.read_text() == "id,a\n1,2\n2,3,4\n"


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r"], ids=repr)
def test_a_line_break_in_a_name_hides_no_row(opened: Any, rows_of: Any, tmp_path: Path, ending: str) -> None:
    """As spreadsheets write it: a line feed within the cell, and other line ends. No row was seen, as if all had been deleted."""
    for inner in ("\r\n", "\n"):
        text = ending.join(["id,a", "1,x", f'2,"y{inner}z"', ""]).replace("a", f'"the{inner}a"', 1)
        for mark in ("", "\ufeff"):
            (tmp_path / "t.csv").write_bytes((mark + text).encode())
            assert rows_of(opened("csv"), "t") == [{"id": "1", f"the{inner}a": "x"}, {"id": "2", f"the{inner}a": f"y{inner}z"}]
        (tmp_path / "t.csv").write_bytes(f'\ufeff"i{inner}d"{ending}1{ending}'.encode())
        assert rows_of(opened("csv"), "t") == [{f"i{inner}d": "1"}]


@pytest.mark.parametrize("last", ["ended", "open"])
@pytest.mark.parametrize("ending", [b"\r\n", b"\n", b"\r"], ids=repr)
def test_lines_end_as_they_did(opened: Any, change: Any, tmp_path: Path, ending: bytes, last: str) -> None:
    """Of a file from another system every line would differ by one write; line ends within quotes are part of their values."""
    path, end = tmp_path / "t.csv", ending if last == "ended" else b""
    lines = [b'id,"the\r\na"', b'1,"x\r\ny"', b'2,"x\ny"', b"3,keep"]
    path.write_bytes(ending.join(lines) + end)
    connector, a = opened("csv"), "the\r\na"

    change(connector, "t", "update", [{"id": "2", a: "new\nline"}], [{a: "x\ny"}])
    change(connector, "t", "insert", [{"id": "4", a: None}])
    once = path.read_bytes()
    change(connector, "t", "delete", [{"id": "4", a: None}], [{a: None}])
    connector.add_columns("t", {"b": CanonicalType("text")})

    assert once == ending.join([*lines[:2], b'2,"new\nline"', lines[3], b"4,"]) + end
    assert path.read_bytes() == ending.join([lines[0] + b",b", lines[1] + b",", b'2,"new\nline",', b"3,keep,"]) + end


def test_a_last_row_without_a_value_is_not_lost_where_the_last_line_did_not_end(
    opened: Any, change: Any, rows_of: Any, tmp_path: Path
) -> None:
    """An empty line is a row of a file with one column."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"id\r\n1\r\n2")

    change(opened("csv"), "t", "delete", [{"id": "2"}])
    path.write_bytes(b"id\n2\n\n1")
    change(opened("csv"), "t", "delete", [{"id": "1"}])

    assert rows_of(opened("csv"), "t") == [{"id": "2"}, {"id": None}]


def test_order_of_rows_and_columns_stays(opened: Any, change: Any, tmp_path: Path) -> None:
    """People read these files and keep them under version control: a change of one row is a difference of one line."""
    path = tmp_path / "t.csv"
    path.write_text('z,id,a\n1,c,"x, y"\n2,a,keep\n3,b,"q ""q"""\n')

    result = change(opened("csv"), "t", "update", [{"id": "a", "a": "new"}], [{"a": "keep"}])

    assert result.updated == 1
    assert path.read_text() == 'z,id,a\n1,c,"x, y"\n2,a,new\n3,b,"q ""q"""\n'


@pytest.mark.parametrize("theirs", ["theirs", "new"])
def test_a_file_written_by_others_before_the_rename_is_left_as_they_made_it(
    theirs: str, opened: Any, change: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their edit would be lost without anybody knowing; also one of the same length by a program that sets back when it wrote."""
    path = tmp_path / "t.csv"
    path.write_text("id,a\n1,old\n")
    connector = opened("csv")
    save, written = type(connector).save, path.stat().st_mtime_ns

    def slow_save(self: Any, *arguments: Any) -> None:
        save(self, *arguments)
        path.write_text(f"id,a\n1,{theirs}\n")
        os.utime(path, ns=(written, written))

    monkeypatch.setattr(type(connector), "save", slow_save)

    with pytest.raises(SystemChanged, match="another program wrote it"):
        change(connector, "t", "update", [{"id": "1", "a": "ours"}], [{"a": "old"}])

    assert path.read_text() == f"id,a\n1,{theirs}\n"
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_a_file_that_is_written_during_each_reading_is_reported(
    opened: Any, rows_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that grows has no state to agree on; a later run may find it at rest."""
    path = tmp_path / "t.csv"
    path.write_text("id\n1\n")
    connector = opened("csv")
    load = type(connector).load

    def and_write(self: Any, *arguments: Any) -> None:
        load(self, *arguments)
        path.write_text(path.read_text() + "2\n")

    monkeypatch.setattr(type(connector), "load", and_write)

    with pytest.raises(SystemChanged, match="changed while it was read"):
        rows_of(connector, "t")


def test_a_file_that_was_being_written_is_read_once_it_stands_still(
    opened: Any, rows_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a file looks broken; that is no reason to refuse it."""
    path = tmp_path / "t.csv"
    path.write_text('id,a\n1,"half')
    of = files.Stamp.of
    stamps = []

    def stamp(which: Path) -> files.Stamp:
        stamps.append(which)
        if len(stamps) == 2:
            path.write_text('id,a\n1,"half and whole"\n')
        return of(which)

    monkeypatch.setattr(files.Stamp, "of", stamp)

    assert rows_of(opened("csv"), "t") == [{"id": "1", "a": "half and whole"}]


def test_a_folder_in_place_of_a_file_and_the_reverse_are_named(opened: Any, tmp_path: Path) -> None:
    """Both happen when ``at`` is one level off."""
    (tmp_path / "t.csv").write_text("id\n")

    with pytest.raises(SystemUnreachable, match="it is a file, not a folder"):
        opened("csv", "t.csv").describe()
    with pytest.raises(SystemUnreachable, match="it is a folder"):
        opened("sqlite", ".").describe()
    with pytest.raises(SystemUnreachable, match="it is a folder"):
        opened("xlsx", ".").describe()


def test_a_resource_cannot_lead_out_of_the_folder(opened: Any, rows_of: Any, tmp_path: Path) -> None:
    """A name in a map is a name, not a way through the disk."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.csv").write_text("id\n1\n")

    with pytest.raises(Exception, match="leads out of its folder"):
        rows_of(opened("csv", "inside"), "../secret")


def test_a_line_that_could_not_be_read_again_is_not_written(opened: Any, change: Any, rows_of: Any, tmp_path: Path) -> None:
    """It would stop every run after it. Quotes stand twice, and columns that nobody writes count, too."""
    (tmp_path / "t.csv").write_text(f"id,v,other\n1,a,{'o' * 1_000_000}\n")
    connector = opened("csv", str(tmp_path))
    room = 16_000_000 - 1_000_000

    rows = [{"id": "2", "v": "x" * (room + 1)}, {"id": "3", "v": '"' * (room // 2)}, {"id": "4", "v": "y" * (room // 2)}]
    result = change(connector, "t", "insert", rows)

    assert [(row["id"], row["reason"]) for row in result.refused.to_pylist()] == [
        ("2", "its line would be longer than 16,000,000 bytes"),
        ("3", "its line would be longer than 16,000,000 bytes"),
    ]
    assert [(row["id"], len(row["v"])) for row in rows_of(connector, "t")] == [("1", 1), ("4", room // 2)]
