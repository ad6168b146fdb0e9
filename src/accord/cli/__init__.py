"""The command line: one file per command."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from types import FrameType

# What is loaded stays: looking through it for what may be let go, each time a few hundred things more are there, takes a seventh of a
# short command.
gc.set_threshold(50_000)
# The threads that multiply matrices begin by waiting busily; ours are small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Loading everything takes a moment in which nothing is done yet; a Ctrl-C then ends at once, without the trace of an import.
loading = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _end(number: int, frame: FrameType | None) -> None:
    sys.stderr.write("error: interrupted before anything was begun.\n")
    sys.stderr.flush()
    os._exit(1)


def loaded() -> None:
    """Let Ctrl-C be what it is in every Python program again; ``main`` answers it from here on."""
    global loading
    if loading:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        loading = False


if loading:
    signal.signal(signal.SIGINT, _end)
