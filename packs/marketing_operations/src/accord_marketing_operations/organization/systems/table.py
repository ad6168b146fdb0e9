"""A table of a system, filled from what is true and not yet written anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from accord_marketing_operations.organization.calendar import BERLIN
from accord_marketing_operations.organization.world import Row


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the system declares it, and how its value comes from a canonical row.

    Args:
        type: text, integer, number(p,s), boolean, date, timestamp, or ``serial`` for a number the system gives itself.
        source: a canonical field, or a function of the canonical row.
    """

    name: str
    type: str
    source: str | Callable[[Row], Any]

    def value(self, row: Row) -> Any:
        """The system's value for a canonical row."""
        return self.source(row) if callable(self.source) else row[self.source]


@dataclass(slots=True)
class Table:
    """Rows of one table in the system's own words.

    ``key`` names the columns that hold the canonical key, in its order; ``primary`` those the database keeps unique, if any.
    """

    system: str
    name: str
    entity: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    primary: tuple[str, ...]
    rows: list[Row]

    def identity(self, row: Row) -> tuple[str, ...]:
        """The canonical key of one of this table's rows, as text."""
        return tuple(str(row[column]) for column in self.key)


def fill(
    system: str,
    name: str,
    entity: str,
    rows: Iterable[Row],
    columns: Iterable[Column],
    *,
    key: tuple[str, ...],
    primary: tuple[str, ...] = (),
) -> Table:
    """A table with one row per canonical row; a ``serial`` column counts from 1."""
    columns = tuple(columns)
    found = [{c.name: number if c.type == "serial" else c.value(row) for c in columns} for number, row in enumerate(rows, 1)]
    return Table(system, name, entity, columns, key, primary or tuple(c.name for c in columns if c.type == "serial"), found)


def columns(text: str, **special: Callable[[Row], Any]) -> list[Column]:
    """Columns from lines of «column type canonical_field»; a field that names one of ``special`` is computed by it."""
    found = []
    for line in text.strip().splitlines():
        name, type_, source = line.split()
        found.append(Column(name, type_, special.get(source, source)))
    return found


def coded(field: str, codes: Mapping[str, str]) -> Callable[[Row], str | None]:
    """A field in the system's own codes."""
    return lambda row: None if row[field] is None else codes[row[field]]


def whole(field: str, factor: int) -> Callable[[Row], int | None]:
    """A decimal in a smaller unit, as a whole number: hours to minutes, euros to cents."""
    return lambda row: None if row[field] is None else int(row[field] * factor)


def written(field: str, form: str) -> Callable[[Row], str | None]:
    """A date or a UTC time as text in a strftime form."""

    def value(row: Row) -> str | None:
        moment: date | datetime | None = row[field]
        return None if moment is None else moment.strftime(form)

    return value


def berlin(field: str) -> Callable[[Row], str | None]:
    """A time as people in Berlin would write it down: ISO 8601, local, without a zone."""

    def value(row: Row) -> str | None:
        moment: datetime | None = row[field]
        return None if moment is None else moment.astimezone(BERLIN).strftime("%Y-%m-%dT%H:%M:%S")

    return value
