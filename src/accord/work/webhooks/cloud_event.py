"""An event of the log as CloudEvents 1.0, in structured JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

from accord.model.event import StoredEvent

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


def cloud_event(stored: StoredEvent, map_name: str) -> bytes:
    """The body of a webhook; the same bytes each time.

    ``source`` and ``id`` together are the event's identity; ``sequence`` is its number in the log, so that a receiver can put what
    came late into order.

    Source:
        CloudEvents 1.0.2 sections 3.1 and 3.2 of the JSON format; extension ``sequence``.
    """
    event = stored.event
    about = next((f"{ref.type}/{ref.id}" for ref in event.objects), "")
    body = {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/accord/{quote(map_name)}",
        "type": event.type,
        "time": event.time.isoformat(),
        **({"subject": about} if about else {}),
        "datacontenttype": "application/json",
        "sequence": str(stored.seq),
        "data": dict(event.attributes),
    }
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8", "replace")


def delivery_id(stored: StoredEvent) -> str:
    """The ``webhook-id``: the same in each try, and fit for a header whatever the event's own id."""
    return f"{stored.seq}-{stored.hash[:24]}"


def chosen(type_: str, patterns: Sequence[str]) -> bool:
    """Whether a type of event is among those asked for; what became of webhooks never is, as each would tell of the one before."""
    if type_.startswith("webhook."):
        return False
    return any(pattern in ("*", type_) or (pattern.endswith(".*") and type_.startswith(pattern[:-1])) for pattern in patterns)
