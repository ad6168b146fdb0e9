"""A document that uses every kind of block, with names a hostile system could have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from accord.model.figure import Evidence, Figure, Finding, TargetResult
from accord.report import Code, Document, Figures, Findings, Paragraph, Picture, Section, Stamp, Table, Targets

QUERY = Evidence("query", "kpis/handoff_median.sql", "events 1 to 8,410")
LOG = Evidence("log", "events 12 to 90")


@pytest.fixture
def stamp() -> Stamp:
    return Stamp("run-7", datetime(2026, 11, 22, 5, 16, tzinfo=UTC), "demo", "ab" * 32, "3", "0.1.0", "step v1")


@pytest.fixture
def make_document() -> Callable[..., Document]:
    """Builds the document; ``word`` stands wherever a name from a system can stand."""

    def make(word: str = "planner") -> Document:
        measured = Figure("handoff", 41.3, "h", 2998, 39.8, 42.9, title=f"Handoff {word}", dims=(("team", word),), evidence=(QUERY,))
        missing = Figure("gain", None, not_measured=f"nothing was simulated for {word}", evidence=(LOG,))
        results = (
            TargetResult("handoff", f"Handoff {word}", measured, Figure("handoff", 52.1, "h"), "≤ 24 h", "not met", f"see {word}"),
            TargetResult("gain", "Gain", missing, None, "≥ 95 %", "not measured"),
        )
        finding = Finding("duplicate", f"{word}/items", f"{word} holds a key twice.", "problem", 34, (word,), word, {}, (LOG, QUERY))
        table = Table(
            (word, "Rows"), ((word, "12,400"), ("tracker", "not measured: unreachable")), f"Table {word}", "lr", "", f"from {word}"
        )
        svg = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10" viewBox="0 0 10 10"><path id="a" d="M0 0"/></svg>'
        blocks = (
            Paragraph(f"{word} was asked.\n\nIt answered."),
            Paragraph(word, "note"),
            Paragraph(word, "warning"),
            table,
            Table(("a",), (), empty=f"no {word}"),
            Figures((measured, missing), word),
            Findings((finding,), word),
            Targets(results, word),
            Picture(f"map {word}", svg, f"Map {word}", f"Shows {word}.", table),
            Code(f"- {word}\n+ other", "diff", word),
        )
        return Document("report", f"Report on {word}", "assess", (Section(word, blocks),), f"About {word}.", results, ("K6", word))

    return make
