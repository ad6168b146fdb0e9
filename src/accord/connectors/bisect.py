"""Finding the rows a database refuses without giving up on the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Row = TypeVar("Row")


def apply_in_halves(rows: Sequence[Row], attempt: Callable[[Sequence[Row]], str | None], *, kept: bool = True) -> list[tuple[Row, str]]:
    """Carry out ``attempt`` on as many rows as possible and return those that are refused even alone, each with the reason.

    Rows may have to wait for others that come after them: in a tree, parents are there before their children and go after them.

    Args:
        rows: what is to be written, in order.
        attempt: writes some rows; gives ``None`` when all went in, else the reason, with nothing of them written.
        kept: what went in is seen by the next attempt; else rows are not tried again after the others.
    """
    refused: list[tuple[Row, str]] = []
    waiting = [rows] if rows else []
    while waiting:
        part = waiting.pop()
        reason = attempt(part)
        if reason is None:
            continue
        if len(part) == 1:
            refused.append((part[0], reason))
        else:
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]]  # the first half is taken next, so the order stands
    before = len(rows)
    while kept and 0 < len(refused) < before:
        before = len(refused)
        tried = ((row, attempt([row])) for row, _ in reversed(refused))  # children mostly come after their parents
        refused = [(row, reason) for row, reason in tried if reason is not None]
    return refused
