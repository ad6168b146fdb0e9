"""What runs are called."""

from __future__ import annotations

import secrets
from datetime import datetime


def new_run_id(now: datetime) -> str:
    """A run id that sorts by time and is unique."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
