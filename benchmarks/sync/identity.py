"""Recognizing people: 100,000 rows in each of two systems, by exact mail and, within a postcode, by names that are nearly alike.

The peer is one hand-written DuckDB query for the same pairs over the same rows, without links, one-to-one and proposals. CPU is user and
system time of this process, both in the same run.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from accord.connectors.duck import borrowed_duck
from accord.connectors.registry import open_connector
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.identity import Identity, MatchRule
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import open_store
from accord.sync.cycle import Cycle, Side
from accord.sync.identity.resolve import identify

ROWS = int(os.environ.get("ACCORD_BENCH_IDENTITY_ROWS", "100000"))
BAR_SECONDS = 20.0
PEER = """
    SELECT count(*) FROM a JOIN b ON lower(trim(a.email)) = lower(trim(b.email))
    UNION ALL SELECT count(*) FROM a JOIN b ON a.postcode = b.postcode
        AND jaro_winkler_similarity(lower(strip_accents(a.name)), lower(strip_accents(b.name))) >= 0.9"""


def run() -> list[dict[str, Any]]:
    with TemporaryDirectory() as folder, borrowed_duck() as con:
        store = open_store(Path(folder) / "store.db", segments=Path(folder) / "segments")
        cycle = _cycle(con, store, Path(folder))
        began = time.process_time()
        con.execute(PEER).fetchall()
        peer = time.process_time() - began
        began = time.process_time()
        identify(cycle)
        ours = time.process_time() - began
        both = cycle.count("SELECT count(*) FROM (SELECT canonical FROM links GROUP BY 1 HAVING count(*) = 2)")
        links = cycle.count("SELECT count(*) FROM links")
        store.close()
    return [
        _result("identity: CPU of a first match", round(ours, 2), "s", round(peer, 2), f"<= {BAR_SECONDS}", ours <= BAR_SECONDS),
        _result("identity: links made", links, "links", 2 * ROWS, f"<= {2 * ROWS}", links <= 2 * ROWS),
        _result("identity: things found in both systems", both, "pairs", ROWS, ">= 0.95 of all", both >= 0.95 * ROWS),
    ]


def _result(name: str, value: float, unit: str, peer: float, bar: str, met: bool) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": peer, "bar": bar, "met": met}


def _cycle(con: Any, store: Any, folder: Path) -> Cycle:
    rng = random.Random(1)
    starts, ends = ("an", "be", "cla", "do", "fri", "ha", "ka", "lu", "mo", "ta"), ("r", "lin", "sto", "n")
    words = [f"{a}{b}{c}" for a in starts for b in "aeiou" for c in ends]
    rows: dict[str, list[list[str]]] = {"a": [], "b": []}
    for n in range(ROWS):
        name, postcode = f"{rng.choice(words)} {rng.choice(words)}{rng.choice(words)}".title(), str(10_000 + rng.randrange(ROWS // 20))
        typo = rng.randrange(1, len(name) - 1)
        other = name[:typo] + name[typo + 1 :]
        rows["a"].append([f"A{n}", name, f"p{n}@x.org", postcode])
        rows["b"].append([f"B{n}", *((name, f" P{n}@X.org") if n % 2 else (other, "")), postcode])
    sides = []
    for index, system in enumerate(rows):
        fields = {f: FieldMapping(f) for f in ("name", "email", "postcode")}
        connector = open_connector(System(system, "sqlite", f"{system}.db"), base=folder)
        sides.append(Side(index, Binding(system, "people", fields, own_key="id"), connector, True))
        table = pa.table(dict(zip(("id", "name", "email", "postcode"), zip(*rows[system], strict=True), strict=True)))
        con.register("given", table)
        con.execute(f"CREATE TABLE cap_{index} AS SELECT * FROM given")
        con.execute(f"CREATE TABLE {system} AS SELECT * FROM given")
        con.unregister("given")
    rules = (MatchRule("mail", normalized=("email",)), MatchRule("alike", fuzzy={"name": "jaro_winkler 0.9"}, block=("postcode",)))
    made = {f: Field(f) for f in ("id", "name", "email", "postcode")}
    entity = Entity("person", ("id",), made, identity=Identity({r.name: r for r in rules}))
    flow = Flow("people", "person", {s.name: s.binding for s in sides})
    con.execute("CREATE TABLE golden0 (id VARCHAR, name VARCHAR, email VARCHAR, postcode VARCHAR)")
    map_ = replace(IntegrationMap("bench"), entities={"person": entity}, flows={"people": flow})
    return Cycle(con, store, map_, flow, entity, "run", datetime.now(UTC), sides, lambda sentence: None)


if __name__ == "__main__":
    for result in run():
        print(result)
