"""What a full disk and a kill leave behind: the state before, or the state after, and no half file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from accord.connectors.protocol import ChangeBatch
from accord.connectors.registry import open_connector
from accord.model.errors import StorageFull
from accord.model.system import System
from accord.model.types import CanonicalType

COLUMNS = {"id": CanonicalType("text"), "v": CanonicalType("text")}
FILES = {"csv": "folder", "jsonl": "folder", "parquet": "folder", "xlsx": "w.xlsx", "sqlite": "s.db"}


def batch(rows: int, size: int, *, first: int = 0) -> ChangeBatch:
    # Random hexadecimal compresses to half at best, so Parquet and Excel files grow too.
    values = [os.urandom(size // 2).hex() for _ in range(rows)]
    table = pa.table({"_op": ["insert"] * rows, "id": [f"{first + i}" for i in range(rows)], "v": values})
    return ChangeBatch("t", ("id",), ("v",), table, "b")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here; run as root on Linux to see this test")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("kind", FILES)
def test_a_full_disk_leaves_the_state_before(kind: str, tiny_disk: Path) -> None:
    """A clear error, the old rows still there, nothing half-written beside them, and the next batch goes in."""
    connector = open_connector(System("sys", kind, FILES[kind]), base=tiny_disk)
    connector.create("t", COLUMNS, ["id"])
    connector.apply(batch(10, 100))
    files = sorted(p.name for p in tiny_disk.rglob("*"))

    with pytest.raises(StorageFull) as caught:
        connector.apply(batch(6000, 1000, first=100))

    assert caught.value.exit_code == 1
    if kind != "sqlite":  # whose journal may stay until the next opening rolls it back
        assert sorted(p.name for p in tiny_disk.rglob("*")) == files
    assert connector.describe().resource("t").row_count == 10  # type: ignore[union-attr]
    assert connector.apply(batch(1, 100, first=50)).inserted == 1
    assert sorted(p.name for p in tiny_disk.rglob("*")) == files


WRITER = """
import sys
from pathlib import Path
import pyarrow as pa
from accord.connectors.protocol import ChangeBatch
from accord.connectors.registry import open_connector
from accord.model.system import System

connector = open_connector(System("sys", sys.argv[1], sys.argv[2]), base=Path(sys.argv[3]))
print("ready", flush=True)
for round in range(1, 1000):
    ids = [str(i) for i in range(500)]
    rows = pa.table({"_op": ["update"] * 500, "id": ids, "v": [f"round {round}"] * 500, "_old_v": [f"round {round - 1}"] * 500})
    assert connector.apply(ChangeBatch("t", ("id",), ("v",), rows, "b")).updated == 500
"""


@pytest.mark.parametrize("kind", ["csv", "sqlite"])
def test_a_kill_leaves_a_whole_batch_or_none(kind: str, tmp_path: Path) -> None:
    """All 500 rows are of one round, whenever the writer dies, and the file can be written on."""
    connector = open_connector(System("sys", kind, FILES[kind]), base=tmp_path)
    connector.create("t", COLUMNS, ["id"])
    ids = [str(i) for i in range(500)]
    rows = pa.table({"_op": ["insert"] * 500, "id": ids, "v": ["round 0"] * 500})
    connector.apply(ChangeBatch("t", ("id",), ("v",), rows, "b"))

    for delay_ms in (30, 75):
        held = _values(kind, tmp_path)
        command = [sys.executable, "-c", WRITER, kind, FILES[kind], str(tmp_path)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(delay_ms / 1000)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()

        after = _values(kind, tmp_path)

        assert len(held) == len(after) == 1
        back = pa.table({"_op": ["update"] * 500, "id": ids, "v": ["round 0"] * 500, "_old_v": list(after) * 500})
        result = connector.apply(ChangeBatch("t", ("id",), ("v",), back, "b"))
        assert result.updated + result.unchanged == 500


def _values(kind: str, folder: Path) -> set[str]:
    if kind == "sqlite":
        db = sqlite3.connect(folder / "s.db")
        try:
            return {row[0] for row in db.execute("SELECT v FROM t")}
        finally:
            db.close()
    return {line.split(",")[1] for line in (folder / "folder" / "t.csv").read_text().splitlines()[1:]}
