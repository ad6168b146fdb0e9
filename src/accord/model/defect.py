"""Errors that nobody expected: they are told as what they are, and their trace is kept so that it can be reported."""

from __future__ import annotations

import contextlib
import tempfile
import traceback
from pathlib import Path

from accord.model.errors import AccordError


class Defect(AccordError):
    """Something went wrong that is a mistake of Accord's own; ``trace`` is the file that tells where, if it could be kept."""

    def __init__(self, what: str, trace: Path | None, said: str) -> None:
        self.what, self.trace = what, trace
        super().__init__(f"a defect in Accord: {what}. {said}")


def defect_of(error: BaseException) -> Defect:
    """The error as one of Accord's, its trace written to a file of its own."""
    return Defect(f"{type(error).__name__}: {error}", *kept_trace(error))


def kept_trace(error: BaseException) -> tuple[Path | None, str]:
    """Write the trace of an error to a file of its own, and say in a sentence where that is.

    Where it cannot be written (a full disk may be why there is an error at all), the sentence says so and where in the program it was.
    """
    path: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="backslashreplace", prefix="accord-defect-", suffix=".txt", delete=False
        ) as file:
            path = Path(file.name)
            file.writelines(traceback.format_exception(error))
    except OSError as reason:
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink()
        last = traceback.extract_tb(error.__traceback__)[-1:]
        where = "".join(f"; it was at {frame.filename}:{frame.lineno}, in {frame.name}" for frame in last)
        return None, f"The trace could not be kept ({reason.strerror or reason}){where}."
    return path, f"The trace is in {path}."
