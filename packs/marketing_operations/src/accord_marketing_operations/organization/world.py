"""What is true in the sample organization, in canonical words, before its systems write it down each in their own way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass(slots=True)
class World:
    """Every row of every entity of the map, as it really is: times aware in UTC, hours and money as ``Decimal``.

    The names are those of the map's entities; rows are in the order they came into being.
    """

    resource: list[Row] = field(default_factory=list)
    capacity: list[Row] = field(default_factory=list)
    gate: list[Row] = field(default_factory=list)
    campaign: list[Row] = field(default_factory=list)
    brief: list[Row] = field(default_factory=list)
    milestone: list[Row] = field(default_factory=list)
    deliverable: list[Row] = field(default_factory=list)
    task: list[Row] = field(default_factory=list)
    handoff: list[Row] = field(default_factory=list)
    gate_result: list[Row] = field(default_factory=list)
    allocation: list[Row] = field(default_factory=list)
    time_entry: list[Row] = field(default_factory=list)
    cost_entry: list[Row] = field(default_factory=list)
    publication: list[Row] = field(default_factory=list)
    outcome: list[Row] = field(default_factory=list)
    ticket: list[Row] = field(default_factory=list)
    survey: list[Row] = field(default_factory=list)
