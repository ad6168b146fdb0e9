"""The first load of 2 M rows × 12 mixed columns: PostgreSQL → PostgreSQL against COPY | COPY and dlt, and what the contract adds.

Costs are CPU seconds of client and server together. «COPY | COPY» is measured twice: between two psql processes, which is the cheapest way
there is, and in Python as psycopg's manual shows it. All take turns; a ratio is the median of those of each turn.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import duckdb  # noqa: E402
import duckdb_extension_postgres_scanner  # noqa: E402
from peers.environment import python_of  # noqa: E402
from peers.postgres import DIGEST, TYPES, Cost, Server, copy_loop, copy_pipe, server  # noqa: E402

from accord.connectors.duck import load_scanner, open_duck  # noqa: E402
from accord.connectors.registry import open_connector  # noqa: E402
from accord.model.entity import Entity, Field, Rule  # noqa: E402
from accord.model.flow import Binding, FieldMapping, Flow  # noqa: E402
from accord.model.integration_map import IntegrationMap  # noqa: E402
from accord.model.system import System  # noqa: E402
from accord.store import open_store  # noqa: E402
from accord.sync import run_flow  # noqa: E402

ROWS = int(os.environ.get("ROWS", "2_000_000"))
TURNS = 3  # each contender once in each
PEERS = {"psql": copy_pipe, "psycopg": copy_loop}
DLT_ROWS = min(200_000, ROWS)  # dlt takes minutes for more; rates are compared
DUCKDB = {
    "id": "BIGINT", "small": "INTEGER", "amount": "DECIMAL(12,2)", "ratio": "DOUBLE", "name": "VARCHAR", "note": "VARCHAR",
    "active": "BOOLEAN", "day": "DATE", "moment": "TIMESTAMP WITH TIME ZONE", "ref": "UUID", "doc": "VARCHAR", "bin": "BLOB",
}  # fmt: skip


def world(url: str, folder: Path, *, contract: bool) -> tuple[IntegrationMap, dict[str, Any]]:
    """A flow from ``src`` to ``tgt``; with a contract that one row in a hundred breaks."""
    checks: dict[str, dict[str, Any]] = {
        "small": {"required": True, "maximum": "989"},  # one row in a hundred is above it
        "name": {"pattern": "name [0-9]+"},
        "amount": {"minimum": "0", "maximum": "10000"},
        "moment": {"required": True},
        "ref": {"required": True},
    }
    fields = {n: Field(n, t, **(checks.get(n, {}) if contract else {})) for n, t in TYPES.items()}
    rules = {"positive": Rule("positive", "ratio >= 0 AND id > 0", "never negative")} if contract else {}
    mapped = {n: FieldMapping(n) for n in TYPES}
    systems = {n: System(n, "postgresql", url) for n in ("source", "target")}
    bindings = {
        "source": Binding("source", "src", mapped, direction="read"),
        "target": Binding("target", "tgt", mapped, direction="write"),
    }
    flow = Flow("rows", "row", bindings)
    map_ = IntegrationMap("bench", systems=systems, entities={"row": Entity("row", ("id",), fields, rules=rules)}, flows={"rows": flow})
    return map_, {n: open_connector(s, base=folder) for n, s in systems.items()}


def load(of: Server, rows: int, *, contract: bool = False) -> tuple[Cost, float]:
    """Cost of our first load, and of a second run right after, as a share of the first's wall clock."""
    of.run("TRUNCATE tgt")
    with tempfile.TemporaryDirectory() as name, open_store(Path(name) / "store.db", segments=Path(name) / "segments") as store:
        map_, connectors = world(of.uri, Path(name), contract=contract)
        results = []

        def sync() -> None:
            results.append(run_flow(map_, "rows", connectors, store, run=f"r{len(results)}", now=datetime.now(UTC)))

        first = of.cost(sync)
        again = of.cost(sync)
        for connector in connectors.values():
            connector.close()
        bad = rows // 100 if contract else 0
        assert results[0].counts["inserted"] == rows - bad
        assert results[0].counts["quarantined"] == bad
        assert results[0].counts["verified"] == rows - bad
        assert not any(results[1].counts[c] for c in ("inserted", "updated", "deleted"))
    return first, again.wall / first.wall


def into_duckdb(of: Server, rows: int, *, contract: bool = False) -> tuple[Cost, bool]:
    """Cost of our first load of a DuckDB file, and whether it holds what DuckDB's scanner reads."""
    with tempfile.TemporaryDirectory() as name, open_store(Path(name) / "store.db", segments=Path(name) / "segments") as store:
        map_, connectors = world(of.uri, Path(name), contract=contract)
        with duckdb.connect(f"{name}/target.duckdb") as con:
            con.execute(f"CREATE TABLE tgt ({', '.join(f'{c} {t}' for c, t in DUCKDB.items())})")
        system = System("target", "duckdb", "target.duckdb")
        map_ = replace(map_, systems={**map_.systems, "target": system})
        connectors["target"] = open_connector(system, base=Path(name))
        results = []
        cost = of.cost(lambda: results.append(run_flow(map_, "rows", connectors, store, run="r", now=datetime.now(UTC))))
        bad = rows // 100 if contract else 0
        assert results[0].counts["inserted"] == results[0].counts["verified"] == rows - bad
        with scanner(of, f"{name}/target.duckdb") as con:
            where = " WHERE small <= 989" if contract else ""
            typed = {c: f"CAST({c} AS {t})" for c, t in DUCKDB.items()} | {"doc": "canonical_json(CAST(doc AS VARCHAR))"}
            asked = f"SELECT count(*), sum(hash({', '.join(typed.values())})) FROM"
            equal = con.execute(f"{asked} file.tgt").fetchall() == con.execute(f"{asked} pg.src{where}").fetchall()
        for connector in connectors.values():
            connector.close()
    return cost, equal


@contextmanager
def scanner(of: Server, file: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the server attached as ``pg`` and a file as ``file``."""
    with open_duck() as con:
        load_scanner(con, "postgres")
        con.execute(f"ATTACH '{of.uri}' AS pg (TYPE postgres, READ_ONLY)")
        con.execute(f"ATTACH '{file}' AS file")
        yield con


def bare_scanner(of: Server) -> Cost:
    """Cost of the scanner alone, into a file, with DuckDB as it comes, which checks the signature of the scanner."""
    (extension,) = Path(duckdb_extension_postgres_scanner.__path__[0]).rglob("postgres_scanner.duckdb_extension")

    def scan() -> None:
        with tempfile.TemporaryDirectory() as name, duckdb.connect(f"{name}/bare.duckdb") as con:
            con.execute(f"LOAD '{extension}'")
            con.execute(f"ATTACH '{of.uri}' AS pg (TYPE postgres, READ_ONLY)")
            con.execute("CREATE TABLE tgt AS SELECT * FROM pg.src")

    return of.cost(scan)


def dlt(of: Server, rows: int) -> float:
    """Rows per second of dlt."""
    with tempfile.TemporaryDirectory() as name:
        script = str(HERE.parent / "peers" / "dlt_load.py")
        command = [python_of("dlt"), script, of.uri, "50000", "replace", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=name)
    assert of.run("SELECT count(*) FROM by_dlt.src") == [(rows,)]
    return rows / float(done.stdout.strip().splitlines()[-1])


def run() -> list[dict[str, Any]]:
    """Measure by turns, and hold the medians of each turn's ratios against the bars of the specification."""
    turns = []
    with server() as of:
        of.fill(ROWS)
        whole = of.run(DIGEST.format("src"))
        for _ in range(TURNS):
            turns.append(_turn(of, whole))
        of.fill(DLT_ROWS)
        rate = dlt(of, DLT_ROWS)

    def median(value: Callable[[_Turn], float]) -> float:
        return statistics.median(map(value, turns))

    def said(name: str) -> str:
        return f"{median(lambda t: t.costs[name].wall):.1f} s, {median(lambda t: t.costs[name].cpu):.1f} s of CPU, medians of {TURNS}"

    equal, equal_in_file = all(t.equal for t in turns), all(t.equal_in_file for t in turns)
    speed = median(lambda t: ROWS / t.costs["ours"].wall)
    rows = [
        _row("first load, rows per second", speed, "rows/s", said("ours")),
        _row("every value equal by the server's own hash", float(equal), "", "of all rows", bar=1.0, met=equal),
    ]
    for name in PEERS:
        faster = median(lambda t, name=name: t.costs[name].wall / t.costs["ours"].wall)
        peer = f"COPY|COPY by {name}"
        rows.append(_row(f"rows/s against {peer}", faster, "x", f"{peer}: {said(name)}", bar=0.8, met=faster >= 0.8))
        rows.append(_at_most(f"CPU against {peer}", median(lambda t, name=name: t.dearer("ours", name)), 1.7, f"{peer}: {said(name)}"))
    times = speed / rate
    with_contract = "CPU with contract, quarantine and lineage"
    rows += [
        _row("rows/s against dlt", times, "x", f"dlt {rate:,.0f} rows/s of {DLT_ROWS:,} rows", bar=5.0, met=times >= 5),
        _at_most(with_contract, median(lambda t: t.dearer("strict", "ours")), 1.5, f"without: {said('ours')}"),
        _at_most("→ DuckDB: CPU against the bare scanner", median(lambda t: t.dearer("file", "bare")), 1.2, f"scanner {said('bare')}"),
        _at_most(f"→ DuckDB: {with_contract}", median(lambda t: t.dearer("kept", "file")), 1.5, f"without: {said('file')}"),
        _row("→ DuckDB: every value equal by hash", float(equal_in_file), "", "DuckDB's scanner", bar=1.0, met=equal_in_file),
        _row("wall clock of a second run, which asks what moved since", median(lambda t: t.again), "x", "first load"),
    ]
    return rows


@dataclass(frozen=True, slots=True)
class _Turn:
    costs: dict[str, Cost]
    again: float
    equal: bool
    equal_in_file: bool

    def dearer(self, one: str, other: str) -> float:
        return self.costs[one].cpu / self.costs[other].cpu


def _turn(of: Server, whole: list[tuple[object, ...]]) -> _Turn:
    """Each contender once; ``whole`` is the digest of the source."""
    costs = {}
    for name, work in PEERS.items():
        of.run("TRUNCATE tgt")
        costs[name] = of.cost(lambda work=work: work(of))
        assert of.run(DIGEST.format("tgt")) == whole
    costs["ours"], again = load(of, ROWS)
    equal = of.run(DIGEST.format("tgt")) == whole
    costs["strict"], _ = load(of, ROWS, contract=True)
    costs["bare"] = bare_scanner(of)
    costs["file"], same = into_duckdb(of, ROWS)
    costs["kept"], same_kept = into_duckdb(of, ROWS, contract=True)
    return _Turn(costs, again, equal, same and same_kept)


def _at_most(name: str, value: float, bar: float, peer: str) -> dict[str, Any]:
    return _row(name, value, "x", peer, bar=bar, met=value <= bar)


def _row(name: str, value: float, unit: str, peer: str, *, bar: float | None = None, met: bool = True) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": peer, "bar": bar, "met": met if bar is not None else None}


if __name__ == "__main__":
    for row in run():
        print(row)
