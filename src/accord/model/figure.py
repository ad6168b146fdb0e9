"""Measured figures, and findings of an assessment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["met", "indicated", "not met", "too little data", "not measured", "no target"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a figure came from: the query, the range of the log or the run, and the time it was read."""

    kind: Literal["query", "log", "run", "scan", "map"]
    reference: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its unit, interval, sample and evidence; or the reason why there is none.

    ``value`` is ``None`` exactly when ``not_measured`` says why. Shares are 0..1. ``label`` carries words such as «simulated».
    """

    name: str
    value: float | None
    unit: str = ""
    n: int | None = None
    low: float | None = None
    high: float | None = None
    title: str = ""
    dims: tuple[tuple[str, str], ...] = ()
    evidence: tuple[Evidence, ...] = ()
    not_measured: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) == (not self.not_measured):
            raise ValueError(f"figure '{self.name}' needs either a value or the reason why it was not measured")

    def show(self) -> str:
        """The figure for people: «94.2 % [93.1, 95.2] (n=1,234)» or «not measured: reason»."""
        if self.value is None:
            return f"not measured: {self.not_measured}"
        text = show_value(self.value, self.unit)
        if self.low is not None and self.high is not None:
            text += f" [{show_value(self.low, self.unit)}, {show_value(self.high, self.unit)}]"
        if self.n is not None:
            text += f" (n={self.n:,})"
        return f"{text} {self.label}".rstrip()


def figure_to(figure: Figure) -> dict[str, Any]:
    """A figure as plain JSON values, for an event."""
    return {
        "name": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "n": figure.n,
        "low": figure.low,
        "high": figure.high,
        "title": figure.title,
        "dims": [list(d) for d in figure.dims],
        "evidence": [[e.kind, e.reference, e.detail] for e in figure.evidence],
        "not_measured": figure.not_measured,
        "label": figure.label,
    }


def figure_from(body: Mapping[str, Any]) -> Figure:
    """The figure that ``figure_to`` wrote."""
    values = dict(body)
    values["dims"] = tuple((str(k), str(v)) for k, v in body["dims"])
    values["evidence"] = tuple(Evidence(kind, reference, detail) for kind, reference, detail in body["evidence"])
    return Figure(**values)


def show_value(value: float, unit: str) -> str:
    """A value with its unit, rounded for reading; a share becomes percent."""
    if unit == "share":
        return f"{value * 100:.{_decimals(value)}f} %"
    if unit in ("", "count", "rows") and float(value).is_integer():
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 3 if abs(value) < 1 else 2
    return f"{value:,.{digits}f}" + (f" {unit}" if unit and unit not in ("count", "rows") else "")


def _decimals(share: float) -> int:
    """One, and more where a share that is not quite all or not quite nothing would read as if it were."""
    apart = min(abs(share), abs(1 - share))
    return 1 if apart < 1e-9 else next((n for n in range(1, 8) if round(apart * 100, n)), 1)


def show_gap(gap: float, unit: str) -> str:
    """A difference of two values for people: between shares it is points, not percent."""
    return f"{gap * 100:.1f} points" if unit == "share" else show_value(gap, unit)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something an assessment saw that someone should know or mend.

    Args:
        kind: a word for the class of finding, such as ``duplicate_key``; tests and drop-ins refer to it.
        subject: what it is about: ``system/resource``, ``flow``, ``entity.field``.
        count: how many rows, pairs or cases show it.
        sentence: what is wrong, where, and what to do, for people.
        examples: a few keys that show it.
    """

    kind: str
    subject: str
    sentence: str
    severity: Literal["info", "warning", "problem"] = "warning"
    count: int = 1
    examples: tuple[str, ...] = ()
    owner: str = ""
    detail: dict[str, Any] = field(default_factory=dict, hash=False)
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetResult:
    """A target held against what was measured."""

    target: str
    title: str
    value: Figure
    baseline: Figure | None
    wanted: str
    verdict: Verdict
    note: str = ""
