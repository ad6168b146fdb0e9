"""The time that counts: half-open windows in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from accord.model.errors import UsageError

NAMES = ("all", "before_golive", "since_golive", "last_<n>d")
_LAST = re.compile(r"last_(\d{1,5})d")


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` (included) to ``end`` (not included), both UTC; ``None`` leaves a side open.

    An observation without a time counts only in the window that is open on both sides.
    """

    name: str = "all"
    start: datetime | None = None
    end: datetime | None = None

    def __str__(self) -> str:
        if self.start is None and self.end is None:
            return self.name
        shown = [side.strftime("%Y-%m-%d") if side else "…" for side in (self.start, self.end)]
        return f"{self.name} [{shown[0]}, {shown[1]})"


ALL = Window()


def named_window(name: str, *, golive: str, now: datetime) -> Window:
    """The window of a name: ``all``, ``before_golive``, ``since_golive`` or ``last_30d``.

    Args:
        name: as in the header of a KPI.
        golive: the day of the map, YYYY-MM-DD in UTC; without it everything is «before» and nothing is «since».
        now: end of the open windows, UTC.

    Raises:
        UsageError: no such window.
    """
    last = _LAST.fullmatch(name)
    if name == "all":
        return ALL
    if last:
        return Window(name, now - timedelta(days=int(last[1])), now)
    day = date.fromisoformat(golive) if golive else None
    turn = datetime(day.year, day.month, day.day, tzinfo=UTC) if day else now
    if name == "before_golive":
        return Window(name, None, turn)
    if name == "since_golive":
        return Window(name, turn, now)
    raise UsageError(f"there is no window '{name}'.", expected=f"Expected one of {', '.join(NAMES)}.")
