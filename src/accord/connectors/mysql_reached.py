"""How far a server of MySQL or MariaDB has come: the numbers of the last transactions in its binlog, which only grow.

Each server of a cluster counts for itself, and a proxy may ask another one each time, so only what the same host says is compared. A dump
that is read back is one more transaction. What is in the database itself then tells, where we named batches in it: the last one is older.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from accord.connectors.marker import older_batch
from accord.connectors.mysql_link import rows
from accord.connectors.mysql_marker import latest

if TYPE_CHECKING:
    import pymysql

# Of MariaDB, «domain-server-number» for each; of MySQL, where it numbers transactions, «uuid:1-number». Anybody may ask for these.
_REACHED: Final = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('hostname', 'gtid_binlog_pos', 'gtid_executed')"


def reached(db: pymysql.Connection[Any]) -> str | None:
    """The host, the numbers, and when our last batch was named; ``None`` where there is neither."""
    found = {str(name).lower(): str(value) for name, value in rows(db, _REACHED)}
    numbered, named = found.get("gtid_binlog_pos") or found.get("gtid_executed") or "", latest(db)
    return json.dumps([found.get("hostname", ""), numbered, named]) if numbered or named else None


def set_back(before: str, now: str) -> str:
    """See ``protocol.Dated``."""
    (host, then, named), (host_now, is_, named_now) = json.loads(before), json.loads(now)
    known, counted = _numbers(then), _numbers(is_)
    fewer = [source for source in known if counted.get(source, known[source]) < known[source]]
    if host_now == host and fewer:
        return f"its server has numbered transactions of '{fewer[0]}' up to {counted[fewer[0]]}, and had up to {known[fewer[0]]}"
    if named_now and named_now < named:
        return older_batch(named, named_now)
    return ""


def _numbers(text: str) -> dict[str, int]:
    """Source of transactions → the number of its last one."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        source = part.partition(":")[0] if ":" in part else part.rpartition("-")[0]
        found[source] = int(re.findall(r"\d+", part)[-1])
    return found
