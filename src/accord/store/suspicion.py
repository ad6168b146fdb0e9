"""One silence is waited for, not one per connection.

A process has several connections to a server, and tries some things twice. When a server fell silent, each of them would wait its full
time, and a command would end after the sum. So for a while after a silence was found, the other connections of that time are doubted soon,
and a new one has to be made soon, until one was. Doubting is asking: a server that answers and works is waited for as long as ever.
"""

from __future__ import annotations

import time
from typing import Final

LASTS_SECONDS: Final = 60.0
SOON_SECONDS: Final = 2.0
"""In place of a longer silence."""
CONNECT_SOON_SECONDS: Final = 5.0
"""In place of a longer time to connect in."""
JUST_SECONDS: Final = 5.0
"""A connection made so soon after a silence was found is one to try again at once."""
CONNECT_NOW_SECONDS: Final = 2.0
"""In place of a longer time to connect in, just after a silence was found."""

_found: dict[str, float] = {}
_made: dict[str, float] = {}


def fell_silent(place: str) -> None:
    """A connection to that place was given up because nobody answered."""
    _found[place] = time.monotonic()


def connected(place: str) -> None:
    """A connection to that place was made."""
    _made[place] = time.monotonic()


def silence(place: str, seconds: float, since: float) -> float:
    """How long to hear nothing before asking, where it would be ``seconds``, over a connection made at ``since`` (monotonic).

    One made to try again at once is doubted as soon as those from before: a network that lost the first question may lose this one, too.
    """
    found = _recent(place)
    return seconds if found is None or since > found + JUST_SECONDS else min(seconds, SOON_SECONDS)


def connecting(place: str, seconds: float) -> float:
    """How long to try to connect, where it would be ``seconds``."""
    found = _recent(place)
    if found is None or _made.get(place, 0.0) > found:
        return seconds
    return min(seconds, CONNECT_NOW_SECONDS if time.monotonic() - found < JUST_SECONDS else CONNECT_SOON_SECONDS)


def _recent(place: str) -> float | None:
    found = _found.get(place)
    return None if found is None or time.monotonic() - found > LASTS_SECONDS else found
