"""Changes of rows, put together where several are about one row: however many events change it in a transaction, it is written once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from accord.store.database import Transaction, Value, quote


@dataclass(frozen=True, slots=True)
class First:
    """A value that stands only where the column holds none yet."""

    value: Value


@dataclass(frozen=True, slots=True)
class Add:
    """A number to be added to what the column holds."""

    number: int


Change = Value | First | Add


class RowChanges:
    """Changes of rows of one table that are there, to be written together.

    Args:
        table: its name.
        key: the column that identifies a row.
    """

    def __init__(self, table: str, key: str) -> None:
        self._table, self._key = table, key
        self._rows: dict[str, dict[str, Change]] = {}

    def __contains__(self, row: str) -> bool:
        """Whether something was put for a row that is not written yet."""
        return row in self._rows

    def put(self, row: str, change: Mapping[str, Change]) -> None:
        """Change columns of a row, after whatever was put for it before."""
        before = self._rows.get(row)
        if before is None:
            self._rows[row] = dict(change)
            return
        for column, new in change.items():
            before[column] = new if column not in before else _both(before[column], new)

    def write(self, tx: Transaction) -> None:
        """Write them all."""
        alike: dict[tuple[tuple[str, str], ...], list[tuple[Value, ...]]] = {}
        for row, change in self._rows.items():
            shape = tuple([(column, _kind(new)) for column, new in change.items()])
            alike.setdefault(shape, []).append((*map(_bound, change.values()), row))
        for shape, values in alike.items():
            tx.many(_update(self._table, self._key, shape), values)
        self._rows.clear()


def _both(before: Change, new: Change) -> Change:
    """One change that does what two do one after the other."""
    if isinstance(new, Add):
        if isinstance(before, Add):
            return Add(before.number + new.number)
        return before + new.number if isinstance(before, int) else before
    if isinstance(new, First):
        return new.value if before is None else before
    return new


def _kind(change: Change) -> str:
    return "first" if isinstance(change, First) else "add" if isinstance(change, Add) else ""


def _bound(change: Change) -> Value:
    return change.value if isinstance(change, First) else change.number if isinstance(change, Add) else change


@lru_cache(maxsize=1024)
def _update(table: str, key: str, shape: tuple[tuple[str, str], ...]) -> str:
    spelled = {"": "{0} = ?", "first": "{0} = coalesce({0}, ?)", "add": "{0} = {0} + ?"}
    changes = ", ".join(spelled[kind].format(quote(column)) for column, kind in shape)
    return f"UPDATE {quote(table)} SET {changes} WHERE {quote(key)} = ?"
