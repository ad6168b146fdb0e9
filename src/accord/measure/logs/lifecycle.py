"""Start and complete as one event: XES writes two rows for an activity, measuring wants one with two times."""

from __future__ import annotations

import duckdb


def pair_lifecycle(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Fold the starts of ``parsed`` into their completes and return notes on what was left out.

    The n-th start of an activity (and instance) in a case belongs to its n-th complete, when it is not later than that. Rows that
    are neither, such as schedule or suspend, are left out; so are starts whose complete never came. A log without any complete
    keeps all its rows.
    """
    row = con.execute(
        "SELECT count(*) FILTER (lower(lifecycle) = 'complete'), count(*) FILTER (lower(lifecycle) <> 'complete') FROM parsed"
    ).fetchone()
    if row is None or not row[0] or not row[1]:
        return ()
    instance = (
        "instance"
        if con.execute("SELECT 1 FROM duckdb_columns() WHERE table_name = 'parsed' AND column_name = 'instance'").fetchone()
        else "NULL"
    )
    number = f"row_number() OVER (PARTITION BY case_id, activity, {instance} ORDER BY time, seq)"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE parsed AS
        WITH start AS (SELECT case_id, activity, {instance} AS inst, time, {number} AS k FROM parsed
                       WHERE lower(lifecycle) = 'start' AND reason IS NULL),
             complete AS (SELECT *, {instance} AS inst, {number} AS k FROM parsed
                          WHERE lower(coalesce(lifecycle, 'complete')) = 'complete' OR reason IS NOT NULL)
        SELECT c.* EXCLUDE (start_at, inst, k), coalesce(c.start_at, s.time) AS start_at
        FROM complete c LEFT JOIN start s
          ON s.case_id = c.case_id AND s.activity = c.activity AND s.inst IS NOT DISTINCT FROM c.inst AND s.k = c.k AND s.time <= c.time
             AND c.reason IS NULL
        """
    )
    return (f"{row[1]:,} rows were no complete: starts gave their time to the complete that follows, the others were left out",)
