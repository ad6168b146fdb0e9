"""Deliverable: what improvements brought."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.improve.analysis import NO_IMPROVEMENTS, ImproveAnalysis
from accord.lifecycle.improve.tried import Tried
from accord.lifecycle.titles import marked, process_title
from accord.model.figure import show_value
from accord.report.document import Document, Paragraph, Section, Table

_NOTE = "The days before a change against those since, by whole cases. Whatever else changed meanwhile is in it: evidence grade D."
_COLUMNS = ("Process", "Case", "KPI", "Before", "After", "Change", "Interval", "Verdict")


def _row(ctx: StepContext, tried: Tried) -> tuple[str, ...]:
    shown = [show_value(v, tried.unit) if v is not None else "—" for v in (tried.before, tried.after, tried.change)]
    ends = (tried.low, tried.high)
    interval = " to ".join(show_value(v, tried.unit) for v in ends if v is not None) or "—"
    word = marked(tried.verdict, "simulated" if tried.simulated else "")
    return (process_title(ctx.workspace.map, tried.process), tried.case, tried.kpi.replace("_", " "), *shown, interval, word)


def build(ctx: StepContext, analysis: ImproveAnalysis) -> Document:
    """Impact is measured on improvements that were made; unit values are inputs with a named owner."""
    values = tuple(
        (
            v.name.replace("_", " "),
            f"{v.amount:,} {v.currency} per {v.unit or 'unit'}",
            v.kpi.replace("_", " ") or "—",
            v.owner,
        )
        for v in ctx.workspace.map.unit_values.values()
    )
    why = f"not measured: {NO_IMPROVEMENTS}; impact is measured on changes that were made, from before and after"
    impact = (
        Paragraph(_NOTE, "note"),
        Table(_COLUMNS, tuple(_row(ctx, tried) for tried in analysis.tried), align="lllrrrrl", evidence="work_step: measure_change"),
    )
    sections = (
        Section("Impact", impact if analysis.tried else (Paragraph(why, "note"),)),
        Section(
            "Unit values",
            (
                Table(
                    ("Value", "Amount", "Prices", "Stands for it"),
                    values,
                    empty="the map declares none, so no effect is given in money",
                    evidence="map",
                ),
            ),
        ),
    )
    return Document("impact-and-value", "Impact and value", "improve", sections)
