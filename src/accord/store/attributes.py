"""Read the attributes of an event for a projection, refusing what a column cannot hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from accord.model.errors import UsageError
from accord.model.event import Event, StoredEvent, utc_text
from accord.model.spelling import speller

_LARGEST = 2**63 - 1
_packed = speller()


def text(event: Event, name: str) -> str:
    """An attribute that must be there and must be text.

    Raises:
        UsageError: it is missing, empty or no text; the event is not accepted into the log.
    """
    value = event.attributes.get(name)
    if not isinstance(value, str) or not value:
        raise _refused(event, name, "a text that is not empty", value)
    return value


def optional_text(event: Event, name: str) -> str | None:
    """A text; any other value as JSON, a missing one as ``None``."""
    value = event.attributes.get(name)
    return value if value is None or isinstance(value, str) else packed(value)


def integer(event: Event, name: str, default: int | None = None) -> int | None:
    """A whole number of 64 bits, or ``default`` when it is missing or null."""
    value = event.attributes.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST:
        raise _refused(event, name, "a whole number of 64 bits", value)
    return value


def real(event: Event, name: str) -> float | None:
    """A number, given as number or as text, or ``None`` when it is missing or null."""
    value = event.attributes.get(name)
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _refused(event, name, "a finite number", value)
    return number


def mapping(event: Event, name: str) -> Mapping[str, Any]:
    """A JSON object; empty when it is missing or null."""
    value = event.attributes.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _refused(event, name, "names with values", value)
    return value


def texts(event: Event, name: str, value: object) -> list[str]:
    """A list of texts; one text alone is a list of one, null an empty list."""
    found = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(item, str) and item for item in found):
        raise _refused(event, name, "a list of texts", value)
    return found


def packed(value: object) -> str:
    """A JSON value as text, the same text for equal values."""
    return _packed(value)


def stamp(stored: StoredEvent) -> str:
    """The time of an event as projections keep it: ISO 8601 in UTC with microseconds."""
    return utc_text(stored.event.time)


def _refused(event: Event, name: str, expected: str, value: object) -> UsageError:
    shown = "nothing" if value is None else repr(value)[:80]
    return UsageError(f"event '{event.id}' of type '{event.type}': attribute '{name}' holds {shown}.", expected=f"Expected {expected}.")
