"""Deliverable: who hands to whom, how long it takes, and where it goes back and forth."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.coordinate.analysis import CoordinateAnalysis
from accord.report.charts.matrix import HandoffCell, handoff_matrix
from accord.report.document import Block, Document, Figures, Paragraph, Section, Table


def build(ctx: StepContext, analysis: CoordinateAnalysis) -> Document:
    """The handoff matrix, each team's place in the network, and the shape of it."""
    net = analysis.net
    if net is None or not net.pairs:
        blocks: tuple[Block, ...] = (Paragraph("not measured: the log shows no handoff between teams", "note"),)
        return Document("collaboration-report", "Collaboration report", "coordinate", (Section("Handoffs", blocks),))
    cells = [HandoffCell(p.from_team, p.to_team, p.n, p.median_hours, p.p90_hours) for p in net.pairs]
    pairs = tuple(
        (
            p.from_team,
            p.to_team,
            f"{p.n:,}",
            _hours(p.median_hours),
            _hours(p.p90_hours),
            f"{p.returned / p.n:.1%}",
            f"{p.late:,}",
            f"{p.open:,}",
        )
        for p in sorted(net.pairs, key=lambda p: (-p.n * (p.median_hours or 0), p.from_team, p.to_team))
    )
    teams = tuple((t.name, f"{t.given:,}", f"{t.received:,}", f"{t.partners}", f"{t.open:,}") for t in net.teams)
    shape = (
        ("reciprocity", _share(net.reciprocity), "share of handoffs between teams that hand to each other both ways"),
        ("ping-pong", _share(net.ping_pong), "share of handoffs that the very next one undoes"),
        ("silos", str(len(net.silos) - 1), "groups of teams cut off from the largest"),
        ("overloaded", ", ".join(net.overloaded) or "none", "teams that receive more than 40 % of all handoffs"),
    )
    sections = (
        Section("Handoff matrix", (handoff_matrix(cells),)),
        Section(
            "Pairs, by hours waited in all",
            (
                Table(
                    ("from", "to", "handoffs", "median h", "p90 h", "returned", "late", "open"), pairs, align="llrrrrrr", evidence="handoff"
                ),
            ),
        ),
        Section("Teams", (Table(("team", "given", "received", "partners", "open now"), teams, align="lrrrr", evidence="handoff"),)),
        Section("Shape of the network", (Table(("measure", "value", "meaning"), shape, align="lrl", evidence="handoff"),)),
        Section("Handoff KPIs", (Figures(tuple(k for k in analysis.kpis if not k.dims)),)),
    )
    return Document("collaboration-report", "Collaboration report", "coordinate", sections)


def _hours(value: float | None) -> str:
    return "none accepted" if value is None else f"{value:,.1f}"


def _share(value: float | None) -> str:
    return "not measured: no handoffs" if value is None else f"{value:.1%}"
