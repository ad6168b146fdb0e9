"""A change token for PostgreSQL tables: a word for "no transaction of this server has ended since".

Every write, DDL and TRUNCATE included, needs a transaction id, and nothing becomes visible before that transaction has ended. A snapshot
tells up to which id all transactions have ended. While none below that is still running, that one number says which transactions anybody
can see, and so it fixes every row of every table. It moves for any write anywhere on the server, so a busy server only gains nothing.
"""

from __future__ import annotations

from typing import Any

import psycopg

# 64 bits wide, so it never comes round again; the server's identity and start guard against a restored copy and a lost unlogged table.
# Rows of a view or of a foreign table can change without a transaction here.
_SEEN = """
    SELECT CASE WHEN pg_snapshot_xmin(now_seen) = pg_snapshot_xmax(now_seen) THEN pg_snapshot_xmax(now_seen)::text END,
        pg_postmaster_start_time()::text, (SELECT oid FROM pg_database WHERE datname = current_database())::text, c.oid::text
    FROM pg_current_snapshot() AS now_seen, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = %(name)s AND n.nspname = coalesce(nullif(%(schema)s, ''), current_schema()) AND NOT pg_is_in_recovery()
        AND c.relkind IN ('r', 'p') AND NOT EXISTS (
            SELECT 1 FROM pg_partition_tree(c.oid) AS part JOIN pg_class AS leaf ON leaf.oid = part.relid WHERE leaf.relkind = 'f')"""


def token(db: psycopg.Connection[Any], schema: str, name: str) -> str | None:
    """The token of a table; ``None`` on a standby, for what is no table, and while older transactions than the newest ended one run.

    Args:
        db: in autocommit.
        schema: of the table; empty for the one in which names are looked up first.
        name: of the table.
    """
    found = db.execute(_SEEN, {"schema": schema, "name": name}, prepare=True).fetchone()
    if found is None or found[0] is None:
        return None
    seen, started, database, table = found
    return f"{started}.{database}.{table}.{seen}"
