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
SNAPSHOT: Final = "SELECT pg_snapshot_xmax(s)::text, array(SELECT x::text FROM pg_snapshot_xip(s) x) FROM pg_current_snapshot() s"
"""Of the statement it is part of."""
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
        row = db.execute(SNAPSHOT).fetchone()
        if row and all_seen(transactions, row[0], row[1]):
            return True
        if time.monotonic() > until:
            return False
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def all_seen(transactions: Collection[int], xmax: str, running: Collection[str]) -> bool:
    """Whether all these transactions have ended in a snapshot: ``xmax`` and the transactions that ran, as in ``SNAPSHOT``."""
    next_, still = int(xmax), {int(x) for x in running}
    return all(_full(x, next_) < next_ and _full(x, next_) not in still for x in transactions)


def _full(transaction: int, near: int) -> int:
    """The 64-bit id nearest to ``near`` with these lower 32 bits."""
    full = near - near % _EPOCH + transaction
    return full - _EPOCH if full > near + _EPOCH // 2 else full
