"""Event logs in: the reference answers of real logs, and every kind of bad input."""

from __future__ import annotations

import csv
import gzip
import importlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.measure import declared_log, import_log, open_measure, read_mapping
from accord.measure.mining import directly_follows, rework, variants
from accord.model.errors import AccordError, DataRefused, MapError, SystemChanged, SystemUnreachable, UnknownName, UsageError
from accord.model.integration_map import IntegrationMap
from accord.model.process import Log
from accord.store import Store, open_store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PARQUET = {"receipt": {"team": "group"}, "helpdesk": {"team": "group"}, "purchasing_start_complete": {}}
CSV = Log("tickets", "log.csv", case="case", activity="activity", time="time", resource="who")


def read(store: Store, log: Log, base: Path) -> list[dict[str, Any]]:
    result = import_log(log, store, base=base, now=NOW, run="r")
    rows: list[dict[str, Any]] = pq.read_table(store.read_segment(result.sha)).to_pylist()
    return rows


@pytest.fixture
def csv_log(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "log.csv").write_bytes(text.encode())
        return tmp_path

    return write


@pytest.mark.parametrize("name", PARQUET)
def test_a_real_log_gives_its_reference_answers(name: str, store: Store, shared_data: Path) -> None:
    """Counts, directly-follows graph, its durations, variants and rework equal those of an independent tool."""
    folder = shared_data / "eventlogs"
    expected = json.loads((folder / f"{name}.reference.json").read_text())
    log = Log(name, f"{name}.parquet", case="case", activity="activity", time="complete", resource="resource", **PARQUET[name])

    result = import_log(log, store, base=folder, now=NOW, run="r")

    assert (result.events, result.cases) == (expected["events"], expected["cases"])
    assert (result.first, result.last) == tuple(datetime.fromisoformat(expected[k]) for k in ("first", "last"))
    with open_measure(IntegrationMap("m", logs={name: log}), store, now=NOW) as measure:
        edges = directly_follows(measure, name).to_pylist()
        found = {f"{e['source']} -> {e['target']}": e for e in edges}
        assert {k: e["count"] for k, e in found.items()} == expected["dfg"]
        for edge, times in expected["performance_seconds"].items():
            assert found[edge]["median_seconds"] == pytest.approx(times["median"], abs=0.001)
            assert found[edge]["mean_seconds"] == pytest.approx(times["mean"], abs=0.001)
        ways = variants(measure, name).to_pylist()
        assert len(ways) == expected["variants"]["count"]
        assert [ways[0]["activities"], ways[0]["cases"]] == [expected["variants"]["top"][0][k] for k in ("seq", "cases")]
        assert {r["activity"]: r["cases"] for r in rework(measure, name).to_pylist()} == expected["rework_cases_per_activity"]


def test_object_centric_events_stand_in_the_case_of_each_object(store: Store, shared_data: Path) -> None:
    """An event with two orders belongs to both histories; one related twice to the same order stands there once."""
    folder = shared_data / "eventlogs"
    expected = json.loads((folder / "order_management_ocel2.reference.json").read_text())
    for kind, edges in expected["dfg_per_object_type"].items():
        log = Log(f"om_{kind}", "order_management_ocel2.sqlite", object_type=kind)

        result = import_log(log, store, base=folder, now=NOW, run="r")

        assert (result.events, result.cases) == (expected["consistent"]["events"], expected["objects_with_events_per_type"][kind])
        with open_measure(IntegrationMap("m", logs={log.name: log}), store, now=NOW) as measure:
            found = directly_follows(measure, log.name).to_pylist()
        assert {f"{e['source']} -> {e['target']}": e["count"] for e in found} == edges


def test_the_same_file_again_changes_nothing(store: Store, csv_log: Callable[[str], Path]) -> None:
    """Imports run with every run of a map; only a new file or mapping may add to the log."""
    base = csv_log("case,activity,time,who\n1,a,2025-01-01T00:00:00Z,x\n")
    first = import_log(CSV, store, base=base, now=NOW, run="r1")
    head = store.head()

    again = import_log(CSV, store, base=base, now=NOW, run="r2")

    assert (first.changed, again.changed, again.sha) == (True, False, first.sha)
    assert store.head() == head
    csv_log("case,activity,time,who\n1,a,2025-01-01T00:00:00Z,x\n1,b,2025-01-02T00:00:00Z,x\n")
    assert import_log(CSV, store, base=base, now=NOW, run="r3").events == 2
    assert import_log(replace(CSV, attributes=("who",)), store, base=base, now=NOW, run="r4").changed


def test_times_are_read_as_written_and_kept_in_utc(store: Store, csv_log: Callable[[str], Path]) -> None:
    """A zone in the text wins; without one the declared zone counts, summer time included; seconds may be missing."""
    base = csv_log(
        "case,activity,time,who\n1,a,2025-07-01T10:00:00,x\n1,b,2025-01-01 10:00:00.123456,x\n1,c,2025-07-01T10:00:00-03:00,x\n"
        "1,d,2025-07-01T10:00Z,x\n1,e,2025-07-01,x\n"
    )

    rows = read(store, replace(CSV, timezone="Europe/Berlin"), base)

    assert [r["time"].astimezone(UTC).isoformat() for r in rows] == [
        "2025-07-01T08:00:00+00:00",
        "2025-01-01T09:00:00.123456+00:00",
        "2025-07-01T13:00:00+00:00",
        "2025-07-01T10:00:00+00:00",
        "2025-06-30T22:00:00+00:00",
    ]


def test_order_text_and_objects_of_a_csv_survive(store: Store, tmp_path: Path) -> None:
    """Line breaks in quotes, a byte-order mark, another separator and packing change no value; rows keep their order."""
    text = '\ufeffcase;activity;time;who;note\n1;a;2025-01-01T00:00:00Z;"Ana;\nB";"say ""hi"""\n1;b;2025-01-01T00:00:00Z;;\n'
    with gzip.open(tmp_path / "log.csv.gz", "wb") as packed:
        packed.write(text.encode())
    log = replace(CSV, path="log.csv.gz", separator=";", attributes=("note",), objects={"person": "who"}, object_type="ticket")

    rows = read(store, log, tmp_path)

    assert [(r["seq"], r["activity"], r["resource"]) for r in rows] == [(1, "a", "Ana;\nB"), (2, "b", None)]
    assert json.loads(rows[0]["attributes"]) == {"note": 'say "hi"'}
    assert [(o["type"], o["id"]) for o in rows[0]["objects"]] == [("ticket", "1"), ("person", "Ana;\nB")]
    assert [(o["type"], o["id"]) for o in rows[1]["objects"]] == [("ticket", "1")]


def test_unusable_rows_are_kept_back_with_line_and_reason(store: Store, csv_log: Callable[[str], Path]) -> None:
    """Nothing is dropped silently, and a line number is that of the file even after line breaks in quotes."""
    good = "".join(f"{i},a,2025-01-01T00:00:00Z,x\n" for i in range(40))
    base = csv_log(f'case,activity,time,who\n1,"a\nb",2025-01-01T00:00:00Z,x\n{good}2,a,yesterday,x\n,a,2025-01-01T00:00:00Z,x\n')

    result = import_log(CSV, store, base=base, now=NOW, run="r")

    assert (result.events, result.quarantined) == (41, 2)
    assert [(b.line, b.reason) for b in result.bad_rows] == [(44, "time «yesterday» cannot be read"), (45, "the case is empty")]
    event = next(store.read(types=["log.imported"])).event
    assert pq.read_table(store.read_segment(event.attributes["quarantine"]))["reason"].to_pylist() == [b.reason for b in result.bad_rows]


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", DataRefused, "is empty"),
        ("case,activity,time,who\n", DataRefused, "no event"),
        ("case,activity,time,time\n1,a,2025-01-01,x\n", DataRefused, "stands twice"),
        ("case,activity,timee,who\n1,a,2025-01-01,x\n", UnknownName, "Did you mean 'timee'"),
        ("case,activity,time,who\n1,a,soon,x\n1,b,later,x\n", DataRefused, "2 of 2 rows cannot be used (line 2"),
        ("case,activity,time,who\n1,a,2025-01-01\n", DataRefused, "log.csv:2: 3 columns"),
        ("case,activity,time,who\n1,a,2025-01-01,x,y\n", DataRefused, "log.csv:2: 5 columns"),
    ],
)
def test_a_wrong_csv_is_refused_and_nothing_is_kept(
    text: str, error: type[AccordError], says: str, store: Store, csv_log: Callable[[str], Path]
) -> None:
    """The message names file, place and what was expected; the log of events stays as it was."""
    base = csv_log(text)

    with pytest.raises(error) as raised:
        import_log(CSV, store, base=base, now=NOW, run="r")

    assert says in str(raised.value)
    assert store.head().seq == 0
    assert store.unused_segments() == ()


def test_bytes_that_are_no_utf8_are_refused(store: Store, tmp_path: Path) -> None:
    """A file in another encoding must not come in with broken names."""
    (tmp_path / "log.csv").write_bytes(b"case,activity,time,who\n1,caf\xe9,2025-01-01T00:00:00Z,x\n")

    with pytest.raises(DataRefused, match=r"log\.csv"):
        import_log(CSV, store, base=tmp_path, now=NOW, run="r")


def test_a_packed_file_that_is_cut_off_is_refused(store: Store, tmp_path: Path) -> None:
    """Half a download must not count as the log."""
    whole = gzip.compress(("case,activity,time,who\n" + "1,a,2025-01-01T00:00:00Z,x\n" * 5000).encode())
    for name in ("log.csv.gz", "log.xes.gz"):
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataRefused, match=name.replace(".", r"\.")):
            import_log(replace(CSV, path=name), store, base=tmp_path, now=NOW, run="r")
    assert store.head().seq == 0


@pytest.mark.parametrize("name", ["log.parquet", "log.sqlite", "log.jsonocel", "log.xes"])
def test_a_file_of_another_kind_is_refused(name: str, store: Store, tmp_path: Path) -> None:
    """A wrong ending gives a sentence with the file, not a traceback of a library."""
    (tmp_path / name).write_text("this is not what it says")

    with pytest.raises(DataRefused, match=name.replace(".", r"\.")):
        import_log(replace(CSV, path=name), store, base=tmp_path, now=NOW, run="r")


def test_a_missing_file_and_an_unknown_format_say_so(store: Store, tmp_path: Path) -> None:
    """Exit code 3 for what is not there, 2 for what cannot be known."""
    with pytest.raises(SystemUnreachable, match="nowhere"):
        import_log(replace(CSV, path="nowhere.csv"), store, base=tmp_path, now=NOW, run="r")
    with pytest.raises(UsageError, match=r"\.csv"):
        import_log(replace(CSV, path="log.txt"), store, base=tmp_path, now=NOW, run="r")


def test_a_file_that_changes_while_it_is_read_is_not_taken(
    store: Store, csv_log: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the old and half of the new rows would be a log that never was."""
    base = csv_log("case,activity,time,who\n1,a,2025-01-01T00:00:00Z,x\n")
    plain = importlib.import_module("accord.measure.logs.importer").parse

    def parse_while_written(*given: Any) -> None:
        plain(*given)
        csv_log("case,activity,time,who\n1,a,2025-01-01T00:00:00Z,x\n2,a,2025-01-01T00:00:00Z,x\n")

    monkeypatch.setattr("accord.measure.logs.importer.parse", parse_while_written)

    with pytest.raises(SystemChanged):
        import_log(CSV, store, base=base, now=NOW, run="r")
    assert store.head().seq == 0


def test_a_mapping_file_reads_a_log_and_names_mistakes(tmp_path: Path, store: Store) -> None:
    """«accord import-log FILE --mapping M.yaml»: few lines of YAML, each mistake with file and line."""
    (tmp_path / "tickets.csv").write_text("id,what,when\n1,a,01.02.2025 10:00\n")
    (tmp_path / "m.yaml").write_text('case: id\nactivity: what\ntime: when\ntime_format: "%d.%m.%Y %H:%M"\nobjects: {ticket: id}\n')

    log = read_mapping(tmp_path / "m.yaml", tmp_path / "tickets.csv")

    assert (log.name, dict(log.objects)) == ("tickets", {"ticket": "id"})
    assert read(store, log, Path("/"))[0]["time"].astimezone(UTC) == datetime(2025, 2, 1, 10, tzinfo=UTC)
    (tmp_path / "m.yaml").write_text("case: id\nactivty: what\nattributes: what\n")
    with pytest.raises(MapError) as raised:
        read_mapping(tmp_path / "m.yaml", tmp_path / "tickets.csv")
    assert "m.yaml:2" in str(raised.value)
    assert "Did you mean 'activity'" in str(raised.value)
    assert "m.yaml:3" in str(raised.value)


def test_the_mapping_in_the_manual_is_short_and_works(tmp_path: Path, store: Store, shared_data: Path) -> None:
    """Documentation is under test: the block is at most 20 lines and reads the real log."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "event-logs.md").read_text()
    block = page.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "m.yaml").write_text(block)

    log = read_mapping(tmp_path / "m.yaml", shared_data / "marketing" / "helpdesk" / "events.csv")

    assert len(block.splitlines()) <= 20
    assert import_log(log, store, base=Path("/"), now=NOW, run="r").events == 17_080


def test_a_mapping_may_be_a_map_with_its_process(tmp_path: Path) -> None:
    """The example's map reads any file of the same kind; its handoffs come with it."""
    example = Path(__file__).resolve().parents[2] / "examples" / "helpdesk" / "map.yaml"
    (tmp_path / "other.csv").write_text("x\n")
    (tmp_path / "two.yaml").write_text(
        "name: two\nlogs: {a: {path: a.csv, case: c, activity: a, time: t}, b: {path: b.csv, case: c, activity: a, time: t}}\n"
    )

    integration_map, log = declared_log(example, tmp_path / "other.csv")

    assert log.path == str(tmp_path / "other.csv")
    assert integration_map.processes["tickets"].handoffs is not None
    assert declared_log(None, tmp_path / "other.csv")[1].name == "other"
    with pytest.raises(UsageError, match="declares 2 logs"):
        declared_log(tmp_path / "two.yaml", tmp_path / "other.csv")


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=20))
def test_any_text_comes_in_as_plain_python_reads_it(rows: list[tuple[str, str, str]]) -> None:
    """Quotes, separators, line breaks and every script: names are evidence and must not change on the way."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "s.db", segments=Path(folder) / "segments") as store:
        path = Path(folder) / "log.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(["case", "activity", "time", "who"])
            writer.writerows([f"c{case}", f"a{activity}", "2025-01-01T00:00:00Z", who] for case, activity, who in rows)
        with path.open(encoding="utf-8", newline="") as file:
            plain = [(r["case"], r["activity"], r["who"] if r["who"].strip(" ") else None) for r in csv.DictReader(file)]

        found = [(r["case_id"], r["activity"], r["resource"]) for r in read(store, CSV, Path(folder))]

    assert found == plain
