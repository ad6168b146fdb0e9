"""Single rows of a table over a connection that stays open: what a change needs to arrive in milliseconds.

A kind of system offers it with a file ``<kind>_direct.py`` of this folder that has ``open_table``. Values travel as the text its server
writes; ``types`` says what DuckDB makes of them, so that a value means the same here as after a ``scan``.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import pyarrow as pa

from accord.connectors.protocol import Connector, KeyChanges

Key = tuple[str, ...]
Texts = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class DirectChange:
    """One row to insert, or to update or delete where every column of ``old`` still holds its value."""

    op: Literal["insert", "update", "delete"]
    key: Key
    new: Texts
    old: Texts


@dataclass(frozen=True, slots=True)
class EarlyChanges(KeyChanges):
    """Changes that were logged, and perhaps cannot be read yet: give ``unseen`` to what reads the rows."""

    unseen: frozenset[int] = frozenset()


class LoggedRow(NamedTuple):
    """What a log says of a row's last change: when (microseconds since 1970), and its columns as the log spells them.

    ``row`` is ``None`` for a row that is gone, ``told`` false where the log does not hold all of it.
    """

    microseconds: int
    row: Texts | None
    told: bool = True


@dataclass(frozen=True, slots=True)
class EarlyRows:
    """A handful of changes with the rows themselves, as ``EarlyChanges`` beside that: for who needs no table of them.

    Args:
        columns: of the key.
        rows: by key as text, in the order of ``columns``; each with its last change.
        table: makes the keys into the table that ``KeyChanges`` has.
    """

    columns: tuple[str, ...]
    rows: Mapping[Key, LoggedRow]
    position: str
    table: Callable[[Mapping[Key, LoggedRow]], pa.Table]
    more: bool = False
    unseen: frozenset[int] = frozenset()

    def changes(self) -> EarlyChanges:
        """The same for a run."""
        return EarlyChanges(self.table(self.rows), self.position, "", self.more, unseen=self.unseen)


@runtime_checkable
class EarlyFeed(Protocol):
    """A feed that need not wait until a change can be read before it tells of it."""

    def read_early(self, *, wait_seconds: float = 0.0, limit: int = 100_000) -> KeyChanges | EarlyRows | None:
        """As ``Feed.read``; what may not be read yet comes as ``EarlyChanges`` or ``EarlyRows``."""
        ...

    def wait(self, unseen: Collection[int]) -> None:
        """Wait until these can be read.

        Raises:
            SystemUnreachable: they cannot for long.
        """
        ...


class UnseenError(Exception):
    """A change that the log tells of cannot be read yet."""


class DirectTable(Protocol):
    """An opened table; every method may raise ``SystemUnreachable``, ``SystemChanged`` or ``DataRefused``, and is then closed.

    ``types``: the DuckDB type of each column, as ``scan`` gives it. ``keyed``: the system itself keeps the key unique.
    """

    types: Mapping[str, str]
    keyed: bool

    def read(self, keys: Sequence[Key], unseen: Collection[int] = ()) -> dict[Key, Texts]:
        """The rows there are, by key; a key that stands twice is left out like one that is not there.

        Args:
            keys: of the rows.
            unseen: of ``EarlyChanges`` of the same system.

        Raises:
            UnseenError: these cannot be read yet, though it waited for some moments.
        """
        ...

    def ask(self, keys: Sequence[Key], unseen: Collection[int] = ()) -> Callable[[], dict[Key, Texts]]:
        """As ``read``, in two steps: what is returned gives the rows, and must be called before anything else is asked of this table."""
        ...

    def from_log(self, row: Texts) -> Texts | None:
        """A row in the spelling of ``read`` from that of the system's log; ``None`` when the log does not have all of it."""
        ...

    def write(self, changes: Sequence[DirectChange]) -> list[Texts | None]:
        """Carry out all in one transaction, durable when it returns.

        Returns:
            Per change the row as the system made it (of a delete: as it was); ``None`` for one that was not as expected and was left alone.
        """
        ...

    def goes_on(self) -> bool:
        """Whether the system may delete or empty other rows by itself when a row is deleted here: ``write`` cannot tell of these."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


def open_direct(connector: Connector, resource: str, key: Sequence[str], columns: Sequence[str]) -> DirectTable | None:
    """The table, or ``None`` when this kind of system, or one of the columns, cannot be had this way."""
    name = f"accord.connectors.{connector.kind}_direct"
    if importlib.util.find_spec(name) is None:
        return None
    opened: DirectTable | None = importlib.import_module(name).open_table(connector, resource, key, columns)
    return opened
