"""When agreed hours are over, in working time of the team that has them, for many rows at once.

The rule is that of ``accord.model.working_time``, by which people are told when a task is due: a day of the agreed time is a working day
of the team's calendar, and what is left of it are working hours. A team without a calendar works every hour.

Source: notation of the marketing-operations specification, durations on the owning team's working calendar.
"""

from __future__ import annotations

from accord.connectors.types import literal
from accord.model.integration_map import IntegrationMap
from accord.model.working_time import DAYS, hours, seconds_a_day

_DAY = 86_400
# A calendar may hold one working day a week, and a year of holidays; a row that needs more days than this reaches has no due time.
_DAYS_BEYOND = 400
_DAYS_PER_DAY = 8


def due_from(integration_map: IntegrationMap, rows: str) -> str:
    """SELECT of the columns of ``rows`` (``to_team``, ``offered_at``, ``sla_hours`` among them) and ``due_at``.

    Args:
        integration_map: says by which calendar a team works.
        rows: SELECT of the rows.
    """
    plain = f"offered_at + to_microseconds(CAST(round(sla_hours * {_DAY // 24 * 1_000_000}) AS BIGINT))"
    known = integration_map.calendars
    by = {name: known[team.calendar] for name, team in integration_map.teams.items() if team.calendar in known}
    by = {name: calendar for name, calendar in by.items() if seconds_a_day(calendar) > 0}
    if not by:
        return f"SELECT *, {plain} AS due_at FROM ({rows})"
    teams = ", ".join(f"({literal(team)}, {literal(calendar.name)})" for team, calendar in sorted(by.items()))
    calendars = []
    for calendar in {calendar.name: calendar for calendar in by.values()}.values():
        opens, closes = (literal("{:02}:{:02}".format(*divmod(minutes, 60))) for minutes in hours(calendar))
        days = ", ".join(str(DAYS.index(day) + 1) for day in calendar.days)
        off = ", ".join(literal(day) for day in calendar.holidays)
        at = f"{literal(calendar.name)}, {literal(calendar.timezone)}, {opens}, {closes}, {seconds_a_day(calendar)}"
        calendars.append(f"({at}, [{days}], [{off}]::VARCHAR[])")
    return f"""
    WITH given AS MATERIALIZED (SELECT row_number() OVER () AS n, * FROM ({rows})),
    team_calendar(team, calendar) AS (VALUES {teams}),
    calendar(calendar, zone, opens, closes, seconds, days, off) AS (VALUES {", ".join(calendars)}),
    reach AS (
        SELECT CAST(min(offered_at) AS DATE) - 2 AS first,
               CAST(max(offered_at) AS DATE) + {_DAYS_BEYOND} + CAST({_DAYS_PER_DAY} * ceil(max(sla_hours) / 24) AS INTEGER) AS last
        FROM given JOIN team_calendar ON team = to_team WHERE sla_hours IS NOT NULL),
    every_day AS (SELECT CAST(unnest(generate_series(first, last, INTERVAL 1 DAY)) AS DATE) AS day FROM reach WHERE first IS NOT NULL),
    worked AS (
        SELECT calendar, timezone(zone, day + CAST(opens AS TIME)) AS begins, timezone(zone, day + CAST(closes AS TIME)) AS ends
        FROM every_day, calendar WHERE list_contains(days, isodow(day)) AND NOT list_contains(off, CAST(day AS VARCHAR))),
    work_day AS (
        SELECT calendar, begins, ends,
               coalesce(sum(epoch_us(ends) - epoch_us(begins)) OVER (
                   PARTITION BY calendar ORDER BY begins ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::BIGINT AS before
        FROM worked),
    agreed AS (
        SELECT n, calendar, offered_at,
               CAST(round(sla_hours * 3600) AS BIGINT) // {_DAY} * seconds + CAST(round(sla_hours * 3600) AS BIGINT) % {_DAY} AS seconds
        FROM given JOIN team_calendar ON team = to_team JOIN calendar USING (calendar) WHERE sla_hours IS NOT NULL),
    -- Working time from the first day on until the offer, and until what was agreed is over.
    reached AS (
        SELECT a.n, a.calendar, a.seconds * 1000000 + CASE WHEN d.begins IS NULL THEN 0
                   ELSE d.before + least(epoch_us(a.offered_at), epoch_us(d.ends)) - epoch_us(d.begins) END AS position
        FROM agreed a ASOF LEFT JOIN work_day d ON a.calendar = d.calendar AND a.offered_at >= d.begins),
    over AS (
        SELECT r.n, make_timestamptz(epoch_us(d.begins) + r.position - d.before) AS due
        FROM reached r ASOF JOIN work_day d ON r.calendar = d.calendar AND r.position > d.before)
    SELECT g.* EXCLUDE (n), CASE WHEN t.team IS NULL THEN {plain} ELSE o.due END AS due_at
    FROM given g LEFT JOIN team_calendar t ON t.team = g.to_team LEFT JOIN over o USING (n)"""
