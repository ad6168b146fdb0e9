"""Deliverable: the backlog in order, and how its first entries would be tried."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.improve.analysis import ImproveAnalysis
from accord.lifecycle.titles import counted, sentence, team_title, the_rest
from accord.report.document import Block, Document, Paragraph, Section, Table

_SHOWN = 20
_TRIALS = 5
_NOTE = (
    "Ranked by hours per effort, then by cases. Hours are those waited beyond what was agreed: a bound of what could be won, in calendar "
    "hours. They have no price, because hours waited are not hours paid. Effort is a rule of thumb by the kind of finding: 1 some rows or "
    "a field of the map, 2 an agreement between teams, 3 people work differently."
)


def build(ctx: StepContext, analysis: ImproveAnalysis) -> Document:
    """Backlog first, then the experiments."""
    rows = tuple(
        (
            str(i),
            sentence(o.sentence),
            f"{o.cases:,}",
            f"{o.hours:,.0f}" if o.hours is not None else "—",
            str(o.effort),
            o.sure,
            team_title(ctx.workspace.map, o.owner) if o.owner else "—",
        )
        for i, o in enumerate(analysis.backlog[:_SHOWN], 1)
    )
    columns = ("#", "Opportunity", "Cases", "Hours", "Effort", "How sure", "Answers for it")
    entries: list[Block] = [
        Paragraph(_NOTE, "note"),
        Table(columns, rows, align="rlrrrll", empty="nothing is open", evidence="open findings"),
    ]
    if rest := the_rest(_SHOWN, len(analysis.backlog), "entry", "entries"):
        entries.append(Paragraph(rest, "note"))
    trials = tuple((o.subject, *o.trial) for o in analysis.backlog[:_TRIALS])
    how = Table(("Opportunity", "How it would be tried", "Cases needed"), trials, empty="nothing is open")
    sections = (Section("Backlog", tuple(entries)), Section("How the first would be tried", (how,)))
    with_hours = [o.hours for o in analysis.backlog if o.hours is not None]
    summary = f"{counted(len(analysis.backlog), 'opportunity', 'opportunities')} {'is' if len(analysis.backlog) == 1 else 'are'} open."
    if with_hours:
        summary += f" Handoffs later than agreed account for {sum(with_hours):,.0f} h waited beyond the agreement."
    return Document("continuous-optimization-program", "Continuous optimization program", "improve", sections, summary, analysis.metrics)
