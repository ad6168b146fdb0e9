"""Rows that pass unique values on to one another: two that exchange theirs, or a ring of them.

A database looks at each row by itself, and each finds its new value with another row that is to give it up. So the values of all of them
are first set to others that nobody has, within the same transaction, and then to what they shall be.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from accord.connectors.protocol import ChangeBatch

_MOST: Final = 1_000  # rows that are looked at one by one for it; what refuses more than that is no exchange


class Taken(str):
    """Why a row is refused where another row has its value of a unique column."""

    __slots__ = ()


def pass_on(refusals: dict[int, str], attempt: Callable[[Sequence[int]], Sequence[int]]) -> None:
    """Write those of the refused rows that only wait for one another, and take them out of ``refusals``.

    Args:
        refusals: number of a row: why it is refused alone; ``Taken`` where a value of it is another's.
        attempt: gives the values of some rows up and then writes each row; those that are still refused, and when there are any, with
            nothing done.
    """
    waiting = sorted(row for row, reason in refusals.items() if isinstance(reason, Taken))
    if len(waiting) > _MOST:
        return
    while len(waiting) > 1:
        still = set(attempt(waiting))
        if not still:
            for row in waiting:
                del refusals[row]
            return
        waiting = [row for row in waiting if row not in still]  # theirs stays with them, so others may be refused next


def handed_on(indexes: Iterable[tuple[str, str]], batch: ChangeBatch) -> tuple[str, ...]:
    """Of each unique index the last column that the batch writes, its key aside: one is enough to be out of everybody's way.

    Columns before it often point at rows of another table, as in (list, position), and cannot hold what nobody has.

    Args:
        indexes: index and column, in the order of the index.
        batch: what is to be written.
    """
    last = {index: column for index, column in indexes if column in batch.columns and column not in batch.key}
    return tuple(dict.fromkeys(last.values()))


def fresh(*, number: bool = False) -> Any:
    """A value nobody has: 32 hexadecimal digits, or a whole number of 63 bits, above zero as most checks of numbers ask."""
    return 2**62 + secrets.randbits(61) if number else secrets.token_hex(16)
