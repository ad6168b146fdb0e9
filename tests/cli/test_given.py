"""Files that were given to a command and are not what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.cli.given import given_bytes
from accord.model.errors import UsageError


def test_a_file_that_cannot_be_read_is_a_mistake_of_the_call_that_says_what_to_give(tmp_path: Path) -> None:
    """Whoever mistyped a name needs that sentence, and no trace of the program."""
    for wrong in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageError, match=r"cannot be read: .*Give a plan"):
            given_bytes(wrong, "Give a plan.")


def test_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    """A file of gigabytes given by mistake must not fill the memory before it is refused."""
    file = tmp_path / "long"
    file.write_bytes(b"0123456789")

    assert given_bytes(file, "") == b"0123456789"
    assert given_bytes(file, "", most=4) == b"0123"
