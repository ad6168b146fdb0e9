"""Which values of events are personal, and whose, as the map says it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from accord.mapfile import load_map
from accord.model.event import Event, ObjectRef
from accord.store import Store, open_store
from accord.store.sealing import ACTOR, FINDINGS, PersonalValues, Subject

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
MAP = """
name: subjects
teams: {sales: {}}
systems: {a: {connector: sqlite, at: a.db}, b: {connector: sqlite, at: b.db}}
entities:
  member:
    key: [mail]
    fields: {mail: {type: text, personal: true}, level: integer}
  visit:
    key: [n]
    person: who
    fields: {n: integer, who: {type: text, references: member}, note: {type: text, personal: true}}
  town:
    key: [id]
    fields: {id: text, name: text}
flows:
  members:
    entity: member
    bindings:
      a: {resource: m, fields: {mail: mail, level: level}}
      b: {resource: m, fields: {mail: mail, level: level}}
  visits:
    entity: visit
    bindings:
      a: {resource: v, fields: {n: n, who: who, note: note}}
      b: {resource: v, fields: {n: n, who: who, note: note}}
  towns:
    entity: town
    bindings:
      a: {resource: t, fields: {id: id, name: name}}
      b: {resource: t, fields: {id: id, name: name}}
processes:
  group:
    person: host
    variables: {host: {type: text, references: member}, guests: {type: json}}
    steps: {invite: {team: sales, form: {diet: {type: text, personal: true}}}}
    starts: {asked: {message: asked}}
  join:
    case: member
    steps: {greet: {team: sales}}
  build:
    case: town
    steps: {plan: {team: sales}}
"""
ANN, BEN = Subject("member", "ann@x"), Subject(ACTOR, "Ben")


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> PersonalValues:
    """Of the map above."""
    path = tmp_path_factory.mktemp("subjects") / "map.yaml"
    path.write_text(MAP, encoding="utf-8")
    return PersonalValues(load_map(path))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that knows of no instance."""
    folder = tmp_path_factory.mktemp("empty")
    return open_store(folder / "store.db", segments=folder / "segments")


def _event(type_: str, attributes: Mapping[str, Any], *about: ObjectRef, source: str = "test") -> Event:
    return Event("e", type_, NOW, source, attributes, about)


WORK = {"instance": "i", "process": "group", "variables": {"host": "ann@x"}}
CASES = {
    "who acted, also as the source": (
        [_event("conflict.decided", {"by": "Ben", "to": "sales", "assignee": "clock"}, source="Ben")],
        {("attributes", "by"): BEN, ("source",): BEN},
    ),
    "the person variable, at any depth below what a step gave": (
        [_event("process.started", WORK), _event("task.completed", {**WORK, "variables": {"invite": [{"diet": "none", "seats": 2}]}})],
        {("attributes", "variables", "invite", 0, "diet"): ANN},
    ),
    "words in a process that is about a person": (
        [_event("process.started", WORK), _event("handoff.rejected", {**WORK, "reason": "she moved", "by": "accord"})],
        {("attributes", "reason"): ANN},
    ),
    "no words in one that is not": ([_event("task.commented", {"instance": "i", "process": "build", "text": "dig"})], {}),
    "a case whose key says who it is": (
        [_event("process.started", {"instance": "i", "process": "join", "case": "ann@x"}, ObjectRef("case", "ann@x"))],
        {("attributes", "case"): ANN, ("objects", 0, 1): ANN},
    ),
    "a message that starts a process": (
        [_event("message.received", {"message": "asked", "key": "k", "id": "m", "content": {"diet": "none", "host": "ann@x"}})],
        {("attributes", "content", "diet"): ANN},
    ),
    "a row that says whom it is about": (
        [_event("flow.live_applied", {"flow": "visits", "rows": [{"key": ["7"], "golden": {"who": "ann@x", "note": "late"}}]})],
        {("attributes", "rows", 0, "golden", "note"): ANN},
    ),
    "a row that does not": (
        [_event("flow.live_intended", {"flow": "visits", "rows": [{"key": ["7"], "values": {"note": "late"}}]})],
        {("attributes", "rows", 0, "values", "note"): Subject("visit", "7")},
    ),
    "a key that is personal itself": (
        [_event("flow.live_intended", {"flow": "members", "rows": [{"key": ["ann@x"], "values": {"level": "2"}}]})],
        {("attributes", "rows", 0, "key", 0): ANN},
    ),
    "an open conflict": (
        [_event("conflict.opened", {"flow": "visits", "key": '{"n":"7"}', "field": "note", "values": {"a": "x", "b": None}})],
        {("attributes", "values", "a"): Subject("visit", "7"), ("attributes", "values", "b"): Subject("visit", "7")},
    ),
    "what findings and failures quote": (
        [_event("finding.seen", {"examples": ["ann@x"]}), _event("flow.run_finished", {"flow": "members", "seen": {}, "reason": "ann@x"})],
        {("attributes", "reason"): FINDINGS},
    ),
    "nothing of what nobody marked": (
        [_event("flow.live_applied", {"flow": "towns", "rows": [{"key": ["b"], "golden": {"name": "Bonn"}}]})],
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_value_is_sealed_for_whom_it_is_about(case: str, values: PersonalValues, empty: Store) -> None:
    """A value under the wrong person stays when they are erased, and goes when somebody else is."""
    events, expected = CASES[case]

    *_, last = values.marks(events, empty)

    assert {mark.path: mark.subject for mark in last} == expected
    assert {mark.subject.kind for mark in last} <= values.kinds() | {FINDINGS.kind, "visit"}
