"""Deliverable: who hands to whom, how long it takes, and where it goes back and forth."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.coordinate.analysis import CoordinateAnalysis
from accord.lifecycle.titles import counted, team_title, the_rest, whose_work
from accord.model.figure import show_value
from accord.report.charts.matrix import HandoffCell, handoff_matrix
from accord.report.document import Block, Document, Figures, Paragraph, Section, Table

_SHOWN = 20
_PAIRS = ("From", "To", "Handoffs", "Hours waited", "Sent back before", "Late", "Open")
_TEAMS = ("Team", "Given", "Received", "Partners", "Open now")


def build(ctx: StepContext, analysis: CoordinateAnalysis) -> Document:
    """The handoff matrix, each team's place in the network, and the shape of it."""
    net = analysis.net
    if net is None or not net.pairs:
        blocks: tuple[Block, ...] = (Paragraph("not measured: the log shows no handoff between teams", "note"),)
        return Document("collaboration-report", "Collaboration report", "coordinate", (Section("Handoffs", blocks),))

    def team(name: str) -> str:
        return team_title(ctx.workspace.map, name)

    cells = [HandoffCell(team(p.from_team), team(p.to_team), p.n, p.median_hours, p.p90_hours) for p in net.pairs]
    slowest = sorted(net.pairs, key=lambda p: (-(p.hours or 0.0), p.from_team, p.to_team))
    pairs = tuple(
        (
            team(p.from_team),
            team(p.to_team),
            f"{p.n:,}",
            f"{p.hours:,.0f}" if p.hours is not None else "—",
            show_value(p.returned / p.n, "share"),
            f"{p.late:,}",
            f"{p.open:,}",
        )
        for p in slowest[:_SHOWN]
    )
    busiest = sorted(net.teams, key=lambda t: (-(t.given + t.received), t.name))
    teams = tuple((team(t.name), f"{t.given:,}", f"{t.received:,}", f"{t.partners}", f"{t.open:,}") for t in busiest[:_SHOWN])
    shape = (
        ("Reciprocity", _share(net.reciprocity), "share of handoffs between teams that hand to each other both ways"),
        ("Ping-pong", _share(net.ping_pong), "share of handoffs that the case's very next one undoes"),
        ("Silos", str(max(len(net.silos) - 1, 0)), "groups of teams that hand nothing to the others, beside the largest"),
        ("Overloaded", ", ".join(map(team, net.overloaded)) or "none", "teams that receive more than 40 % of all handoffs"),
    )
    said = whose_work(ctx.workspace.map, analysis.labels)
    sections = (
        Section("Handoff matrix", (*said, handoff_matrix(cells))),
        Section("Pairs, most hours waited first", _cut(Table(_PAIRS, pairs, align="llrrrrr", evidence="handoff"), len(net.pairs), "pair")),
        Section("Teams, busiest first", _cut(Table(_TEAMS, teams, align="lrrrr", evidence="handoff"), len(net.teams), "team")),
        Section("Shape of the network", (Table(("Measure", "Value", "Meaning"), shape, align="lrl", evidence="handoff"),)),
        Section("Handoff KPIs", (Figures(tuple(k for k in analysis.kpis if not k.dims)),)),
    )
    handoffs = sum(p.n for p in net.pairs)
    summary = f"{counted(handoffs, 'handoff')} between {counted(len(net.teams), 'team')} in {counted(len(net.pairs), 'pair')}."
    return Document("collaboration-report", "Collaboration report", "coordinate", sections, summary)


def _cut(table: Table, whole: int, noun: str) -> tuple[Block, ...]:
    rest = the_rest(len(table.rows), whole, noun)
    return (table, Paragraph(rest, "note")) if rest else (table,)


def _share(value: float | None) -> str:
    return "not measured: no handoffs" if value is None else show_value(value, "share")
