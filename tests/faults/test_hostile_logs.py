"""Event logs made to be wrong: each is refused with file and place, quickly, and nothing of it is kept."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from accord.measure import import_log
from accord.model.errors import AccordError
from accord.model.process import Log
from accord.store import Store, open_store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
XES = (
    b'<?xml version="1.0"?><log><trace><string key="concept:name" value="c1"/><event><string key="concept:name" value="a"/>'
    b'<date key="time:timestamp" value="2024-01-01T00:00:00Z"/></event></trace></log>'
)
CSV = b"c,a,t\n1,x,2024-01-01 00:00:00\n"
OCEL = """
CREATE TABLE event(ocel_id, ocel_type); CREATE TABLE object(ocel_id, ocel_type); CREATE TABLE event_map_type(ocel_type, ocel_type_map);
CREATE TABLE event_object(ocel_event_id, ocel_object_id, {qualifier}); INSERT INTO event_map_type VALUES('a', 'A');
CREATE TABLE event_A(ocel_id, {time});
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as opened:
        yield opened


def ocel_json(attributes: list[dict[str, str]]) -> bytes:
    event = {"id": "e1", "type": "a", "time": "2024-01-01T00:00:00Z", "attributes": attributes, "relationships": []}
    return json.dumps({"events": [event], "objects": [{"id": "o1", "type": "t"}]}).encode()


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("l.xes", XES.replace(b'"1.0"?>', b'"1.0" encoding="nosuch"?>'), "unknown encoding"),
        ("l.xes", XES.replace(b'value="a"', b'value="' + b"z" * 20_000_000 + b'"'), "without an element"),
        ("l.xes.gz", gzip.compress(XES.replace(b"</log>", b" " * 50_000_000 + b"</log>"), mtime=0), "without an element"),
        ("l.xes", b"<html><body/></html>", "no event"),
        ("l.csv", b",".join(b"c%d" % i for i in range(100_000)) + b"\n", "100,000 columns"),
        ("l.csv", b"c,a,t,C\n1,x,2024-01-01,2\n", "differ in capitals only"),
        ("l.csv", b"y" * 2_000_000 + b",c,a,t\n", "l.csv:1"),
        ("l.csv", CSV + b'2,"x', "l.csv:3: a quote is not closed"),
        ("l.csv", CSV + b"2,x\n", "l.csv:3: 2 columns"),
        ("l.csv", CSV + b"2," + b"y" * 20_000_000 + b",2024-01-01\n", "a line longer than"),
        ("l.csv.gz", gzip.compress(CSV, mtime=0)[:-6], "cannot be unpacked"),
        ("l.csv", b"c,a,t\n1,x,-infinity\n", "cannot be read"),
        ("l.csv", b"c,a,t\n1,x,294247-01-10\n", "cannot be read"),
        ("l.json", ocel_json([{"name": "x", "value": "1"}, {"name": "x", "value": "2"}]), "event 'e1' has an attribute twice"),
        ("l.json", ocel_json([{"value": "1"}]), "event 'e1' has an attribute twice, or one without a name"),
    ],
)
def test_a_log_made_to_be_wrong_is_refused_in_our_words(name: str, data: bytes, says: str, tmp_path: Path, store: Store) -> None:
    """A log is somebody else's file; what is wrong with it must be said without our queries."""
    (tmp_path / name).write_bytes(data)
    log = Log("l", name, case="c", activity="a", time="t") if ".csv" in name else Log("l", name)

    with pytest.raises(AccordError) as caught:
        import_log(log, store, base=tmp_path, now=NOW, run="r")

    assert says in str(caught.value)
    assert name in str(caught.value)
    assert "LINE 1" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert store.head().seq == 0


@pytest.mark.parametrize(("qualifier", "time", "missing"), [("x", "ocel_time", "ocel_qualifier"), ("ocel_qualifier", "x", "ocel_time")])
def test_an_ocel_file_without_a_column_is_refused_with_its_name(
    qualifier: str, time: str, missing: str, tmp_path: Path, store: Store
) -> None:
    """Tools write OCEL 2.0 in many ways; the one that is not it must hear what is missing."""
    db = sqlite3.connect(tmp_path / "l.sqlite")
    db.executescript(OCEL.format(qualifier=qualifier, time=time))
    db.close()

    with pytest.raises(AccordError, match=f"has no column '{missing}'"):
        import_log(Log("l", "l.sqlite"), store, base=tmp_path, now=NOW, run="r")


def test_a_log_whose_columns_nobody_named_says_which_are_needed(tmp_path: Path, store: Store) -> None:
    """The first call everybody makes: a CSV and no mapping."""
    (tmp_path / "l.csv").write_bytes(CSV)

    with pytest.raises(AccordError, match=r"nothing says which column is the case.*mapping.*Known: a, c, t"):
        import_log(Log("l", "l.csv"), store, base=tmp_path, now=NOW, run="r")
