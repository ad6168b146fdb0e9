"""Deliverable: the standards of excellence, and who meets them; and every KPI against its own history."""

from __future__ import annotations

from accord.lifecycle.benchmark.analysis import BenchmarkAnalysis
from accord.lifecycle.context import StepContext
from accord.lifecycle.titles import counted, sentence, the_rest, titled
from accord.model.figure import Figure, show_value
from accord.model.goals import Target
from accord.report.document import Block, Document, Paragraph, Section, Table

_SHOWN = 15
_ENOUGH = 30  # observations; fewer are too little to judge, as with the targets themselves
_ORDER = {"misses it": 0, "nearly": 1, "meets it": 2, "too little data": 3}


def build(ctx: StepContext, analysis: BenchmarkAnalysis) -> Document:
    """Each level target as a standard, with every team pair, flow or channel that meets or misses it; then the history."""
    sections, met, judged = [], 0, 0
    for target in ctx.workspace.map.targets.values():
        found = _groups(analysis, target)
        if not found:
            continue
        words = [(judge(k, target), titled(ctx.workspace.map, k)) for k in found]
        words.sort(key=lambda w: (_ORDER[w[0]], w[1].value or 0.0, w[1].dims))
        met += sum(w == "meets it" for w, _ in words)
        judged += sum(w != "too little data" for w, _ in words)
        rows = tuple((_who(k), k.show(), verdict) for verdict, k in words[:_SHOWN])
        blocks: list[Block] = [Table(("Who", "Value", "Verdict"), rows, align="lrl", evidence="KPIs of this run by their dimensions")]
        if rest := the_rest(_SHOWN, len(words), "group"):
            blocks.append(Paragraph(rest, "note"))
        sections.append(Section(target.title or target.name, tuple(blocks)))
    if not sections:
        why = "not measured: no target with a level has a KPI that is broken down by team, flow or channel"
        sections.append(Section("Who meets the standards", (Paragraph(why, "note"),)))
    sections.append(Section("Against our own history", (_history(analysis),)))
    summary = f"{met} of {counted(judged, 'group')} with enough data {'meets its standard' if judged == 1 else 'meet their standard'}."
    return Document("standards-and-performance", "Standards and performance", "benchmark", tuple(sections), summary if judged else "")


def _groups(analysis: BenchmarkAnalysis, target: Target) -> list[Figure]:
    """The KPI's breakdown by the fewest dimensions it has; a level target only."""
    if target.at_least is None and target.at_most is None:
        return []
    groups = [k for k in analysis.kpis if k.name == target.kpi and k.dims and k.value is not None]
    fewest = min((len(k.dims) for k in groups), default=0)
    return [k for k in groups if len(k.dims) == fewest]


def judge(figure: Figure, target: Target) -> str:
    """Whether a group meets a standard: with its whole interval, only nearly (the value does, the interval does not), or not."""
    if figure.value is None or (figure.n is not None and figure.n < _ENOUGH):
        return "too little data"
    if target.at_least is not None:
        worst, value, goal = figure.low if figure.low is not None else figure.value, figure.value, target.at_least
    else:
        worst = -(figure.high if figure.high is not None else figure.value)
        value, goal = -figure.value, -(target.at_most or 0.0)
    return "meets it" if worst >= goal else "nearly" if value >= goal else "misses it"


def _who(figure: Figure) -> str:
    dims = dict(figure.dims)
    if dims.keys() == {"from", "to"}:
        return f"{dims['from']} → {dims['to']}"
    return sentence(", ".join(dims.values()))


def _history(analysis: BenchmarkAnalysis) -> Block:
    if analysis.history is None:
        return Paragraph("not measured: no earlier measurement in this workspace gave other values", "note")
    rows = []
    for figure in analysis.whole:
        before = analysis.history.figures.get(figure.name)
        if before is not None and before.value is not None and figure.value is not None and before.value != figure.value:
            rows.append((figure.title or figure.name, show_value(before.value, before.unit), show_value(figure.value, figure.unit)))
    when = f"{analysis.history.at:%Y-%m-%d %H:%M} UTC"
    return Table(
        ("KPI", "Before", "Now"), tuple(rows), align="lrr", empty="no KPI moved", evidence=f"kpi.measured of {when} and of this run"
    )
