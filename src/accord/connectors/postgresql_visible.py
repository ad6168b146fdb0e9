"""Wait until what the log tells can be read.

A server writes a commit into its log, waits for the disk (and for a synchronous standby, if it has one), and only then lets other sessions
see it. The log may therefore be read some moments before the rows. Who reads the rows too early, finds them unchanged and acknowledges the
log, has lost the change.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, Final

import psycopg

FIRST_PAUSE_SECONDS: Final = 0.0002
LONGEST_PAUSE_SECONDS: Final = 0.02
_NOW = "SELECT pg_snapshot_xmax(s)::text, array(SELECT x::text FROM pg_snapshot_xip(s) x) FROM pg_current_snapshot() s"
_EPOCH = 1 << 32


def wait_until_seen(db: psycopg.Connection[Any], transactions: Collection[int], *, seconds: float) -> bool:
    """Whether all these transactions have ended for every session, waiting for it at most so long.

    Args:
        db: a session in autocommit.
        transactions: ids as the log gives them, 32 bits wide.
        seconds: longest wait.
    """
    until, pause = time.monotonic() + seconds, FIRST_PAUSE_SECONDS
    while True:
        row = db.execute(_NOW).fetchone()
        xmax, running = int(row[0]) if row else 0, {int(x) for x in (row[1] if row else ())}
        if all(_full(x, xmax) < xmax and _full(x, xmax) not in running for x in transactions):
            return True
        if time.monotonic() > until:
            return False
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _full(transaction: int, near: int) -> int:
    """The 64-bit id nearest to ``near`` with these lower 32 bits."""
    full = near - near % _EPOCH + transaction
    return full - _EPOCH if full > near + _EPOCH // 2 else full
