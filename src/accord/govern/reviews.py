"""Scheduled reviews: what is owed, what is held with which decisions, and what follows from them.

A review is owed for each month or quarter that ends while the map schedules it. Noting what has fallen due, and holding it, are each
recorded once per period, however often they are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from accord.govern.review_facts import Moved, facts_of, moved_since
from accord.model.errors import TerminalError, UnknownName, UsageError
from accord.model.event import Event, ObjectRef
from accord.model.goals import Review
from accord.model.integration_map import IntegrationMap
from accord.model.reviews import Period, owed_periods, period_at, reviews_of
from accord.store import Store
from accord.store.database import Rows

State = Literal["due", "overdue", "held", "held late"]
_SINCE = "SELECT since FROM review_schedule WHERE review = ? AND every = ?"
_ROWS = "SELECT review, period, owner, due_at, until, held_at, held_by, decisions, facts FROM review ORDER BY due_at, review"
_PERIODS = "SELECT period, due_at, until, held_at FROM review WHERE review = ? ORDER BY due_at"
_ACTIONS = "SELECT action, review, period, what, who, due_on, done_at, done_by FROM review_action"


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody is to do after a review; ``due_on`` is a day or empty, ``done_at`` empty while it is open."""

    id: str
    review: str
    period: str
    what: str
    who: str
    due_on: str
    done_at: str
    done_by: str


@dataclass(frozen=True, slots=True)
class Held:
    """A review for one period: how it stands, what was decided and what is to be done."""

    review: str
    title: str
    period: str
    owner: str
    state: State
    due_at: datetime
    until: datetime
    held_at: datetime | None = None
    held_by: str = ""
    decisions: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    steps: tuple[str, ...] = ()
    moved: tuple[Moved, ...] = field(default=())


def note_due(map_: IntegrationMap, store: Store, *, now: datetime) -> int:
    """Record what reviews the map schedules and which have fallen due; returns how many events that took.

    Cheap when there is nothing to note, so every command that writes may call it.

    Args:
        map_: its reviews, or the default ones.
        store: where it is recorded.
        now: aware.
    """

    def decide(rows: Rows) -> tuple[list[Event], int]:
        events: list[Event] = []
        known = {(row[0], row[1]) for row in rows.rows("SELECT review, period FROM review")}
        for review in reviews_of(map_).values():
            found = rows.rows(_SINCE, review.name, review.every)
            if not found:
                events.append(_event("scheduled", review, review.every, now, {"every": review.every}))
            since = _time(found[0][0]) if found else now
            for period in owed_periods(review.every, since, now, map_.timezone):
                if (review.name, period.name) not in known:
                    events.append(_event("due", review, period.name, now, _owed(review, period)))
        return events, len(events)

    # Most calls find nothing, and reading needs no transaction.
    return store.transact(decide) if decide(store)[0] else 0


def list_reviews(map_: IntegrationMap, store: Store, *, now: datetime) -> list[Held]:
    """Every review that fell due or was held, and for each review of the map the period that runs; the oldest first.

    Reads only: what has fallen due and is not noted yet is there all the same.
    """
    reviews, actions = reviews_of(map_), list_actions(store)
    found: dict[tuple[str, str], Held] = {}
    facts: dict[str, Mapping[str, Any]] = {}
    for name, period, owner, due, until, held_at, by, decisions, seen in store.rows(_ROWS):
        review = reviews.get(name, Review(name))
        given = json.loads(seen)
        moved = moved_since(facts.get(name, {}), given) if held_at else ()
        facts[name] = given or facts.get(name, {})
        mine = tuple(a for a in actions if (a.review, a.period) == (name, period))
        ends, held = _time(until), _time(held_at) if held_at else None
        times = (_state(held, ends, now), _time(due), ends, held, by)
        found[name, period] = _held(review, period, owner, times, tuple(json.loads(decisions)), mine, moved)
    for review in reviews.values():
        since = store.rows(_SINCE, review.name, review.every)
        periods = owed_periods(review.every, _time(since[0][0]) if since else now, now, map_.timezone)
        for owed in periods:
            if (review.name, owed.name) not in found:
                ends = owed.end + timedelta(seconds=review.within.seconds)
                found[review.name, owed.name] = _held(review, owed.name, review.owner, (_state(None, ends, now), owed.end, ends, None, ""))
    return sorted(found.values(), key=lambda held: (held.due_at, held.review))


def next_due(map_: IntegrationMap, *, now: datetime) -> dict[str, Period]:
    """The period that runs now, by review."""
    return {review.name: period_at(review.every, now, map_.timezone) for review in reviews_of(map_).values()}


def list_actions(rows: Rows, *, only_open: bool = False) -> list[Action]:
    """What reviews agreed on, the earliest due first."""
    where = " WHERE done_at IS NULL" if only_open else ""
    order = " ORDER BY due_on = '', due_on, action"
    return [Action(*(value or "" for value in row)) for row in rows.rows(_ACTIONS + where + order)]


def hold(
    map_: IntegrationMap,
    store: Store,
    name: str,
    *,
    by: str,
    decisions: Sequence[str],
    actions: Sequence[str] = (),
    period: str = "",
    now: datetime,
) -> Held:
    """Record that a review was held, with what was decided and the figures as they stand; the same once more changes nothing.

    Args:
        map_: schedules it.
        store: where it is recorded.
        name: of the review.
        by: who held it.
        decisions: at least one, be it that nothing changes.
        actions: what is to be done: ``what``, ``what; who`` or ``what; who; YYYY-MM-DD``.
        period: such as 2026-03 or 2026-Q1; default: the oldest one that is due. One that still runs has to be named.
        now: aware.

    Raises:
        UnknownName: the map has no such review, or it is not owed for such a period.
        UsageError: nobody or nothing is named, nothing is due, or an action has another form.
        TerminalError: it was held already, with other decisions.
    """
    review = reviews_of(map_).get(name)
    if review is None:
        raise UnknownName("review", name, reviews_of(map_))
    decided = [text.strip() for text in decisions if text.strip()]
    if not by or not decided:
        raise UsageError(
            "a review has somebody who held it and at least one decision.", expected='For example --decision "nothing changes"'
        )
    note_due(map_, store, now=now)
    facts = facts_of(store, now=now)

    def decide(rows: Rows) -> tuple[list[Event], str]:
        chosen, owed = _chosen(rows, map_, review, period, now)
        made = [_action(f"{name}/{chosen}/{number}", text) for number, text in enumerate(actions, 1)]
        held = rows.rows("SELECT held_by, decisions FROM review WHERE review = ? AND period = ? AND held_at IS NOT NULL", name, chosen)
        if held:
            before = [{"id": a.id, "what": a.what, "who": a.who, "due_on": a.due_on} for a in list_actions(rows)]
            mine = [a for a in before if a["id"].startswith(f"{name}/{chosen}/")]
            if (held[0][0], json.loads(held[0][1])) == (by, decided) and sorted(mine, key=str) == sorted(made, key=str):
                return [], chosen
            raise TerminalError(f"review '{name}' for {chosen} was held by {held[0][0]}; its decisions stand.", left="nothing was changed")
        body = owed | {"by": by, "decisions": decided, "actions": made, "facts": facts}
        return [_event("held", review, chosen, now, body)], chosen

    done = store.transact(decide)
    return next(h for h in list_reviews(map_, store, now=now) if (h.review, h.period) == (name, done))


def finish_action(store: Store, action: str, *, by: str, now: datetime) -> Action:
    """Record that an action of a review is done; once is enough.

    Raises:
        UnknownName: no review agreed on it.
    """

    def decide(rows: Rows) -> tuple[list[Event], None]:
        known = {a.id: a for a in list_actions(rows)}
        if action not in known:
            raise UnknownName("action", action, [a.id for a in known.values() if not a.done_at])
        body = {"review": known[action].review, "period": known[action].period, "action": action, "by": by}
        about = (ObjectRef("review", f"{known[action].review}/{known[action].period}"),)
        made = Event(f"review:{action}:done", "review.action_done", now, "govern.reviews", body, about)
        return ([] if known[action].done_at else [made]), None

    store.transact(decide)
    return next(a for a in list_actions(store) if a.id == action)


def _chosen(rows: Rows, map_: IntegrationMap, review: Review, period: str, now: datetime) -> tuple[str, dict[str, Any]]:
    """The period that is held, and what its event says of it; what fell due was noted before."""
    running = period_at(review.every, now, map_.timezone)
    noted = {name: (due, until, held) for name, due, until, held in rows.rows(_PERIODS, review.name)}
    waiting = [name for name, (_, _, held) in noted.items() if held is None]
    if period and period not in (*noted, running.name):
        raise UnknownName("period", period, {*noted, running.name}, holder=f"review '{review.name}'")
    if not period and not noted:
        what = f"review '{review.name}' is not due before {running.end:%Y-%m-%d}."
        raise UsageError(what, expected=f"To hold it now all the same, name --period {running.name}.")
    # With nothing left that waits it is the last one: a repeat of the same call changes nothing, another one is told that it was held.
    name = period or (waiting or list(noted))[0 if waiting else -1]
    if name not in noted:
        return name, _owed(review, running)
    due, until, _ = noted[name]
    return name, _owed(review, running) | {"due_at": due, "until": until}


def _action(id_: str, text: str) -> dict[str, str]:
    what, who, day, *rest = [*(part.strip() for part in text.split(";")), "", ""][: max(3, text.count(";") + 1)]
    try:
        if day:
            date.fromisoformat(day)
        if not what or rest:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"the action '{text}' cannot be read.", expected="Expected WHAT; WHO; YYYY-MM-DD, the last two if known."
        ) from None
    return {"id": id_, "what": what, "who": who, "due_on": day}


def _owed(review: Review, period: Period) -> dict[str, Any]:
    until = period.end + timedelta(seconds=review.within.seconds)
    times = {"due_at": _stamp(period.end), "until": _stamp(until)}
    return {"every": review.every, "owner": review.owner, "title": review.title or review.name, "steps": list(review.steps), **times}


def _event(what: str, review: Review, period: str, now: datetime, body: Mapping[str, Any]) -> Event:
    about = (ObjectRef("review", f"{review.name}/{period}"),)
    given = {"review": review.name, "period": period, **body}
    return Event(f"review:{review.name}:{period}:{what}", f"review.{what}", now, "govern.reviews", given, about)


def _held(
    review: Review,
    period: str,
    owner: str,
    times: tuple[State, datetime, datetime, datetime | None, str],
    decisions: tuple[str, ...] = (),
    actions: tuple[Action, ...] = (),
    moved: tuple[Moved, ...] = (),
) -> Held:
    return Held(review.name, review.title or review.name, period, owner, *times, decisions, actions, review.steps, moved)


def _state(held: datetime | None, until: datetime, now: datetime) -> State:
    if held is not None:
        return "held" if held < until else "held late"
    return "due" if now < until else "overdue"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
