"""Write one target: the batch goes to the connector, every row comes back as done, stale or refused."""

from __future__ import annotations

import pyarrow as pa

from accord.connectors.protocol import ApplyResult
from accord.connectors.types import quote
from accord.sync.apply.targets import make_batch
from accord.sync.cycle import Cycle, Side, names


def apply_target(cycle: Cycle, side: Side, batch_id: str) -> ApplyResult:
    """Apply ``plan_<i>`` and fill ``done_<i>``: the planned rows with ``_status`` (done, stale, refused) and ``_reason``."""
    batch = make_batch(cycle, side, batch_id)
    result = side.connector.apply(batch) if batch is not None else ApplyResult()
    columns = tuple(side.codes[k].column for k in cycle.keys)
    if result.stale is None and result.refused is None:
        cycle.sql(
            f"CREATE OR REPLACE TABLE {side.table('done')} AS SELECT _m, {names(cycle.keys)}, _op, _set, "
            f"CASE WHEN _unfit IS NOT NULL THEN 'refused' ELSE 'done' END AS _status, _unfit AS _reason FROM {side.table('plan')}"
        )
        return result
    _as_text(cycle, "stale_keys", result.stale, columns)
    _as_text(cycle, "refused_keys", result.refused, columns)
    on_stale = " AND ".join(f"s.{quote(c)} = CAST(p.{quote('k:' + c)} AS VARCHAR)" for c in columns)
    on_refused = " AND ".join(f"x.{quote(c)} = CAST(p.{quote('k:' + c)} AS VARCHAR)" for c in columns)
    first = quote(columns[0])
    cycle.sql(f"""
        CREATE OR REPLACE TABLE {side.table("done")} AS
        SELECT p._m, {names(cycle.keys, "p")}, p._op, p._set,
            CASE WHEN p._unfit IS NOT NULL OR x.{first} IS NOT NULL THEN 'refused'
                WHEN s.{first} IS NOT NULL THEN 'stale' ELSE 'done' END AS _status,
            coalesce(p._unfit, x.reason) AS _reason
        FROM {side.table("plan")} p LEFT JOIN stale_keys s ON {on_stale} LEFT JOIN refused_keys x ON {on_refused}""")
    return result


def _as_text(cycle: Cycle, table: str, rows: pa.Table | None, columns: tuple[str, ...]) -> None:
    """Key columns (and reason) of rows the connector gave back, as text, each key once."""
    if rows is None:
        cycle.sql(f"CREATE OR REPLACE TEMP TABLE {table} ({', '.join(f'{quote(c)} VARCHAR' for c in columns)}, reason VARCHAR)")
        return
    cycle.con.register("given_back", rows)
    reason = "any_value(CAST(reason AS VARCHAR))" if "reason" in rows.column_names else "CAST(NULL AS VARCHAR)"
    picked = ", ".join(f"CAST({quote(c)} AS VARCHAR) AS {quote(c)}" for c in columns)
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {picked}, {reason} AS reason FROM given_back GROUP BY ALL")
    cycle.con.unregister("given_back")
