"""Decisions that share a transaction: what each reads holds until its events are in the log, and all are written at the end.

The rows a decision is known to need are fetched for all decisions at once, and the events of all are appended at once. What a decision
reads otherwise is read after the events before it were written. So the order is as if one came after the other, and the price is that of
a few statements, not of a few for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from accord.model.event import Event
from accord.store import log
from accord.store.database import Query, Row, Transaction, Value

Object = tuple[str, str]  # type and id
Appender = Callable[[Transaction, list[Event], Set[str]], object]  # with the ids nobody else can have given


@dataclass(frozen=True, slots=True)
class Ahead:
    """Queries a decision is likely to make.

    Args:
        about: type and id of the object whose events alone can change what they give.
        queries: the very texts and values it will ask with; others are answered all the same, only later. A text as the only value
            stands where a column of texts is compared: the same query of many decisions becomes one.
    """

    about: Object
    queries: tuple[Query, ...]


class Turn:
    """What the decisions of one transaction read from, and where their events wait.

    Args:
        tx: the transaction.
        append: adds events to the log and the projections.
        ahead: what the decisions will read.
    """

    def __init__(self, tx: Transaction, append: Appender, ahead: Sequence[Ahead]) -> None:
        self._tx, self._append = tx, append
        self._waiting: list[Event] = []
        self._fresh: set[str] = set()
        self._changed: set[Object] = set()
        wanted = {query: given.about for given in ahead for query in given.queries}
        found = tx.several(list(wanted)) if wanted else []
        self._found: dict[Query, tuple[Object, list[Row]]] = {
            query: (about, rows) for (query, about), rows in zip(wanted.items(), found, strict=True)
        }
        self.failed: BaseException | None = None

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """All rows of a query, as if every decision before had been written."""
        held = self._found.get((sql, values))
        if held is not None and held[0] not in self._changed:
            return held[1]
        self.write()
        return self._tx.rows(sql, *values)

    def take(self, events: Sequence[Event], fresh: str = "") -> None:
        """Take the events of a decision; ids that begin with ``fresh`` were made for it alone."""
        self._waiting += [log.checked(event) for event in events]
        if fresh:
            self._fresh.update(event.id for event in events if event.id.startswith(fresh))
        self._changed.update((ref.type, ref.id) for event in events for ref in event.objects)

    def write(self) -> None:
        """Write what was decided so far.

        Raises:
            AccordError: it was refused; the whole transaction has to be undone.
        """
        if self.failed is not None:
            raise self.failed
        waiting, self._waiting = self._waiting, []
        try:
            if waiting:
                self._append(self._tx, waiting, self._fresh)
        except BaseException as error:
            self.failed = error
            raise
