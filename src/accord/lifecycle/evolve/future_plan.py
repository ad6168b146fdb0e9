"""Deliverable: what is to come: growth of the log, and what would run out."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.evolve.analysis import EvolveAnalysis
from accord.lifecycle.evolve.growth import AHEAD_WEEKS
from accord.model.figure import show_value
from accord.report.document import Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: EvolveAnalysis) -> Document:
    """The forecast with its interval and its error in the past."""
    growth = analysis.growth
    summary = ""
    rows: tuple[tuple[str, str], ...] = ()
    if growth is not None:
        error = "not measured: too few weeks to hold eight of them out" if growth.mape is None else show_value(growth.mape, "share")
        expected = f"not measured: {growth.reason}"
        if growth.forecast is not None:
            summary = f"From {growth.recent:,.0f} events a week now to about {growth.forecast:,.0f} over the next {AHEAD_WEEKS} weeks."
            expected = f"{growth.forecast:,.0f} [{growth.low:,.0f}, {growth.high:,.0f}] events a week"
        rows = (
            ("Whole weeks of history", f"{growth.weeks}"),
            ("Events a week, mean of the last eight", f"{growth.recent:,.0f}"),
            (f"Mean of the next {AHEAD_WEEKS} weeks", expected),
            ("Mean error of such a forecast made eight weeks ago", error),
        )
    why = "not measured: the map declares no capacity of a system or a storage that could run out"
    sections = (
        Section("Growth of the event log", (Table(("Figure", "Value"), rows, align="lr", evidence="event_log, complete weeks"),)),
        Section("What runs out", (Paragraph(why, "note"),)),
    )
    return Document("future-evolution-plan", "Future evolution plan", "evolve", sections, summary)
