"""Where long work says how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Where long work says how far it is; the command line draws a bar, tests record nothing."""

    def begin(self, label: str, total: int) -> None:
        """A new stretch of work of ``total`` parts starts."""
        ...

    def advance(self, label: str = "") -> None:
        """One part is done; ``label`` names the next."""
        ...


class Silent:
    """Progress nobody looks at."""

    def begin(self, label: str, total: int) -> None:
        """Say nothing."""

    def advance(self, label: str = "") -> None:
        """Say nothing."""
