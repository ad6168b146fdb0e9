"""Commands that run until they are told to end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def ended_by_signals(stop: threading.Event, end: Callable[[], None] | None = None) -> Iterator[None]:
    """The first SIGTERM or Ctrl-C ends the command after what it is doing, a second one at once.

    Args:
        stop: set while the command is ending.
        end: sets ``stop``, and whatever else has to be told; default: sets ``stop``.
    """
    tell = end or stop.set

    def heard(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        tell()

    before = {number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
