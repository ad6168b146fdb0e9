"""What an import gives: entities, what was left out, or everything that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from accord.mapfile.problems import Problem
from accord.model.entity import Entity
from accord.model.errors import MapError
from accord.model.values import Duration

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class ImportedContract:
    """The entities of a contract, one for each object of its schema.

    ``freshness`` is its latency, for the flow that will keep them in agreement. Nothing is dropped in silence: ``left_out`` names
    every part of the contract that the entities do not carry, and ``unchecked`` those that a row could break, so that the entities
    promise less than the contract.
    """

    entities: tuple[Entity, ...]
    freshness: Duration | None = None
    left_out: tuple[Problem, ...] = ()
    unchecked: tuple[Problem, ...] = ()


class ContractProblems(MapError):
    """A contract that cannot be read: ``problems`` holds every mistake, the message the first 20; ``place`` is that of the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.message, place=first.place, expected=first.expected)
        if len(self.problems) > 1:
            lines = [f"{len(self.problems)} problems in the contract:", *(f"  {p}" for p in self.problems[:_SHOWN])]
            if len(self.problems) > _SHOWN:
                lines.append(f"  and {len(self.problems) - _SHOWN} more.")
            self.args = ("\n".join(lines),)
