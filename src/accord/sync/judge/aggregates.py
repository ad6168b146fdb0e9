"""Checks of all rows of a system together: aggregates with limits, and how old the newest row may be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from accord.connectors.types import literal, quote
from accord.model.entity import AggregateCheck
from accord.model.errors import GuardStopped
from accord.model.figure import Finding
from accord.model.values import Duration
from accord.sync.cycle import Cycle, Side, names
from accord.sync.mapping.fields import expression_columns

_NUMBER: Final = re.compile(r"-?[0-9]{1,25}(\.[0-9]{1,20})?")
_LIMITS: Final = (("at_least", "<", "under"), ("at_most", ">", "over"), ("equals", "IS DISTINCT FROM", "not"))
_SHOWN: Final = 3
Newest = Mapping[str, Mapping[str, datetime]]


def check_aggregates(cycle: Cycle) -> None:
    """Hold the accepted rows of each readable side against the entity's ``checks``; breaches become findings.

    A check looks at what its system itself shows, so a system that lacks one of its fields is not asked. Without any row nothing but a
    count can be told, so an aggregate that is null breaks no limit.

    Raises:
        GuardStopped: a check of severity ``stop`` is broken; nothing was written yet.
    """
    for check in cycle.entity.checks.values():
        for side in cycle.sides:
            if side.readable and fields_of(check) <= set(side.fields) and _in_use(cycle, side):
                _judge(cycle, side, check)


def _in_use(cycle: Cycle, side: Side) -> bool:
    """Whether it holds rows, or did: a system that is about to be filled for the first time breaks nothing by being empty."""
    return bool(side.rows) or bool(cycle.count(f"SELECT count(*) FROM {side.table('stored_base')}"))


def fields_of(check: AggregateCheck) -> set[str]:
    """The canonical fields a check looks at."""
    texts = [t for t in (check.aggregate, check.where) if t]
    return {*check.group_by, *(c for text in texts for c in expression_columns(text))}


def broken_groups(cycle: Cycle, relation: str, check: AggregateCheck) -> list[tuple[str, str]]:
    """Groups of a relation of canonical rows that break a check: (group, result) as text; the group is «» without ``group_by``."""
    wrong = " OR ".join(f"result {sign} {_limit(text)}" for key, sign, _ in _LIMITS if (text := getattr(check, key)))
    rows = cycle.sql(
        f"SELECT label, CAST(result AS VARCHAR) FROM ({_results(relation, check)}) WHERE result IS NOT NULL AND ({wrong or 'false'}) "
        "ORDER BY label"
    )
    return [(str(group), str(result)) for group, result in rows]


def count_groups(cycle: Cycle, relation: str, check: AggregateCheck) -> int:
    """How many groups of a relation of canonical rows a check says anything about."""
    return cycle.count(f"SELECT count(*) FROM ({_results(relation, check)}) WHERE result IS NOT NULL")


def _results(relation: str, check: AggregateCheck) -> str:
    label = " || ', ' || ".join(f"coalesce(CAST({quote(g)} AS VARCHAR), 'null')" for g in check.group_by) or "''"
    where = f"WHERE {check.where}" if check.where else ""
    grouped = f"GROUP BY {names(check.group_by)}" if check.group_by else ""
    return f"SELECT {label} AS label, {check.aggregate} AS result FROM {relation} {where} {grouped}"


def _limit(text: str) -> str:
    """A number goes in as one, so that nothing is rounded; anything else is a text the engine reads in the type of the result."""
    return text if _NUMBER.fullmatch(text) else literal(text)


def _judge(cycle: Cycle, side: Side, check: AggregateCheck) -> None:
    broken = broken_groups(cycle, side.table("cur"), check)
    if not broken:
        return
    subject = f"{side.binding.holder}/{side.binding.resource}"
    wanted = " and ".join(
        f"{word} {text}"
        for key, word in (("at_least", "at least"), ("at_most", "at most"), ("equals", "exactly"))
        if (text := getattr(check, key))
    )
    shown = "; ".join(f"{group}: {result}" if group else result for group, result in broken[:_SHOWN])
    reason = f" ({check.reason})" if check.reason else ""
    what = f"check '{check.name}' of {subject}: {check.aggregate} is {shown}, expected {wanted}{reason}"
    if check.severity == "stop":
        raise GuardStopped("contract", what, "Correct the rows there, or the limit in the map.")
    examples = tuple(f"{group}: {result}" if group else result for group, result in broken[:_SHOWN])
    sentence = f"flow '{cycle.flow.name}': {what}."
    owner = cycle.entity.owner or cycle.flow.owner
    cycle.findings.append(Finding("aggregate_check", f"{subject}:{check.name}", sentence, "problem", len(broken), examples, owner))


def newest_values(cycle: Cycle, read_back: Mapping[str, Side]) -> dict[str, dict[str, datetime]]:
    """Binding → field → its newest value, for the fields with ``freshness`` of each readable side that shows any.

    What this run itself wrote counts: a system that was just filled from another one is as fresh as that one.
    """
    found: dict[str, dict[str, datetime]] = {}
    wanted = [f.name for f in cycle.entity.fields.values() if f.freshness is not None]
    for side in cycle.sides:
        asked = [f for f in wanted if f in side.codes and side.readable and not side.codes[f].constant]
        if not asked:
            continue
        tables = [side.table("cur"), *([read_back[side.name].table("cap")] if side.name in read_back else [])]
        rows = " UNION ALL ".join(f"SELECT {names(asked)} FROM {table}" for table in tables)
        row = cycle.sql(f"SELECT {', '.join(f'max({quote(f)})' for f in asked)} FROM ({rows})")[0]
        found[side.name] = {f: _moment(value) for f, value in zip(asked, row, strict=True) if value is not None}
    return found


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    assert isinstance(value, date)
    # A day has not passed before it is over.
    return datetime(value.year, value.month, value.day, tzinfo=UTC) + timedelta(days=1)


def stale_sources(cycle: Cycle, newest: Newest) -> Iterator[Finding]:
    """A finding for each field whose newest value in a system is older than the entity allows.

    It depends on the time of the run and on nothing that was written, so a run that need not read the systems asks it again.
    """
    for side in cycle.sides:
        for name, moment in newest.get(side.name, {}).items():
            field = cycle.entity.fields.get(name)
            if field is None or field.freshness is None or cycle.now - moment <= timedelta(seconds=field.freshness.seconds):
                continue
            subject = f"{side.binding.holder}/{side.binding.resource}"
            age = Duration(int((cycle.now - moment).total_seconds()))
            sentence = (
                f"flow '{cycle.flow.name}': the newest {name} of {subject} is {moment.isoformat()}, {age} ago; "
                f"it should be no older than {field.freshness}. Nothing new is coming in, or its time is wrong."
            )
            owner = cycle.entity.owner or cycle.flow.owner
            yield Finding("not_fresh", f"{subject}:{name}", sentence, "problem", 1, (moment.isoformat(),), owner)
