"""A document is a list of blocks; it renders to Markdown and to one self-contained HTML page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from accord.model.figure import Figure, Finding, TargetResult


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text for people; ``kind`` note marks a method note or a reason."""

    text: str
    kind: Literal["text", "note", "warning"] = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; numbers are right-aligned by ``align`` (l or r per column). ``evidence`` says where the rows came from."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    align: str = ""
    empty: str = "nothing to show"
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Measured figures with interval, sample and evidence, as a table."""

    figures: tuple[Figure, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What an assessment saw, worst first."""

    findings: tuple[Finding, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Targets:
    """A scoreboard: each target with value, baseline and verdict."""

    results: tuple[TargetResult, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG with a title, a sentence for those who cannot see it, and the same data as a table.

    ``spec`` is the Vega-Lite text it was drawn from, for notebooks; empty for maps, which Accord lays out itself.
    """

    name: str
    svg: str
    title: str
    alt: str
    table: Table | None = None
    spec: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Text kept as it is: a diff, a query, a piece of map."""

    text: str
    language: str = ""
    title: str = ""


Block = Paragraph | Table | Figures | Findings | Targets | Picture | Code


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A deliverable before it is written: ``name`` is its file name without ending."""

    name: str
    title: str
    step: str
    sections: tuple[Section, ...]
    summary: str = ""
    metrics: tuple[TargetResult, ...] = ()
    covers: tuple[str, ...] = field(default=())
