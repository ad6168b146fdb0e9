"""KPIs against target and baseline: one bar for each, with its interval, on its own scale from nothing to its largest figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from accord.model.figure import TargetResult, Verdict, show_value
from accord.model.goals import Target
from accord.report.charts.vega import Spec, interval, label, layer, picture, quantitative
from accord.report.document import Picture, Table
from accord.report.palette import LIGHT
from accord.report.view import VERDICT_SIGNS

_WIDTH: Final = 330
_ROW: Final = 36
_TONES: Final = ("blue", "orange", "faint")
_COLORS: Final = {"met": "blue", "indicated": "blue", "not met": "orange"}


@dataclass(frozen=True, slots=True)
class KpiRow:
    """A KPI with what it is held against; shares are 0..1, ``value`` is ``None`` when ``not_measured`` says why.

    ``target`` is the level the mark stands at; ``words`` says the target where it is no level, such as «−80 %».
    """

    title: str
    value: float | None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    target: float | None = None
    better: Literal["higher", "lower"] = "higher"
    baseline: float | None = None
    verdict: Verdict = "no target"
    not_measured: str = ""
    words: str = ""

    @property
    def wanted(self) -> str:
        """The target in words, such as «≥ 95.0 %»."""
        if self.words or self.target is None:
            return self.words
        return ("≥ " if self.better == "higher" else "≤ ") + show_value(self.target, self.unit)


def kpi_row(result: TargetResult, target: Target | None = None) -> KpiRow:
    """The row of a judged target; a change against the baseline is turned into the level it asks for.

    Args:
        result: value, baseline and verdict.
        target: the declared target; without it the row has no mark, only the words of the result.
    """
    value, before = result.value, None if result.baseline is None else result.baseline.value
    level, better = (None, "higher") if target is None else _level(target, before)
    return KpiRow(
        result.title or result.target,
        value.value,
        value.unit,
        value.low,
        value.high,
        level,
        "lower" if better == "lower" else "higher",
        before,
        result.verdict,
        value.not_measured,
        result.wanted,
    )


def _level(target: Target, before: float | None) -> tuple[float | None, str]:
    if target.at_most is not None:
        return target.at_most, "lower"
    if target.reduce_by is not None:
        return None if before is None else before * (1 - target.reduce_by), "lower"
    if target.at_least is None and target.improve_by is not None:
        return None if before is None else before * (1 + target.improve_by), "higher"
    return target.at_least, "higher"


def kpi_targets_chart(rows: Sequence[KpiRow], *, name: str = "kpi-targets", title: str = "KPIs against target") -> Picture:
    """Each KPI as a bar with its interval, a mark at its target and one at its baseline.

    Args:
        rows: in the order they are shown.
        name: of the picture, unique in its document.
        title: its heading.
    """
    met = sum(row.verdict == "met" for row in rows)
    alt = f"{met} of {sum(row.target is not None for row in rows)} targets are met. "
    alt += "Bars show the value, a thin line its interval, a thick mark the target, a diamond the value before."
    return picture(name, title, alt, _spec(rows), _table(rows))


def _spec(rows: Sequence[KpiRow]) -> Spec:
    y: Spec = {"field": "row", "type": "ordinal", "axis": None, "scale": {"domain": list(range(len(rows)))}}

    def at(field: str, **more: Spec) -> Spec:
        return {"y": y, "x": quantitative(field, (0, 1), axis=None), **more}

    def words(field: str) -> Spec:
        return {"y": y, "text": {"field": field, "type": "nominal"}}

    ink, muted = LIGHT["ink"], LIGHT["muted"]
    column = {"value": _WIDTH + 14, "target": _WIDTH + 104, "verdict": _WIDTH + 194}
    whole = {"y": y, "x": {"datum": 0, "type": "quantitative", "axis": None}, "x2": {"datum": 1}}
    filled = at("value", x2={"field": "zero"})
    bar: Spec = {"height": 14, "cornerRadius": 3}
    diamond = {"shape": "diamond", "size": 70, "filled": True, "color": LIGHT["surface"], "stroke": ink, "strokeWidth": 1.5, "opacity": 1}
    layers = [
        layer("bar", whole, color=LIGHT["band"], **bar),
        *(layer("bar", filled, where=f"datum.value != null && datum.tone == '{tone}'", color=LIGHT[tone], **bar) for tone in _TONES),
        *interval(at),
        layer("point", at("baseline"), where="datum.baseline != null", **diamond),
        layer("tick", at("target"), where="datum.target != null", color=ink, thickness=3.5, size=24, opacity=1),
        layer("text", words("title"), align="right", x=-12, fontSize=13, limit=270),
        layer("text", words("reason"), align="left", x=8, color=muted, fontStyle="italic", limit=_WIDTH - 16),
        layer("text", words("shown"), align="left", x=column["value"], fontWeight="bold", fontSize=13),
        layer("text", words("wanted"), align="left", x=column["target"]),
        layer("text", words("judged"), align="left", x=column["verdict"]),
        *(label(head.capitalize(), x, -10, color=muted) for head, x in column.items()),
    ]
    values = [_datum(number, row) for number, row in enumerate(rows)]
    return {"data": {"values": values}, "width": _WIDTH, "height": {"step": _ROW}, "layer": layers}


def _datum(number: int, row: KpiRow) -> dict[str, str | int | float | None]:
    given = [figure for figure in (row.value, row.low, row.high, row.target, row.baseline) if figure is not None]
    start = min(0.0, *given) if given else 0.0
    end = max(1.0 if row.unit == "share" else 0.0, *(figure * (1.0 if row.unit == "share" else 1.08) for figure in given)) if given else 1.0
    span = (end - start) or 1.0

    def place(figure: float | None) -> float | None:
        return None if figure is None else round((figure - start) / span, 4)

    return {
        "row": number,
        "title": row.title,
        "value": place(row.value),
        "zero": place(0.0),
        "low": place(row.low) if row.high is not None else None,
        "high": place(row.high) if row.low is not None else None,
        "target": None if row.value is None else place(row.target),  # a mark without a bar would stand in the reason's way
        "baseline": place(row.baseline),
        "tone": _COLORS.get(row.verdict, "faint"),
        "shown": "" if row.value is None else show_value(row.value, row.unit),
        "wanted": row.wanted,
        "judged": f"{VERDICT_SIGNS[row.verdict]} {row.verdict}",
        "reason": f"not measured: {row.not_measured}" if row.value is None else "",
    }


def _table(rows: Sequence[KpiRow]) -> Table:
    def show(row: KpiRow, figure: float | None) -> str:
        return "" if figure is None else show_value(figure, row.unit)

    lines = tuple(
        (
            row.title,
            f"not measured: {row.not_measured}" if row.value is None else show(row, row.value),
            f"{show(row, row.low)} to {show(row, row.high)}" if row.low is not None and row.high is not None else "",
            row.wanted,
            show(row, row.baseline),
            row.verdict,
        )
        for row in rows
    )
    return Table(("KPI", "Value", "Interval", "Target", "Baseline", "Verdict"), lines, align="lrrrrl", empty="no KPI")
