"""Notice that a map has changed while a command goes on that read it when it began."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOOK_SECONDS = 1.0
State = tuple[tuple[str, int, int], ...]
_ENDINGS = (".yaml", ".yml", ".json", ".bpmn", ".xml")


@contextmanager
def noticing(map_path: Path, changed: Callable[[], None], *, since: State) -> Iterator[None]:
    """While the block runs, call ``changed`` on a thread of its own each time the files of a map are others than before.

    A file that is being written is left alone until two looks find it the same.

    Args:
        map_path: a file or folder.
        changed: should not raise.
        since: how they were before the map was read.
    """
    end = threading.Event()

    def look() -> None:
        seen = last = since
        while not end.wait(LOOK_SECONDS):
            now = map_state(map_path)
            if now != seen and now == last:
                seen = now
                changed()
            last = now

    thread = threading.Thread(target=look, name="map changes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def map_state(map_path: Path) -> State:
    """Name, time and size of each file a map may be made of: its own, and the forms and drawings that stand beside it."""
    folder = map_path if map_path.is_dir() else map_path.parent
    found = []
    for inside in (folder, folder / "map"):
        with suppress(OSError):  # it is not there, or just being put there: the next look sees it
            for entry in os.scandir(inside):
                if entry.name.endswith(_ENDINGS) and entry.is_file():
                    known = entry.stat()
                    found.append((entry.path, known.st_mtime_ns, known.st_size))
    return tuple(sorted(found))
