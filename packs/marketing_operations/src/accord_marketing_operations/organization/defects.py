"""Breaks a declared share of the systems' rows, each at most once, and says which.

Rows are chosen so that every defect can be seen from the systems and the map alone, and stays where it was put: a defect that makes a
contract hold a row back goes only into rows nothing refers to, or into one of two copies that may both be believed.

Shares: about 3 % of the copies are missing or stale, as a daily exchange by hand leaves them, and 2 % of some times are off by a zone;
rows that break a contract are few, about 2 % of the rows that a first synchronization has to change.
"""

# ruff: noqa: S311 - a simulation needs a seed, not a secret
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

from accord_marketing_operations.organization.calendar import BERLIN, agreed_by, utc
from accord_marketing_operations.organization.systems import analytics, content, planner, servicedesk, tracker
from accord_marketing_operations.organization.systems.table import Table
from accord_marketing_operations.organization.truth import Defect, Kind
from accord_marketing_operations.organization.world import Row, World

Change = Callable[[Any, Random], Any]


@dataclass(frozen=True, slots=True)
class Injection:
    """A share of one table's rows that gets one kind of defect.

    Args:
        table: «system.resource».
        share: part of the rows, 0..1; at least one row.
        field, column: what is wrong, in the map's and in the system's words; empty when the whole record is.
        change: the wrong value from the right one; a result equal to the right one spares the row.
        sole: no other system's copy is believed, so only rows that nothing refers to may be taken.
    """

    kind: Kind
    table: str
    share: float
    field: str = ""
    column: str = ""
    change: Change | None = None
    sole: bool = False


def _null(value: Any, random: Random) -> Any:
    return None


def _fixed(wrong: str) -> Change:
    return lambda value, random: wrong


def _unknown(prefix: str, digits: int) -> Change:
    return lambda value, random: f"{prefix}-9{random.randrange(10 ** (digits - 1)):0{digits - 1}d}"


def _times(factor: int, least: int) -> Change:
    """The same amount written in a smaller unit; small amounts are spared, because they would still look possible."""
    return lambda value, random: value * factor if value is not None and value >= least else value


def _off(low: int, high: int) -> Change:
    """An older amount, some percent away."""

    def change(value: Any, random: Random) -> Any:
        percent = random.choice((-1, 1)) * random.randrange(low, high)
        moved = value + value * percent / 100
        return moved.quantize(Decimal("0.01")) if isinstance(moved, Decimal) else round(moved)

    return change


def _before(codes: Iterable[str]) -> Change:
    """The status before this one; the first has none."""
    order = list(codes)
    return lambda value, random: order[max(0, order.index(value) - 1)]


def _other(codes: Iterable[str]) -> Change:
    known = sorted(codes)
    return lambda value, random: random.choice([c for c in known if c != value])


def _other_person(value: Any, random: Random) -> Any:
    return None if value is None else random.choice([f"RES-{n:03d}" for n in range(1, 21) if f"RES-{n:03d}" != value])


def _days_later(value: Any, random: Random) -> Any:
    return value + timedelta(days=random.randrange(3, 11))


def _local_as_utc(value: Any, random: Random) -> Any:
    """A time written in Berlin where UTC was agreed."""
    return None if value is None else value + _offset(value)


def _local_text_as_utc(form: str) -> Change:
    def change(value: Any, random: Random) -> Any:
        moment = datetime.strptime(value, form)  # noqa: DTZ007 - a naive time is the point
        return (moment + _offset(moment)).strftime(form)

    return change


def _utc_as_local(value: Any, random: Random) -> Any:
    """A time written in UTC where Berlin was agreed."""
    moment = datetime.fromisoformat(value)
    return (moment - _offset(moment)).isoformat()


def _offset(moment: datetime) -> timedelta:
    return moment.replace(tzinfo=BERLIN).utcoffset() or timedelta()


INJECTIONS: Final = (
    Injection("missing_record", "tracker.projects", 0.03),
    Injection("missing_record", "servicedesk.campaigns", 0.03),
    Injection("missing_record", "tracker.briefs", 0.03),
    Injection("missing_record", "content.items", 0.03),
    Injection("missing_record", "tracker.work_packages", 0.03),
    Injection("missing_record", "planner.todos", 0.03),
    Injection("missing_record", "tracker.versions", 0.03),
    Injection("missing_record", "analytics.handoffs", 0.03),
    Injection("missing_record", "planner.quality_board", 0.03),
    Injection("missing_record", "planner.capacity", 0.03),
    Injection("missing_record", "tracker.assignments", 0.03),
    Injection("missing_record", "finance.timesheets", 0.03),
    Injection("missing_record", "planner.actuals", 0.03),
    Injection("missing_record", "analytics.publications", 0.03),
    Injection("missing_record", "warehouse.campaign_days", 0.03),
    Injection("missing_record", "analytics.tickets", 0.03),
    Injection("missing_record", "planner.satisfaction", 0.03),
    Injection("stale_field", "tracker.projects", 0.03, "budget", "budget", _off(10, 40)),
    Injection("stale_field", "servicedesk.campaigns", 0.03, "status", "state", _other(servicedesk.STATE.values())),
    Injection("stale_field", "planner.todos", 0.03, "status", "state", _before(planner.CHORE.values())),
    Injection("stale_field", "content.items", 0.03, "status", "workflow", _before(content.WORKFLOW.values())),
    Injection("stale_field", "tracker.work_packages", 0.03, "assignee", "assigned_to", _other_person),
    Injection("stale_field", "tracker.versions", 0.03, "due_at", "due_on", _days_later),
    Injection("stale_field", "planner.quality_board", 0.03, "score", "score", lambda value, random: value - random.randrange(3, 20)),
    Injection("stale_field", "planner.actuals", 0.03, "amount", "amount_cents", _off(5, 30)),
    Injection("stale_field", "tracker.assignments", 0.03, "hours", "minutes", lambda value, random: value + 15 * random.randrange(1, 9)),
    Injection(
        "stale_field", "finance.timesheets", 0.03, "hours", "hours", lambda value, random: value + Decimal(random.randrange(1, 5)) / 4
    ),
    Injection("stale_field", "analytics.publications", 0.03, "status", "status", _other(content.STATE)),
    Injection("stale_field", "analytics.tickets", 0.03, "severity", "severity", _other(servicedesk.PRIORITY)),
    Injection(
        "stale_field",
        "warehouse.campaign_days",
        0.03,
        "revenue",
        "revenue_cents",
        lambda value, random: value + random.randrange(100, 9000),
    ),
    Injection("time_zone_error", "content.items", 0.02, "due_at", "due", _utc_as_local),
    Injection("time_zone_error", "tracker.versions", 0.02, "due_at", "due_on", _local_as_utc),
    Injection("time_zone_error", "planner.quality_board", 0.02, "at", "judged_at", _local_as_utc),
    Injection("time_zone_error", "planner.satisfaction", 0.02, "answered_at", "answered_at", _local_as_utc),
    Injection("time_zone_error", "analytics.publications", 0.02, "planned_at", "planned_at", _local_text_as_utc(analytics.TIME)),
    Injection("unit_error", "planner.assets", 0.001, "std_hours", "std_hours", _times(60, 4)),
    Injection("unit_error", "planner.todos", 0.0004, "est_hours", "est_hours", _times(60, 4)),
    Injection("unit_error", "tracker.time_entries", 0.0003, "hours", "minutes", _times(60, 60), sole=True),
    Injection("unit_error", "finance.timesheets", 0.0003, "hours", "hours", _times(60, 1)),
    Injection("duplicate_record", "tracker.tasks", 0.0004, "status", "status", _other(tracker.TASK.values())),
    Injection("duplicate_record", "planner.todos", 0.0004, "est_hours", "est_hours", lambda value, random: value + 1),
    Injection("duplicate_record", "content.items", 0.001, "version", "version", lambda value, random: value + 1),
    Injection("duplicate_record", "finance.postings", 0.001, "amount", "amount", _off(5, 30), sole=True),
    Injection("duplicate_record", "servicedesk.tickets", 0.001, "severity", "priority", _other(servicedesk.PRIORITY.values()), sole=True),
    Injection("duplicate_record", "analytics.publications", 0.0015, "status", "status", _other(content.STATE)),
    Injection("orphan", "tracker.time_entries", 0.0003, "task_id", "task_ref", _unknown("TSK", 5), sole=True),
    Injection("orphan", "finance.postings", 0.001, "campaign_id", "project", _unknown("CMP", 4), sole=True),
    Injection("orphan", "servicedesk.tickets", 0.001, "campaign_id", "campaign_ref", _unknown("CMP", 4), sole=True),
    Injection("orphan", "planner.bookings", 0.0008, "resource_id", "person_id", _unknown("RES", 3)),
    Injection("bad_code", "tracker.projects", 0.005, "status", "state", _fixed("paused")),
    Injection("bad_code", "content.items", 0.001, "status", "workflow", _fixed("wip")),
    Injection("bad_code", "tracker.tasks", 0.0004, "status", "status", _fixed("Blocked")),
    Injection("bad_code", "servicedesk.tickets", 0.001, "severity", "priority", _fixed("P9"), sole=True),
    Injection("bad_code", "finance.postings", 0.001, "category", "account", _fixed("9999"), sole=True),
    Injection("missing_value", "finance.postings", 0.001, "category", "account", _null, sole=True),
    Injection("missing_value", "servicedesk.tickets", 0.001, "severity", "priority", _null, sole=True),
    Injection("missing_value", "content.publications", 0.003, "channel", "channel", _null, sole=True),
    Injection("missing_value", "planner.todos", 0.0004, "team", "team", _null),
    Injection("missing_value", "tracker.time_entries", 0.0003, "hours", "minutes", _null, sole=True),
)


def inject(tables: Iterable[Table], world: World, *, seed: int) -> list[Defect]:
    """Break the tables in place and return what was broken, slow handoffs and rework of the year included."""
    by_name = {f"{t.system}.{t.name}": t for t in tables}
    referred = _referred(world)
    used: set[tuple[str, tuple[str, ...]]] = set()
    found: list[Defect] = []
    for number, injection in enumerate(INJECTIONS):
        table = by_name[injection.table]
        random = Random(f"{seed}:{number}:{injection.kind}:{injection.table}")
        wanted = max(1, round(len(table.rows) * injection.share))
        order = list(range(len(table.rows)))
        random.shuffle(order)
        dropped: set[int] = set()
        for position in order:
            if not wanted:
                break
            row = table.rows[position]
            identity = table.identity(row)
            if (table.entity, identity) in used or (injection.sole and identity[0] in referred.get(table.entity, ())):
                continue
            detail = _break(table, row, injection, random)
            if not detail:
                continue
            if injection.kind == "missing_record":
                dropped.add(position)
            used.add((table.entity, identity))
            field = "" if injection.kind in ("missing_record", "duplicate_record") else injection.field
            found.append(Defect(injection.kind, table.system, table.name, identity, field, detail, table.entity))
            wanted -= 1
        table.rows = [row for position, row in enumerate(table.rows) if position not in dropped]
    return sorted([*found, *_slow(world)])


def _break(table: Table, row: Row, injection: Injection, random: Random) -> str:
    """Do it to one row; returns what was done, or nothing when this row cannot show the defect."""
    if injection.change is None:
        return "not there"
    right = row[injection.column]
    wrong = injection.change(right, random)
    if wrong == right:
        return ""
    if injection.kind == "duplicate_record":
        serial = {c.name: max(r[c.name] for r in table.rows) + 1 for c in table.columns if c.type == "serial"}
        table.rows.append({**row, **serial, injection.column: wrong})
        return f"twice, with {injection.column} {right} and {wrong}"
    row[injection.column] = wrong
    return f"{injection.column} is {wrong}, should be {right}"


def _referred(world: World) -> dict[str, set[str]]:
    """Keys that rows of other entities hold, by entity."""
    return {
        "task": {h["task_from"] for h in world.handoff} | {h["task_to"] for h in world.handoff} | {t["task_id"] for t in world.time_entry},
        "ticket": {s["ticket_id"] for s in world.survey},
        "deliverable": {t["deliverable_id"] for t in world.task} | {p["deliverable_id"] for p in world.publication},
        "campaign": {c["id"] for c in world.campaign},
        "resource": {r["id"] for r in world.resource},
        "gate": {g["id"] for g in world.gate},
    }


def _slow(world: World) -> list[Defect]:
    """Handoffs that broke their service level, and those that were sent back at least once."""
    found: list[Defect] = []
    for handoff in world.handoff:
        accepted = handoff["accepted_at"]
        hours = None if accepted is None else (accepted - handoff["handed_over_at"]).total_seconds() / 3600
        if accepted is None or accepted > utc(agreed_by(handoff["handed_over_at"], handoff["sla_hours"])):
            waited = "never accepted" if hours is None else f"accepted after {hours:.1f} h"
            found.append(
                Defect(
                    "late_handoff",
                    "tracker",
                    "handoffs",
                    (handoff["id"],),
                    "accepted_at",
                    f"{waited}, agreed {handoff['sla_hours']} h",
                    "handoff",
                )
            )
        if handoff["attempt"] > 1:
            detail = f"offered {handoff['attempt']} times"
            found.append(Defect("rework", "tracker", "handoffs", (handoff["id"],), "attempt", detail, "handoff"))
    return found
