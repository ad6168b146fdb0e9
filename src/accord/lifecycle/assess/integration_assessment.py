"""Deliverable: the assessment report — every system as found, what is wrong with the data, how sure that is."""

from __future__ import annotations

from accord.lifecycle.assess.analysis import AssessAnalysis
from accord.lifecycle.assess.defects import KINDS
from accord.lifecycle.assess.status import SystemStatus
from accord.lifecycle.context import StepContext
from accord.report.document import Document, Findings, Paragraph, Section, Table


def build(ctx: StepContext, analysis: AssessAnalysis) -> Document:
    """The report of what stands and what is missing."""
    problems = sum(f.severity == "problem" for f in analysis.findings)
    reached = sum(s.reachable for s in analysis.systems)
    rows = sum(s.rows for s in analysis.systems)
    summary = (
        f"{reached} of {len(analysis.systems)} systems answered, with {rows:,} rows; {analysis.defects.num_rows:,} defects in "
        f"{len({(d['system'], d['resource']) for d in analysis.defects.to_pylist()})} resources; {problems} findings are problems."
    )
    sections = (
        Section("How sure this is", (_accuracy(analysis),)),
        Section("Systems", (_systems(analysis.systems), _resources(analysis.systems))),
        Section("Findings", (Findings(analysis.findings),)),
        Section("Defects by kind and system", (_by_kind(analysis), _systematic(analysis))),
    )
    title = f"{ctx.workspace.map.title or ctx.workspace.map.name}: integration assessment"
    return Document("integration-assessment", title, "assess", sections, summary, analysis.metrics)


def _accuracy(analysis: AssessAnalysis) -> Paragraph:
    if not analysis.reread.sampled:
        return Paragraph("Nothing could be read a second time.", "note")
    again = analysis.reread
    how = "chosen at random with a fixed seed, were read from the systems a second time"
    text = f"{again.sampled} recorded facts, {how}; {again.confirmed} were as recorded."
    if analysis.reread.differing:
        return Paragraph(text + " Not as recorded: " + "; ".join(analysis.reread.differing) + ".", "warning")
    return Paragraph(text, "note")


def _systems(systems: tuple[SystemStatus, ...]) -> Table:
    rows = tuple(
        (
            s.system.title or s.system.name,
            s.system.connector,
            s.system.owner or "nobody",
            "yes" if s.reachable else f"no: {s.reason}",
            s.latency,
            f"{len(s.description.resources):,}" if s.description else "not measured: no answer",
            f"{s.rows:,}" if s.description else "not measured: no answer",
            ", ".join(s.flows_out) or "–",
            ", ".join(s.flows_in) or "–",
        )
        for s in systems
    )
    columns = ("system", "kind", "owner", "reachable", "answer", "resources", "rows", "flows that read it", "flows that write it")
    return Table(columns, rows, "Every declared system", "lllllrrll", "the map declares no system", "asked each system to describe itself")


def _resources(systems: tuple[SystemStatus, ...]) -> Table:
    rows = tuple(
        (
            s.system.name,
            r.name,
            f"{r.row_count:,}",
            f"{len(r.columns)}",
            ", ".join(r.key) or "none declared",
            "read and write" if r.writable else "read",
            f"{r.last_change:%Y-%m-%d %H:%M} UTC" if r.last_change else "not measured: the system does not say",
        )
        for s in systems
        if s.description
        for r in s.description.resources
    )
    columns = ("system", "resource", "rows", "columns", "key", "permission", "last change")
    return Table(columns, rows, "What they hold", "llrrlll", "no system answered", "asked each system to describe itself")


def _by_kind(analysis: AssessAnalysis) -> Table:
    counted: dict[tuple[str, str], int] = {}
    for row in analysis.defects.to_pylist():
        counted[row["kind"], row["system"]] = counted.get((row["kind"], row["system"]), 0) + 1
    systems = sorted({s for _, s in counted})
    rows = tuple(
        (
            kind.replace("_", " "),
            *(f"{counted.get((kind, s), 0):,}" if (kind, s) in counted else "–" for s in systems),
            about.words.replace("'{field}'", "a field"),
        )
        for kind, about in KINDS.items()
        if any(k == kind for k, _ in counted)
    )
    align = "l" + "r" * len(systems) + "l"
    return Table(
        ("kind", *systems, "records that …"),
        rows,
        "",
        align,
        "no defect was found",
        "every row of every bound resource against the contracts",
    )


def _systematic(analysis: AssessAnalysis) -> Table:
    rows = tuple(
        (f"{s.system}/{s.resource}", s.field, s.kind.replace("_", " "), f"{s.rows:,} of {s.of:,}", s.flow) for s in analysis.systematic
    )
    return Table(
        ("resource", "field", "looks like", "rows", "flow"),
        rows,
        "Differences in most rows: the mapping is wrong rather than the data",
        "lllrl",
        "no field differs in most rows",
        "comparison of canonical values by key",
    )
