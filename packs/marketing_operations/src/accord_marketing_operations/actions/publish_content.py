"""``publish_content``: give what is approved to its channel."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from accord.work.action import Call


def publish_content(call: Call) -> Mapping[str, Any]:
    """The publication by an id made of the call's key: a repeat after a crash is the same publication."""
    given = call.arguments
    about = {name: given[name] for name in ("deliverable", "channel", "file", "version")}
    return {"publication": {"id": hashlib.sha256(call.key.encode()).hexdigest()[:16], **about}}
