"""What was acknowledged survives: kill -9 at any moment, a full disk, an interrupt."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from accord.model.errors import StorageFull
from accord.model.event import Event
from accord.store import Store, open_store
from accord.store.projection import discover

MakeEvent = Callable[..., Event]
OpenStore = Callable[..., Store]
APPENDER = Path(__file__).with_name("appender.py")
FULL_DISK = Path(__file__).with_name("full_disk.py")


def _everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    return {projection.name: store.table(projection.name).to_pylist() for projection in discover()}


def _append_until_killed(url: str, segments: Path, seconds: float) -> list[tuple[int, str, str]]:
    process = subprocess.Popen([sys.executable, str(APPENDER), url, str(segments)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(seconds)  # not for synchronizing: the moment of the kill is what the test varies
    process.kill()
    rest, _ = process.communicate()
    whole = [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
    return [(int(seq), digest, sha) for seq, digest, sha in (line.split() for line in whole)]


def _check_kills(open_here: OpenStore, url: str, segments: Path, kills: int) -> None:
    moments = random.Random(7)
    acknowledged: list[tuple[int, str, str]] = []
    for _ in range(kills):
        acknowledged += _append_until_killed(url, segments, moments.uniform(0, 0.12))
        with contextlib.closing(open_here()) as store:
            assert store.verify().seq >= acknowledged[-1][0]

    store = open_here()
    hashes = {stored.seq: stored.hash for stored in store.read()}
    lost = [seq for seq, digest, _ in acknowledged if hashes.get(seq) != digest]
    grown = _everything(store)
    store.rebuild()

    assert lost == []
    assert len(hashes) % 3 == 0, "half of a batch is in the log"
    assert store.verify_segments() == ()
    assert {sha for _, _, sha in acknowledged} <= set(store.flow_records("f", "changes").values())
    assert _everything(store) == grown


def test_nothing_acknowledged_is_lost_when_killed(open_here: OpenStore, store_url: str, tmp_path: Path) -> None:
    """Four kills at random moments: every acknowledged event, its segment and its projections are there, and no half batch."""
    _check_kills(open_here, store_url, tmp_path / "segments", kills=4)


@pytest.mark.prove
def test_nothing_acknowledged_is_lost_in_many_kills(open_here: OpenStore, store_url: str, tmp_path: Path) -> None:
    """The long form of the proof."""
    _check_kills(open_here, store_url, tmp_path / "segments", kills=200)


@pytest.mark.prove
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "fsync", "rename"])
def test_nothing_is_lost_when_killed_at_each_durable_call(tmp_path: Path, call: str) -> None:
    """Not at random but at the n-th write, sync or rename, for every n of the first appends; needs strace."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    for n in range(1, 41):
        place = tmp_path / f"{call}{n}"
        with open_store(place / "store.db", segments=place / "segments"):
            pass
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={n}"]
        script = [sys.executable, str(APPENDER), str(place / "store.db"), str(place / "segments")]
        process = subprocess.Popen([*command, *script], stdout=subprocess.PIPE, text=True)
        try:
            out, _ = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the appender never made call {n} of {call}")
        acknowledged = [line.split() for line in out.splitlines(keepends=True) if line.endswith("\n")]

        with open_store(place / "store.db", segments=place / "segments") as store:
            hashes = {stored.seq: stored.hash for stored in store.read()}
            assert [line for line in acknowledged if hashes.get(int(line[0])) != line[1]] == []
            assert len(hashes) % 3 == 0
            assert store.verify().seq == len(hashes)
            assert store.verify_segments() == ()


def test_an_interrupt_inside_an_append_leaves_nothing_of_it(store: Store, event: MakeEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between the log and its projections: the store goes on as if the append had never begun."""
    from accord.store import store as module

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.Projector, "apply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.append([event("run.started", run="r")])

    assert store.head().seq == 0
    assert store.append([event("run.started", run="s")]).seq == 1
    assert store.table("run")["run"].to_pylist() == ["s"]


def test_a_full_database_is_reported_and_the_state_before_stands(tmp_path: Path, event: MakeEvent) -> None:
    """SQLite's own limit of pages gives the error of a full disk on every machine."""
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        store.append([event()])
        (pages,) = store._database.rows("PRAGMA page_count")[0]
        store._database.run(f"PRAGMA max_page_count = {pages + 2}")

        with pytest.raises(StorageFull, match="no space left"):
            store.append([event(text="x" * 100_000)])

        assert store.verify().seq == 1
        store._database.run("PRAGMA max_page_count = 1000000")
        assert store.append([event(text="x" * 100_000)]).seq == 2
        assert store.verify().seq == 2


def test_a_full_disk_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    """A real file system of 2 MB: appends and both ways of writing segments; afterwards there is space again, and it goes on."""
    mount = tmp_path / "small"
    mount.mkdir()
    script = f'mount -t tmpfs -o size=2m tmpfs "{mount}" || exit 77; exec "{sys.executable}" "{FULL_DISK}" "{mount}"'
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")

    ended = subprocess.run(["unshare", "--mount", "--map-root-user", "sh", "-c", script], capture_output=True, text=True, timeout=60)

    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip(f"no small file system can be mounted here: {ended.stderr.strip()}")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["append", "table", "query", "again"]


def test_a_folder_for_segments_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    from accord.model.errors import SystemUnreachable

    (tmp_path / "segments").write_text("x")
    with (
        open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store,
        pytest.raises(SystemUnreachable, match="segments"),
    ):
        store.write_segment(pa.table({"a": [1]}))
