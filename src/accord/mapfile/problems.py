"""A mistake in a map, and the error that carries all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from accord.model.errors import NOWHERE, MapError, Place, alternatives, nearest

SHOWN: Final = 20
MANY: Final = 300


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


def known_names(name: str, known: Collection[str]) -> str:
    """``alternatives`` of the model, with a bound on the time it takes where there are very many names."""
    if len(known) <= MANY:
        return alternatives(name, known)
    near = [other for other in known if other[:1] == name[:1] and abs(len(other) - len(name)) <= 1]
    meant = nearest(name, near[:MANY])
    return f"{len(known):,} are known." + (f" Did you mean '{meant}'?" if meant else "")


def tidy(problems: Iterable[Problem]) -> list[Problem]:
    """The problems in the order of the files, each once."""
    return sorted(set(problems))
