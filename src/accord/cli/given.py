"""Files that were given to a command."""

from __future__ import annotations

from pathlib import Path

from accord.model.errors import UsageError


def given_bytes(file: Path, expected: str, *, most: int = -1) -> bytes:
    """What a file holds.

    Args:
        file: as it was given.
        expected: what to give instead, as a sentence.
        most: bytes to read at the most; all of them when negative.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            return opened.read(most)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.", expected=expected) from error
