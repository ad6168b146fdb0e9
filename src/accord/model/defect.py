"""Errors that nobody expected: they are told as what they are, and their trace is kept so that it can be reported."""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path

from accord.model.errors import AccordError


class Defect(AccordError):
    """Something went wrong that is a mistake of Accord's own; ``trace`` is the file that tells where."""

    def __init__(self, what: str, trace: Path) -> None:
        self.what, self.trace = what, trace
        super().__init__(f"a defect in Accord: {what}. The trace is in {trace}.")


def defect_of(error: BaseException) -> Defect:
    """The error as one of Accord's, its trace written to a file of its own."""
    return Defect(f"{type(error).__name__}: {error}", keep_trace(error))


def keep_trace(error: BaseException) -> Path:
    """Write the trace of an error to a file of its own."""
    with tempfile.NamedTemporaryFile("w", prefix="accord-defect-", suffix=".txt", delete=False) as file:
        file.writelines(traceback.format_exception(error))
        return Path(file.name)
