"""Deliverable: strengths to build on and gaps to close, from the figures alone."""

from __future__ import annotations

from collections import defaultdict

from accord.lifecycle.benchmark.analysis import BenchmarkAnalysis
from accord.lifecycle.context import StepContext
from accord.lifecycle.titles import sentence, team_title, verdicts
from accord.report.document import Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: BenchmarkAnalysis) -> Document:
    """Targets met, positions above the median and areas at the top level are strengths; targets missed are gaps."""
    owners = {t.name: t.owner for t in ctx.workspace.map.targets.values()}
    strengths: list[tuple[str, str, str]] = []
    for t in analysis.targets:
        if t.verdict in ("met", "indicated"):
            strengths.append((t.title or t.target, t.value.show(), f"{t.wanted}: {t.verdict}"))
    for p in analysis.positions:
        if p.value is not None and p.value >= 0.5:
            strengths.append((p.title or p.name, p.show(), "reference values equalled or beaten"))
    for m in analysis.maturity:
        if m.level == 5:
            strengths.append((f"Maturity: {m.area.lower()}", "level 5 of 5", "every check passes"))
    missed = tuple(
        (t.title or t.target, t.value.show(), t.wanted, sentence(t.note), sentence(team_title(ctx.workspace.map, owners.get(t.target))))
        for t in analysis.targets
        if t.verdict == "not met"
    )
    reasons: dict[str, list[str]] = defaultdict(list)
    for t in analysis.targets:
        if t.value.value is None:
            reasons[t.value.not_measured].append(t.title or t.target)
    unknown = tuple(("; ".join(titles), f"not measured: {why}") for why, titles in reasons.items())
    nothing = "no target is met, no position is known and no area is at its top level yet"
    source = "verdicts of this run"
    good = Table(("Strength", "Value", "Against"), tuple(strengths), empty=nothing, evidence=source)
    heads = ("Gap", "Value", "Wanted", "Distance", "Answers for it")
    gaps = Table(heads, missed, empty="no measured target is missed", evidence=source)
    sections = [Section("Strengths", (good,)), Section("Gaps", (gaps,))]
    if unknown:
        sections.append(Section("Not known yet", (Table(("Targets", "Why"), unknown),)))
    sections.append(Section("How this was made", (Paragraph("Nothing is claimed beyond the figures and checks of this run.", "note"),)))
    return Document(
        "strategy-and-differentiation", "Strategy and differentiation", "benchmark", tuple(sections), verdicts(analysis.targets)
    )
