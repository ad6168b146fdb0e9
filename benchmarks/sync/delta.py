"""One row in a hundred changed, deletes among them: our next run against a bare key+hash sweep, and a run after it with nothing to do.

The sweep is what one writes by hand: keys and hashes from PostgreSQL, compared in DuckDB with those of the last time, the changed rows
fetched by key and upserted, the missing ones deleted. Each contender has a target and a past of its own; costs are CPU seconds of client
and server together, ratios are of one run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

import duckdb  # noqa: E402
import psycopg  # noqa: E402
from full_load import world  # noqa: E402
from peers.environment import python_of  # noqa: E402
from peers.postgres import COLUMNS, DIGEST, TYPES, Server, copy_pipe, server  # noqa: E402

from accord.connectors.duck import load_scanner, open_duck  # noqa: E402
from accord.store import open_store  # noqa: E402
from accord.sync import run_flow  # noqa: E402

ROWS = int(os.environ.get("ROWS", "2_000_000"))
DLT_ROWS = min(200_000, ROWS)  # both contenders get as many
CHANGES = """
    UPDATE src SET note = note || '!', amount = amount + 1 WHERE id % 200 = 7;
    DELETE FROM src WHERE id % 400 = 11;
    INSERT INTO src SELECT id + 10000000, small, amount, ratio, name, note, active, day, moment, ref, doc, bin
        FROM src WHERE id % 400 = 12"""
_HASHES = "SELECT id, hash_record_extended(src, 0) AS h FROM src"


class Sweep:
    """The bare sweep: state is one DuckDB file with key and hash."""

    def __init__(self, of: Server, folder: Path) -> None:
        self._of, self._path = of, folder / "hashes.duckdb"

    def _open(self) -> duckdb.DuckDBPyConnection:
        con = open_duck(threads=1)  # of two, the one that waits for the server would turn in a circle and make the sweep look dearer
        load_scanner(con, "postgres")
        con.execute(f"ATTACH '{self._path}' AS kept")
        con.execute(f"ATTACH '{self._of.uri}' AS pg (TYPE postgres, READ_ONLY)")
        return con

    def remember(self) -> None:
        """Keep what stands in the source now."""
        with self._open() as con:
            con.execute(f"CREATE OR REPLACE TABLE kept.hashes AS SELECT * FROM postgres_query('pg', '{_HASHES}')")

    def run(self) -> None:
        """Bring the target up to date."""
        names = list(TYPES)
        with self._open() as con, psycopg.connect(self._of.uri) as db:
            con.execute(f"CREATE TEMP TABLE seen AS SELECT * FROM postgres_query('pg', '{_HASHES}')")
            changed = con.execute("SELECT s.id FROM seen s LEFT JOIN kept.hashes k USING (id) WHERE s.h IS DISTINCT FROM k.h").fetchnumpy()[
                "id"
            ]
            gone = con.execute("SELECT k.id FROM kept.hashes k ANTI JOIN seen s USING (id)").fetchnumpy()["id"]
            sets = ", ".join(f"{n} = excluded.{n}" for n in names[1:])
            db.execute(
                f"INSERT INTO other SELECT * FROM src WHERE id = ANY(%s) ON CONFLICT (id) DO UPDATE SET {sets}".encode(),
                (changed.tolist(),),
            )
            db.execute("DELETE FROM other WHERE id = ANY(%s)", (gone.tolist(),))
            db.commit()
            con.execute("CREATE OR REPLACE TABLE kept.hashes AS SELECT * FROM seen")


def against_dlt() -> tuple[float, float, int]:
    """Seconds of our run and of dlt's merge over the same one percent; how many deletes dlt did not carry out."""
    with server() as of, tempfile.TemporaryDirectory() as name:
        of.fill(DLT_ROWS)
        script = str(HERE.parent / "peers" / "dlt_load.py")

        def dlt(how: str) -> float:
            command = [python_of("dlt"), script, of.uri, "50000", how, f"{name}/dlt"]
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=name)
            return float(done.stdout.strip().splitlines()[-1])

        dlt("replace")
        with open_store(Path(name) / "store.db", segments=Path(name) / "segments") as store:
            map_, connectors = world(of.uri, Path(name), contract=False)
            runs = iter(("r1", "r2", "r3"))

            def sync() -> None:
                run_flow(map_, "rows", connectors, store, run=next(runs), now=datetime.now(UTC))

            sync()
            sync()
            of.run(CHANGES)
            ours = of.cost(sync).wall
            for connector in connectors.values():
                connector.close()
        assert of.run(DIGEST.format("src")) == of.run(DIGEST.format("tgt"))
        theirs = dlt("merge")
        ((left,),) = of.run("SELECT count(*) FROM by_dlt.src WHERE id NOT IN (SELECT id FROM src)")
    return ours, theirs, int(str(left))


def run() -> list[dict[str, Any]]:
    """Measure, and hold against the bars of the specification."""
    with server() as of, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        of.fill(ROWS)
        copy_pipe(of)
        of.run(f"CREATE TABLE other ({COLUMNS}); INSERT INTO other SELECT * FROM tgt; TRUNCATE tgt")
        sweep = Sweep(of, folder)
        sweep.remember()
        with open_store(folder / "store.db", segments=folder / "segments") as store:
            map_, connectors = world(of.uri, folder, contract=False)
            results = []

            def sync() -> None:
                results.append(run_flow(map_, "rows", connectors, store, run=f"r{len(results)}", now=datetime.now(UTC)))

            first, settling = of.cost(sync), of.cost(sync)
            of.run(CHANGES)
            of.run("ANALYZE src; ANALYZE tgt; ANALYZE other")
            bare = of.cost(sweep.run)
            ours, idle = of.cost(sync), of.cost(sync)
            for connector in connectors.values():
                connector.close()
        assert of.run(DIGEST.format("src")) == of.run(DIGEST.format("tgt")) == of.run(DIGEST.format("other"))
        counts = results[2].counts
        assert (counts["inserted"], counts["updated"], counts["deleted"]) == (ROWS // 400, ROWS // 200, ROWS // 400)
        writes = sum(results[3].counts[c] for c in ("inserted", "updated", "deleted"))
    own, theirs, left = against_dlt()
    cpu, share = ours.cpu / bare.cpu, idle.wall / first.wall
    changed = sum(counts[c] for c in ("inserted", "updated", "deleted"))
    return [
        _row(
            "1 % changed: CPU against a bare sweep", cpu, "x", f"sweep {bare.cpu:.1f} s, ours {ours.cpu:.1f} s of CPU", 1.2, met=cpu <= 1.2
        ),
        _row("1 % changed: wall clock against a bare sweep", ours.wall / bare.wall, "x", f"sweep {bare.wall:.1f} s"),
        _row(
            "changes applied, deletes included",
            float(changed),
            "rows",
            f"{ROWS // 400} deletes",
            float(ROWS // 100),
            met=changed == ROWS // 100,
        ),
        _row(
            "idle re-check against the first load", share, "x", f"first {first.wall:.1f} s, idle {idle.wall:.2f} s", 0.05, met=share <= 0.05
        ),
        _row("writes of an idle re-check", float(writes), "rows", "", 0.0, met=writes == 0),
        _row(
            "1 % changed: wall clock against dlt's merge",
            own / theirs,
            "x",
            f"{own:.1f} s, dlt {theirs:.1f} s, {DLT_ROWS:,} rows",
            1.0,
            met=own <= theirs,
        ),
        _row("deletes dlt's merge left in its target", float(left), "rows", "ours: 0"),
        _row("second run after the first load", settling.wall / first.wall, "x", "first load"),
    ]


def _row(name: str, value: float, unit: str, peer: str, bar: float | None = None, *, met: bool = True) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": peer, "bar": bar, "met": met if bar is not None else None}


if __name__ == "__main__":
    for row in run():
        print(row)
