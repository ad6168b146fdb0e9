"""A log says how its columns are to be read, unless its format says so itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.process import Log

_ENDINGS: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".xes": "xes",
    ".xes.gz": "xes",
    ".sqlite": "ocel-sqlite",
    ".json": "ocel-json",
}
_PLAIN: Final = ("csv", "parquet")


def check(facts: Facts) -> Iterator[Problem]:
    """Logs that could not be read for lack of columns."""
    for log in facts.map.logs.values():
        path, holder = ("logs", log.name), f"log '{log.name}'"
        if not log.path and facts.written(*path, "path"):
            yield facts.problem((*path, "path"), f"{holder}: the path is empty.", "Expected a file.")
        if format_of(log) in _PLAIN:
            for key in ("case", "activity", "time"):
                if not getattr(log, key):
                    yield facts.problem(
                        path, f"{holder}: '{key}' is missing.", f"Expected the column of the {format_of(log)} file that holds it."
                    )
        if len(log.separator) != 1:
            yield facts.problem(
                (*path, "separator"),
                f"{holder}: the separator '{log.separator}' is not one character.",
                "Expected one, such as ',' or ';'.",
            )


def format_of(log: Log) -> str:
    """The format given, or the one the file's ending stands for; «» when neither says."""
    return log.format or next((f for ending, f in _ENDINGS.items() if log.path.lower().endswith(ending)), "")
