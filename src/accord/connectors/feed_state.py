"""What a system keeps for feeds: shown to people, because a feed that nobody reads fills the disk of its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class FeedState:
    """One feed as its system sees it.

    Attributes:
        name: what the system calls it.
        behind: bytes or changes that are kept because they were not acknowledged.
        unit: of ``behind``.
        read: whether somebody reads it now; ``None`` where the system does not know.
        lost: why it can no longer be read; empty when it can.
    """

    name: str
    behind: int
    unit: Literal["bytes", "changes"]
    read: bool | None = None
    lost: str = ""


@runtime_checkable
class KeepsFeeds(Protocol):
    """A connector that can list the feeds its system keeps for Accord."""

    def feeds(self) -> Sequence[FeedState]:
        """Every feed of Accord in this system, of whatever store.

        Raises:
            SystemUnreachable: no answer.
        """
        ...

    def feed_called(self, name: str) -> str:
        """What the system calls the feed that ``Logged.open_feed`` was given this name for: ``FeedState.name``."""
        ...
