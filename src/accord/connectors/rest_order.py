"""Whether a list that is read by its last key goes one way: each page has to begin behind the one before.

An API that does not know the parameter gives its first page for ever, and one whose list is in another order leaves rows out without a
word. Which order an API has is not said: numbers may be sorted as numbers or as texts, texts with or without their capitals.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from accord.connectors import rest_json

_ORDERS: Final[Mapping[str, Callable[[str], Any]]] = {"as numbers": int, "as texts": str, "as texts in any case": str.lower}

_LONGEST: Final = 100  # characters of a key that is looked at


@dataclass
class Way:
    """What the pages so far allow for.

    Args:
        left: orders and directions (1 rising, -1 falling) that fit all keys seen.
        last: the last key.
        page: keys of the page before.
    """

    left: set[tuple[str, int]] = field(default_factory=lambda: {(order, sign) for order in _ORDERS for sign in (1, -1)})
    last: str = ""
    page: frozenset[str] = frozenset()

    def check(self, items: Sequence[Mapping[str, Any]], column: str, param: str) -> str:
        """What is wrong with the next page; empty when nothing is.

        Args:
            items: its rows.
            column: of the key.
            param: the parameter by which the page was asked for.
        """
        keys = [rest_json.text(item.get(column)) or "" for item in items]
        again = next((key for key in keys if key in self.page), None)
        if again is not None:
            return f"the row '{again}' again on the page behind '{self.last}', as if '{param}' were no parameter of this list"
        row = [self.last, *keys] if self.page else keys
        if all(key.isascii() and key.isalnum() and len(key) <= _LONGEST for key in row):  # how an API sorts anything else nobody can tell
            for before, key in itertools.pairwise(row):
                self.left = {(order, sign) for order, sign in self.left if _goes(order, sign, before, key)}
                if not self.left:
                    return f"'{key}' behind '{before}': its list is not in the order of '{column}', so that rows would be left out"
        self.last, self.page = keys[-1] if keys else self.last, frozenset(keys)
        return ""


def _goes(order: str, sign: int, before: str, key: str) -> bool:
    if order == "as numbers" and not (before.isdigit() and key.isdigit()):
        return False
    first, second = _ORDERS[order](before), _ORDERS[order](key)
    return bool(first <= second if sign > 0 else first >= second)
