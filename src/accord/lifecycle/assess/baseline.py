"""The baseline: every KPI with its interval and how precise it is; frozen once under a name and never moved again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from accord.model.figure import Figure

PRECISION = 0.05


@dataclass(frozen=True)
class Precision:
    """How wide a KPI's interval is: half its width / the value; ``more`` cases would bring it to ``PRECISION``."""

    figure: Figure
    value: float | None
    more: int

    @property
    def words(self) -> str:
        """For a table: the precision, and what is missing to reach the aim."""
        if self.figure.value is None:
            return f"not measured: {self.figure.not_measured}"
        if self.value is None:
            return "not measured: no interval, because there is one cluster only"
        return f"±{self.value:.1%}" + (f", needs {self.more:,} more cases" if self.more else "")


def precision(figure: Figure) -> Precision:
    """Half-width of the interval relative to the value.

    The half-width falls with the square root of the sample, so n · (precision / aim)² - n more cases reach the aim.
    """
    if figure.value is None or figure.low is None or figure.high is None or not figure.value:
        return Precision(figure, None, 0)
    relative = (figure.high - figure.low) / 2 / abs(figure.value)
    more = ceil((figure.n or 0) * ((relative / PRECISION) ** 2 - 1)) if relative > PRECISION else 0
    return Precision(figure, relative, more)


def precise_share(figures: Sequence[Figure]) -> Figure:
    """Share of the measured KPIs whose interval is at most ``PRECISION`` of the value."""
    judged = [p for p in map(precision, figures) if p.value is not None]
    good = sum(p.value is not None and p.value <= PRECISION for p in judged)
    why = "" if judged else "no KPI has an interval yet"
    return Figure("baseline_precision", good / len(judged) if judged else None, "share", len(judged) or None, not_measured=why)
