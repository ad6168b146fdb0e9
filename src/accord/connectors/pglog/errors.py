"""What can happen to a log capture that no retry mends.

TerminalError
└── SlotLost    changes may be missing from the stream: take a new snapshot
"""

from __future__ import annotations

from accord.model.errors import TerminalError


class SlotLost(TerminalError):
    """The stream can no longer be joined to what was read before without a gap.

    The slot or publication is gone, was invalidated, moved on or made anew by others, or the server is another one. Going on would miss
    changes in silence, so the only safe way is a new slot with a new snapshot.
    """

    def __init__(self, system: str, slot: str, reason: str) -> None:
        self.system, self.slot, self.reason = system, slot, reason
        super().__init__(
            f"system '{system}', replication slot '{slot}': {reason}. Changes since the last sync may be missing from the log; "
            "take a new snapshot (a full sync of this flow), which also makes a new slot.",
            left="what was acknowledged before stands; nothing was read past the gap",
        )
