"""From a raw relation of text or typed columns to the table ``parsed``: the step all case-centric formats share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import available_timezones

import duckdb

from accord.connectors.types import literal, quote
from accord.model.errors import UnknownName, UsageError, alternatives
from accord.model.process import Log

_ZONED = r"(?:[zZ]|[+-]\d{2}(?::?\d{2})?)\s*$"

_FIRST, _LAST = "0001-01-02 00:00:00+00", "9999-12-31 00:00:00+00"

_NO_SECONDS = r"([T ]\d{2}:\d{2})\s*([zZ+-])"


@dataclass(frozen=True, slots=True)
class Raw:
    """A relation as a format's reader leaves it: name, its columns with DuckDB types, and the columns events live in.

    ``extra`` names columns the later pairing of start and complete needs.
    """

    relation: str
    types: Mapping[str, str]
    log: Log
    extra: Sequence[tuple[str, str]] = ()


def parse(con: duckdb.DuckDBPyConnection, raw: Raw) -> None:
    """Make the table ``parsed``: one row per row of the source, with ``reason`` where it cannot be used.

    Raises:
        UnknownName: a column of the mapping is not in the file, or its time zone does not exist.
    """
    log = raw.log
    _check_names(raw)
    case, activity, resource, team = (_text(name) for name in (log.case, log.activity, log.resource, log.team))
    time, time_raw = _time(raw, log.time), _shown(log.time)
    start, start_raw = (_time(raw, log.start), _shown(log.start)) if log.start else ("CAST(NULL AS TIMESTAMPTZ)", "NULL")
    objects = [(log.object_type, case), *((kind, _text(column)) for kind, column in log.objects.items())]
    object_list = ", ".join(f"{{'type': {literal(kind)}, 'id': {expression}, 'qualifier': ''}}" for kind, expression in objects)
    kept = ", ".join(f"{literal(name)}: {quote(name)}" for name in log.attributes)
    extra = "".join(f", {_text(column) if column else 'NULL::VARCHAR'} AS {quote(name)}" for name, column in raw.extra)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE parsed AS
        SELECT *, nullif(concat_ws('; ',
            CASE WHEN case_id IS NULL THEN 'the case is empty' END,
            CASE WHEN activity IS NULL THEN 'the activity is empty' END,
            CASE WHEN time IS NULL THEN coalesce('time «' || time_raw || '» cannot be read', 'the time is empty') END,
            CASE WHEN start_at IS NULL AND start_raw IS NOT NULL THEN 'start «' || start_raw || '» cannot be read' END), '') AS reason
        FROM (
            SELECT seq, {case} AS case_id, {activity} AS activity, {time} AS time, {time_raw} AS time_raw,
                   {resource} AS resource, {team} AS team, {start} AS start_at, {start_raw} AS start_raw,
                   {f"CAST(to_json({{{kept}}}) AS VARCHAR)" if kept else "NULL::VARCHAR"} AS attributes,
                   list_filter([{object_list}], lambda o: o.id IS NOT NULL) AS objects{extra}
            FROM {raw.relation})
        """
    )


def _check_names(raw: Raw) -> None:
    log = raw.log
    named = {"case": log.case, "activity": log.activity, "time": log.time, "start": log.start, "resource": log.resource, "team": log.team}
    for key, column in named.items():
        if not column and key in ("case", "activity", "time"):
            raise UsageError(
                f"log '{log.name}': nothing says which column is the {key}.",
                place=log.place,
                expected=f"Give `{key}: <column>` in the mapping (--mapping, or logs: in the map). {alternatives('', raw.types)}",
            )
        if column and column not in raw.types:
            raise UnknownName("column", column, raw.types, place=log.place, holder=f"log '{log.name}', {key}:")
    for column in (*log.objects.values(), *log.attributes):
        if column not in raw.types:
            raise UnknownName("column", column, raw.types, place=log.place, holder=f"log '{log.name}'")
    if log.timezone not in available_timezones():
        raise UnknownName("time zone", log.timezone, available_timezones(), place=log.place, holder=f"log '{log.name}'")


def _text(column: str) -> str:
    # Blank counts as missing; anything else is kept as it is, blanks around it included.
    text = f"CAST({quote(column)} AS VARCHAR)"
    return f"CASE WHEN trim({text}, ' ') <> '' THEN {text} END" if column else "NULL::VARCHAR"


def _shown(column: str) -> str:
    return f"nullif(trim(CAST({quote(column)} AS VARCHAR)), '')"


def _time(raw: Raw, column: str) -> str:
    kind, zone, text = raw.types[column], literal(raw.log.timezone), _shown(column)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return _on_the_calendar(quote(column))
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return _on_the_calendar(f"timezone({zone}, CAST({quote(column)} AS TIMESTAMP))")
    return zoned_time(text, raw.log)


def zoned_time(text: str, log: Log) -> str:
    """An SQL expression: the instant a text stands for by the log's format and time zone, or null."""
    zone = literal(log.timezone)
    if log.time_format:
        parsed = f"try_strptime({text}, {literal(log.time_format)})"
        # A format with a zone gives an instant already; one without gives the clock on the wall of the declared zone.
        return _on_the_calendar(parsed if "%z" in log.time_format or "%Z" in log.time_format else f"timezone({zone}, {parsed})")
    # ISO 8601 lets the seconds be left out before a zone, which the cast does not.
    whole = f"regexp_replace({text}, {literal(_NO_SECONDS)}, {literal(chr(92) + '1:00' + chr(92) + '2')})"
    return _on_the_calendar(
        f"CASE WHEN regexp_matches({text}, {literal(_ZONED)}) AND regexp_matches({text}, ':') THEN TRY_CAST({whole} AS TIMESTAMPTZ) "
        f"ELSE timezone({zone}, TRY_CAST({text} AS TIMESTAMP)) END"
    )


def _on_the_calendar(time: str) -> str:
    """The instant, or null where it is none of the years 1 to 9999: DuckDB also knows infinity and years nobody has lived in."""
    return f"CASE WHEN {time} BETWEEN {literal(_FIRST)}::TIMESTAMPTZ AND {literal(_LAST)}::TIMESTAMPTZ THEN {time} END"
