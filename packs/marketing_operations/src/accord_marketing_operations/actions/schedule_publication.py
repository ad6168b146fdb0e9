"""``schedule_publication``: the first slot of a channel that is free and not blacked out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from accord.work.action import Call

# Channel: how many publications an hour it takes.
RATES: Final = {"email": 2, "social": 4, "web": 4, "display": 4, "video": 2}
_BLACKOUT: Final = range(6)  # hours of the night, UTC, in which nothing goes out
_SEARCHED_HOURS: Final = 24 * 60


def schedule_publication(call: Call) -> Mapping[str, Any]:
    """The first hour from the wanted one on with room under the channel's rate, as ``publish_at``.

    Arguments: ``channel``; ``wanted``, ISO 8601; ``taken``, the times already given away on this channel.

    Raises:
        ValueError: no slot within 60 days.
    """
    given = call.arguments
    rate, wanted = RATES.get(str(given["channel"]), 1), datetime.fromisoformat(str(given["wanted"]))
    taken = [datetime.fromisoformat(str(moment)) for moment in given["taken"] or []]
    hour = wanted.replace(minute=0, second=0, microsecond=0)
    for _ in range(_SEARCHED_HOURS):
        used = sum(hour <= moment < hour + timedelta(hours=1) for moment in taken)
        if used < rate and hour.hour not in _BLACKOUT:
            return {"publish_at": max(hour, wanted).isoformat(), "moved": hour > wanted}
        hour += timedelta(hours=1)
    raise ValueError(f"channel {given['channel']} has no slot within 60 days of {wanted:%Y-%m-%d}")
