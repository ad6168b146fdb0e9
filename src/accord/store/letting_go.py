"""Which segments of a flow nothing can ask for any more, and taking away the files of those it let go.

A flow lets go by an event, and a file is taken away later: a process that opened the state just before goes on reading it. Between the
two the file is only there, and nothing says that it must be; so a crash leaves files that the next one takes away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from accord.model.event import utc_text
from accord.store.database import Rows
from accord.store.segments import SegmentFolder

# Names of a flow against those its state holds: how many more there are is told by two indexes, whatever the length of the log.
_MORE = """
    SELECT (SELECT count(*) FROM segment WHERE flow = ? AND passing = 1) - (SELECT count(*) FROM flow_state WHERE flow = ?)"""
_SPENT = """
    SELECT DISTINCT s.sha FROM segment s WHERE s.flow = ? AND s.passing = 1
    AND NOT EXISTS (SELECT 1 FROM flow_state f WHERE f.flow = s.flow AND f.sha = s.sha)
    AND NOT EXISTS (SELECT 1 FROM segment k WHERE k.sha = s.sha AND k.flow = s.flow AND k.passing = 0)
    ORDER BY s.sha LIMIT ?"""
_OLDEST = "SELECT seq, at FROM released_segment ORDER BY seq LIMIT 1"
_DUE = "SELECT r.sha FROM released_segment r WHERE r.seq = ? AND NOT EXISTS (SELECT 1 FROM segment s WHERE s.sha = r.sha)"
_STILL = "SELECT DISTINCT e.sha FROM erased_segment e JOIN segment s ON s.sha = e.sha"


def spent(rows: Rows, flow: str, *, at_least: int, at_most: int) -> list[str]:
    """Segments that the flow named in passing and that are no part of its state now; none when they are fewer than ``at_least``."""
    if int(rows.rows(_MORE, flow, flow)[0][0]) < at_least:
        return []
    return [str(sha) for (sha,) in rows.rows(_SPENT, flow, at_most)]


def remove_oldest(rows: Rows, folder: SegmentFolder, *, before: datetime, age_seconds: float) -> int:
    """Take away the files of the oldest release that still has some, when it was made ``before``; returns its place in the log, or 0.

    A file that was written anew since is left alone, and so is one that stands for another segment, a person taken out.

    Args:
        rows: the store's database.
        folder: its segments.
        before: younger releases are left to a later call.
        age_seconds: a younger file may be about to be named; its release is left to a later call.
    """
    oldest = rows.rows(_OLDEST)
    if not oldest or str(oldest[0][1]) > utc_text(before):
        return 0
    seq = int(oldest[0][0])
    erased: dict[str, str] = dict(rows.rows("SELECT sha, replacement FROM erased_segment"))
    needed = {name for (sha,) in rows.rows(_STILL) for name in _standing_for(str(sha), erased)} if erased else set()
    due = [name for (sha,) in rows.rows(_DUE, seq) for name in _standing_for(str(sha), erased)]
    named = {str(sha) for (sha,) in rows.rows("SELECT DISTINCT sha FROM segment")} if erased else set()
    there = [sha for sha in due if sha not in needed and sha not in named and folder.there(sha)]
    if any(folder.age_seconds(sha) < age_seconds for sha in there):
        return 0
    for sha in there:
        folder.remove(sha)
    return seq


def _standing_for(sha: str, erased: Mapping[str, str]) -> Iterator[str]:
    """A segment, and those that came to stand for it one after the other."""
    seen: set[str] = set()
    while sha not in seen:
        yield sha
        seen.add(sha)
        sha = erased.get(sha, sha)
