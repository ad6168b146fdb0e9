"""Processes carry work across teams: steps, service levels and handoffs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from accord.model.errors import NOWHERE, Place
from accord.model.values import Duration


@dataclass(frozen=True, slots=True)
class Step:
    """A unit of work of one team."""

    name: str
    team: str = field(default="", metadata={"doc": "team that does it"})
    title: str = field(default="", metadata={"doc": "how people call it"})
    kind: Literal["human", "auto", "decision", "wait", "subprocess", "foreach"] = field(
        default="human", metadata={"doc": "who or what does it"}
    )
    after: tuple[str, ...] = field(default=(), metadata={"doc": "steps that must be done before"})
    sla: Duration | None = field(default=None, metadata={"doc": "longest time it may take"})
    gate: str = field(default="", metadata={"doc": "gate that must be passed to finish"})
    inputs: tuple[str, ...] = field(default=(), metadata={"doc": "entities it reads"})
    outputs: tuple[str, ...] = field(default=(), metadata={"doc": "entities it writes"})
    kpi: str = field(default="", metadata={"doc": "KPI it is judged by"})
    covers: tuple[str, ...] = field(default=(), metadata={"doc": "ids of a specification this step carries out"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class HandoffRule:
    """Where the handoffs of a process are read from: rows of an entity, or changes of owner in the event log.

    With ``entity``: the other names are its fields. With ``between``: a handoff is each pair of successive events of a case with
    different owners; it is offered when the first completes and accepted when the second completes (or starts, when starts are known).
    """

    entity: str = field(default="", metadata={"doc": "entity whose rows are handoffs"})
    case: str = field(default="", metadata={"doc": "field with the case"})
    step: str = field(default="", metadata={"doc": "field with the receiving step"})
    from_team: str = field(default="", metadata={"doc": "field with the giving team"})
    to_team: str = field(default="", metadata={"doc": "field with the receiving team"})
    offered: str = field(default="", metadata={"doc": "field with the time of the first offer"})
    accepted: str = field(default="", metadata={"doc": "field with the time of the final acceptance"})
    started: str = field(default="", metadata={"doc": "field with the time work began"})
    attempts: str = field(default="", metadata={"doc": "field with the number of offers; above 1 means it was rejected before"})
    sla_hours: str = field(default="", metadata={"doc": "field with the agreed hours"})
    automatic: str = field(default="", metadata={"doc": "boolean field: accepted by a rule, not a person"})
    between: Literal["", "resource", "team"] = field(
        default="", metadata={"doc": "derive handoffs from the log: change of resource or of team"}
    )
    ignore_activities: tuple[str, ...] = field(default=(), metadata={"doc": "activities that are no work, such as an automatic close"})
    auto_accept_grace: Duration = field(
        default=Duration(3600), metadata={"doc": "an automatic acceptance counts only when work starts within this time"}
    )
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Process:
    """Work across teams; its history is the event log's, its steps are the map's."""

    name: str
    title: str = field(default="", metadata={"doc": "how people call it"})
    owner: str = field(default="", metadata={"doc": "team that answers for it"})
    case: str = field(default="", metadata={"doc": "entity that is one case"})
    log: str = field(default="", metadata={"doc": "imported log that holds its history; empty: the entities' events"})
    steps: Mapping[str, Step] = field(default_factory=dict, metadata={"doc": "the steps as intended"})
    handoffs: HandoffRule | None = field(default=None, metadata={"doc": "where handoffs are read from"})
    covers: tuple[str, ...] = field(default=(), metadata={"doc": "ids of a specification this process carries out"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Log:
    """A foreign event log and how its columns are to be read."""

    name: str
    path: str = field(metadata={"doc": "file; ${data} and --set variables are filled in"})
    format: Literal["", "csv", "parquet", "xes", "ocel-sqlite", "ocel-json"] = field(
        default="", metadata={"doc": "default: by the file's ending"}
    )
    case: str = field(default="", metadata={"doc": "column with the case id"})
    activity: str = field(default="", metadata={"doc": "column with the activity"})
    time: str = field(default="", metadata={"doc": "column with the completion time"})
    start: str = field(default="", metadata={"doc": "column with the start time"})
    resource: str = field(default="", metadata={"doc": "column with the person or machine"})
    team: str = field(default="", metadata={"doc": "column with the team"})
    time_format: str = field(default="", metadata={"doc": "strptime format when it is not ISO 8601"})
    timezone: str = field(default="UTC", metadata={"doc": "time zone of times that carry none"})
    object_type: str = field(default="case", metadata={"doc": "object type of a case"})
    objects: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "object type: column with its id"})
    attributes: tuple[str, ...] = field(default=(), metadata={"doc": "columns to keep on the event"})
    separator: str = field(default=",", metadata={"doc": "column separator of a CSV"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)
