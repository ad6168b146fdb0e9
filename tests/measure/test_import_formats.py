"""XES and OCEL 2.0: streaming, pairing of start and complete, refusal of entities, relations."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from accord.measure import import_log, open_measure
from accord.model.errors import DataRefused, UnknownName
from accord.model.integration_map import IntegrationMap
from accord.model.process import Log
from accord.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(name: str, time: str, transition: str = "", who: str = "Ana") -> str:
    lifecycle = f'<string key="lifecycle:transition" value="{transition}"/>' if transition else ""
    return (
        f'<event><string key="concept:name" value="{name}"/><date key="time:timestamp" value="{time}"/>'
        f'<string key="org:resource" value="{who}"/>{lifecycle}</event>'
    )


def xes(*traces: tuple[str, str], head: str = "") -> str:
    body = "".join(
        f'<trace><string key="concept:name" value="{case}"/><int key="cost" value="7"/>{events}</trace>' for case, events in traces
    )
    return f'<?xml version="1.0"?>{head}<log xmlns="http://www.xes-standard.org/">{body}</log>'


def imported(store: Store, path: Path, **more: Any) -> list[dict[str, Any]]:
    result = import_log(Log("x", path.name, **more), store, base=path.parent, now=NOW, run="r")
    rows: list[dict[str, Any]] = pq.read_table(store.read_segment(result.sha)).to_pylist()
    return rows


def test_xes_needs_no_mapping(store: Store, tmp_path: Path) -> None:
    """The standard extensions say which attribute is what; namespaces do not matter; attributes of the case can be kept."""
    path = tmp_path / "log.xes"
    path.write_text(xes(("c1", event("a", "2025-01-01T01:00:00+01:00")), ("c2", event("b", "2025-01-02T00:00:00Z", who="Bo"))))

    rows = imported(store, path, attributes=("case:cost",))

    assert [(r["case_id"], r["activity"], r["resource"], r["time"].astimezone(UTC).isoformat()) for r in rows] == [
        ("c1", "a", "Ana", "2025-01-01T00:00:00+00:00"),
        ("c2", "b", "Bo", "2025-01-02T00:00:00+00:00"),
    ]
    assert json.loads(rows[0]["attributes"]) == {"case:cost": "7"}


def test_start_and_complete_become_one_event(store: Store, tmp_path: Path) -> None:
    """Two executions of one activity are paired in order; what is neither start nor complete is left out and told."""
    path = tmp_path / "log.xes"
    events = "".join(
        [
            event("a", "2025-01-01T00:00:00Z", "schedule"),
            event("a", "2025-01-01T01:00:00Z", "start"),
            event("a", "2025-01-01T02:00:00Z", "complete"),
            event("a", "2025-01-01T03:00:00Z", "start"),
            event("a", "2025-01-01T05:00:00Z", "complete"),
            event("b", "2025-01-01T06:00:00Z", "start"),
            event("c", "2025-01-01T07:00:00Z", "complete"),
        ]
    )
    path.write_text(xes(("c1", events)))

    result = import_log(Log("x", "log.xes"), store, base=tmp_path, now=NOW, run="r")
    rows = pq.read_table(store.read_segment(result.sha)).to_pylist()

    hours = [(r["activity"], r["start_at"].hour if r["start_at"] else None, r["time"].hour) for r in rows]
    assert hours == [("a", 1, 2), ("a", 3, 5), ("c", None, 7)]
    assert "4 rows" in result.notes[0]


def test_a_log_without_completes_keeps_all_its_rows(store: Store, tmp_path: Path) -> None:
    """A log that only tells starts is still a log."""
    path = tmp_path / "log.xes"
    path.write_text(xes(("c1", event("a", "2025-01-01T00:00:00Z", "start") + event("b", "2025-01-01T01:00:00Z", "start"))))

    assert [r["activity"] for r in imported(store, path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ('<!DOCTYPE log [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]>', "document type"),
        ('<!DOCTYPE log SYSTEM "file:///etc/passwd">', "document type"),
    ],
)
def test_entities_and_document_types_are_refused(head: str, says: str, store: Store, tmp_path: Path) -> None:
    """A log is input from outside: it must not expand into gigabytes or read our files."""
    path = tmp_path / "log.xes"
    path.write_text(xes(("c1", event("a", "2025-01-01T00:00:00Z")), head=head))

    with pytest.raises(DataRefused, match=says):
        imported(store, path)


def test_xml_that_is_cut_off_names_its_line(store: Store, tmp_path: Path) -> None:
    """Half a file is refused as a whole."""
    path = tmp_path / "log.xes"
    path.write_text(xes(("c1", event("a", "2025-01-01T00:00:00Z"))).replace("</log>", "\n"))

    with pytest.raises(DataRefused, match=r"log\.xes:\d+"):
        imported(store, path)
    assert store.head().seq == 0


def test_an_event_outside_a_case_is_kept_back(store: Store, tmp_path: Path) -> None:
    """The standard allows events without a trace; they have no case, so they are told and not guessed."""
    path = tmp_path / "log.xes"
    many = "".join(event("a", "2025-01-01T00:00:00Z") for _ in range(20))
    path.write_text(xes(("c1", many)).replace("</log>", event("b", "2025-01-01T00:00:00Z") + "</log>"))

    result = import_log(Log("x", "log.xes"), store, base=tmp_path, now=NOW, run="r")

    assert (result.events, [b.reason for b in result.bad_rows]) == (20, ["the case is empty"])


OCEL = {
    "eventTypes": [],
    "objectTypes": [],
    "objects": [{"id": "o1", "type": "order"}, {"id": "o2", "type": "order"}, {"id": "i1", "type": "item"}],
    "events": [
        {"id": "e2", "type": "ship", "time": "2025-01-02T00:00:00Z", "relationships": [{"objectId": "o1", "qualifier": "of"}]},
        {
            "id": "e1",
            "type": "place",
            "time": "2025-01-01T00:00:00Z",
            "attributes": [{"name": "by", "value": "web"}],
            "relationships": [
                {"objectId": "o1", "qualifier": "order"},
                {"objectId": "o1", "qualifier": "again"},
                {"objectId": "o2", "qualifier": "order"},
                {"objectId": "i1", "qualifier": "item"},
                {"objectId": "gone", "qualifier": "item"},
            ],
        },
    ],
}


def as_sqlite(path: Path) -> None:
    """The same log in the SQLite form of OCEL 2.0, written with plain sqlite3."""
    with sqlite3.connect(path) as con:
        con.executescript(
            "CREATE TABLE event (ocel_id TEXT, ocel_type TEXT); CREATE TABLE object (ocel_id TEXT, ocel_type TEXT);"
            "CREATE TABLE event_object (ocel_event_id TEXT, ocel_object_id TEXT, ocel_qualifier TEXT);"
            "CREATE TABLE event_map_type (ocel_type TEXT, ocel_type_map TEXT);"
            "CREATE TABLE event_Place (ocel_id TEXT, ocel_time TIMESTAMP, by TEXT);"
            "CREATE TABLE event_Ship (ocel_id TEXT, ocel_time TIMESTAMP);"
            "INSERT INTO event_map_type VALUES ('place', 'Place'), ('ship', 'Ship');"
            "INSERT INTO event_Place VALUES ('e1', '2025-01-01T00:00:00Z', 'web');"
            "INSERT INTO event_Ship VALUES ('e2', '2025-01-02T00:00:00Z');"
        )
        con.executemany("INSERT INTO object VALUES (:id, :type)", OCEL["objects"])
        for e in OCEL["events"]:
            con.execute("INSERT INTO event VALUES (?, ?)", (e["id"], e["type"]))
            con.executemany("INSERT INTO event_object VALUES (?, :objectId, :qualifier)".replace("?", f"'{e['id']}'"), e["relationships"])
    con.close()


@pytest.mark.parametrize("name", ["log.jsonocel", "log.sqlite"])
def test_both_forms_of_ocel_give_the_same_log(name: str, store: Store, tmp_path: Path) -> None:
    """Objects keep type and qualifier, relations to nothing are left out and told, and the case is the object type chosen."""
    path = tmp_path / name
    if name.endswith("sqlite"):
        as_sqlite(path)
    else:
        path.write_text(json.dumps(OCEL))

    log = Log("x", name, object_type="order")
    result = import_log(log, store, base=tmp_path, now=NOW, run="r")

    rows = pq.read_table(store.read_segment(result.sha)).to_pylist()
    assert [(r["event_id"], r["activity"], len(r["objects"])) for r in rows] == [("e1", "place", 4), ("e2", "ship", 1)]
    assert json.loads(rows[0]["attributes"]) == {"by": "web"}
    assert rows[1]["attributes"] is None
    assert result.cases == 2
    assert [n.split(" ")[0] for n in result.notes] == ["1", "1"]
    with open_measure(IntegrationMap("m", logs={"x": log}), store, now=NOW) as measure:
        events = measure.arrow("SELECT case_id, activity FROM event_log ORDER BY case_id, complete_at").to_pylist()
    assert [(e["case_id"], e["activity"]) for e in events] == [("o1", "place"), ("o1", "ship"), ("o2", "place")]


def test_an_object_type_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    """A typing mistake in the case notion must not give an empty process."""
    (tmp_path / "log.jsonocel").write_text(json.dumps(OCEL))

    with pytest.raises(UnknownName, match="Did you mean 'order'"):
        imported(store, tmp_path / "log.jsonocel", object_type="orders")


def test_ocel_without_its_tables_is_refused(store: Store, tmp_path: Path) -> None:
    """Any SQLite file is not yet an event log."""
    con = sqlite3.connect(tmp_path / "log.sqlite")
    con.execute("CREATE TABLE event (ocel_id TEXT)")
    con.commit()
    con.close()

    with pytest.raises(DataRefused, match="no table 'object'"):
        imported(store, tmp_path / "log.sqlite")
