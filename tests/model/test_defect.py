"""What is told of an error that nobody expected."""

from __future__ import annotations

import pickle
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from accord.model.defect import Defect, defect_of


def met() -> Exception:
    """An error of our own making, with a text that is no UTF-8."""
    try:
        raise ValueError("half a character: \ud83d")
    except ValueError as error:
        return error


def full(call: Callable[[], Defect]) -> Defect:
    """Call with no room for a single byte in any file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        return call()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("fault", ["no room", "no folder"])
def test_where_the_trace_cannot_be_kept_the_error_is_told_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """A full disk is a time of errors: the one of writing their trace took the place of the one that mattered, and ended a watch."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone") if fault == "no folder" else str(tmp_path))

    told = full(lambda: defect_of(met())) if fault == "no room" else defect_of(met())

    assert told.trace is None
    assert "ValueError: half a character" in str(told)
    assert "The trace could not be kept (" in str(told)
    assert f"{__file__}:" in str(told)
    assert list(tmp_path.iterdir()) == []


def test_a_trace_is_kept_with_texts_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may well be what the defect is about."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    told = pickle.loads(pickle.dumps(defect_of(met())))

    assert str(told).endswith(f"The trace is in {told.trace}.")
    assert "half a character" in told.trace.read_text(encoding="utf-8")
