"""Whole files or none: written aside, synced and renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from accord.model.errors import TerminalError
from accord.store.aside import ASIDE, aside, clear_dead
from accord.store.room import no_room


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that a reader, or a crash, sees the old one or the new one and never a part.

    What processes that were killed had written beside it, and not put in its place, is removed.

    Raises:
        StorageFull: the disk took no more; the old file stands.
        TerminalError: the folder cannot be written.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_dead(path.parent)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=aside(), suffix=path.suffix)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if full := no_room(error, path):
            raise full from error
        raise TerminalError(f"cannot write {path}: {error.strerror}. Choose a place that can be written.") from error


def clear_unfinished(folder: Path) -> None:
    """Remove what a killed process left half written in a folder; only for whoever alone may write there.

    A writer that stalled and comes back finds its file gone, says so, and leaves the standing one as it is.
    """
    for left in sorted(folder.glob(f"{ASIDE}*")):
        left.unlink(missing_ok=True)
