"""Whole files or none: written aside, synced and renamed."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from accord.model.errors import StorageFull, TerminalError


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that a reader, or a crash, sees the old one or the new one and never a part.

    Raises:
        StorageFull: the disk took no more; the old file stands.
        TerminalError: the folder cannot be written.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix=path.suffix)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(str(path), os.strerror(error.errno)) from error
        raise TerminalError(f"cannot write {path}: {error.strerror}. Choose a place that can be written.") from error
