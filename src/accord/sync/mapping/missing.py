"""A column that the map names and the system does not show: gone, or never there."""

from __future__ import annotations

from accord.model.errors import NOWHERE, AccordError, GuardStopped, MapError, Place, alternatives
from accord.sync.cycle import Side


def missing_column(
    side: Side, column: str, asks: str, *, gone: str = "", place: Place = NOWHERE, todo: str = "bring the column back", more: str = ""
) -> AccordError:
    """The end of a run that does not meet a column: schema drift, unless no run ever met its resource; then the map is wrong.

    Args:
        side: which shows other columns.
        column: the one it lacks.
        asks: what in the map asks for it, and how.
        gone: what the end says in place of ``column … is gone``.
        place: of that in the map.
        todo: what can be done beside correcting the map.
        more: what is known of it besides.
    """
    near = f"{alternatives(column, side.columns)} {more}".strip()
    there = f"'{side.binding.resource}' in system '{side.binding.holder}'"
    if side.unmet:
        return MapError(f"binding '{side.name}': {asks} column '{column}', which {there} does not have.", place=place, expected=near)
    return GuardStopped("schema drift", gone or f"column '{column}' of {there} is gone", f"{near} Correct the map, or {todo}.")
