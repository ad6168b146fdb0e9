"""Factors by which a number is off when it is read in a neighbouring unit."""

from __future__ import annotations

_TIME = ("s", "min", "h", "d")
_MONEY = ("cent", "EUR", "USD", "GBP", "CHF", "BRL")
_SHARE = ("%", "share")


def factors(unit: str) -> tuple[float, ...]:
    """How many times too large or too small a value of this unit may stand when someone used another unit of its kind.

    ``h`` gives 60 (minutes), 3600 (seconds), 24 (hours as days), and their inverses; money and shares give 100; a number without unit
    gives 1000 as well, for thousands.
    """
    if unit in _TIME:
        found: tuple[float, ...] = (60.0, 3600.0, 24.0)
    elif unit in _MONEY or unit in _SHARE or (len(unit) == 3 and unit.isupper()):
        found = (100.0,)
    else:
        found = (60.0, 100.0, 1000.0)
    return found + tuple(1 / f for f in found)
