"""What is aimed at and what may go wrong: objectives, targets, risks, reviews, values of a unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from accord.model.errors import NOWHERE, Place
from accord.model.values import Duration


@dataclass(frozen=True, slots=True)
class Target:
    """A goal for a KPI: a level to reach, or a change against the frozen baseline (F18)."""

    name: str
    kpi: str = field(metadata={"doc": "KPI it judges"})
    title: str = field(default="", metadata={"doc": "the goal in words"})
    at_least: float | None = field(default=None, metadata={"doc": "level the value must reach"})
    at_most: float | None = field(default=None, metadata={"doc": "level the value must stay under"})
    improve_by: float | None = field(default=None, metadata={"doc": "relative rise against the baseline, 0.4 for +40 %"})
    reduce_by: float | None = field(default=None, metadata={"doc": "relative fall against the baseline, 0.8 for -80 %"})
    owner: str = field(default="", metadata={"doc": "team that answers for it"})
    covers: tuple[str, ...] = field(default=(), metadata={"doc": "ids of a specification this target is"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Objective:
    """What the organization wants, with the KPIs and processes that stand for it."""

    name: str
    title: str = field(default="", metadata={"doc": "the objective in words"})
    owner: str = field(default="", metadata={"doc": "team that answers for it"})
    kpis: tuple[str, ...] = field(default=(), metadata={"doc": "KPIs that show it"})
    processes: tuple[str, ...] = field(default=(), metadata={"doc": "processes that bring it about"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Risk:
    """What may go wrong, by ISO 31000; exposure is likelihood × impact."""

    name: str
    category: str = field(default="", metadata={"doc": "group in the register"})
    cause: str = field(default="", metadata={"doc": "why it may happen"})
    event: str = field(default="", metadata={"doc": "what would happen"})
    effect: str = field(default="", metadata={"doc": "what that would do"})
    likelihood: int = field(default=3, metadata={"doc": "1 rare to 5 almost certain"})
    impact: int = field(default=3, metadata={"doc": "1 negligible to 5 severe"})
    indicator: str = field(default="", metadata={"doc": "KPI that shows it coming"})
    owner: str = field(default="", metadata={"doc": "team that answers for it"})
    response: str = field(default="", metadata={"doc": "what limits it"})
    covers: tuple[str, ...] = field(default=(), metadata={"doc": "ids of a specification this risk is"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Review:
    """A regular look at the whole, due every month or quarter."""

    name: str
    title: str = field(default="", metadata={"doc": "how people call it"})
    every: Literal["month", "quarter"] = field(default="month", metadata={"doc": "how often it is due: when a month or quarter has ended"})
    within: Duration = field(default=Duration(864_000), metadata={"doc": "how long after that it may be held; later it is overdue"})
    owner: str = field(default="", metadata={"doc": "team that holds it"})
    steps: tuple[str, ...] = field(default=(), metadata={"doc": "lifecycle steps it looks at again"})
    covers: tuple[str, ...] = field(default=(), metadata={"doc": "ids of a specification this review is"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class UnitValue:
    """What one unit of an effect is worth; an input with a named owner, never assumed."""

    name: str
    amount: Decimal = field(metadata={"doc": "worth of one unit"})
    currency: str = field(metadata={"doc": "ISO 4217 code"})
    unit: str = field(default="", metadata={"doc": "unit of the effect, such as h"})
    kpi: str = field(default="", metadata={"doc": "KPI whose effect it prices"})
    owner: str = field(default="", metadata={"doc": "person who stands for the figure"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Link:
    """A document or map outside this one that it refers to."""

    name: str
    at: str = field(metadata={"doc": "path or URL"})
    title: str = field(default="", metadata={"doc": "how people call it"})
    covers: tuple[str, ...] = field(default=(), metadata={"doc": "ids of a specification it answers"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)
