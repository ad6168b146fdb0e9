"""Segments: bulk data under the name of its bytes."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.model.errors import DataRefused, LeaseHeld, UsageError
from accord.model.event import Event
from accord.store import Segment, SegmentFault, Store, open_store
from accord.store.aside import aside
from accord.store.segments import SegmentFolder

MakeEvent = Callable[..., Event]
COSTS = pa.array([Decimal("1.10"), None, Decimal("-3.00")], pa.decimal128(12, 2))
ROWS = pa.table({"id": [1, 2, 3], "name": ["a", None, "c\nd"], "cost": COSTS})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Segments do not depend on the database; SQLite will do."""
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as opened:
        yield opened


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection in UTC."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    yield connection
    connection.close()


def test_a_table_comes_back_as_it_was_written(store: Store) -> None:
    """Base values are compared with what systems hold; nothing may change on the way."""
    segment = store.write_segment(ROWS)

    assert pq.read_table(store.read_segment(segment.sha)).equals(ROWS)
    assert (segment.rows, segment.bytes) == (3, store.read_segment(segment.sha).stat().st_size)


def test_the_name_is_the_hash_of_the_bytes(store: Store) -> None:
    """The event that names a segment thereby vouches for its content; sha256sum can check it."""
    segment = store.write_segment(ROWS)

    assert hashlib.sha256(store.read_segment(segment.sha).read_bytes()).hexdigest() == segment.sha


def test_an_equal_table_is_the_same_segment(store: Store) -> None:
    """A repeated run must not grow the store: chunks, slices, dictionaries and metadata are not content."""
    written = store.write_segment(ROWS)
    chunked = pa.concat_tables([ROWS.slice(0, 1), ROWS.slice(1)])
    sliced = pa.concat_tables([ROWS, ROWS]).slice(2, 3).take([1, 2, 0])
    encoded = ROWS.set_column(1, "name", ROWS["name"].dictionary_encode())
    described = ROWS.replace_schema_metadata({"made": "today"})

    assert {store.write_segment(table) for table in (chunked, sliced, encoded, described)} == {written}
    assert store.write_segment(ROWS.slice(0, 2)) != written


@given(values=st.lists(st.none() | st.text(max_size=5), max_size=30), cuts=st.lists(st.integers(0, 30), max_size=4))
@settings(max_examples=60, deadline=None)
def test_where_a_table_is_cut_into_chunks_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, values: list[str | None], cuts: list[int]
) -> None:
    """Readers of systems deliver chunks of any size."""
    usable = [value if value is None or value.isprintable() else "x" for value in values]
    whole = pa.chunked_array([pa.array(usable, pa.string())])
    borders = sorted({0, len(usable), *(cut for cut in cuts if cut <= len(usable))})
    parts = [whole.slice(start, end - start).chunk(0) for start, end in itertools.pairwise(borders)]
    folder = SegmentFolder(tmp_path_factory.mktemp("segments"))

    assert folder.write(pa.table({"v": pa.chunked_array(parts, pa.string())})) == folder.write(pa.table({"v": whole}))


def test_a_query_is_written_without_loss(store: Store, con: duckdb.DuckDBPyConnection) -> None:
    """The bulk path keeps exact types: numeric, time with zone in microseconds, uuid, blob, JSON, null, and sums beyond 64 bits."""
    con.execute("""
        CREATE TABLE t AS SELECT 1 AS id, 12345678901234567890.123456789::DECIMAL(38, 9) AS n, true AS yes, NULL::VARCHAR AS none,
        TIMESTAMPTZ '2026-03-29 01:30:00.123456+00' AS at, DATE '2026-02-28' AS d, '6f9619ff-8b86-d011-b42d-00c04fc964ff'::UUID AS u,
        '\\x00\\xff'::BLOB AS b, '{"a": [1, null]}'::JSON AS j, 'a "b"' || chr(10) AS text, -1e300 AS r,
        (SELECT sum(x) FROM (VALUES (9223372036854775807), (9223372036854775807)) v(x)) AS total
    """)

    file = str(store.read_segment(store.write_segment_from(con, "SELECT * FROM t").sha))

    types = {name: type_ for name, type_, *_ in con.execute("DESCRIBE t").fetchall()}
    written = {name: type_ for name, type_, *_ in con.execute("DESCRIBE SELECT * FROM read_parquet(?)", [file]).fetchall()}
    assert types["total"] == "HUGEINT"
    assert written == types | {"total": "DECIMAL(38,0)"}
    assert con.execute("SELECT total::VARCHAR FROM read_parquet(?)", [file]).fetchone() == ("18446744073709551614",)
    assert con.execute("SELECT * FROM t EXCEPT SELECT * FROM read_parquet(?)", [file]).fetchall() == []


@pytest.mark.parametrize("rows", [1000, 300_000])
def test_an_ordered_query_gives_the_same_segment_whatever_the_plan(store: Store, rows: int) -> None:
    """Threads and plans differ between runs and machines; the same data must stay the same segment."""
    written: set[Segment] = set()
    for threads in (1, 2, 4):
        with duckdb.connect(config={"threads": threads}) as con:
            con.execute("CREATE TABLE t AS SELECT range AS k, 'n' || range % 97 AS n, range % 5 = 0 AS odd FROM range(?)", [rows])
            con.execute("DELETE FROM t WHERE k % 7 = 3")
            for sql in (
                "SELECT k, n FROM t WHERE NOT odd ORDER BY k",
                "SELECT a.k, b.n FROM t a JOIN t b USING (k) WHERE NOT b.odd ORDER BY k",
                "SELECT k, any_value(n) AS n FROM t WHERE NOT odd GROUP BY k ORDER BY k",
            ):
                written.add(store.write_segment_from(con, sql))

    assert len(written) == 1


def test_an_empty_result_is_a_segment_with_its_columns(store: Store, con: duckdb.DuckDBPyConnection) -> None:
    """A flow without rows is a state, not an error."""
    segments = [store.write_segment_from(con, "SELECT 1 AS id, 'a' AS name WHERE false"), store.write_segment(ROWS.slice(0, 0))]

    assert [segment.rows for segment in segments] == [0, 0]
    assert pq.read_table(store.read_segment(segments[0].sha)).column_names == ["id", "name"]
    assert pq.read_table(store.read_segment(segments[1].sha)).schema == ROWS.schema


def test_a_query_may_end_in_a_comment(store: Store, con: duckdb.DuckDBPyConnection) -> None:
    """Queries come from files that people write."""
    assert store.write_segment_from(con, "SELECT sum(1) AS n, 1 AS one -- the end").rows == 1
    assert store.write_segment_from(con, "WITH t AS (SELECT 1 AS a) SELECT * FROM t -- the end").rows == 1


def test_a_failed_query_leaves_nothing(store: Store, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """A half-written file must not be found by anyone."""
    with pytest.raises(duckdb.Error):
        store.write_segment_from(con, "SELECT CASE WHEN range < 200000 THEN 1 ELSE error('stop') END AS a FROM range(300000)")

    assert list((tmp_path / "segments").iterdir()) == []


def test_a_missing_segment_is_named(store: Store) -> None:
    """The message says which file to restore."""
    with pytest.raises(DataRefused, match="segment is missing"):
        store.read_segment("0" * 64)


@pytest.mark.parametrize("name", ["", "../store", "0" * 63, "G" * 64, "../" + "0" * 61])
def test_only_hashes_name_segments(store: Store, name: str) -> None:
    """A name from an event must not lead out of the folder."""
    with pytest.raises(UsageError):
        store.read_segment(name)


def _named_segment(store: Store, event: MakeEvent, table: pa.Table, **attributes: Any) -> Segment:
    segment = store.write_segment(table)
    store.append([event("log.imported", log="l", sha=segment.sha, **attributes)])
    return segment


def test_verify_names_what_is_missing_and_what_was_changed(store: Store, event: MakeEvent) -> None:
    """The chain covers the names of segments; the bytes behind them are checked against the names."""
    whole = _named_segment(store, event, ROWS)
    changed = _named_segment(store, event, ROWS.slice(0, 1))
    missing = _named_segment(store, event, ROWS.slice(0, 2))
    assert store.verify_segments() == ()

    path = store.read_segment(changed.sha)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    store.read_segment(missing.sha).unlink()

    assert store.verify_segments() == (SegmentFault(missing.sha, "missing"), SegmentFault(changed.sha, "corrupt"))
    assert not any(fault.sha == whole.sha for fault in store.verify_segments())


def test_writing_a_segment_again_mends_it(store: Store, event: MakeEvent) -> None:
    """A repeated run produces the same bytes; it should not keep the broken copy because the name is taken."""
    segment = _named_segment(store, event, ROWS)
    store.read_segment(segment.sha).write_bytes(b"broken")

    store.write_segment(ROWS)

    assert store.verify_segments() == ()


def test_a_segment_named_anywhere_in_the_log_is_in_use(store: Store, event: MakeEvent) -> None:
    """A pack may name segments in events of its own, which no projection knows."""
    inside = store.write_segment(ROWS)
    unnamed = store.write_segment(ROWS.slice(0, 1))
    store.append([event("pack.thing_done", deep={"list": [f"parquet:{inside.sha}"]})])

    assert store.unused_segments() == (unnamed.sha,)


def test_collect_removes_old_unused_segments_and_partial_files(store: Store, event: MakeEvent, tmp_path: Path) -> None:
    """What a crash left goes; what was just written and not yet named stays."""
    used = _named_segment(store, event, ROWS)
    old, fresh = store.write_segment(ROWS.slice(0, 1)), store.write_segment(ROWS.slice(0, 2))
    partial = tmp_path / "segments" / ".writing-0123"
    partial.write_bytes(b"half")
    long_ago = time.time() - 200_000
    for path in (store.read_segment(old.sha), store.read_segment(used.sha), partial):
        os.utime(path, (long_ago, long_ago))

    removed = store.collect()

    assert removed == (old.sha,)
    assert store.unused_segments() == (fresh.sha,)
    assert not partial.exists()
    assert store.read_segment(used.sha).is_file()


def test_what_a_killed_writer_left_is_gone_once_another_writes(tmp_path: Path) -> None:
    """A load may be killed again and again; what other processes, or other machines, are writing stays."""
    folder = tmp_path / "segments"
    program = "import sys\nfrom accord.store.aside import aside\nopen(f'{sys.argv[1]}/{aside()}0123', 'w').write('half')"
    folder.mkdir()
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)
    (left,) = folder.iterdir()
    mine, elsewhere = folder / f"{aside()}4567", folder / left.name.replace(left.name.split("-")[1], "0" * 8)
    for path in (mine, elsewhere):
        path.write_bytes(b"half")

    with open_store(tmp_path / "store.db", segments=folder) as store:
        sha = store.write_segment(ROWS).sha

    assert sorted(p.name for p in folder.iterdir()) == sorted([mine.name, elsewhere.name, f"{sha}.parquet"])


def test_collect_does_not_run_beside_another_process(store: Store, tmp_path: Path) -> None:
    """The other one may be about to name what looks unused."""
    segment = store.write_segment(ROWS)
    with (
        open_store(tmp_path / "store.db", segments=tmp_path / "segments") as other,
        other.lease("sync"),
        pytest.raises(LeaseHeld, match="'sync'"),
    ):
        store.collect(older_than_seconds=0)

    assert store.unused_segments() == (segment.sha,)
