"""JSON lines: digits as written, lines that do not change untouched."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.connectors import json_lines
from accord.connectors.unreadable import BROKEN, MARK, WHY_BROKEN, flag
from accord.model.errors import DataRefused
from accord.model.system import Resource

LINES = """\
{"id": "1", "n": 1.10, "big": 1234567890123456.123456789, "e": 1E2,"ok": true, "none": null, "tags": ["a", 1.5], "o": {"x": 1.0}}

{"big": 0.1, "id": "2", "new": "only here", "n": 3}
"""


def test_numbers_and_parts_are_read_as_they_are_written(opened: Any, rows_of: Any, tmp_path: Path) -> None:
    """A double would round the second number; null and missing are both null."""
    (tmp_path / "t.jsonl").write_text(LINES)

    rows = rows_of(opened("jsonl"), "t")

    assert rows[0] == {
        "id": "1",
        "n": "1.10",
        "big": "1234567890123456.123456789",
        "e": "1E2",
        "ok": "true",
        "none": None,
        "tags": '["a", 1.5]',
        "o": '{"x": 1.0}',
        "new": None,
    }
    assert (rows[1]["id"], rows[1]["new"], rows[1]["ok"]) == ("2", "only here", None)


def test_only_the_named_members_of_changed_lines_change(opened: Any, change: Any, tmp_path: Path) -> None:
    """Other lines stay byte for byte, other members keep their digits, and a number stays a number."""
    path = tmp_path / "t.jsonl"
    path.write_text(LINES)

    result = change(
        opened("jsonl"),
        "t",
        "update",
        [{"id": "1", "n": "2.50", "ok": "false", "tags": "[]", "o": "plain"}],
        [{"n": "1.10", "ok": "true", "tags": '["a", 1.5]', "o": '{"x": 1.0}'}],
    )
    first, second = path.read_text().splitlines()

    assert result.updated == 1
    assert second == LINES.splitlines()[2]
    assert first == (
        '{"id": "1", "n": 2.50, "big": 1234567890123456.123456789, "e": 1E2, "ok": false, "none": null, "tags": [], "o": "plain"}'
    )


def test_a_member_that_no_line_has_any_more_is_compared_as_one_without_a_value(opened: Any, change: Any, tmp_path: Path) -> None:
    """Renamed between reading and writing: the expected text is not there, and the row is stale."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": "1", "title": "was"}\n')

    stale = change(opened("jsonl"), "t", "update", [{"id": "1", "name": "new"}], [{"name": "was"}])
    written = change(opened("jsonl"), "t", "update", [{"id": "1", "name": "new"}], [{"name": None}])

    assert (stale.stale.num_rows, written.updated) == (1, 1)
    assert json.loads(path.read_text()) == {"id": "1", "title": "was", "name": "new"}


def test_text_that_looks_like_a_number_stays_text_among_texts(opened: Any, change: Any, tmp_path: Path) -> None:
    """A phone number is none; what the column already holds decides."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": "1", "phone": "030 12"}\n')

    change(opened("jsonl"), "t", "insert", [{"id": "2", "phone": "12"}])

    assert json.loads(path.read_text().splitlines()[1]) == {"id": "2", "phone": "12"}


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("{bad}", "no JSON"),
        ("[1, 2]", "no object"),
        ('{"id": "3"', "no JSON"),
        ('{"id": NaN}', "NaN"),
        ('{"a": ' + "[" * 100_000 + "}", "no JSON"),
        ('{"a": 1} {"b": 2}', "no JSON"),
    ],
)
def test_a_bad_line_is_kept_apart_but_for_the_last_of_a_file_that_ends_in_it(
    bad: str, words: str, opened: Any, rows_of: Any, tmp_path: Path
) -> None:
    """The writer of such a file was killed: nobody knows what was to follow. Nor is a file of lines what has none that can be read."""
    (tmp_path / "t.jsonl").write_text('{"id": "1"}\n\n' + bad + '\n{"id": "2"}\n')
    (tmp_path / "cut.jsonl").write_text('{"id": "1"}\n\n' + bad)
    (tmp_path / "none.jsonl").write_text(bad + "\n" + bad + "\n")

    rows = rows_of(opened("jsonl"), "t")

    assert [(r["id"], r[BROKEN]) for r in rows] == [("1", None), (None, bad), ("2", None)]
    assert re.search(f"^line 3 is no row of JSON lines: .*{words}.*; expected one JSON object per line$", rows[1][WHY_BROKEN])
    for name, line in (("cut", 3), ("none", 1)):
        with pytest.raises(DataRefused, match=rf"{name}\.jsonl:{line}: .*{words}"):
            rows_of(opened("jsonl"), name)


def test_a_bad_line_stays_byte_for_byte_when_others_are_written(opened: Any, change: Any, tmp_path: Path) -> None:
    """It is somebody's row, and the only place where it stands."""
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"id": "1", "n": 1}\r\n{"id": "2" \xff\r\n{"n" 5}\n{"id": "3", "n": 3}\n')

    change(opened("jsonl"), "t", "update", [{"id": "3", "n": "4"}], [{"n": "3"}])

    assert path.read_bytes() == b'{"id": "1", "n": 1}\r\n{"id": "2" \xff\r\n{"n" 5}\n{"id": "3", "n": 4}\n'
    path.write_bytes(b'{"id": "1", "n": 1}\r\n{"id": "2", "n": 2}\r\n{"id": "3", "n": 3}')
    connector = opened("jsonl")
    change(connector, "t", "update", [{"id": "2", "n": "5"}], [{"n": "2"}])
    change(connector, "t", "insert", [{"id": "4", "n": "4"}])
    assert path.read_bytes() == b'{"id": "1", "n": 1}\r\n{"id": "2", "n": 5}\r\n{"id": "3", "n": 3}\r\n{"id": "4", "n": 4}\r\n'


def test_bytes_that_are_not_utf_8_are_marked_in_their_row_and_in_a_name_break_the_line(opened: Any, rows_of: Any, tmp_path: Path) -> None:
    """A value is the matter of its field; of a name nobody knows which field it is."""
    (tmp_path / "t.jsonl").write_bytes(b'{"id": "1"}\n{"id": "\xff"}\n')
    (tmp_path / "u.jsonl").write_bytes(b'{"id": "1"}\n{"\xff": "1"}\n')

    rows = rows_of(opened("jsonl"), "t")

    assert rows == [{"id": "1", flag("id"): False}, {"id": f"{MARK}xFF", flag("id"): True}]
    broken = rows_of(opened("jsonl"), "u")[1]
    assert (broken["id"], broken[WHY_BROKEN].split(": ")[1]) == (
        None,
        "the name of a member is not UTF-8; expected one JSON object per line",
    )


def test_a_file_in_which_every_line_has_its_own_members_is_refused(opened: Any, rows_of: Any, tmp_path: Path) -> None:
    """A log of ids as member names would otherwise become a million columns."""
    (tmp_path / "t.jsonl").write_text("".join(f'{{"k{i}": 1}}\n' for i in range(3000)))

    with pytest.raises(DataRefused, match="2,001 columns"):
        rows_of(opened("jsonl"), "t")


def test_declared_columns_are_there_even_when_no_line_has_them(opened: Any, rows_of: Any, tmp_path: Path) -> None:
    """An empty file is no change of schema."""
    (tmp_path / "t.jsonl").write_text("")
    connector = opened("jsonl", resources={"t": Resource("t", key=("id",), columns={"due": "date"})})

    assert rows_of(connector, "t") == []
    assert [(c.name, str(c.type)) for c in connector.describe().resource("t").columns] == [("id", "text"), ("due", "date")]


@given(st.dictionaries(st.text(max_size=8), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)))
def test_an_object_taken_apart_and_joined_is_the_same(value: dict[str, Any]) -> None:
    """Whatever its names and values are, and however it is spaced."""
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, separators=(" , ", " : "))):
        assert json.loads(json_lines.joined(json_lines.members(text))) == value
