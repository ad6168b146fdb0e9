"""A change token for PostgreSQL tables: a word for "no transaction of this server has ended since".

Every write, DDL and TRUNCATE included, needs a transaction id, and nothing becomes visible before that transaction has ended. A snapshot
tells up to which id all transactions have ended. While none below that is still running, that one number says which transactions anybody
can see, and so it fixes every row of every table. It moves for any write anywhere on the server, so a busy server only gains nothing.
"""

from __future__ import annotations

from typing import Any

import psycopg

# 64 bits wide, so it never comes round again; the server's identity and start guard against a restored copy and a lost unlogged table.
_SEEN = """
    SELECT CASE WHEN pg_snapshot_xmin(now_seen) = pg_snapshot_xmax(now_seen) THEN pg_snapshot_xmax(now_seen)::text END,
        pg_is_in_recovery(), pg_postmaster_start_time()::text, (SELECT oid FROM pg_database WHERE datname = current_database())::text
    FROM pg_current_snapshot() AS now_seen"""
# Rows of a view or of a foreign table can change without a transaction here.
_OWN_ROWS = """
    SELECT c.oid::text, c.relkind IN ('r', 'p') AND NOT EXISTS (
        SELECT 1 FROM pg_partition_tree(c.oid) AS part JOIN pg_class AS leaf ON leaf.oid = part.relid WHERE leaf.relkind = 'f')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"""


def token(db: psycopg.Connection[Any], schema: str, name: str) -> str | None:
    """The token of a table; ``None`` on a standby, for what is no table, and while older transactions than the newest ended one run."""
    found = db.execute(_OWN_ROWS, (schema, name)).fetchone()
    if found is None or not found[1]:
        return None
    seen, standby, started, database = db.execute(_SEEN.encode()).fetchone() or (None, True, "", "")
    return None if seen is None or standby else f"{started}.{database}.{found[0]}.{seen}"
