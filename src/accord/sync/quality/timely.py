"""Whether data is fresh: the newest value each source shows, and how long past changes took to arrive."""

from __future__ import annotations

from datetime import datetime, timedelta

from accord.connectors.types import literal
from accord.model.values import Duration
from accord.store.kept_as import kept_as
from accord.store.records import change_records
from accord.sync.judge.aggregates import newest_values
from accord.sync.quality.notes import Notes


def judge_times(notes: Notes, *, since: datetime | None) -> None:
    """Sources that fell silent, and changes that did not arrive within the flow's freshness."""
    _silent(notes)
    _late(notes, since)


def _silent(notes: Notes) -> None:
    cycle = notes.cycle
    newest = newest_values(cycle, {})
    for side in cycle.sides:
        for name, moment in newest.get(side.name, {}).items():
            allowed = cycle.entity.fields[name].freshness
            assert allowed is not None
            age = cycle.now - moment
            old = age > timedelta(seconds=allowed.seconds)
            number = notes.add("timeliness", "newest value", 1, int(old), side, field=name, note=f"newest {moment.isoformat()}")
            if old:
                notes.gap(
                    number, None, f"{name}: newest is {moment.isoformat()}, {Duration(int(age.total_seconds()))} old; allowed {allowed}"
                )


def _late(notes: Notes, since: datetime | None) -> None:
    """Per target the pairs of a change and this target that were due; one that failed and arrived later counts once, as it arrived.

    What its own source broke is left out: it counts there, and nobody can deliver it.
    """
    cycle = notes.cycle
    kept = kept_as(cycle.map, cycle.store).get(cycle.flow.name, cycle.flow.name)
    shas = cycle.store.flow_records(kept, "changes").values()
    if not shas:
        return
    records = change_records([cycle.store.read_segment(sha) for sha in shas])
    pair = "key, source, target, captured_at"
    after = "AND captured_at >= $since" if since else ""
    promised = cycle.flow.freshness
    cycle.sql(
        f"""
        CREATE OR REPLACE TEMP TABLE arrival AS
        SELECT {pair}, bool_or(verified) AS arrived, min(freshness_seconds) FILTER (WHERE verified) AS seconds
        FROM {records} WHERE due AND NOT source_broken {after} GROUP BY {pair}""",
        {"since": since} if since else None,
    )
    late = f"NOT (arrived AND coalesce(seconds, 0) <= {promised.seconds})"
    for side in cycle.sides:
        if not side.writable:
            continue
        mine = f"FROM arrival WHERE target = {literal(side.name)}"
        asked, bad, p95 = cycle.sql(f"SELECT count(*), count(*) FILTER (WHERE {late}), quantile_cont(seconds, 0.95) {mine}")[0]
        if not asked:
            continue
        note = "" if p95 is None else f"95 % within {Duration(int(float(str(p95)) + 0.999))}"
        number = notes.add("timeliness", "changes in time", int(str(asked)), int(str(bad)), side, note=note)
        took = f"'took ' || CAST(round(seconds) AS BIGINT) || {literal(f' s, promised {promised}')}"
        seen = "left(CAST(captured_at AS VARCHAR), 19)"  # to the second; it was made before that, which is what the seconds count from
        said = f"'change in ' || source || ', seen ' || {seen} || ': ' || CASE WHEN arrived THEN {took} ELSE 'did not arrive' END"
        notes.gaps(f"SELECT {number}, key, {said} {mine} AND {late}")
