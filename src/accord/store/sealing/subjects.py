"""What in events is about a person, as the map declares it: fields marked ``personal``, whose they are, and who acted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from accord.model.entity import Entity
from accord.model.event import Event
from accord.model.integration_map import IntegrationMap
from accord.model.process import Process
from accord.store.database import Rows
from accord.store.sealing.marks import Mark, Path, Subject

ACTOR: Final = ""
"""The kind of people who act: whoever stands in ``by``."""
FINDINGS: Final = Subject("accord findings", "")
"""Whose the examples of findings and the reasons of failures are: everybody's, so their key is shredded with each erasure."""
_NOBODY: Final = frozenset({"", "accord", "clock", "unknown"})
_ACTING_AT: Final = tuple((name, ("attributes", name)) for name in ("by", "assignee", "to", "person"))
_WORDS: Final = ("text", "comment", "reason", "reasons")  # what people write freely about a case
_GIVEN: Final = ("variables", "content", "answers")
_CASE: Final = ("case", "message_key")
_LIVE: Final = frozenset({"flow.live_intended", "flow.live_applied"})
_RUN: Final = frozenset({"flow.run_finished", "flow.state_changed"})
_CONFLICT: Final = frozenset({"conflict.opened", "conflict.decided", "conflict.restored", "conflict.closed"})
_QUARANTINE: Final = frozenset({"quarantine.discarded", "quarantine.reopened"})


@dataclass(frozen=True, slots=True)
class PersonalEntity:
    """An entity with personal fields.

    Args:
        name: of the entity.
        key: its key fields.
        fields: those that are personal.
        person: field that says who a row is about; empty: the row stands for itself.
        kind: entity the person is a row of.
    """

    name: str
    key: tuple[str, ...]
    fields: frozenset[str]
    person: str
    kind: str

    @property
    def secret_key(self) -> bool:
        """Whether the key itself says who it is."""
        return not self.fields.isdisjoint(self.key)

    def subject(self, key: Mapping[str, Any], values: Mapping[str, Any]) -> Subject:
        """Whom a row is about; where the event does not hold the field that says so, the row itself."""
        person = {**values, **key}.get(self.person) if self.person else None
        if person not in (None, ""):
            return Subject(self.kind, str(person))
        return self.row([str(key.get(name)) for name in self.key])

    def row(self, key: Sequence[str]) -> Subject:
        """A row as its own person: what is sealed while nobody knows whom it is about."""
        return Subject(self.name, key[0]) if len(key) == 1 else Subject(self.name, json.dumps(key))


def personal_entities(map_: IntegrationMap) -> dict[str, PersonalEntity]:
    """The entities of a map that have personal fields, by name."""
    return {e.name: _personal(map_, e) for e in map_.entities.values() if e.person or any(f.personal for f in e.fields.values())}


def _personal(map_: IntegrationMap, entity: Entity) -> PersonalEntity:
    person = entity.person or (entity.key[0] if len(entity.key) == 1 else "")
    kind = entity.name
    if person in entity.fields and entity.fields[person].references in map_.entities:
        kind = entity.fields[person].references
    personal = frozenset(f.name for f in entity.fields.values() if f.personal)
    return PersonalEntity(entity.name, entity.key, personal, person, kind)


class PersonalValues:
    """Marks the personal values in the events of a map.

    Args:
        map_: declares them.
    """

    def __init__(self, map_: IntegrationMap) -> None:
        self._map = map_
        self._entities = personal_entities(map_)
        self._names = frozenset(
            field.name
            for process in map_.processes.values()
            for fields in (process.variables, *(step.form for step in process.steps.values()))
            for field in fields.values()
            if field.personal
        )
        self._messages = {
            message: process for process in map_.processes.values() for message in _messages(process) if _about_persons(process, self)
        }

    def marks(self, events: Sequence[Event], rows: Rows) -> list[list[Mark]]:
        """The marks of each event, in order."""
        batch = _Batch(rows)
        return [list(self._marks(event, batch)) for event in events]

    def _marks(self, event: Event, batch: _Batch) -> Iterator[Mark]:
        attributes = event.attributes
        yield from self._acting(event)
        if event.type in _LIVE:
            yield from self._live(attributes)
        elif event.type in _CONFLICT:
            yield from self._conflict(attributes)
        elif event.type in _QUARANTINE:
            yield from self._quarantine(attributes)
        elif event.type == "finding.seen":
            yield from (Mark(("attributes", name), FINDINGS) for name in ("examples", "detail") if self._entities and attributes.get(name))
        elif event.type in _RUN:
            # Findings quote values that broke a rule. A run that finds nothing here looks again by itself.
            yield from (
                Mark(("attributes", name), FINDINGS) for name in ("seen", "reason") if self._entity(attributes) and attributes.get(name)
            )
        elif event.type.startswith("message.") or event.type == "webhook.received":
            yield from self._message(attributes)
        elif "instance" in attributes:
            yield from self._work(event, batch)

    def kinds(self) -> frozenset[str]:
        """Every kind of person values may be sealed for."""
        found = {ACTOR, *self._entities, *(entity.kind for entity in self._entities.values())}
        for process in self._map.processes.values():
            field = process.variables.get(process.person)
            found |= {f"process:{process.name}", (field.references if field else "") or process.case or process.name}
        return frozenset(found)

    def _acting(self, event: Event) -> Iterator[Mark]:
        attributes = event.attributes
        by = attributes.get("by")
        for name, path in _ACTING_AT:
            if name in attributes and self._acts(attributes[name]):
                yield Mark(path, Subject(ACTOR, attributes[name]), name=True)
        wanted = attributes.get("wanted")
        if isinstance(wanted, dict) and self._acts(wanted.get("assignee")):
            yield Mark(("attributes", "wanted", "assignee"), Subject(ACTOR, str(wanted["assignee"])), name=True)
        if self._acts(by) and event.source in (by, f"person:{by}"):
            yield Mark(("source",), Subject(ACTOR, str(by)), name=True)

    def _acts(self, who: object) -> bool:
        return isinstance(who, str) and who not in _NOBODY and who not in self._map.teams and who not in self._map.systems

    def _work(self, event: Event, batch: _Batch) -> Iterator[Mark]:
        if not (self._names or self._entities):
            return
        process = self._map.processes.get(str(event.attributes.get("process")))
        if process is None:
            return
        instance = str(event.attributes["instance"])
        if event.type == "process.started":
            batch.began(instance, event.attributes)
        found = [("attributes", *path) for path in _named(event.attributes, _GIVEN, self._names)]
        about = self.about(process)
        words = [("attributes", name) for name in _WORDS if event.attributes.get(name)] if about else []
        case = self._case(process)
        if not (found or words or case):
            return
        named = next((ref.id for ref in event.objects if ref.type == "case"), None)
        subject = self._subject(process, instance, batch, named)
        yield from (Mark(path, subject) for path in found)
        yield from (Mark(path, subject, name=path[-1] != "reasons") for path in words)
        if case:
            yield from (Mark(("attributes", n), subject, name=True) for n in _CASE if event.attributes.get(n))
            yield from (Mark(("objects", n, 1), subject, name=True) for n, ref in enumerate(event.objects) if ref.type == "case")

    def _message(self, attributes: Mapping[str, Any]) -> Iterator[Mark]:
        process = self._messages.get(str(attributes.get("message")))
        if process is None:
            return
        content = attributes.get("content")
        subject = self.subject(process, content if isinstance(content, dict) else {}, str(attributes.get("key")), str(attributes.get("id")))
        yield from (Mark(("attributes", *path), subject) for path in _named(attributes, _GIVEN, self._names))
        if self._case(process):
            yield Mark(("attributes", "key"), subject, name=True)

    def about(self, process: Process) -> bool:
        """Whether the map says whom a process is about."""
        return bool(process.person) or process.case in self._entities

    def _case(self, process: Process) -> bool:
        return process.case in self._entities and self._entities[process.case].secret_key

    def _subject(self, process: Process, instance: str, batch: _Batch, case: str | None) -> Subject:
        values = batch.variable(instance, process.person)
        return self.subject(process, values, batch.case(instance) if case is None else case, instance)

    def subject(self, process: Process, variables: Mapping[str, Any], case: str, instance: str) -> Subject:
        """Whom an instance is about: its person variable, its case, or nobody but the instance itself."""
        person = variables.get(process.person) if process.person else None
        if person not in (None, "") and not isinstance(person, dict | list):
            field = process.variables.get(process.person)
            return Subject((field.references if field else "") or process.case or process.name, str(person))
        entity = self._entities.get(process.case)
        if entity is not None and case:
            return Subject(entity.kind if entity.person in entity.key else entity.name, case)
        return Subject(f"process:{process.name}", instance)

    def _live(self, attributes: Mapping[str, Any]) -> Iterator[Mark]:
        entity = self._entity(attributes)
        for number, row in enumerate(attributes.get("rows") or () if entity else ()):
            assert entity is not None
            places = [("values", row.get("values")), ("golden", row.get("golden"))]
            places += [(f"sides/{name}", values) for name, values in (row.get("sides") or {}).items()]
            shown = {f: v for _, values in places for f, v in (values or {}).items()}
            key = dict(zip(entity.key, row["key"], strict=False))
            subject = entity.subject(key, shown)
            at: Path = ("attributes", "rows", number)
            for place, values in places:
                steps = place.split("/", 1)
                yield from (Mark((*at, *steps, f), subject) for f in values or () if f in entity.fields)
            secret = [n for n, f in enumerate(entity.key) if f in entity.fields]
            yield from (Mark((*at, "key", n), subject, name=True) for n in secret)
        if entity is not None and entity.secret_key:
            for number, gone in enumerate(attributes.get("withdrawn") or ()):
                subject = entity.subject(dict(zip(entity.key, gone, strict=False)), {})
                yield from (
                    Mark(("attributes", "withdrawn", number, n), subject, name=True) for n, f in enumerate(entity.key) if f in entity.fields
                )

    def _conflict(self, attributes: Mapping[str, Any]) -> Iterator[Mark]:
        entity = self._entity(attributes)
        if entity is None:
            return
        subject = entity.subject(_key(attributes.get("key")), {})
        if attributes.get("field") in entity.fields:
            if attributes.get("value") is not None:
                yield Mark(("attributes", "value"), subject)
            for name in ("values", "seen"):
                yield from (Mark(("attributes", name, binding), subject) for binding in attributes.get(name) or ())
        if entity.secret_key and attributes.get("key"):
            yield Mark(("attributes", "key"), subject, name=True)

    def _quarantine(self, attributes: Mapping[str, Any]) -> Iterator[Mark]:
        entity = self._entity(attributes)
        if entity is not None and entity.secret_key:
            for number, (_, key, _) in enumerate(attributes.get("rows") or ()):
                yield Mark(("attributes", "rows", number, 1), entity.subject(_key(key), {}), name=True)

    def _entity(self, attributes: Mapping[str, Any]) -> PersonalEntity | None:
        flow = self._map.flows.get(str(attributes.get("flow")))
        return self._entities.get(flow.entity) if flow else None


class _Batch:
    """What instances know whose beginning is in the log, or about to be."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._begun: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def began(self, instance: str, attributes: Mapping[str, Any]) -> None:
        self._begun[instance] = (str(attributes.get("case") or ""), attributes.get("variables") or {})

    def variable(self, instance: str, name: str) -> Mapping[str, Any]:
        if not name or instance in self._begun:
            return self._begun[instance][1] if name else {}
        found = self._rows.rows("SELECT value FROM work_variable WHERE instance = ? AND name = ?", instance, name)
        return {name: json.loads(found[0][0])} if found else {}

    def case(self, instance: str) -> str:
        if instance not in self._begun:
            found = self._rows.rows("SELECT case_id FROM work_instance WHERE instance = ?", instance)
            return str(found[0][0]) if found else ""
        return self._begun[instance][0]


def _about_persons(process: Process, values: PersonalValues) -> bool:
    return values.about(process) or any(
        field.personal for fields in (process.variables, *(s.form for s in process.steps.values())) for field in fields.values()
    )


def _messages(process: Process) -> Iterator[str]:
    yield from (start.message for start in process.starts.values() if start.message)
    yield from (step.message for step in process.steps.values() if step.message)


def _named(attributes: Mapping[str, Any], places: Sequence[str], names: frozenset[str]) -> Iterator[Path]:
    """Paths of members with one of the names, at any depth: a step that ran other processes gives what they know as a list."""
    if names:
        for place in places:
            yield from _within(attributes.get(place), (place,), names)


def _within(value: object, path: Path, names: frozenset[str]) -> Iterator[Path]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in names:
                yield (*path, name)
            else:
                yield from _within(inner, (*path, name), names)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _within(inner, (*path, number), names)


def _key(text: object) -> dict[str, Any]:
    try:
        found = json.loads(str(text))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
