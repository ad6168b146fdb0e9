"""The integration map: the one text that says what should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from accord.model.entity import Entity
from accord.model.errors import NOWHERE, Place
from accord.model.flow import Flow
from accord.model.goals import Link, Objective, Review, Risk, Target, UnitValue
from accord.model.organization import Calendar, Team
from accord.model.people import Person
from accord.model.process import Gate, Log, Process
from accord.model.system import System
from accord.model.webhook import Webhook


@dataclass(frozen=True, slots=True)
class IntegrationMap:
    """Everything an organization declares about its systems, data, work and goals.

    Built and checked by ``accord.mapfile``; every reference in it resolves. ``content_hash`` is over the meaning, not the text.
    """

    name: str = field(metadata={"doc": "name of the map, a short word"})
    title: str = field(default="", metadata={"doc": "the organization"})
    version: str = field(default="1", metadata={"doc": "version of the map"})
    status: Literal["draft", "approved"] = field(default="draft", metadata={"doc": "draft until the named roles approve it"})
    timezone: str = field(default="UTC", metadata={"doc": "time zone reports are written in"})
    currency: str = field(default="EUR", metadata={"doc": "currency reports are written in"})
    public_url: str = field(
        default="",
        metadata={"doc": "web address at which people reach `accord serve`, such as https://accord.example; links in mails begin with it"},
    )
    golive: str = field(default="", metadata={"doc": "day the change went live, YYYY-MM-DD; before it is the baseline"})
    variables: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "defaults of ${names}; --data and --set override"})
    calendars: Mapping[str, Calendar] = field(default_factory=dict, metadata={"doc": "working hours"})
    teams: Mapping[str, Team] = field(default_factory=dict, metadata={"doc": "who answers for what"})
    people: Mapping[str, Person] = field(default_factory=dict, metadata={"doc": "who does the steps, and where they are reached"})
    systems: Mapping[str, System] = field(default_factory=dict, metadata={"doc": "what holds the data"})
    entities: Mapping[str, Entity] = field(default_factory=dict, metadata={"doc": "business nouns and their contracts"})
    flows: Mapping[str, Flow] = field(default_factory=dict, metadata={"doc": "what is kept in agreement"})
    processes: Mapping[str, Process] = field(default_factory=dict, metadata={"doc": "work across teams"})
    gates: Mapping[str, Gate] = field(default_factory=dict, metadata={"doc": "what must be true before work goes on"})
    webhooks: Mapping[str, Webhook] = field(default_factory=dict, metadata={"doc": "who is told what happens, and who may tell us"})
    logs: Mapping[str, Log] = field(default_factory=dict, metadata={"doc": "foreign event logs to read"})
    targets: Mapping[str, Target] = field(default_factory=dict, metadata={"doc": "goals for KPIs"})
    objectives: Mapping[str, Objective] = field(default_factory=dict, metadata={"doc": "what the organization wants"})
    risks: Mapping[str, Risk] = field(default_factory=dict, metadata={"doc": "what may go wrong"})
    reviews: Mapping[str, Review] = field(default_factory=dict, metadata={"doc": "regular looks at the whole"})
    unit_values: Mapping[str, UnitValue] = field(default_factory=dict, metadata={"doc": "what a unit of an effect is worth"})
    links: Mapping[str, Link] = field(default_factory=dict, metadata={"doc": "documents and maps it refers to"})
    content_hash: str = field(default="", compare=False, metadata={"computed": True})
    files: tuple[str, ...] = field(default=(), compare=False, metadata={"computed": True})
    place: Place = field(default=NOWHERE, compare=False, repr=False)
