"""How long to wait before something that failed is tried again."""

from __future__ import annotations

_MOST_DOUBLINGS = 30  # past that every pause is the longest, and the power of a float would overflow


def doubling_pause(first: float, failures: int, longest: float) -> float:
    """Seconds to wait after so many failures in a row: ``first``, and twice as long after each further one, up to ``longest``.

    Args:
        first: seconds after the first failure.
        failures: at least 1.
        longest: seconds.
    """
    return min(first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest)
