"""Deliverable: what is required and not there, and how well each pair of systems fits together."""

from __future__ import annotations

from accord.lifecycle.assess.analysis import AssessAnalysis
from accord.lifecycle.assess.compatibility import Pair
from accord.lifecycle.context import StepContext
from accord.report.charts.matrix import PairAgreement, compatibility_matrix
from accord.report.document import Block, Document, Paragraph, Section, Table


def build(ctx: StepContext, analysis: AssessAnalysis) -> Document:
    """The gap and compatibility report, with its matrix."""
    evaluated = [p for p in analysis.pairs if not p.reason]
    closed = analysis.gaps.required - len(analysis.gaps.gaps)
    summary = (
        f"{closed:,} of {analysis.gaps.required:,} required items are there, {len(analysis.gaps.gaps):,} are missing; "
        f"{len(evaluated)} of {len(analysis.pairs)} pairs of systems sharing an entity were evaluated."
    )
    pictures: tuple[Block, ...] = ()
    if analysis.pairs:
        agreements = [PairAgreement(p.left, p.right, p.match_rate, p.entity, _issues(p), _reason(p)) for p in analysis.pairs]
        pictures = (compatibility_matrix(agreements),)
    blank = "A value agrees when both systems hold the same canonical value under the same key"
    note = f"{blank}: units, codes and time zones are converted first."
    sections = (
        Section("Gaps", (_gaps(analysis),)),
        Section("Compatibility of systems", (*pictures, Paragraph(note, "note"), _pairs(analysis.pairs))),
        Section("Field by field", (_fields(analysis.pairs),)),
    )
    title = f"{ctx.workspace.map.title or ctx.workspace.map.name}: gaps and compatibility"
    return Document(
        "gap-and-compatibility", title, "assess", sections, summary, tuple(m for m in analysis.metrics if m.target == "thoroughness")
    )


def _issues(pair: Pair) -> int:
    return sum(f.compared - f.equal for f in pair.fields) + pair.left_keys + pair.right_keys - 2 * pair.shared_keys


def _reason(pair: Pair) -> str:
    return pair.reason or (
        "" if pair.match_rate is not None else "they share no key" if not pair.shared_keys else "they share only the key"
    )


def _gaps(analysis: AssessAnalysis) -> Table:
    rank = {"problem": 0, "warning": 1, "info": 2}
    ordered = sorted(analysis.gaps.gaps, key=lambda g: (rank[g.severity], g.kind, g.subject))
    rows = tuple((g.severity, g.subject, g.missing, g.todo, g.owner or "nobody") for g in ordered)
    return Table(
        ("weight", "where", "what is missing", "to do", "owner"),
        rows,
        "",
        "lllll",
        "nothing required is missing",
        "the map against what each system describes",
    )


def _share(value: float | None, reason: str = "nothing to compare") -> str:
    return f"not measured: {reason}" if value is None else f"{value:.1%}"


def _pairs(pairs: tuple[Pair, ...]) -> Table:
    rows = tuple(
        (
            p.left,
            p.right,
            p.entity,
            f"{p.left_keys:,}",
            f"{p.right_keys:,}",
            f"{p.shared_keys:,}",
            _share(p.key_overlap, p.reason or "no keys"),
            _share(p.match_rate, _reason(p)),
            _share(p.compatibility, _reason(p)),
        )
        for p in pairs
    )
    columns = ("system", "system", "entity", "keys", "keys", "shared", "key overlap", "equal values", "held alike")
    return Table(
        columns,
        rows,
        "Every pair sharing an entity",
        "lllrrrrrr",
        "no two systems share an entity",
        "all rows of both systems, joined on the entity's key",
    )


def _fields(pairs: tuple[Pair, ...]) -> Table:
    rows = tuple(
        (
            f"{p.left} / {p.right}",
            f"{p.entity}.{f.field}",
            f.left_type if f.left_type == f.right_type else f"{f.left_type} / {f.right_type}",
            (f.left_unit or "–") if f.left_unit == f.right_unit else f"{f.left_unit or '–'} / {f.right_unit or '–'}",
            "yes" if f.convertible else "with loss",
            _share(f.domain_overlap, "too many different values" if f.compared else "nothing to compare"),
            f"{f.compared:,}",
            _share(f.match_rate),
        )
        for p in pairs
        for f in p.fields
    )
    columns = ("systems", "field", "types", "units, zones", "convertible", "shared values", "compared", "equal")
    return Table(columns, rows, "", "lllllrrr", "no two systems share a field", "all rows of both systems, joined on the entity's key")
