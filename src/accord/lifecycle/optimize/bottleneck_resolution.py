"""Deliverable: the bottlenecks, by hours waited."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.optimize.analysis import OptimizeAnalysis
from accord.lifecycle.titles import process_title, step_title, the_rest, whose_work
from accord.model.figure import show_value
from accord.report.charts import Bar, bar_chart
from accord.report.document import Block, Document, Paragraph, Section, Table

_SHOWN = 20
_BARS = 10


def build(ctx: StepContext, analysis: OptimizeAnalysis) -> Document:
    """The waits between steps, most hours first."""
    integration_map = ctx.workspace.map
    waits = analysis.bottlenecks

    def words(process: str, source: str, target: str) -> tuple[str, str, str]:
        return (
            process_title(integration_map, process),
            step_title(integration_map, process, source),
            step_title(integration_map, process, target),
        )

    if not waits:
        why = "not measured: the log holds no case with two events, so nothing is known of waiting"
        return Document("bottleneck-resolution", "Bottleneck resolution", "optimize", (Section("Waiting", (Paragraph(why, "note"),)),))
    bars = [
        Bar(
            "{1} → {2}".format(*words(b.process, b.source, b.target)),
            round(b.total_hours),
            note=f"{b.count:,} times, median {b.median_hours:,.1f} h",
            highlight=i == 0,
        )
        for i, b in enumerate(waits[:_BARS])
    ]
    rows = tuple(
        (
            *words(b.process, b.source, b.target),
            f"{b.count:,}",
            f"{b.median_hours:,.1f}",
            f"{b.total_hours:,.0f}",
            show_value(b.share, "share") if b.share is not None else "—",
        )
        for b in waits[:_SHOWN]
    )
    columns = ("Process", "After", "Before", "Times", "Median h", "Hours in all", "Share of the process")
    blocks: list[Block] = [
        *whose_work(integration_map, analysis.labels),
        Paragraph(
            "A case waits from the end of one event to the start of the next (its end, where starts are not recorded). These are calendar "
            "hours; waiting that is planned, such as for a launch date, is in them.",
            "note",
        ),
        bar_chart(bars, name="bottlenecks", title="Hours waited between steps"),
        Table(columns, rows, align="lllrrrr", evidence="event_log, bottlenecks.sql"),
    ]
    if rest := the_rest(_SHOWN, len(waits), "passage"):
        blocks.append(Paragraph(rest, "note"))
    worst = waits[0]
    process, source, target = words(worst.process, worst.source, worst.target)
    summary = (
        f"Most hours are waited between «{source}» and «{target}» ({process}): {worst.total_hours:,.0f} h in {worst.count:,} passages."
    )
    return Document(
        "bottleneck-resolution", "Bottleneck resolution", "optimize", (Section("Waiting between steps", tuple(blocks)),), summary
    )
