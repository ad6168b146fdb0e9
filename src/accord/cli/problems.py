"""Mistakes of files that people wrote, told in the same way by every command that reads one."""

from __future__ import annotations

from collections.abc import Sequence

from accord.cli.output import emit_json, escape, out
from accord.mapfile import Problem


def problem_json(problem: Problem) -> dict[str, object]:
    """A problem as JSON; the schema is stable."""
    return {"file": problem.place.file, "line": problem.place.line, "message": problem.message, "expected": problem.expected}


def tell_problems(command: str, problems: Sequence[Problem], *, as_json: bool) -> int:
    """Tell why a file is not taken; returns the exit code for that."""
    if as_json:
        emit_json({"command": command, "problems": [problem_json(p) for p in problems]})
    else:
        for problem in problems:
            out().print(escape(str(problem)))
        out().print(f"{len(problems)} problem{'s' if len(problems) != 1 else ''}")
    return 2
