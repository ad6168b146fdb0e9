"""Named amounts as bars, largest first or in the order given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accord.model.figure import show_value
from accord.report.charts.vega import Spec, interval, layer, picture, quantitative
from accord.report.document import Picture, Table
from accord.report.palette import LIGHT


@dataclass(frozen=True, slots=True)
class Bar:
    """An amount with its interval; ``highlight`` sets it apart, and ``note`` says in words why."""

    title: str
    value: float
    low: float | None = None
    high: float | None = None
    highlight: bool = False
    note: str = ""


def bar_chart(bars: Sequence[Bar], *, name: str, title: str, unit: str = "", alt: str = "") -> Picture:
    """Bars from nothing to each amount, with the figure written beside it; negative amounts go to the left.

    Args:
        bars: in the order they are shown.
        name: of the picture, unique in its document.
        title: its heading.
        unit: of the amounts; ``share`` is shown in percent.
        alt: the message in a sentence; default: how many there are and which is largest.
    """
    values = [
        {
            "row": number,
            "title": bar.title,
            "value": bar.value,
            "low": bar.low if bar.high is not None else None,
            "high": bar.high if bar.low is not None else None,
            "shown": " · ".join(part for part in (show_value(bar.value, unit), bar.note) if part),
            "tone": "orange" if bar.highlight else "blue",
            "end": max(0.0, bar.value, bar.high or 0.0),
        }
        for number, bar in enumerate(bars)
    ]
    ends = [0.0, *(part for bar in bars for part in (bar.value, bar.low, bar.high) if part is not None)]
    scale = (min(ends), max(ends) if max(ends) > min(ends) else 1.0)
    y: Spec = {"field": "row", "type": "ordinal", "axis": None, "scale": {"domain": list(range(len(bars)))}}

    def at(field: str, **more: Spec) -> Spec:
        return {"y": y, "x": quantitative(field, scale, axis=None), **more}

    layers = [
        *(
            layer("bar", at("value", x2={"datum": 0}), where=f"datum.tone == '{tone}'", color=LIGHT[tone], height=16, cornerRadius=3)
            for tone in ("blue", "orange")
        ),
        *interval(at),
        layer("text", {"y": y, "text": {"field": "title", "type": "nominal"}}, align="right", x=-10, fontSize=13, limit=270),
        layer("text", at("end", text={"field": "shown", "type": "nominal"}), align="left", dx=8, fontWeight="bold"),
    ]
    spec: Spec = {"data": {"values": values}, "width": 380, "height": {"step": 28}, "layer": layers}
    return picture(name, title, alt or _alt(bars, unit), spec, _table(bars, unit))


def _alt(bars: Sequence[Bar], unit: str) -> str:
    if not bars:
        return "Nothing to show."
    largest = max(bars, key=lambda bar: bar.value)
    return f"{len(bars)} amounts; the largest is {largest.title} with {show_value(largest.value, unit)}."


def _table(bars: Sequence[Bar], unit: str) -> Table:
    rows = tuple(
        (
            bar.title,
            show_value(bar.value, unit),
            f"{show_value(bar.low, unit)} to {show_value(bar.high, unit)}" if bar.low is not None and bar.high is not None else "",
            bar.note,
        )
        for bar in bars
    )
    return Table(("Name", "Amount", "Interval", "Note"), rows, align="lrrl", empty="nothing to show")
