"""2 M rows × 12 mixed columns against a contract of 15 checks: our compiled query, one query written by hand, and Great Expectations.

The query by hand finds the same rows and names the broken checks of each; that both found as many is asserted. CPU seconds of the process,
the median of the ratios of alternating repeats.

Great Expectations checks the same rules on the same 2 M rows, held in memory before the clock starts, as ours are. Its engine is pandas,
which its documentation begins with; asked for the same answer, each bad row by its key (``COMPLETE`` with
``unexpected_index_column_names``), and run as a validation definition, without the stores and pages of a checkpoint. What it found per
rule is held against what ours found. As with ours, a first run in the same process is left out and the median of the next ones counts:
single runs differ by a third when other work shares the caches, and the first has its imports in it.

It is run from a file, as people run it: given as ``python -c`` it costs twice as much, because it asks ``inspect`` 45,000 times which
module its caller is in, and a caller without a file is searched for among all modules each time (12 to 13 CPU seconds from a file, 22 to 29
without one; texts are of the ``str`` type of pandas 3, as it reads them from Parquet, and cost less than as Python objects, 15 to 18, or as
Arrow's, 41 to 45). Its default (``SUMMARY``: counts and 20 samples) answers less and is shown beside it without a bar.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import duckdb
from peers.environment import python_of

from accord.connectors.duck import borrowed_duck
from accord.model.entity import Entity, Field, Rule
from accord.model.flow import Binding, FieldMapping
from accord.sync.judge.validate import find_bad
from accord.sync.mapping.fields import compile_field, raw_name

ROWS = 2_000_000
REPEATS = 5
PEER_REPEATS = 3

FIELDS = {
    "id": Field("id", "integer", required=True),
    "code": Field("code", required=True, unique=True, pattern="C[0-9]{9}"),
    "name": Field("name", required=True),
    "amount": Field("amount", "number(12,2)", minimum="0", maximum="9990"),
    "score": Field("score", "double", minimum="0", maximum="99"),
    "done": Field("done", "boolean", required=True),
    "due": Field("due", "date"),
    "changed": Field("changed", "timestamp", required=True),
    "state": Field("state", values=("new", "open", "done", "gone")),
    "mail": Field("mail", pattern="[^@]+@[^@]+"),
    "parent": Field("parent", "integer"),
    "note": Field("note"),
}
RULES = {"order": Rule("order", "changed >= due - INTERVAL 362 DAY")}
SOURCE = """
    SELECT i AS id, 'C' || lpad(CAST(i * 7919 % {rows} AS VARCHAR), 9, '0') AS code,
        CASE WHEN i % 500 <> 3 THEN 'name ' || (i * 31 % 100003) END AS name,
        CAST((i * 13) % 1000000 / 100 AS DECIMAL(12,2)) AS amount, CAST(i * 17 % 1000 AS DOUBLE) / 10 AS score, i % 7 = 0 AS done,
        DATE '2026-01-01' + CAST(i % 365 AS INTEGER) AS due, TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_seconds(i % 31536000) AS changed,
        CASE WHEN i % 1000 = 5 THEN 'lost' ELSE ['new', 'open', 'done', 'gone'][1 + i % 4] END AS state,
        'u' || (i % 1000) || '@example.org' AS mail, i % 5000 AS parent, 'note ' || (i % 77) AS note
    FROM range({rows}) t(i)"""
HAND = """
    CREATE OR REPLACE TABLE by_hand AS
    WITH twice AS (SELECT id FROM captured GROUP BY id HAVING count(*) > 1),
        shared AS (SELECT code FROM captured WHERE code IS NOT NULL GROUP BY code HAVING count(*) > 1)
    SELECT rowid AS rid, list_filter([
        CASE WHEN id IS NULL THEN 'id is missing' END, CASE WHEN code IS NULL THEN 'code is missing' END,
        CASE WHEN NOT regexp_full_match(code, 'C[0-9]{9}') THEN 'code has another form' END,
        CASE WHEN name IS NULL THEN 'name is missing' END,
        CASE WHEN amount < 0 THEN 'amount is low' END, CASE WHEN amount > 9990 THEN 'amount is high' END,
        CASE WHEN score < 0 THEN 'score is low' END, CASE WHEN score > 99 THEN 'score is high' END,
        CASE WHEN done IS NULL THEN 'done is missing' END, CASE WHEN changed IS NULL THEN 'changed is missing' END,
        CASE WHEN state NOT IN ('new', 'open', 'done', 'gone') THEN 'state is unknown' END,
        CASE WHEN NOT regexp_full_match(mail, '[^@]+@[^@]+') THEN 'mail has another form' END,
        CASE WHEN changed < due - INTERVAL 362 DAY THEN 'order' END], lambda x: x IS NOT NULL) AS reasons
    FROM captured
    WHERE id IS NULL OR code IS NULL OR NOT regexp_full_match(code, 'C[0-9]{9}') OR name IS NULL OR amount < 0 OR amount > 9990 OR score < 0
        OR score > 99 OR done IS NULL OR changed IS NULL OR state NOT IN ('new', 'open', 'done', 'gone')
        OR NOT regexp_full_match(mail, '[^@]+@[^@]+') OR changed < due - INTERVAL 362 DAY OR id IN (FROM twice) OR code IN (FROM shared)"""
SUITE = """
import json, resource, statistics, sys, warnings
warnings.simplefilter("ignore")
import great_expectations as gx
import great_expectations.expectations as e
import pandas as pd
frame = pd.read_parquet(sys.argv[1])
context = gx.get_context(mode="ephemeral")
context.variables.progress_bars = {"globally": False}
batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
checks = [e.ExpectColumnValuesToNotBeNull(column=c) for c in ("id", "code", "name", "done", "changed")]
checks += [e.ExpectColumnValuesToBeUnique(column=c) for c in ("id", "code")]
checks += [e.ExpectColumnValuesToMatchRegex(column="code", regex="^C[0-9]{9}$")]
checks += [e.ExpectColumnValuesToMatchRegex(column="mail", regex="^[^@]+@[^@]+$")]
checks += [e.ExpectColumnValuesToBeBetween(column="amount", min_value=0, max_value=9990)]
checks += [e.ExpectColumnValuesToBeBetween(column="score", min_value=0, max_value=99)]
checks += [e.ExpectColumnValuesToBeInSet(column="state", value_set=["new", "open", "done", "gone"])]
# The rule over two columns: it has no difference of days, so the day it compares with is made before the clock starts.
frame["earliest"] = pd.to_datetime(frame["due"], utc=True) - pd.Timedelta(days=362)
checks += [e.ExpectColumnPairValuesAToBeGreaterThanB(column_A="changed", column_B="earliest", or_equal=True)]
suite = gx.ExpectationSuite(name="s", expectations=checks)
definition = gx.ValidationDefinition(name="v", data=batch, suite=suite)
context.suites.add(suite)
context.validation_definitions.add(definition)
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
runs = []
for _ in range(1 + int(sys.argv[3])):  # the first warms up
    before = cpu()
    result = definition.run(batch_parameters={"dataframe": frame}, result_format=json.loads(sys.argv[2]))
    runs.append(cpu() - before)
seconds = statistics.median(runs[1:])
bad = {}
for r in result.results:
    column = r.expectation_config.kwargs.get("column", "order")
    bad[column] = bad.get(column, 0) + r.result["unexpected_count"]
print(json.dumps({"seconds": seconds, "bad": {c: n for c, n in bad.items() if n}}))
"""


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _captured(con: duckdb.DuckDBPyConnection, rows: int) -> dict[str, Any]:
    """The rows as a capture leaves them: canonical fields and the system's own columns."""
    con.execute(f"CREATE TABLE source AS {SOURCE.format(rows=rows)}")
    types = {row[0]: row[1] for row in con.execute("DESCRIBE source").fetchall()}
    binding = Binding("a", "source", {n: FieldMapping(n) for n in FIELDS})
    codes = {n: compile_field(f, binding.fields[n], binding, types) for n, f in FIELDS.items()}
    read = ", ".join([f'{c.read} AS "{n}"' for n, c in codes.items()] + [f'"{n}" AS "{raw_name(n)}"' for n in codes])
    con.execute(f"CREATE TABLE captured AS SELECT {read} FROM source")
    con.execute("DROP TABLE source")
    return codes


def _ours(rows: int) -> tuple[float, float, float, dict[str, int]]:
    """CPU seconds of ours and of the query by hand, the median ratio, and how many rows break a rule of each field."""
    entity = Entity("item", ("id",), FIELDS, rules=RULES)
    ours, hand = [], []
    with borrowed_duck() as con:
        codes = _captured(con, rows)
        for _ in range(REPEATS + 1):
            start = _cpu()
            find_bad(con, entity, codes, "captured", "bad", {})
            middle = _cpu()
            con.execute(HAND)
            ours.append(middle - start)
            hand.append(_cpu() - middle)
        counts = [con.execute(f"SELECT count(*), sum(len(reasons)) FROM {t}").fetchone() for t in ("bad", "by_hand")]
        assert counts[0] == counts[1], counts
        named = con.execute("SELECT split_part(r, ':', 1), count(*) FROM (SELECT unnest(reasons) AS r FROM bad) GROUP BY 1").fetchall()
    ratios = [a / b for a, b in zip(ours[1:], hand[1:], strict=True)]  # the first of each warms up
    return statistics.median(ours[1:]), statistics.median(hand[1:]), statistics.median(ratios), dict(named)


def _peer(rows: int, form: object, wanted: dict[str, int]) -> float:
    """Median CPU seconds of Great Expectations; its own environment is made on first use."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        duckdb.sql(f"COPY ({SOURCE.format(rows=rows)}) TO '{path}' (FORMAT parquet)")
        suite = Path(folder) / "suite.py"
        suite.write_text(SUITE)
        done = subprocess.run(
            [python_of("great_expectations"), str(suite), str(path), json.dumps(form), str(PEER_REPEATS)],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,
        )
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    assert answer["bad"] == wanted, (answer["bad"], wanted)
    return float(answer["seconds"])


def run() -> list[dict[str, Any]]:
    """Measure, and hold against the bars of the specification."""
    ours, hand, ratio, bad = _ours(ROWS)
    named = _peer(ROWS, {"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]}, bad)
    counted = _peer(ROWS, "SUMMARY", bad)
    by_hand = f"by hand {ROWS / hand:,.0f} rows/CPU s"
    by_peer, by_counts = (f"Great Expectations {ROWS / s:,.0f} rows/CPU s" for s in (named, counted))
    return [
        _row("contract of 15 checks, rows per CPU second", ROWS / ours, "rows/s", by_hand, None),
        _row("CPU against one query by hand", ratio, "x", by_hand, 1.3, met=ratio <= 1.3),
        _row("against Great Expectations, each bad row named", named / ours, "x", by_peer, 50, met=named / ours >= 50),
        _row("against Great Expectations, counts and samples only", counted / ours, "x", by_counts, None),
    ]


def _row(name: str, value: float, unit: str, peer: str, bar: float | None, *, met: bool | None = None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": peer, "bar": bar, "met": met}


if __name__ == "__main__":
    for row in run():
        print(row)
