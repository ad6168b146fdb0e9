"""Business nouns in their canonical shape, with the contract their rows must meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from accord.model.errors import NOWHERE, Place
from accord.model.identity import Identity
from accord.model.values import Duration

Dimension = Literal["accuracy", "completeness", "timeliness", "consistency", "validity", "mapping"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an entity: its type, unit and the checks every value must pass."""

    name: str
    type: str = field(
        default="text", metadata={"doc": "text, integer, number(p,s), double, boolean, date, timestamp, uuid, json or binary"}
    )
    required: bool = field(default=False, metadata={"doc": "null is refused"})
    unique: bool = field(default=False, metadata={"doc": "no value may stand twice in one system"})
    unit: str = field(default="", metadata={"doc": "unit of a number, such as h, EUR or %"})
    values: tuple[str, ...] = field(default=(), metadata={"doc": "the only values allowed"})
    pattern: str = field(default="", metadata={"doc": "regular expression (RE2) a text must match as a whole"})
    minimum: str = field(default="", metadata={"doc": "smallest value allowed"})
    maximum: str = field(default="", metadata={"doc": "largest value allowed"})
    references: str = field(default="", metadata={"doc": "entity whose key this field holds"})
    at_most: int = field(default=0, metadata={"doc": "how many rows may hold the same value (0: any number); 1 for a one-to-one reference"})
    severity: Literal["quarantine", "report"] = field(
        default="quarantine",
        metadata={"doc": "what a breach of unique, at_most or references does: keep the row back, or let it through and count it"},
    )
    freshness: Duration | None = field(
        default=None,
        metadata={"doc": "how old the newest value of this date or timestamp may be in each system that is read; older is reported"},
    )
    separator: str = field(
        default="", metadata={"doc": "the text is a set of items with this between them, such as ';'; order and repeats do not count"}
    )
    personal: bool = field(default=False, metadata={"doc": "identifies a person, or says something about one; sealed in the log"})
    description: str = field(default="", metadata={"doc": "what it means"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """A row-level check of a contract; ``check`` is SQL that is true for a good row and may use every canonical field."""

    name: str
    check: str = field(metadata={"doc": "SQL expression, true for a good row; null counts as true"})
    reason: str = field(default="", metadata={"doc": "what is wrong with a row that fails, for people"})
    severity: Literal["quarantine", "report"] = field(
        default="quarantine", metadata={"doc": "keep the row back, or let it through and count it"}
    )
    dimension: Dimension = field(default="accuracy", metadata={"doc": "data-quality dimension it counts for"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AggregateCheck:
    """A check of all accepted rows of one system together, such as their number or a sum; it never keeps single rows back."""

    name: str
    aggregate: str = field(metadata={"doc": "SQL aggregate over the canonical fields, such as sum(amount) or count(*)"})
    at_least: str = field(default="", metadata={"doc": "smallest result allowed"})
    at_most: str = field(default="", metadata={"doc": "largest result allowed"})
    equals: str = field(default="", metadata={"doc": "the only result allowed"})
    where: str = field(default="", metadata={"doc": "SQL condition: only these rows count"})
    group_by: tuple[str, ...] = field(default=(), metadata={"doc": "fields: the check holds for each of their values by itself"})
    reason: str = field(default="", metadata={"doc": "what it means when it fails, for people"})
    severity: Literal["report", "stop"] = field(
        default="report", metadata={"doc": "report it, or stop the flow before anything is written"}
    )
    dimension: Dimension = field(default="consistency", metadata={"doc": "data-quality dimension it counts for"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class EventRule:
    """How a row becomes an event: one event for each row whose ``time`` is not null."""

    type: str = field(metadata={"doc": "event type as object.verb, such as task.completed"})
    time: str = field(metadata={"doc": "timestamp field of the entity"})
    process: str = field(default="", metadata={"doc": "process this event is a step of"})
    activity: str = field(
        default="", metadata={"doc": "field that names the activity, or the text itself in quotes; default: the event type"}
    )
    case: str = field(default="", metadata={"doc": "field that holds the case of the process; default: the key"})
    start: str = field(default="", metadata={"doc": "timestamp field at which the work began, when the rows hold it"})
    resource: str = field(default="", metadata={"doc": "field that names the person or machine"})
    team: str = field(default="", metadata={"doc": "field that names the team, or the team itself in quotes"})
    when: str = field(default="", metadata={"doc": "SQL condition on the entity's fields"})
    objects: Mapping[str, str] = field(
        default_factory=dict, metadata={"doc": "object type: field holding its id; the entity itself is always one"}
    )
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Entity:
    """A business noun: canonical fields, key, contract and the events its rows stand for."""

    name: str
    key: tuple[str, ...] = field(metadata={"doc": "fields that identify a row"})
    fields: Mapping[str, Field] = field(metadata={"doc": "field: type and checks"})
    title: str = field(default="", metadata={"doc": "how people call it"})
    owner: str = field(default="", metadata={"doc": "team that answers for its data"})
    rules: Mapping[str, Rule] = field(default_factory=dict, metadata={"doc": "row-level checks"})
    checks: Mapping[str, AggregateCheck] = field(default_factory=dict, metadata={"doc": "checks of all rows together"})
    events: tuple[EventRule, ...] = field(default=(), metadata={"doc": "events its rows stand for"})
    identity: Identity | None = field(
        default=None,
        metadata={"doc": "how rows are recognized where systems have keys of their own; the entity's key is then a canonical id"},
    )
    person: str = field(
        default="",
        metadata={"doc": "field that says whom a row's personal fields are about, for accord erase; default: a key of one field"},
    )
    version: str = field(default="1.0.0", metadata={"doc": "version of the contract"})
    description: str = field(default="", metadata={"doc": "what one row stands for"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)
