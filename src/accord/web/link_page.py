"""What the page of a link says: which task, for whom, until when, and what will happen on the click."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from accord.model.integration_map import IntegrationMap
from accord.store.signing import SigningKey
from accord.web.answers import Way
from accord.web.fields import PREFIX, Field, fields_of, known
from accord.work import Task, Work
from accord.work.definition import Definition
from accord.work.inbox import item
from accord.work.links import Preview, make_token
from accord.work.mail.message import links_of, zone_of
from accord.work.state import Instance, load_instance

REASON = "reason"
_BUTTONS = {"accept": "Accept it", "claim": "Take it", "complete": "Finish it", "reject": "Send it back"}
_TONES = {"on time": "met", "due soon": "warning", "overdue": "not-met", "no limit": ""}
_HOURS = 48  # from which on days read better


@dataclass(frozen=True, slots=True)
class LinkPage:
    """The page.

    Args:
        step: above the heading: the organization and the process.
        title: what it asks.
        lead: in one sentence, what the click does.
        facts: name and value, of what is known about the task.
        due: until when it has to be done, or accepted; empty: no limit.
        by: what is due then.
        sla: on time, due soon or overdue, with the time left; empty: no limit.
        tone: of ``sla``.
        reasons: why it came back.
        fields: to fill in.
        button: the one thing to click.
        person: as whom it is done.
        expires: until when the link is good.
        zone: of the times.
    """

    step: str
    title: str
    lead: str
    facts: tuple[tuple[str, str], ...]
    due: str
    by: str
    sla: str
    tone: str
    reasons: tuple[str, ...]
    fields: tuple[Field, ...]
    button: str
    person: str
    expires: str
    zone: ZoneInfo


def definition_of(work: Work, task: Task) -> Definition:
    """What the instance of a task runs by."""
    return work.library.get(work.store, load_instance(work.store, task.instance).definition)


def link_page(work: Work, seen: Preview) -> LinkPage:
    """What to show to somebody who opened a link."""
    task, map_ = seen.task, work.map
    instance = load_instance(work.store, task.instance)
    definition = work.library.get(work.store, instance.definition)
    zone, now = zone_of(map_, task), work.now()
    case = task.case or task.instance
    due, line = "", item(task, now)
    if task.due_at is not None:
        due = _clock(task.due_at, zone)
    step = definition.steps[task.step]
    units = {name: field.unit for name, field in step.form.items() if field.unit}
    title, lead = _asked(map_, instance, definition, seen, case)
    return LinkPage(
        step=_above(map_, definition),
        title=title,
        lead=lead,
        facts=tuple(_facts(map_, instance, task, case)),
        due=due,
        by="Accept by" if task.state == "offered" else "Due",
        sla="" if line.hours_left is None else f"{line.sla}: {_left(line.hours_left)}",
        tone=_TONES[line.sla],
        reasons=task.reasons,
        fields=_fields(seen, instance, units, zone),
        button=_BUTTONS[seen.action],
        person=_person(map_, seen.person),
        expires=_clock(seen.expires, zone),
        zone=zone,
    )


def _fields(seen: Preview, instance: Instance, units: Mapping[str, str], zone: ZoneInfo) -> tuple[Field, ...]:
    if seen.action == "reject":
        return (Field(PREFIX + REASON, "What is missing", "area", needed=True, help="So that it can be mended."),)
    fields = fields_of(seen.form, units=units, zone=zone)
    # Only of this very task: who decides anew, in another round of a loop, should not find the last verdict filled in.
    return known(fields, instance.variables, zone=zone) if seen.task.attempt > 1 else fields


def _asked(map_: IntegrationMap, instance: Instance, definition: Definition, seen: Preview, case: str) -> tuple[str, str]:
    """The heading, and what the click does."""
    team, giver = _team(map_, seen.task.team) or "your team", _giver(map_, instance, seen.task) or "who gave it"
    return {
        "accept": (f"Accept “{seen.title}”", f"{team} takes this work over from {giver}, for {case}."),
        "claim": (f"Take “{seen.title}”", f"You do this work, for {case}; the others see that you have it."),
        "complete": (f"Finish “{seen.title}”", f"You say that this work is done, for {case}, and whatever comes next begins."),
        "reject": (f"Send “{seen.title}” back", f"{giver} gets this work back with your reason, for {case}."),
    }[seen.action]


def _facts(map_: IntegrationMap, instance: Instance, task: Task, case: str) -> list[tuple[str, str]]:
    handoff = instance.handoffs.get(task.handoff)
    facts = [("For", case), ("Team", _team(map_, task.team)), ("From", _giver(map_, instance, task))]
    if task.assignee:
        facts.append(("Meant for", _person(map_, task.assignee)))
    if handoff is not None and handoff.attempt > 1:
        facts.append(("Offered", f"for the {handoff.attempt}. time"))
    return [(name, value) for name, value in facts if value]


def _giver(map_: IntegrationMap, instance: Instance, task: Task) -> str:
    handoff = instance.handoffs.get(task.handoff)
    return _team(map_, handoff.from_team) if handoff else ""


def _team(map_: IntegrationMap, name: str) -> str:
    team = map_.teams.get(name)
    return (team.title or team.name) if team else name


def _person(map_: IntegrationMap, name: str) -> str:
    person = map_.people.get(name)
    return (person.title or person.name) if person else name


def _above(map_: IntegrationMap, definition: Definition) -> str:
    return f"{map_.title or map_.name} · {definition.process.title or definition.process.name}"


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M %Z}"


def _left(hours: float) -> str:
    """How long until then, or since."""
    span = timedelta(hours=abs(hours))
    minutes = int(span.total_seconds() // 60)
    if span > timedelta(hours=_HOURS):
        text = f"{span.days} days"
    elif minutes >= 60:
        text = f"{minutes // 60} h {minutes % 60} min"
    else:
        text = f"{minutes} min"
    return f"{text} left" if hours >= 0 else f"{text} late"


@dataclass(frozen=True, slots=True)
class DonePage:
    """What a person sees after the click: what happened, why not if so, and how to go on."""

    step: str
    title: str
    said: str
    points: tuple[str, ...]
    ways: tuple[Way, ...]
    note: str


def done_page(work: Work, key: SigningKey, seen: Preview, task: Task, token: str) -> DonePage:
    """What to show to somebody whose link was used just now."""
    map_ = work.map
    instance = load_instance(work.store, task.instance)
    definition = work.library.get(work.store, instance.definition)
    case, team = task.case or task.instance, _team(map_, task.team)
    title, said = {
        "accept": ("Accepted", f"“{seen.title}” for {case} is with {team} now."),
        "claim": ("It is yours", f"You have “{seen.title}” for {case} now."),
        "complete": ("Done", f"“{seen.title}” for {case} is finished. Thank you."),
        "reject": ("Sent back", f"{_giver(map_, instance, task)} was told what is missing in “{seen.title}” for {case}."),
    }[seen.action]
    points: tuple[str, ...] = ()
    if seen.action == "complete" and task.state != "completed":
        title, said, points = "Not finished yet", f"“{seen.title}” for {case} stays open, because:", task.reasons
    ways = tuple(_ways(work, key, instance, task, seen.person, token))
    note = f"Go on here as {_person(map_, seen.person)}, or later by a link of your newest message." if ways else ""
    return DonePage(_above(map_, definition), title, said, points, ways, note)


def _ways(work: Work, key: SigningKey, instance: Instance, task: Task, person: str, token: str) -> list[Way]:
    """Links for what the same person can do next with the same task; each is of the same making as those in mails."""
    if task.state not in ("ready", "started") or (task.assignee and task.assignee != person):
        return []
    found = links_of(instance, task, person, mail=f"after:{token}", queued_at=work.now())
    return [Way(make_token(link, key), _BUTTONS[link.action]) for link in found]
