"""What a run of a flow, or a reconciliation, came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pyarrow as pa

from accord.model.figure import Finding

Status = Literal["done", "planned", "partial"]


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """What one system would be told: counts, and the rows with ``_op``, the fields ``_set`` and old and new values in its own columns.

    ``rows`` has the canonical key, ``_op``, ``_set``, ``_unfit`` (why a row cannot be written) and for each column c its key value ``k:c``,
    its new value ``n:c`` and its present one ``o:c``.
    """

    OPERATIONS: ClassVar[tuple[str, ...]] = ("insert", "update", "delete")

    binding: str
    system: str
    resource: str
    inserts: int
    updates: int
    deletes: int
    rows: pa.Table = field(repr=False)


@dataclass(frozen=True, slots=True)
class FlowResult:
    """One run of a flow.

    Args:
        status: done; planned (a dry run); partial: some rows were refused or kept changing, see findings, and are tried again next time.
        counts: effects of this run; all 0 when nothing changed: inserted, updated, deleted, unchanged (already as wanted), refused, stale,
            conflicts (newly recorded values), quarantined (newly), released, changes (pairs due, F5), verified.
        rows: rows read per binding.
        waiting: rows in quarantine now.
        changed: something was written, agreed, refused or recorded.
        recognized: of a plan for some keys: those of rows without an id, and the key each row gets; ``None``: a person has to decide.
        older_seconds: so long before its beginning some row was read, as a reading that broke then was gone on with.
    """

    flow: str
    run: str
    status: Status
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]
    seconds: float
    changed: bool
    rows: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    open_conflicts: int = 0
    plan: tuple[TargetPlan, ...] = ()
    older_seconds: float = 0.0
    recognized: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PairResult:
    """Two bindings compared: keys in both, only left (missing on the right), only right (extra), and with different values.

    ``left_digest`` and ``right_digest`` are over all rows compared, whatever their order; ``method`` says where they were computed.
    ``coarser`` counts by field the values that are other ones, and the same in the form in which both systems can hold them.
    """

    left: str
    right: str
    keys: int
    missing: int
    extra: int
    different: int
    left_digest: str = ""
    right_digest: str = ""
    method: str = ""
    coarser: Mapping[str, int] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Zero differences."""
        return not (self.missing or self.extra or self.different)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The proof of agreement of a flow, from a fresh read of every system.

    ``differences`` has one row per missing or extra key and per different field: left, right, key (JSON), kind, field, left_value,
    right_value. ``quarantined`` counts per binding the rows that break the contract; they are listed apart and not compared.
    ``rows`` counts per binding the rows it showed, ``lacking`` names per binding the mapped columns that are gone there: the fields they
    hold are not compared. ``unknown`` names the row behind a differing key that is no id yet: where it stands, under which own key.
    """

    flow: str
    run: str
    pairs: tuple[PairResult, ...]
    differences: pa.Table
    quarantined: Mapping[str, int]
    seconds: float
    sha: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether every pair agrees and nothing waits in quarantine."""
        return all(p.agrees for p in self.pairs) and not any(self.quarantined.values())


def kept_finding(finding: Finding) -> dict[str, object]:
    """What an event keeps of a finding of a run, so that a later run can tell it again."""
    return {
        "kind": finding.kind,
        "subject": finding.subject,
        "sentence": finding.sentence,
        "severity": finding.severity,
        "count": finding.count,
        "examples": list(finding.examples),
    }


def told_again(kept: Mapping[str, Any]) -> Finding:
    """The finding that ``kept_finding`` kept."""
    return Finding(**{**kept, "examples": tuple(kept["examples"])})
