"""Write one target: the batch goes to the connector, every row comes back as done, stale or refused."""

from __future__ import annotations

import pyarrow as pa

from accord.connectors.decide import ROW
from accord.connectors.protocol import ApplyResult, Receipted
from accord.connectors.types import quote
from accord.sync.apply.cascades import tell_carried
from accord.sync.apply.receipts import noting
from accord.sync.apply.targets import make_batch, numbered
from accord.sync.cycle import Cycle, Side, names
from accord.sync.identity.links import record_links
from accord.sync.identity.made import settle_made
from accord.sync.identity.own_key import GIVEN, note_given, withdraw_taken


def apply_target(cycle: Cycle, side: Side, batch_id: str, *, note_round: int = 0) -> ApplyResult:
    """Apply ``plan_<i>`` and fill ``done_<i>``: the planned rows with ``_status`` (done, stale, refused) and ``_reason``.

    Args:
        cycle: the run.
        side: to be written.
        batch_id: of this piece of work.
        note_round: given, the batch is noted for this round before it is committed, where the system can tell of it.
    """
    batch = make_batch(cycle, side, batch_id)
    if batch is None:
        result = ApplyResult()
    elif note_round and isinstance(side.connector, Receipted):
        result = side.connector.apply_noted(batch, noting(cycle, side, note_round, lambda known: _settle(cycle, side, known)))
    else:
        result = side.connector.apply(batch)
    _settle(cycle, side, result)
    if cycle.has(given := side.table("given")) and cycle.count(f"SELECT count(*) FROM {given}"):
        note_given(cycle, side, f"SELECT * FROM {given}")
    if result.stale is not None:
        withdraw_taken(cycle, side)
    tell_carried(cycle, side, result.carried)
    settle_made(cycle, side)
    record_links(cycle)
    return result


def _settle(cycle: Cycle, side: Side, result: ApplyResult) -> None:
    if side.binding.new_key == GIVEN:
        _settle_numbered(cycle, side, result)
        return
    columns = tuple(side.codes[k].column for k in cycle.keys)
    if result.stale is None and result.refused is None:
        cycle.make(
            side.table("done"),
            f"SELECT _m, {names(cycle.keys)}, _op, _set, "
            f"CASE WHEN _unfit IS NOT NULL THEN 'refused' ELSE 'done' END AS _status, _unfit AS _reason FROM {side.table('plan')}",
        )
        return
    _as_text(cycle, "stale_keys", result.stale, columns)
    _as_text(cycle, "refused_keys", result.refused, columns)
    on_stale = " AND ".join(f"s.{quote(c)} = CAST(p.{quote('k:' + c)} AS VARCHAR)" for c in columns)
    on_refused = " AND ".join(f"x.{quote(c)} = CAST(p.{quote('k:' + c)} AS VARCHAR)" for c in columns)
    first = quote(columns[0])
    cycle.make(
        side.table("done"),
        f"""
        SELECT p._m, {names(cycle.keys, "p")}, p._op, p._set,
            CASE WHEN p._unfit IS NOT NULL OR x.{first} IS NOT NULL THEN 'refused'
                WHEN s.{first} IS NOT NULL THEN 'stale' ELSE 'done' END AS _status,
            coalesce(p._unfit, x.reason) AS _reason
        FROM {side.table("plan")} p LEFT JOIN stale_keys s ON {on_stale} LEFT JOIN refused_keys x ON {on_refused}""",
    )


def _settle_numbered(cycle: Cycle, side: Side, result: ApplyResult) -> None:
    """The same where rows may have no key before they are written: by their numbers in the batch; and the keys they were given."""
    number = quote(ROW)
    _as_text(cycle, "stale_keys", result.stale, (ROW,))
    _as_text(cycle, "refused_keys", result.refused, (ROW,))
    cycle.make(
        side.table("done"),
        f"""
        SELECT p._m, {names(cycle.keys, "p")}, p._op, p._set,
            CASE WHEN p._unfit IS NOT NULL OR x.{number} IS NOT NULL THEN 'refused'
                WHEN s.{number} IS NOT NULL THEN 'stale' ELSE 'done' END AS _status,
            coalesce(p._unfit, x.reason) AS _reason
        FROM {side.table("plan")} p LEFT JOIN ({numbered(cycle, side)}) n USING (_m)
        LEFT JOIN stale_keys s ON s.{number} = CAST(n.{number} AS VARCHAR)
        LEFT JOIN refused_keys x ON x.{number} = CAST(n.{number} AS VARCHAR)""",
    )
    key = f"CAST(n.{quote(cycle.keys[0])} AS VARCHAR)"
    given = "SELECT NULL::VARCHAR AS canonical, NULL::VARCHAR AS own WHERE false"
    if result.given is not None:
        cycle.con.register("given_back", result.given)
        given = f"SELECT {key} AS canonical, g.key AS own FROM given_back g JOIN ({numbered(cycle, side)}) n ON n.{number} = g.{number}"
    cycle.sql(f"CREATE OR REPLACE TABLE {side.table('given')} AS {given}")
    if result.given is not None:
        cycle.con.unregister("given_back")


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
