"""A disk that takes no more: known whoever tells of it, and told in one way."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Final

from accord.model.errors import StorageFull

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_LEAST_BYTES: Final = 65_536  # twice what SQLite asks for at once, and its error does not say that it was room


def without_room(file: Path) -> bool:
    """Whether the disk of a file has hardly a byte left, which an error of input and output then comes from."""
    try:
        return shutil.disk_usage(file.parent).free < _LEAST_BYTES
    except OSError:
        return False


def no_room(error: Exception, where: Path | str, *, why: str = "") -> StorageFull | None:
    """The error to raise in place of one that says that a disk, or somebody's share of it, is full; ``None`` for any other.

    Args:
        error: what was met. Libraries tell of it in errors without a number, in the words of the C library.
        where: what was written.
        why: more for people.
    """
    text = str(error)
    number = error.errno if isinstance(error, OSError) and error.errno else next((n for n in _FULL if os.strerror(n) in text), 0)
    if number not in _FULL:
        return None
    return StorageFull(str(where), f"{os.strerror(number)}{f'; {why}' if why else ''}")
