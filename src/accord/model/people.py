"""Persons who work in the map's processes, by the name they work under."""

from __future__ import annotations

from dataclasses import dataclass, field

from accord.model.errors import NOWHERE, Place


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who does steps; the key is the name that stands in the log for what they do."""

    name: str
    title: str = field(default="", metadata={"doc": "the full name"})
    email: str = field(default="", metadata={"doc": "address messages about tasks go to; it stands in no log"})
    team: str = field(default="", metadata={"doc": "team whose tasks the person may take"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)
