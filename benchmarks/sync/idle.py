"""Looking again where nothing changed, against the first sync of the same rows, by every way a system can say so.

Costs are CPU seconds of client and server together; a re-check is the mean of several runs in a row. On a quiet server a change token
answers for all rows; where others write elsewhere on the server it moves, and row versions are added up, or a log is read.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

from first_cut import TYPES as SMALL_TYPES  # noqa: E402
from first_cut import _database  # noqa: E402
from peers.postgres import COLUMNS, TYPES, Cost, Server, server  # noqa: E402

from accord.connectors.registry import open_connector  # noqa: E402
from accord.model.entity import Entity, Field  # noqa: E402
from accord.model.flow import Binding, FieldMapping, Flow  # noqa: E402
from accord.model.integration_map import IntegrationMap  # noqa: E402
from accord.model.system import System  # noqa: E402
from accord.store import open_store  # noqa: E402
from accord.sync import run_flow  # noqa: E402

ROWS = 500_000
SQLITE_ROWS = 100_000
TIMES = 5
BAR = 0.05


def looked(
    of: Server,
    folder: Path,
    systems: dict[str, System],
    capture: str,
    types: dict[str, str],
    tables: tuple[str, str],
    between: Callable[[], object],
) -> tuple[Cost, float, float, int]:
    """Cost of the first sync; mean CPU and wall clock of looking again; rows those runs wrote."""
    folder.mkdir()
    mapped = {n: FieldMapping(n) for n in types}
    bindings = {
        name: Binding(name, table, mapped, direction=direction, capture=capture)  # type: ignore[arg-type]
        for name, table, direction in zip(("source", "target"), tables, ("read", "write"), strict=True)
    }
    entity = Entity("row", ("id",), {n: Field(n, t, required=n == "id") for n, t in types.items()})
    map_ = IntegrationMap("bench", systems=systems, entities={"row": entity}, flows={"rows": Flow("rows", "row", bindings)})
    connectors = {n: open_connector(s, base=folder.parent) for n, s in systems.items()}
    results = []
    with open_store(folder / "store.db", segments=folder / "segments") as store:

        def sync() -> None:
            results.append(run_flow(map_, "rows", connectors, store, run=f"r{len(results)}", now=datetime.now(UTC)))

        first = of.cost(sync)
        sync()  # what was just written is seen once
        sync()
        costs = []
        for _ in range(TIMES):
            between()
            costs.append(of.cost(sync))
        for connector in connectors.values():
            connector.close()
    assert results[0].counts["inserted"] > 0
    writes = sum(r.counts[c] for r in results[1:] for c in ("inserted", "updated", "deleted"))
    return first, sum(c.cpu for c in costs) / TIMES, sum(c.wall for c in costs) / TIMES, writes


def run() -> list[dict[str, Any]]:
    """Measure, and hold against the bars of the specification."""
    rows = []
    with server(logical=True) as of, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        of.fill(ROWS)
        nothing: Callable[[], object] = lambda: None  # noqa: E731
        elsewhere: Callable[[], object] = lambda: of.run("SELECT pg_current_xact_id()")  # noqa: E731
        pg = {n: System(n, "postgresql", of.uri) for n in ("source", "target")}
        for way, between in (("change token", nothing), ("row versions added up", elsewhere)):
            of.run(f"DROP TABLE IF EXISTS tgt; CREATE TABLE tgt ({COLUMNS})")
            got = looked(of, folder / way.replace(" ", "_"), pg, "sweep", TYPES, ("src", "tgt"), between)
            rows += _rows(f"PostgreSQL, {way}", ROWS, got)
        of.run(f"DROP TABLE IF EXISTS tgt; CREATE TABLE tgt ({COLUMNS})")
        rows += _rows("PostgreSQL, log", ROWS, looked(of, folder / "cdc", pg, "cdc", TYPES, ("src", "tgt"), elsewhere))
        of.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        _database(folder / "source.db", SQLITE_ROWS)
        for way, capture in (("change token", "sweep"), ("log", "cdc")):
            _database(folder / f"{capture}.db", 0)
            files = {"source": System("source", "sqlite", "source.db"), "target": System("target", "sqlite", f"{capture}.db")}
            got = looked(of, folder / f"sqlite_{capture}", files, capture, SMALL_TYPES, ("items", "items"), nothing)
            rows += _rows(f"SQLite, {way}", SQLITE_ROWS, got)
    return rows


def _rows(way: str, rows: int, got: tuple[Cost, float, float, int]) -> list[dict[str, Any]]:
    first, cpu, wall, writes = got
    share = cpu / first.cpu
    peer = f"first {first.cpu:.2f} s, re-check {cpu * 1000:.1f} ms of CPU, {wall * 1000:.0f} ms, {rows:,} rows"
    return [
        {"name": f"{way}: CPU of a re-check", "value": share, "unit": "x", "peer": peer, "bar": BAR, "met": share <= BAR},
        {"name": f"{way}: writes", "value": writes, "unit": "rows", "peer": f"{TIMES + 2} runs", "bar": 0, "met": writes == 0},
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
