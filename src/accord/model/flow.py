"""Flows keep one entity in agreement between systems; a binding is one system's side of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from accord.model.errors import NOWHERE, Place
from accord.model.values import Duration

Direction = Literal["both", "read", "write"]


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """How one canonical field stands in one system, in both directions.

    Order of reading: column → codes → unit, time zone → canonical type; writing is the inverse. ``read`` and ``write`` replace the
    built-in conversions where they are given; a mapping with ``read`` but no ``write`` is one-way.
    """

    name: str
    column: str = field(default="", metadata={"doc": "column of the system; default: the field's own name"})
    direction: Direction | Literal[""] = field(
        default="", metadata={"doc": "both, read (never written) or write (never believed); default: the binding's"}
    )
    codes: Mapping[str, str] = field(
        default_factory=dict, metadata={"doc": "system's value: canonical value; must be one-to-one to be written"}
    )
    unit: str = field(default="", metadata={"doc": "unit in this system when it differs: min, h, d, cent, EUR, % , share …"})
    timezone: str = field(default="", metadata={"doc": "time zone of timestamps that carry none; default UTC"})
    format: str = field(default="", metadata={"doc": "strptime format of dates and timestamps held as text"})
    value: str = field(default="", metadata={"doc": "constant: the system has no such column"})
    read: str = field(default="", metadata={"doc": "SQL over this resource's columns giving the canonical value"})
    write: str = field(default="", metadata={"doc": "SQL over the canonical fields giving the column's value"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Binding:
    """One system's side of a flow."""

    name: str
    resource: str = field(metadata={"doc": "table, file or sheet of the system"})
    fields: Mapping[str, FieldMapping] = field(metadata={"doc": "canonical field: column, or how it is converted"})
    system: str = field(default="", metadata={"doc": "system; default: the binding's own name"})
    direction: Direction = field(default="both", metadata={"doc": "both (two-way), read (a source only) or write (a target only)"})
    capture: Literal["snapshot", "sweep", "cursor", "cdc"] = field(default="sweep", metadata={"doc": "how changes are found"})
    cursor: str = field(default="", metadata={"doc": "column that grows with every change, for capture: cursor and for authority: latest"})
    where: str = field(default="", metadata={"doc": "SQL condition on the resource's columns: only these rows take part"})
    create: bool = field(default=False, metadata={"doc": "make the table or file when it is not there"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def holder(self) -> str:
        """The system that holds this side: ``system``, or the system called like the binding."""
        return self.system or self.name


@dataclass(frozen=True, slots=True)
class Flow:
    """An entity kept in agreement between systems, and the rules for disagreement."""

    name: str
    entity: str = field(metadata={"doc": "entity it keeps in agreement"})
    bindings: Mapping[str, Binding] = field(metadata={"doc": "the systems that hold it"})
    title: str = field(default="", metadata={"doc": "how people call it"})
    owner: str = field(default="", metadata={"doc": "team that answers for it"})
    authority: Mapping[str, str] = field(
        default_factory=dict,
        metadata={"doc": "field: binding that wins, or latest, merge or human; '*' for the rest; default: the first readable binding"},
    )
    existence: tuple[str, ...] = field(default=(), metadata={"doc": "bindings that may create and delete; default: every readable one"})
    deletes: Literal["propagate", "mark", "ignore"] = field(
        default="propagate", metadata={"doc": "what a delete does to the other systems"}
    )
    delete_guard: str = field(default="20%", metadata={"doc": "largest share of rows one run may delete in a system"})
    freshness: Duration = field(default=Duration(900), metadata={"doc": "a change must be in every target within this time"})
    drift: Literal["evolve", "quarantine", "stop"] = field(default="stop", metadata={"doc": "what happens when a system's columns change"})
    priority: int = field(default=0, metadata={"doc": "wave 1-5; default: the highest of its systems"})
    covers: tuple[str, ...] = field(default=(), metadata={"doc": "ids of a specification this flow carries out"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)
