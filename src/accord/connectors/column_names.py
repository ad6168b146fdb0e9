"""What columns must be like: names by which none is lost or taken for another, and values that can be written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from accord.model.errors import DataRefused

# Databases end at 1,600 (PostgreSQL) and 2,000 (SQLite); far more is a file of something else.
MAX_COLUMNS: Final = 2_000
RESERVED: Final = "_accord_"
# Where a database says that it computes a column by itself.
COMPUTED: Final = "direction: read for the field of a generated column in the map; nobody can write it"
_EXPECTED = "a header line with different column names"


def checked(names: Sequence[str], where: str, *, expected: str = _EXPECTED) -> list[str]:
    """The names themselves, when a file with these columns can be read and written back whole.

    Names that differ in capitals only are refused: SQL takes them for one column, and writing would rename the second.

    Args:
        names: as they stand in the file.
        where: file, with line or sheet, for the error.
        expected: what a right file has there.

    Raises:
        DataRefused: too many columns, a name that stands twice, or one that Accord keeps for itself.
    """
    if len(names) > MAX_COLUMNS:
        raise DataRefused(f"{len(names):,} columns", where, f"at most {MAX_COLUMNS:,} columns")
    if twice := doubles(names):
        raise DataRefused(twice, where, expected)
    kept = next((name for name in names if name.casefold().startswith(RESERVED)), None)
    if kept is not None:
        raise DataRefused(f"the column {kept!r} has a name that Accord keeps for itself", where, f"no column that begins with {RESERVED}")
    return list(names)


def doubles(names: Sequence[str]) -> str:
    """What is wrong with names of which several are one column for SQL; empty where all differ."""
    counts = Counter(name.casefold() for name in names)
    twice = sorted({name for name in names if counts[name.casefold()] > 1})
    shown = ", ".join(repr(name) for name in twice[:5])
    if not twice:
        return ""
    return f"the column {shown} stands twice" if len(twice) == 1 else f"the columns {shown} differ in capitals only"
