"""The power goes at any moment: what was acknowledged is there, and the next run makes the systems agree without losing an edit.

A run is recorded with ``strace``: each write, wait for the disk and change of a folder. From the record the disk is made as it may look
after a cut at any place. What was waited for is there; of the rest, by chance, each write or none of it, and of a folder's changes
some first ones: a name may be gone, or back, until the folder itself was waited for. Nothing here shares code with what it judges.
"""

from __future__ import annotations

import contextlib
import csv
import json
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import openpyxl
import pyarrow.parquet as pq
import pytest

from accord.cli.main import main
from accord.store import open_store

CALLS = (
    "openat,open,creat,lseek,write,pwrite64,writev,pwritev,ftruncate,truncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,"
    "mkdir,mkdirat,rmdir,link,linkat,fallocate,copy_file_range,sendfile"
)
LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?(?: .*)?$")
BEGUN, RESUMED = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$"), re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
DATA = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(eq=False)
class File:
    """A file, whatever its names: its bytes before the record, and what was written since as (number of the step, offset, bytes)."""

    before: bytes = b""
    writes: list[tuple[int, int, bytes | None]] = field(default_factory=list)  # None: cut off at the offset
    synced: list[tuple[int, int]] = field(default_factory=list)  # (step at which it was known, writes up to that step)


@dataclass
class Record:
    """What a run did to the disk, in steps. A change of a folder is (step, folder, name, the file now called so)."""

    files: dict[str, File] = field(default_factory=dict)  # by name as they are at the end of the record
    first: dict[str, File] = field(default_factory=dict)  # before it
    changes: list[tuple[int, str, str, File | None]] = field(default_factory=list)
    synced: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # by folder
    told: list[tuple[int, bytes]] = field(default_factory=list)  # what was written to ``told``, and so acknowledged
    steps: int = 0


def text(escaped: str) -> str:
    return bytes.fromhex(escaped.replace("\\x", "")).decode()


def recorded(folder: Path, command: list[str]) -> Record:
    """Run a command that works in ``folder`` and record what it does there."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    record, log = Record(), folder.with_name("trace")
    for path in (p for p in folder.rglob("*") if p.is_file()):
        record.first[str(path)] = record.files[str(path)] = File(path.read_bytes())
    trace = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "100000000", "-o", str(log), "-e", f"trace={CALLS}", *command]
    done = subprocess.run(trace, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    place: dict[int, int] = {}
    for began, call, arguments, result, path in steps_of(log):
        record.steps += 1
        assert call not in ("writev", "pwritev", "copy_file_range", "sendfile", "fallocate", "link", "linkat") or str(folder) not in path
        _take(record, folder, place, began, call, arguments, result, path)
    return record


def steps_of(log: Path) -> Iterator[tuple[int, str, str, int, str]]:
    """(number of the step at which it began, call, arguments, result, path its descriptor stands for) of each call that went well."""
    open_: dict[str, tuple[int, str]] = {}
    number = 0
    for line in log.read_text().splitlines():
        began = number + 1
        if cut := BEGUN.match(line):
            open_[cut[1]] = (began, f"{cut[1]} {cut[2]}({cut[3]}")
            continue
        if rest := RESUMED.match(line):
            began, start = open_.pop(rest[1])
            line = start + rest[3]
        found = LINE.match(line)
        if found and int(found[3]) >= 0:
            number += 1
            of = re.match(r"(\d+)<([^>]*)>", found[2])
            where = found[4] or (of[2] if of else "")
            yield min(began, number), found[1], found[2], int(found[3]), text(where) if where.startswith("\\x") else where


def _take(record: Record, folder: Path, place: dict[int, int], began: int, call: str, arguments: str, result: int, path: str) -> None:
    step, inside = record.steps, path.startswith(str(folder))
    names = [_full(name, arguments, folder) for name in DATA.findall(arguments)] if not call.endswith(("write", "write64")) else []
    number = int(found[0]) if (found := re.match(r"\d+", arguments)) else -1
    if call in ("openat", "open", "creat"):
        place[result] = 0
        if inside and path not in record.files and not Path(path).is_dir() and "O_CREAT" in arguments:
            record.files[path] = File()
            _name(record, step, path, record.files[path])
        elif inside and "O_TRUNC" in arguments:
            record.files[path].writes.append((step, 0, None))
    elif call == "lseek":
        place[number] = result
    elif call in ("write", "pwrite64") and inside and path in record.files:
        data = bytes.fromhex(DATA.search(arguments)[1].replace("\\x", ""))[:result]  # type: ignore[index]
        at = place.get(number, 0) if call == "write" else int(arguments.rsplit(", ", 1)[1])
        if call == "write":
            place[number] = at + result
        record.files[path].writes.append((step, at, data))
        if Path(path).name == "told":
            record.told.append((step, data))
    elif call == "ftruncate" and inside and path in record.files:
        record.files[path].writes.append((step, int(arguments.rsplit(", ", 1)[1]), None))
    elif call in ("fsync", "fdatasync") and inside:
        synced = record.files[path].synced if path in record.files else record.synced.setdefault(path, [])
        synced.append((step, began))
    elif call.startswith("rename") and names[0] in record.files:
        record.files[names[1]] = record.files.pop(names[0])
        _name(record, step, names[1], record.files[names[1]])
        _name(record, step, names[0], None)
    elif call.startswith("unlink") and names[0] in record.files:
        del record.files[names[0]]
        _name(record, step, names[0], None)


def _full(escaped: str, arguments: str, folder: Path) -> str:
    return str(folder / text(escaped))


def _name(record: Record, step: int, path: str, file: File | None) -> None:
    record.changes.append((step, str(Path(path).parent), Path(path).name, file))


def after_cut(record: Record, step: int, chance: random.Random) -> dict[str, bytes]:
    """What may be on the disk, by path, when the power goes right after a step."""
    names = dict(record.first)
    for folder in {f for _, f, _, _ in record.changes}:
        sure = max((upto for known, upto in record.synced.get(folder, ()) if known <= step), default=0)
        done = [c for c in record.changes if c[1] == folder and c[0] <= step]
        last = chance.choice([sure - 1, *(c[0] for c in done if c[0] >= sure)])  # both changes of a rename are of one step
        for _, where, name, file in (c for c in done if c[0] <= last):
            path = str(Path(where) / name)
            if file is None:
                names.pop(path, None)
            else:
                names[path] = file
    return {path: _bytes(file, step, chance) for path, file in names.items()}


def _bytes(file: File, step: int, chance: random.Random) -> bytes:
    sure = max((upto for known, upto in file.synced if known <= step), default=0)
    keep = chance.choice([0.0, 0.5, 1.0])
    content = bytearray(file.before)
    for at, offset, data in file.writes:
        if at > step or (at >= sure and chance.random() >= keep):
            continue
        if data is None:
            del content[offset:]
            content.extend(bytes(offset - len(content)))
        else:
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data
    return bytes(content)


@contextlib.contextmanager
def disk(record: Record, step: int, chance: random.Random, folder: Path) -> Iterator[Path]:
    """A copy of ``folder`` as the cut left it."""
    there = folder.parent / "cut" / folder.name
    for path in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
        (there / path.relative_to(folder)).mkdir(parents=True)
    for name, content in after_cut(record, step, chance).items():
        if not name.endswith("-shm"):  # memory that is shared, made anew by whoever opens the file first
            (there / Path(name).relative_to(folder)).write_bytes(content)
    yield there
    shutil.rmtree(there.parent)


MAP = """
name: power
systems:
  a: {connector: sqlite, at: a.db}
  b: {connector: sqlite, at: b.db}
  c: {connector: csv, at: c, resources: {things: {key: [id]}}}
  d: {connector: jsonl, at: d, resources: {things: {key: [id]}}}
  e: {connector: parquet, at: e, resources: {things: {key: [id]}}}
  f: {connector: xlsx, at: f.xlsx, resources: {things: {key: [id]}}}
  g: {connector: duckdb, at: g.duckdb}
entities:
  thing: {key: [id], fields: {id: {type: text, required: true}, name: text, hits: integer}}
flows:
  things:
    entity: thing
    authority: {"*": a, hits: merge}
    bindings:
"""
BINDING = "      {}: {{resource: things, create: true, capture: {}, fields: {{id: id, name: name, hits: hits}}}}\n"
CREATE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, hits INTEGER)"
KEYS = [f"K{n:02}" for n in range(24)]
Rows = dict[str, tuple[str, int]]
Home = tuple[Path, Rows]


def sql(file: Path, statement: str, *rows: tuple[object, ...]) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.executemany(statement, rows) if rows else db.execute(statement)
        db.commit()


def home(folder: Path, systems: str, capture: str) -> Path:
    """A map over the systems, of which ``a`` has a table, in WAL mode; files of SQLite have their journal beside them else."""
    for name in ("", "c", "d", "e"):
        (folder / name).mkdir()
    bound = "".join(BINDING.format(name, capture if name in "ab" else "sweep") for name in systems)
    (folder / "map.yaml").write_text(MAP + bound)
    sql(folder / "a.db", "PRAGMA journal_mode = wal")
    sql(folder / "a.db", CREATE)
    if "g" in systems:
        with duckdb.connect(str(folder / "g.duckdb")) as db:
            db.execute(CREATE)
    return folder


def edited(folder: Path, systems: str, capture: str) -> Home:
    """Systems that agreed, edits in two of them, and what all must show once they are carried over."""
    home(folder, systems, capture)
    sql(folder / "a.db", "INSERT INTO things VALUES (?, 'first', 10)", *((k,) for k in KEYS))
    assert main(["sync", str(folder)]) == 0
    wanted = dict.fromkeys(KEYS, ("first", 10))
    for system, keys, more in (("a.db", KEYS[:8], 100), ("b.db", KEYS[4:12], 1000)):
        sql(folder / system, "UPDATE things SET hits = hits + ? WHERE id = ?", *((more, k) for k in keys))
        wanted |= {k: ("first", wanted[k][1] + more) for k in keys}
    sql(folder / "b.db", "UPDATE things SET name = 'by b' WHERE id = ?", *((k,) for k in KEYS[8:16]))
    wanted |= {k: ("by b", wanted[k][1]) for k in KEYS[8:16]}
    sql(folder / "b.db", "INSERT INTO things VALUES ('new', 'by b', 1)")
    sql(folder / "a.db", "DELETE FROM things WHERE id = ?", *((k,) for k in KEYS[16:18]))
    return folder, {k: v for k, v in (wanted | {"new": ("by b", 1)}).items() if k not in KEYS[16:18]}


def loading(folder: Path, systems: str, capture: str) -> Home:
    """So many rows that they are loaded in one stream."""
    home(folder, systems, capture)
    wanted = {f"{n:05}": ("first", n) for n in range(20_000)}
    sql(folder / "a.db", "INSERT INTO things VALUES (?, ?, ?)", *((k, *v) for k, v in wanted.items()))
    sql(folder / "b.db", CREATE)
    return folder, wanted


def shown(folder: Path, system: str) -> Rows:
    if system in "ab":
        with closing(sqlite3.connect(folder / f"{system}.db")) as db:
            return {row[0]: row[1:] for row in db.execute("SELECT id, name, hits FROM things")}
    if system == "c":
        with (folder / "c" / "things.csv").open(newline="") as file:
            return {row["id"]: (row["name"], int(row["hits"])) for row in csv.DictReader(file)}
    if system == "d":
        rows = map(json.loads, (folder / "d" / "things.jsonl").read_text().splitlines())
        return {row["id"]: (row["name"], row["hits"]) for row in rows}
    if system == "e":
        return {row["id"]: (row["name"], row["hits"]) for row in pq.read_table(folder / "e" / "things.parquet").to_pylist()}
    if system == "g":
        with duckdb.connect(str(folder / "g.duckdb"), read_only=True) as db:
            return {row[0]: row[1:] for row in db.execute("FROM things").fetchall()}
    with closing(openpyxl.load_workbook(folder / "f.xlsx", read_only=True)) as book:
        _, *cells = book["things"].iter_rows(values_only=True)
        return {str(row[0]): (str(row[1]), int(str(row[2]))) for row in cells}


def cuts(made: Home, systems: str, seeds: range, capsys: pytest.CaptureFixture[str]) -> None:
    """After each cut a run arrives, the next has nothing to do, and the log is whole."""
    folder, wanted = made
    record = recorded(folder, [sys.executable, "-m", "accord", "sync", str(folder)])
    assert all(shown(folder, system) == wanted for system in systems)
    for seed in seeds:
        chance = random.Random(seed)
        step = chance.randint(1, record.steps) if seed else record.steps
        with disk(record, step, chance, folder) as there:
            assert main(["sync", str(there)]) == 0, (seed, step, capsys.readouterr())
            for system in systems:
                assert shown(there, system) == wanted, (seed, step, system)
            capsys.readouterr()
            assert main(["sync", "--whole", "--json", str(there)]) == 0
            (flow,) = json.loads(capsys.readouterr().out)["flows"]
            assert not any(flow["counts"][word] for word in ("inserted", "updated", "deleted", "conflicts")), (seed, step)
            with open_store(there / ".accord" / "store.db", segments=there / ".accord" / "segments") as store:
                assert store.verify().seq == len(list(store.read()))
                assert store.verify_segments() == (), (seed, step)


def test_the_power_goes_right_after_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A system that took its rows back with the cut would be taken for one in which people did."""
    cuts(edited(tmp_path / "home", "ab", "sweep"), "ab", range(1), capsys)


@pytest.mark.prove
@pytest.mark.parametrize(("make", "systems", "capture"), [(edited, "abcdefg", "sweep"), (edited, "abc", "cdc"), (loading, "ab", "sweep")])
def test_the_power_goes_at_any_moment_of_a_run(
    make: Callable[..., Home], systems: str, capture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing that a system or the store took is lost unseen, and no edit."""
    cuts(make(tmp_path / "home", systems, capture), systems, range(60 if make is edited else 20), capsys)


APPEND = """
import os, sys
from datetime import UTC, datetime
import pyarrow as pa
from accord.model.event import Event
from accord.store import open_store
folder = sys.argv[1]
told = os.open(f"{folder}/told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for _ in range(2):
    with open_store(f"{folder}/store.db", segments=f"{folder}/segments") as store:
        for _ in range(20):
            number = store.head().seq
            sha = store.write_segment(pa.table({"n": [number]})).sha
            body = {"flow": "f", "run": f"r{number}", "status": "done", "state": {"base:a": [sha]}}
            store.append([Event(f"e{number}", "flow.run_finished", datetime.now(UTC), "flow:f", body)])
            os.write(told, b".")
"""


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 200), marks=pytest.mark.prove)], ids=["short", "long"])
def test_what_the_store_acknowledged_outlives_a_cut(seeds: range, tmp_path: Path) -> None:
    """Every event it said to have, with its segment; and a whole log, whatever was on the way."""
    folder = tmp_path / "home"
    folder.mkdir()
    record = recorded(folder, [sys.executable, "-c", APPEND, str(folder)])
    lost = 0
    for seed in seeds:
        chance = random.Random(seed)
        step = chance.randint(record.told[0][0], record.steps)
        with disk(record, step, chance, folder) as there, open_store(there / "store.db", segments=there / "segments") as store:
            there_are, acknowledged = store.verify().seq, sum(len(data) for at, data in record.told if at <= step)
            lost += len(record.told) - there_are
            assert there_are in (acknowledged, acknowledged + 1), (seed, step)
            assert store.verify_segments() == (), (seed, step)
    assert lost, "the cuts took nothing away"
