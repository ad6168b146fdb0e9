"""Deliverable: which event feeds which KPI, who answers for it, and what is measured by nothing."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.design.analysis import DesignAnalysis
from accord.report.document import Document, Section, Table


def build(ctx: StepContext, analysis: DesignAnalysis) -> Document:
    """Monitoring and measurement design."""
    design = analysis.measuring
    fed = sum(bool(f.sources) for f in design.feeds)
    summary = f"{fed} of {len(design.feeds)} KPIs have a source in this map; {len(design.unknown)} goals name a KPI there is not."
    sections = (
        Section("KPIs and what feeds them", (_feeds(analysis),)),
        Section("Targets", (_targets(ctx),)),
        Section("What nothing measures", (_holes(analysis),)),
    )
    title = f"{ctx.workspace.map.title or ctx.workspace.map.name}: monitoring and measurement design"
    return Document("measurement-design", title, "design", sections, summary)


def _feeds(analysis: DesignAnalysis) -> Table:
    rows = []
    for feed in analysis.measuring.feeds:
        shown = "; ".join(feed.sources[:4]) + (f" and {len(feed.sources) - 4} more" if len(feed.sources) > 4 else "")
        kpi = feed.kpi
        rows.append(
            (kpi.title, kpi.aggregate, kpi.unit, kpi.better, kpi.window, shown or "nothing in this map", feed.owner or "nobody", kpi.source)
        )
    columns = ("KPI", "aggregate", "unit", "better", "window", "fed by", "answers for it", "definition from")
    return Table(columns, tuple(rows), "", "llllllll", "no KPI applies to this map", "views each KPI's query reads, traced to the map")


def _targets(ctx: StepContext) -> Table:
    rows = []
    for t in ctx.workspace.map.targets.values():
        wanted = (
            f"≥ {t.at_least:g}" if t.at_least is not None
            else f"≤ {t.at_most:g}" if t.at_most is not None
            else f"+{t.improve_by:.0%} against the baseline" if t.improve_by is not None
            else f"−{t.reduce_by:.0%} against the baseline" if t.reduce_by is not None
            else "no goal"
        )  # fmt: skip
        rows.append((t.title or t.name, t.kpi, wanted, t.owner or "nobody"))
    return Table(("target", "KPI", "wanted", "owner"), tuple(rows), "", "lllr", "the map declares no target", "the map's targets")


def _holes(analysis: DesignAnalysis) -> Table:
    design = analysis.measuring
    rows = [("goal without KPI", text) for text in design.unknown]
    rows += [("event read by no KPI", text) for text in design.unread_events]
    rows += [("KPI without source", f.kpi.name) for f in design.feeds if not f.sources]
    return Table(("what", "which"), tuple(rows), "", "ll", "every goal, event and KPI is connected", "map and KPI files")
