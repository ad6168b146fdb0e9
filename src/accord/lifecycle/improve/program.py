"""Deliverable: the backlog in order, with an experiment for each of the first entries."""

from __future__ import annotations

import math

from accord.lifecycle.context import StepContext
from accord.lifecycle.improve.analysis import ImproveAnalysis
from accord.report.document import Document, Paragraph, Section, Table, Targets

_SHOWN = 30
_EXPERIMENTS = 5


def build(ctx: StepContext, analysis: ImproveAnalysis) -> Document:
    """Success metrics, backlog, and how the first entries would be tried."""
    rows = tuple(
        (
            str(i),
            o.sentence,
            f"{o.cases:,}",
            f"{o.hours:,.0f}" if o.hours is not None else "not counted in hours",
            f"{o.money:,.0f} {o.currency}" if o.money is not None else "—",
            str(o.effort),
        )
        for i, o in enumerate(analysis.backlog[:_SHOWN], 1)
    )
    note = (
        "Ranked by hours lost per effort, then by cases. Effort is a rule of thumb by the kind of finding: 1 a change of the map "
        "or of some rows, 2 an agreement between teams, 3 people work differently."
    )
    trials = tuple(
        (
            o.subject,
            "cases before and after the change; a control chart if it is introduced everywhere at once",
            f"{cases_needed(0.5, 0.25)} on each side to show a fall from 50 % to 25 %",
        )
        for o in analysis.backlog[:_EXPERIMENTS]
    )
    sections = (
        Section("Success", (Targets(analysis.metrics),)),
        Section(
            "Backlog",
            (
                Paragraph(note, "note"),
                Table(("#", "opportunity", "cases", "hours", "value", "effort"), rows, align="rlrrrr", empty="nothing is open"),
            ),
        ),
        Section(
            "How the first would be tried",
            (Table(("opportunity", "design", "cases needed"), trials, align="llr", empty="nothing is open"),),
        ),
    )
    return Document("continuous-optimization-program", "Continuous optimization program", "improve", sections, metrics=analysis.metrics)


def cases_needed(before: float, after: float) -> int:
    """Cases needed on each side to tell two shares apart with 80 % power at a 5 % two-sided level.

    Source:
        J. L. Fleiss, Statistical Methods for Rates and Proportions, sample size for comparing two proportions.
    """
    alpha, beta = 1.959964, 0.841621
    middle = (before + after) / 2
    root = alpha * math.sqrt(2 * middle * (1 - middle)) + beta * math.sqrt(before * (1 - before) + after * (1 - after))
    return math.ceil((root / (before - after)) ** 2)
