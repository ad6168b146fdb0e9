"""The records bulk segments hold that one part writes and another reads: their columns and types, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# One row per change of a source and target it has to reach, role ``changes`` of a flow: written by sync, read by measuring (F5).
CHANGES: Final[Mapping[str, str]] = {
    "flow": "VARCHAR",
    "run": "VARCHAR",
    "key": "VARCHAR",
    "source": "VARCHAR",
    "target": "VARCHAR",
    "op": "VARCHAR",
    "due": "BOOLEAN",
    "verified": "BOOLEAN",
    "quarantined": "BOOLEAN",
    "source_broken": "BOOLEAN",
    "source_changed_at": "TIMESTAMPTZ",
    "captured_at": "TIMESTAMPTZ",
    "verified_at": "TIMESTAMPTZ",
    "freshness_seconds": "DOUBLE",
}
