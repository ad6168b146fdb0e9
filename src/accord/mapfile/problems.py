"""A mistake in a map, and the error that carries all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accord.model.errors import NOWHERE, MapError, Place

SHOWN = 20


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: where it stands, what is wrong, and what was expected instead."""

    place: Place
    message: str
    expected: str = ""

    def __str__(self) -> str:
        where = "" if self.place is NOWHERE else f"{self.place}: "
        return f"{where}{self.message}" + (f" {self.expected}" if self.expected else "")


class MapProblems(MapError):
    """A map with mistakes: ``problems`` holds all of them, the message the first 20; ``place`` is that of the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.message, place=first.place, expected=first.expected)
        if len(self.problems) > 1:
            self.args = (_listed(self.problems),)


def _listed(problems: Sequence[Problem]) -> str:
    lines = [f"{len(problems)} problems in the map:", *(f"  {p}" for p in problems[:SHOWN])]
    if len(problems) > SHOWN:
        lines.append(f"  and {len(problems) - SHOWN} more; `accord lint` lists all of them.")
    return "\n".join(lines)


def tidy(problems: Iterable[Problem]) -> list[Problem]:
    """The problems in the order of the files, each once."""
    return sorted(set(problems))
