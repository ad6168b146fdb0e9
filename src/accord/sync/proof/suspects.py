"""Which keys are suspect, from the digests of all rows of all sides, and what is certain about the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from accord.connectors.bulk import DIGEST
from accord.connectors.types import quote
from accord.sync.cycle import Cycle, join_on, names
from accord.sync.judge.once import proven_once
from accord.sync.result import PairResult

_SUSPECT_SHARE = 4  # past a quarter of the rows, reading all of them costs less than asking for each by key
_FEW = 1_000  # are asked for in any case


@dataclass(frozen=True, slots=True)
class Alike:
    """The keys under which every system holds a row of the same digest; none of those rows is looked at.

    Args:
        keys: how many.
        mixed: exclusive or of their digests, each with its key.
        added: their sum.
        rows: per binding, the rows its system holds.
        keyless: per binding, those of them without a key, which break every contract and are in no way asked for.
        method: who made the digests.
    """

    keys: int
    mixed: int
    added: int
    rows: Mapping[str, int]
    keyless: Mapping[str, int]
    method: str

    def and_suspects(self, pair: PairResult) -> PairResult:
        """The result for all keys, from that for the suspect ones."""
        mine, theirs = self._with(pair.left_digest), self._with(pair.right_digest)
        return replace(pair, keys=self.keys + pair.keys, left_digest=mine, right_digest=theirs, method=self.method)

    def _with(self, digest: str) -> str:
        mixed, added = int(digest[:16], 16) ^ self.mixed, (int(digest[16:], 16) + self.added) % 2**64
        return f"{mixed:016x}{added:016x}"


def find_suspects(cycle: Cycle, tables: Sequence[str], method: str) -> Alike | None:
    """Fill ``suspects`` with every key that not all sides hold once and with the same digest.

    Args:
        cycle: whose connection finds the tables.
        tables: the key and ``_digest`` of every row of a side, in the order of the sides; no digest: it is to be looked at.
        method: who made the digests.

    Returns:
        ``None`` when so many are suspect that all rows might as well be read.
    """
    con, keys, first = cycle.con, cycle.keys, tables[0]
    with_key = " AND ".join(f"{quote(k)} IS NOT NULL" for k in keys)
    counts = [con.execute(f"SELECT count(*), count(*) FILTER ({with_key}) FROM {table}").fetchone() or (0, 0) for table in tables]
    both = ", ".join(f"coalesce(l.{quote(k)}, r.{quote(k)}) AS {quote(k)}" for k in keys)
    differs = f"(l.{DIGEST} = r.{DIGEST}) IS NOT TRUE"
    parts = [f"SELECT {both} FROM {first} l FULL JOIN {other} r ON {join_on(keys, 'l', 'r')} WHERE {differs}" for other in tables[1:]]
    for table, (rows, _) in zip(tables, counts, strict=True):
        if not proven_once(con, table, keys, int(rows)):
            parts.append(f"SELECT {names(keys)} FROM {table} GROUP BY ALL HAVING count(*) > 1")
    con.execute(f"CREATE OR REPLACE TABLE suspects AS SELECT DISTINCT * FROM ({' UNION ALL '.join(parts)}) WHERE {with_key}")
    suspects = cycle.count("SELECT count(*) FROM suspects")
    if suspects > max(_FEW, *(int(rows) // _SUSPECT_SHARE for rows, _ in counts)):
        return None
    # The key is part of it: two rows that changed places are a difference.
    row = f"hash({names(keys, 'd')}, d.{DIGEST})"
    rest = f"SELECT {row} AS d FROM {first} d ANTI JOIN suspects s ON {join_on(keys, 'd', 's')} WHERE {with_key}"
    same = con.execute(f"SELECT count(*), bit_xor(d), sum(d) FROM ({rest})").fetchone() or (0, 0, 0)
    sides = [side.name for side in cycle.sides]
    shown = dict(zip(sides, (int(n) for n, _ in counts), strict=True))
    keyless = dict(zip(sides, (int(n - k) for n, k in counts), strict=True))
    return Alike(int(same[0]), int(same[1] or 0), int(same[2] or 0) % 2**64, shown, keyless, method)
