"""Which values of an event are about whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from accord.model.event import Event
from accord.store.database import Rows

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """A person values are about: ``id`` among those of one ``kind``, which is an entity of the map, or empty for people who act."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One value to be sealed.

    Args:
        path: where it stands in the event: ``("attributes", "by")``, ``("objects", 0, 1)`` for an object's id, ``("source",)``.
        subject: whose it is.
        name: a text that must stay one when its key is gone, because rows are found by it; other values are then null.
    """

    path: Path
    subject: Subject
    name: bool = False


class Marking(Protocol):
    """Finds the personal values of events."""

    def marks(self, events: Sequence[Event], rows: Rows) -> Sequence[Sequence[Mark]]:
        """The marks of each event, in order.

        Args:
            events: about to be appended together, in order.
            rows: the projections before them.
        """
        ...
