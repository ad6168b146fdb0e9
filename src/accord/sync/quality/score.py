"""What a check was asked, and how often it was answered badly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import pyarrow as pa

VALIDATIONS: Final[Mapping[str, str]] = {
    "accuracy": "values are right: in their set, form and range, true to the rules, and as the system with authority has them",
    "completeness": "nothing is missing: required values, and the records other systems hold",
    "timeliness": "data is fresh: sources bring new rows, changes arrive within the time promised",
    "consistency": "systems say the same: keys and values agree, references lead somewhere, nothing stands twice",
    "mapping": "fields fit: mapped, readable, and unchanged after a way there and back",
}
# One row per defect. ``binding`` is «left ~ right» where two sides disagree; ``key`` is JSON, null where no single row is to blame.
GAPS: Final[Mapping[str, str]] = {
    "dimension": "VARCHAR",
    "check": "VARCHAR",
    "flow": "VARCHAR",
    "entity": "VARCHAR",
    "binding": "VARCHAR",
    "resource": "VARCHAR",
    "field": "VARCHAR",
    "owner": "VARCHAR",
    "key": "VARCHAR",
    "reason": "VARCHAR",
}


def validation_of(dimension: str) -> str:
    """The validation a dimension of the map counts for; validity is whether values are right."""
    return "accuracy" if dimension == "validity" else dimension


@dataclass(frozen=True, slots=True)
class Asked:
    """One check of one side (or pair of sides) of a flow.

    Args:
        asked: cells, rows, keys, changes or groups it was asked about.
        bad: how many of them failed.
        examples: a few keys with what is wrong.
        note: further words, such as the 95th percentile of a lag.
    """

    dimension: str
    check: str
    flow: str
    entity: str
    binding: str
    resource: str
    field: str
    owner: str
    asked: int
    bad: int
    examples: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Quality:
    """The validations of some flows, from a fresh read of every system.

    ``gaps`` has a row per defect with the columns of ``GAPS``.
    """

    run: str
    at: datetime
    checks: tuple[Asked, ...]
    gaps: pa.Table
    seconds: Mapping[str, float] = field(default_factory=dict)

    def counts(self, of: Callable[[Asked], str]) -> dict[str, tuple[int, int]]:
        """Bad and asked by whatever ``of`` gives, such as the dimension; in the order in which it is first given."""
        found: dict[str, tuple[int, int]] = {}
        for check in self.checks:
            bad, asked = found.get(of(check), (0, 0))
            found[of(check)] = (bad + check.bad, asked + check.asked)
        return found
