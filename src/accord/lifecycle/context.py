"""What a lifecycle step is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from accord.lifecycle.progress import Progress, Silent
from accord.model.errors import UsageError
from accord.model.figure import Finding, TargetResult
from accord.report.document import Document
from accord.workspace import Workspace

STEPS = ("assess", "design", "integrate", "optimize", "coordinate", "improve", "benchmark", "evolve")


@dataclass(frozen=True)
class StepContext:
    """Everything a step may read: the map, the systems and the log through the workspace; the run it belongs to; its options."""

    workspace: Workspace
    run: str
    now: datetime
    progress: Progress = field(default_factory=Silent)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Analysis:
    """What every step's analysis has; a step extends it with its own fields.

    Args:
        findings: what the step saw; the runner records them as events.
        metrics: the step's success metrics of ``lifecycle.md``, each measured or with the reason why not.
    """

    findings: tuple[Finding, ...] = ()
    metrics: tuple[TargetResult, ...] = ()


class Step(Protocol):
    """The package of a step: ``accord.lifecycle.<step>``.

    ``needs`` names the steps that must have run before; ``analyze`` computes everything once. Each other file of the package that
    has a ``build(ctx, analysis) -> Document`` is one deliverable: adding a file adds a deliverable.
    """

    needs: Sequence[str]

    def analyze(self, ctx: StepContext) -> Analysis:
        """Compute what the step's deliverables tell. May change systems only in ``integrate``."""
        ...


@dataclass(frozen=True)
class WrittenDeliverable:
    """A deliverable on disk; ``changed`` is false when it says the same as last time."""

    document: Document
    markdown: Path
    html: Path
    changed: bool


@dataclass(frozen=True)
class StepReport:
    """What a step did: its metrics, findings and deliverables."""

    step: str
    run: str
    analysis: Analysis
    deliverables: tuple[WrittenDeliverable, ...]
    seconds: float

    @property
    def changed(self) -> bool:
        """Whether anything differs from the last time this step ran."""
        return any(d.changed for d in self.deliverables)


class StepMissing(UsageError):
    """A step was asked for before the ones it stands on."""

    def __init__(self, step: str, missing: Sequence[str]) -> None:
        self.step, self.missing = step, tuple(missing)
        first = missing[0]
        super().__init__(
            f"'{step}' needs the results of {', '.join(missing)}, which did not run in this workspace yet.",
            expected=f"Run `accord {first}` first, or `accord run` for all eight.",
        )
