"""The story after go-live: campaigns are asked for, months begin, customers call, the map is changed; people carry it all out."""

# ruff: noqa: S311 - a simulation needs a seed, not a secret
from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from accord.lifecycle.measuring import measuring
from accord.model.errors import TerminalError, TransientError, UsageError
from accord.model.event import Event
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.work.action import Call, Function
from accord_marketing_operations.planning.schedule import STAGES
from accord_marketing_operations.simulate.desk import PackDesk
from accord_marketing_operations.simulate.habits import Habits
from accord_marketing_operations.simulate.office import Office, Person
from accord_marketing_operations.simulate.plans import Plan, campaigns

CAMPAIGNS = 12
# Day of the story on which a month's joint planning begins, and the ideas of that month.
_MONTHS: Final = ((4, [{"id": "IMP-00001"}, {"id": "IMP-00002"}]), (24, [{"id": "IMP-00003"}]), (52, [{"id": "IMP-00004"}]))


@dataclass(frozen=True, slots=True)
class Summary:
    """What was carried out: how many instances ended, how many are open, and how often each public function was called."""

    since: datetime
    until: datetime
    completed: int
    cancelled: int
    open: int
    calls: Mapping[str, int]


def simulate_work(
    integration_map: IntegrationMap,
    store: Store,
    functions: Mapping[str, Function],
    *,
    seed: int = 7,
    number: int = CAMPAIGNS,
    habits: Habits | None = None,
) -> Summary | None:
    """Let simulated people carry out the processes of the map for the weeks after go-live; ``None`` when they did so before,
    or when the map has no process they know.

    Everything goes through the public functions of ``Work`` on a clock of its own; what was assumed is recorded in ``work.simulated``.

    Args:
        integration_map: the pack's map.
        store: its state.
        functions: registered functions, by name.
        seed: the same seed tells the same story.
        number: campaigns.
        habits: what is assumed of the people.

    Raises:
        UsageError: they began here before and were cut off.
    """
    told = any(start.message == "campaign.requested" for process in integration_map.processes.values() for start in process.starts.values())
    if not told or any(store.read(types=["work.simulated"], limit=1)):
        _refuse_half(store)
        return None
    assumed, random = habits or Habits(), Random(f"{seed}:after go-live")
    plans, staff = campaigns(seed, number)
    people = [Person(str(row["name"]), str(row["team"])) for row in staff]
    people += [Person(team.owner, name, owner=True) for name, team in integration_map.teams.items() if team.owner]
    since = min(plan.begins for plan in plans)
    office = Office(integration_map, store, since, random, assumed, people, _failing(functions, random, assumed))
    office.functions.update(measuring(integration_map, store, lambda: office.now))
    teams = {team for _, team, _ in STAGES}
    hours = [{"id": row["id"], "team": row["team"]} for row in staff if row["team"] in teams]
    desk = PackDesk(office, {plan.id: plan for plan in plans}, hours)
    office.desk = desk
    _tell(office, desk, plans, hours)
    _assumed(store, since, seed, number, assumed)
    office.run()
    return _ended(store, office, since, seed, number)


def _refuse_half(store: Store) -> None:
    begun, ended = (sum(1 for _ in store.read(types=[f"work.{name}"])) for name in ("simulated", "simulation_ended"))
    if begun > ended:
        # Nothing can be taken out of the log, and half of the weeks would count as work that was left lying.
        what = f"the simulated people of {store.where} were cut off in the middle."
        raise UsageError(what, expected="Remove the folder .accord and run `accord demo` again, or give another folder with --into.")


def _tell(office: Office, desk: PackDesk, plans: list[Plan], hours: list[dict[str, Any]]) -> None:
    for plan in plans:
        office.at(plan.begins, lambda plan=plan: desk.request(plan))  # type: ignore[misc]
    office.at(plans[min(2, len(plans) - 1)].begins + timedelta(days=8), lambda: _call_off(office, plans[min(2, len(plans) - 1)]))
    first = office.start
    for number in range(6):
        office.at(first + timedelta(days=2 + 4 * number), lambda n=number: desk.report(f"TCK-8{n:04d}", ""))  # type: ignore[misc]
    items = [item for plan in plans for item in plan.items]
    given = {"campaign": "all", "items": items, "people": [person | {"hours": 6.0} for person in hours]}
    for number, (days, ideas) in enumerate(_MONTHS):
        office.at(first + timedelta(days=days), lambda n=number, i=ideas: _begin_month(office, first, n, given | {"ideas": i}))  # type: ignore[misc]
    office.at(first + timedelta(days=6), lambda: _send(office, "change.proposed", "CHG-0001", {}, "Paul Conrad"))


def _begin_month(office: Office, first: datetime, number: int, content: Mapping[str, Any]) -> None:
    month = f"{first.year + (first.month - 1 + number) // 12}-{(first.month - 1 + number) % 12 + 1:02}"
    _send(office, "month.begun", month, content, "Deniz Dietz")


def _send(office: Office, message: str, key: str, content: Mapping[str, Any], by: str) -> None:
    office.command("signal").signal(message, key=key, content=content, by=by, id=f"{message}:{key}")


def _call_off(office: Office, plan: Plan) -> None:
    try:
        office.command("cancel").cancel(plan.instance, by="Ana Adler", reason="the product is not launched")
        plan.called_off = True
    except TerminalError:
        office.counts["nothing left to cancel"] += 1


def _failing(functions: Mapping[str, Function], random: Random, habits: Habits) -> dict[str, Function]:
    """The functions, on channels that now and then do not answer; one refuses for good, which a person has to look at."""
    publish, refused = functions["publish_content"], set[str]()

    def publish_content(call: Call) -> Mapping[str, Any] | None:
        if not refused:
            refused.add(call.task)
            raise TerminalError("the channel refuses the size of the file", left="nothing was published")
        if call.failures == 0 and random.random() < habits.channel_fails:
            raise TransientError("the channel does not answer")
        return publish(call)

    return {**functions, "publish_content": publish_content}


def _assumed(store: Store, since: datetime, seed: int, number: int, habits: Habits) -> None:
    """Say in the log, before anything is done, that it is simulated, and on which assumptions."""
    body = {
        "since": since.astimezone(UTC).isoformat(),
        "seed": seed,
        "campaigns": number,
        "assumed": {name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(habits).items()},
    }
    store.append([Event(f"work.simulated:{seed}:{number}", "work.simulated", since, "simulation", body)])


def _ended(store: Store, office: Office, since: datetime, seed: int, number: int) -> Summary:
    ended: dict[str, int] = dict(store.rows("SELECT status, count(*) FROM work_instance GROUP BY status"))
    completed, cancelled = ended.pop("completed", 0), ended.pop("cancelled", 0)
    summary = Summary(since, office.now, completed, cancelled, sum(ended.values()), dict(sorted(office.counts.items())))
    body = {"until": office.now.astimezone(UTC).isoformat(), "completed": completed, "cancelled": cancelled, "open": summary.open}
    given = body | {"calls": dict(summary.calls)}
    store.append([Event(f"work.simulation_ended:{seed}:{number}", "work.simulation_ended", office.now, "simulation", given)])
    return summary
