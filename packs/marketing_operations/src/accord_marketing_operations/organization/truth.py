"""What the generator broke on purpose: the answer sheet that tests hold an assessment against."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Kind = Literal[
    "missing_record",
    "duplicate_record",
    "stale_field",
    "unit_error",
    "time_zone_error",
    "orphan",
    "bad_code",
    "missing_value",
    "late_handoff",
    "rework",
]


@dataclass(frozen=True, slots=True, order=True)
class Defect:
    """One thing that is wrong.

    Args:
        kind: what sort of defect.
        system: system that shows it; for a missing record, the one it is missing from.
        resource: table or file of that system.
        key: canonical key of the record, field by field as text.
        field: canonical field that is wrong; empty when it is the whole record.
        detail: what stands there and what should, for people.
        entity: entity of the map the record belongs to.
    """

    kind: Kind
    system: str
    resource: str
    key: tuple[str, ...]
    field: str = ""
    detail: str = ""
    entity: str = ""


@dataclass(frozen=True, slots=True)
class Truth:
    """Every defect, and how many rows each table was given («system.resource»: rows)."""

    seed: int
    campaigns: int
    rows: dict[str, int]
    defects: tuple[Defect, ...]

    def write(self, path: Path) -> None:
        """Write it as JSON, the same bytes for the same truth."""
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")

    @classmethod
    def read(cls, path: Path) -> Truth:
        """Read what ``write`` wrote."""
        found = json.loads(path.read_text(encoding="utf-8"))
        defects = tuple(Defect(**{**d, "key": tuple(d["key"])}) for d in found["defects"])
        return cls(seed=found["seed"], campaigns=found["campaigns"], rows=found["rows"], defects=defects)
