"""Deliverable: the five validations of the data as it stands after the rollout: scores, gaps, owners and what to do."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.integrate.waves import IntegrateAnalysis
from accord.lifecycle.titles import binding_title, counted, flow_title, sentence, team_title, the_rest
from accord.lifecycle.validation import flow_scores, remedy, scores
from accord.model.errors import GuardStopped, SystemUnreachable
from accord.model.integration_map import IntegrationMap
from accord.report.document import Block, Document, Figures, Paragraph, Section, Table
from accord.sync.quality import VALIDATIONS, Asked, Quality, quality

_SHOWN = 50
# Claimed only where every one of the five was measured; the gap list, owner and remedy of each stand on the page.
COVERS = {"accuracy": "V1", "completeness": "V2", "timeliness": "V3", "consistency": "V4", "mapping": "V5"}


def build(ctx: StepContext, analysis: IntegrateAnalysis) -> Document:
    """Reads every system of the flows that ran once more; the whole list of gaps is kept in the log (``accord quality --gaps``)."""
    title, name = "Data validation", "data-validation"
    active = [o.flow for o in analysis.outcomes if o.active]
    if not active:
        why = "not measured: no flow ran"
        return Document(name, title, "integrate", (Section("Scores", (Paragraph(why, "note"),)),), why)
    try:
        found = quality(ctx.workspace.map, ctx.workspace.connectors(), ctx.workspace.store, run=ctx.run, now=ctx.now, flows=active)
    except (SystemUnreachable, GuardStopped) as error:
        why = f"not measured: {error}"
        return Document(name, title, "integrate", (Section("Scores", (Paragraph(why, "warning"),)),), why)
    figures = scores(found)
    covers = tuple(COVERS[f.name] for f in figures if f.value is not None)
    sections = (
        Section("Scores", (Paragraph(_HOW, "note"), Figures(figures), _meanings())),
        Section("Gaps", _gaps(ctx.workspace.map, found)),
        Section("By flow and side", (Figures(tuple(f for f in flow_scores(found) if f.value is not None)),)),
    )
    bad = sum(c.bad > 0 for c in found.checks)
    told = f"{counted(found.gaps.num_rows, 'gap')} in {bad:,} of {counted(len(found.checks), 'check')} of {counted(len(active), 'flow')}."
    return Document(name, title, "integrate", sections, told, covers=covers)


_HOW = (
    "Every system was read once more after the rollout. A score is what was good of all that was asked; a cell, row, key or change counts "
    "once for each check that asks about it. The interval takes the answers as independent."
)


def _meanings() -> Table:
    return Table(
        ("Validation", "What it asks"), tuple((sentence(k), sentence(v)) for k, v in VALIDATIONS.items()), evidence="check.evaluated"
    )


def _gaps(integration_map: IntegrationMap, found: Quality) -> tuple[Block, ...]:
    """Checks with gaps, the largest share first."""
    bad = sorted((c for c in found.checks if c.bad), key=lambda c: (-c.bad / c.asked, -c.bad, c.flow, c.binding, c.check, c.field))
    columns = ("Validation", "Flow", "Side", "Check", "Bad", "Asked", "Owner", "For example", "To do")
    rows = tuple(_row(integration_map, c) for c in bad[:_SHOWN])
    table = Table(columns, rows, align="llllrrlll", empty="no check found anything", evidence="check.evaluated of this run")
    rest = the_rest(_SHOWN, len(bad), "check with gaps", "checks with gaps")
    every = f"{counted(found.gaps.num_rows, 'gap')} are listed in the log, each with key, reason and owner: accord quality --gaps gaps.csv"
    return (table, *((Paragraph(rest, "note"),) if rest else ()), Paragraph(every, "note"))


def _row(integration_map: IntegrationMap, check: Asked) -> tuple[str, ...]:
    side = " ~ ".join(binding_title(integration_map, check.flow, b) for b in check.binding.split(" ~ ")) if check.binding else "all"
    return (
        sentence(check.dimension),
        flow_title(integration_map, check.flow),
        side,
        f"{check.check} {check.field}".strip(),
        f"{check.bad:,}",
        f"{check.asked:,}",
        sentence(team_title(integration_map, check.owner)),
        "; ".join(check.examples),
        remedy(check.dimension, check.check),
    )
