"""Agreed hours are over at the moment people are told, whichever of the two computes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from accord.connectors.duck import open_duck
from accord.measure.working_time import due_from
from accord.model.integration_map import IntegrationMap
from accord.model.organization import Calendar, Team
from accord.model.values import Duration
from accord.model.working_time import DAYS, due

CALENDARS = {
    "office": Calendar("office", timezone="Europe/Berlin", holidays=("2026-03-31", "2026-04-03")),
    "shift": Calendar("shift", timezone="America/New_York", days=("wed", "sat", "sun"), opens="06:30", closes="21:45"),
    "late": Calendar("late", timezone="Europe/Berlin", days=("mon", "sat", "sun"), opens="14:00", closes="24:00"),
    "always": Calendar("always", days=DAYS, opens="00:00", closes="24:00"),
    "closed": Calendar("closed", opens="17:00", closes="09:00"),
}
TEAMS = {name: Team(name, calendar=name) for name in CALENDARS} | {"free": Team("free"), "lost": Team("lost", calendar="unknown")}
FIRST = datetime(2026, 3, 1, tzinfo=UTC)


def by_hand(team: str, offered: datetime, agreed: int | None) -> datetime | None:
    calendar = CALENDARS.get(team if team != "closed" else "")
    return None if agreed is None else due(offered, Duration(agreed), calendar)


def test_the_query_agrees_with_what_people_are_told() -> None:
    """Two teams would quarrel about a handoff that is in time for the inbox and late for F4."""
    random = Random(4)
    names = [*TEAMS, "stranger"]
    rows = [(random.choice(names), FIRST + timedelta(seconds=random.randrange(60 * 86_400)), _agreed(random)) for _ in range(500)]
    values = ", ".join(
        f"('{team}', TIMESTAMPTZ '{at.isoformat()}', {'NULL' if agreed is None else f'{agreed}::DOUBLE / 3600'}, {n})"
        for n, (team, at, agreed) in enumerate(rows)
    )
    offers = f"SELECT * FROM (VALUES {values}) AS v(to_team, offered_at, sla_hours, place)"
    query = due_from(IntegrationMap("m", calendars=CALENDARS, teams=TEAMS), offers)

    with open_duck() as con:
        con.execute("SET TimeZone = 'UTC'")
        found = con.execute(f"SELECT due_at FROM ({query}) ORDER BY place").fetchall()

    assert [row[0] for row in found] == [by_hand(*row) for row in rows]


def test_a_day_that_closes_at_midnight_goes_on_with_the_next_one() -> None:
    """24:00 is what people write for it; in the night of the clock change the day is as long as it is."""
    late, always = CALENDARS["late"], CALENDARS["always"]
    friday, saturday = datetime(2026, 3, 27, 20, tzinfo=UTC), datetime(2026, 3, 28, 22, 30, tzinfo=UTC)

    assert due(friday, Duration(3600), late) == datetime(2026, 3, 28, 14, tzinfo=UTC)
    assert due(saturday, Duration(1800), late) == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert due(saturday, Duration(1801), late) == datetime(2026, 3, 29, 12, 0, 1, tzinfo=UTC)
    assert due(friday, Duration(3 * 86_400 + 5), always) == datetime(2026, 3, 30, 20, 0, 5, tzinfo=UTC)


def _agreed(random: Random) -> int | None:
    """Seconds: whole days, whole hours, anything, or nothing."""
    return random.choice([None, random.randrange(1, 20) * 86_400, random.randrange(1, 40) * 3600, random.randrange(1, 10 * 86_400)])
