"""Processes carry work across teams: steps, service levels and handoffs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from accord.model.entity import Field
from accord.model.errors import NOWHERE, Place
from accord.model.values import Duration

StepKind = Literal["human", "auto", "decision", "wait", "subprocess", "foreach"]


@dataclass(frozen=True, slots=True)
class Check:
    """One point of a gate; ``check`` is SQL over the case's variables that is true when the point is met."""

    name: str
    check: str = field(default="", metadata={"doc": "SQL over the variables, true when met; empty: a person says so in the form"})
    reason: str = field(default="", metadata={"doc": "what is missing when it is not met, for people"})
    evidence: str = field(default="", metadata={"doc": "variable that must hold the evidence, such as a link to the signed version"})
    mandatory: bool = field(default=True, metadata={"doc": "must be met whatever the score"})
    weight: float = field(default=1.0, metadata={"doc": "share of the score, above 0"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Gate:
    """What must be true before work may leave a step, or be offered to the next team."""

    name: str
    title: str = field(default="", metadata={"doc": "how people call it"})
    checks: Mapping[str, Check] = field(default_factory=dict, metadata={"doc": "the points looked at"})
    threshold: str = field(default="100%", metadata={"doc": "smallest share of the weights that must be met"})
    teams: tuple[str, ...] = field(default=(), metadata={"doc": "teams that agreed on it"})
    covers: tuple[str, ...] = field(default=(), metadata={"doc": "ids of a specification this gate carries out"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """One way out of a decision; the first whose condition is true is taken, in the order written."""

    name: str
    to: str = field(default="", metadata={"doc": "step that comes next; empty ends this path"})
    when: str = field(default="", metadata={"doc": "SQL over the variables; empty: otherwise"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Start:
    """What starts an instance of a process by itself."""

    name: str
    message: str = field(default="", metadata={"doc": "message that starts an instance; its content becomes variables"})
    entity: str = field(default="", metadata={"doc": "entity whose agreed rows start an instance, once for each key"})
    when: str = field(default="", metadata={"doc": "SQL over the entity's fields, or over the message's content: only then"})
    existing: Literal["skip", "start"] = field(
        default="skip", metadata={"doc": "with entity: rows that meet the condition when it is first looked at start no instance, or do"}
    )
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """A unit of work of one team.

    Steps are joined by ``after`` and by the routes of decisions. A step with several ways in waits for all of them, unless one comes
    from a decision or ``join: any`` stands there; several steps after one run side by side.
    """

    name: str
    team: str = field(default="", metadata={"doc": "team that does it"})
    title: str = field(default="", metadata={"doc": "how people call it"})
    kind: StepKind = field(default="human", metadata={"doc": "who or what does it"})
    after: tuple[str, ...] = field(default=(), metadata={"doc": "steps that must be done before"})
    join: Literal["", "all", "any"] = field(
        default="", metadata={"doc": "wait for all ways in, or begin with each; default: any when a decision leads here, else all"}
    )
    when: str = field(default="", metadata={"doc": "SQL over the variables; where it is false the step is skipped"})
    routes: Mapping[str, Route] = field(default_factory=dict, metadata={"doc": "ways out of a decision"})
    sla: Duration | None = field(default=None, metadata={"doc": "longest time it may take, in working time of the team's calendar"})
    accept_within: Duration | None = field(default=None, metadata={"doc": "longest time a handoff to this step may wait for acceptance"})
    escalate_to: str = field(default="", metadata={"doc": "team or person told when the time is over; default: the team's owner"})
    on_overdue: str = field(default="", metadata={"doc": "step that begins when the time is over, instead of this one"})
    gate: str = field(
        default="",
        metadata={"doc": "gate that must be passed to finish; a decision gives its verdict to the routes as passed"},
    )
    accept_gate: str = field(default="", metadata={"doc": "gate that must be passed before the work is offered to this step's team"})
    form: Mapping[str, Field] = field(default_factory=dict, metadata={"doc": "what is filled in to finish: field, type and checks"})
    form_schema: str = field(default="", metadata={"doc": "JSON Schema file for the form, beside the map; instead of form"})
    assignee: str = field(
        default="", metadata={"doc": "SQL over the variables giving the person who gets the task; default: anyone of the team"}
    )
    backup: str = field(default="", metadata={"doc": "team or person who may do it when the owner is away; default: the team's backup"})
    action: str = field(default="", metadata={"doc": "what an auto step calls: a registered function, or http, mail, sync, plan"})
    arguments: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "name: SQL over the variables, given to the action"})
    retries: int = field(default=5, metadata={"doc": "how often an action is tried again before it waits for a person"})
    backoff: Duration = field(default=Duration(10), metadata={"doc": "pause before the first retry; it doubles each time"})
    timeout: Duration = field(default=Duration(60), metadata={"doc": "longest time one try of an action may take"})
    undo: str = field(default="", metadata={"doc": "action that takes this step back when the instance is cancelled"})
    delay: Duration | None = field(default=None, metadata={"doc": "how long a wait step waits"})
    until: str = field(default="", metadata={"doc": "SQL over the variables giving the time a wait step ends"})
    message: str = field(default="", metadata={"doc": "message a wait step waits for"})
    correlate: str = field(default="", metadata={"doc": "SQL over the variables the message's key must equal; default: the case"})
    process: str = field(
        default="",
        metadata={"doc": "process a subprocess or foreach step runs; it is given the variables that it declares or names anywhere"},
    )
    each: str = field(default="", metadata={"doc": "SQL over the variables giving the list a foreach step runs over, one instance each"})
    case: str = field(
        default="", metadata={"doc": "SQL over the variables giving the case of each instance a step runs; default: this instance's case"}
    )
    max_times: int = field(default=100, metadata={"doc": "how often one instance may begin this step"})
    inputs: tuple[str, ...] = field(default=(), metadata={"doc": "entities it reads"})
    outputs: tuple[str, ...] = field(default=(), metadata={"doc": "entities it writes"})
    kpi: str = field(default="", metadata={"doc": "KPI it is judged by"})
    covers: tuple[str, ...] = field(default=(), metadata={"doc": "ids of a specification this step carries out"})
    lacks: Mapping[str, str] = field(
        default_factory=dict, metadata={"doc": "id: what of it this step does not do yet; it then counts as implemented, not demonstrated"}
    )
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def asks_people(self) -> bool:
        """Whether people do it; a decision by its routes alone asks nobody."""
        return self.kind == "human" or (self.kind == "decision" and bool(self.form or self.form_schema))


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
    version: str = field(default="1", metadata={"doc": "version of the definition; running instances stay on theirs"})
    steps: Mapping[str, Step] = field(default_factory=dict, metadata={"doc": "the steps as intended"})
    variables: Mapping[str, Field] = field(
        default_factory=dict, metadata={"doc": "what an instance is started with: name, type and checks"}
    )
    person: str = field(
        default="",
        metadata={"doc": "variable with the person its personal variables are about, for accord erase; default: the case"},
    )
    starts: Mapping[str, Start] = field(default_factory=dict, metadata={"doc": "what starts an instance by itself"})
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
