"""Flows keep one entity in agreement between systems; a binding is one system's side of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from accord.model.errors import NOWHERE, Place
from accord.model.values import Duration

Direction = Literal["both", "read", "write"]


@dataclass(frozen=True, slots=True)
class Split:
    """One part of a text; all fields with a part of the same column write it together."""

    part: int = field(metadata={"doc": "which part, counted from 1; the highest one of a column takes all the rest"})
    separator: str = field(default=" ", metadata={"doc": "what stands between the parts"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Join:
    """Several columns that are one text together; written back, the last column takes all the rest."""

    columns: tuple[str, ...] = field(metadata={"doc": "the columns, in their order"})
    separator: str = field(default=" ", metadata={"doc": "what stands between them"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Lookup:
    """A table of codes; read from left to right, written from right to left.

    It is the rows of an entity as agreed, a CSV file, or the links between the own keys of a system and the canonical ids of an entity.
    """

    code: str = field(default="", metadata={"doc": "column or field that holds what stands in the system"})
    value: str = field(default="", metadata={"doc": "column or field that holds the canonical value; must be one-to-one to be written"})
    entity: str = field(default="", metadata={"doc": "entity whose agreed rows are the table"})
    file: str = field(default="", metadata={"doc": "CSV file with a header, beside the map"})
    own_key: str = field(
        default="",
        metadata={"doc": "system/resource whose own keys stand in the column, for rows of the entity; in place of code and value"},
    )
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """How one canonical field stands in one system, in both directions.

    Order of reading: column → codes or lookup → unit, time zone → canonical type; writing is the inverse. ``read`` and ``write``
    replace the built-in conversions where they are given; a mapping with ``read`` but no ``write`` is one-way, and has to say so.
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
    value: str = field(
        default="", metadata={"doc": "constant: the system has no such column; with column: it has, and nothing else may stand there"}
    )
    default: str = field(default="", metadata={"doc": "canonical value read where the system shows none"})
    separator: str = field(default="", metadata={"doc": "what stands between the items of a set in this system, if not as in the field"})
    split: Split | None = field(default=None, metadata={"doc": "the field is one part of the column's text"})
    join: Join | None = field(default=None, metadata={"doc": "the field is the texts of several columns together"})
    lookup: Lookup | None = field(default=None, metadata={"doc": "the column holds a code, and a table says what it means"})
    read: str = field(default="", metadata={"doc": "SQL over this resource's columns giving the canonical value"})
    write: str = field(
        default="", metadata={"doc": "SQL over the canonical fields giving the column's value; the same for all fields one column holds"}
    )
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
    changed_by: str = field(default="", metadata={"doc": "column that names who changed a row last, for the record of conflicts"})
    overlap: Duration = field(
        default=Duration(300), metadata={"doc": "for capture: cursor: rows whose cursor is younger are read again, however it stands"}
    )
    sweep_every: Duration = field(
        default=Duration(86_400), metadata={"doc": "for capture: cursor: how often all rows are compared, whatever their cursor says"}
    )
    own_key: str = field(
        default="",
        metadata={"doc": "column by which this system knows a row, where that is not the entity's key; needs identity: of the entity"},
    )
    new_key: str = field(
        default="",
        metadata={
            "doc": "own key of a row made here: given (by the system: a sequence, an auto-increment), uuid, next (largest number + 1) "
            "or SQL over canonical fields; default: the canonical id"
        },
    )
    linked_as: str = field(
        default="",
        metadata={
            "doc": "system/resource under which own keys are linked, where system or table was renamed; default: what they are called"
        },
    )
    where: str = field(
        default="",
        metadata={
            "doc": "SQL condition on the resource's columns: only these rows take part; a row its users take out of it is deleted there"
        },
    )
    create: bool = field(default=False, metadata={"doc": "make the table or file when it is not there"})
    marker: bool = field(
        default=True,
        metadata={"doc": "a row about the last batch may be kept in its table accord_batches, so that a crash during a commit is exact"},
    )
    cascades: Literal["refuse", "allow"] = field(
        default="refuse",
        metadata={
            "doc": "a row at which others point that the database itself would delete or empty with it (ON DELETE CASCADE, SET NULL, "
            "SET DEFAULT): its delete is refused here, or meant to go on to them, of which nothing is kept then"
        },
    )
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def holder(self) -> str:
        """The system that holds this side: ``system``, or the system called like the binding."""
        return self.system or self.name


MARK_FIELD = "deleted_at"
"""The field of an entity that ``deletes: mark`` sets."""

RENAMED_FROM_NONE = "none"
"""What ``renamed_from`` says of a flow that is new, though one like it is gone."""


@dataclass(frozen=True, slots=True)
class Flow:
    """An entity kept in agreement between systems, and the rules for disagreement."""

    name: str
    entity: str = field(metadata={"doc": "entity it keeps in agreement"})
    bindings: Mapping[str, Binding] = field(metadata={"doc": "the systems that hold it"})
    title: str = field(default="", metadata={"doc": "how people call it"})
    renamed_from: str = field(
        default="",
        metadata={"doc": "name it had before: its first run takes over what was agreed under that name; none: it is another flow and new"},
    )
    owner: str = field(default="", metadata={"doc": "team that answers for it"})
    authority: Mapping[str, str] = field(
        default_factory=dict,
        metadata={
            "doc": "field: binding that wins, or latest, merge or human; '*' for the rest; default: the first readable binding",
            "shorthand": "*",
        },
    )
    existence: tuple[str, ...] = field(default=(), metadata={"doc": "bindings that may create and delete; default: every readable one"})
    contested: Literal["latest", "human"] = field(
        default="latest",
        metadata={"doc": "authority merge, two edits of one place of a text: the latest wins, or a person decides"},
    )
    deletes: Literal["propagate", "mark", "ignore"] = field(
        default="propagate",
        metadata={"doc": "what a delete does to the other systems: mark keeps the row and sets its field deleted_at"},
    )
    delete_guard: str = field(
        default="20%", metadata={"doc": "largest share of rows one run may delete in a system; up to 5 rows it always may"}
    )
    empty_guard: str = field(
        default="",
        metadata={
            "doc": "largest share of a field's values one run may empty; up to 5 it always may; default: as delete_guard, at least 50%"
        },
    )
    freshness: Duration = field(default=Duration(900), metadata={"doc": "a change must be in every target within this time"})
    drift: Literal["evolve", "quarantine", "stop"] = field(
        default="stop",
        metadata={"doc": "what happens when a system's columns change, or the contract of an approved map breaks under the same version"},
    )
    priority: int = field(default=0, metadata={"doc": "wave 1-5; default: the highest of its systems"})
    covers: tuple[str, ...] = field(default=(), metadata={"doc": "ids of a specification this flow carries out"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)
