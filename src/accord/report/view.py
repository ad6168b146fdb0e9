"""A document made ready for reading: every block becomes text, a table, a picture or code, and evidence gets its numbers.

Markdown and HTML are both written from this view, so that the two cannot say different things.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from accord.model.figure import Evidence, Figure, TargetResult, show_value
from accord.report.document import Block, Code, Document, Figures, Findings, Paragraph, Picture, Table, Targets

VERDICT_SIGNS: Final[Mapping[str, str]] = {
    "met": "✓",
    "indicated": "◐",
    "not met": "✗",
    "too little data": "…",
    "not measured": "–",
    "no target": "·",
}
SEVERITY_SIGNS: Final[Mapping[str, str]] = {"problem": "▲", "warning": "△", "info": "i"}
_WORST_FIRST: Final = {"problem": 0, "warning": 1, "info": 2}
_NOT_MEASURED: Final = "not measured"
_PAGE_LINK: Final = re.compile(r"\[([^\[\]]+)\]\((\.\./[a-z0-9-]+/[a-z0-9-]+\.html)\)")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, how it is to look, and the numbers of its evidence.

    ``tone`` is the verdict or severity of a chip; ``muted`` marks what was not measured; ``href`` is the page a link leads to.
    """

    text: str
    kind: Literal["text", "muted", "chip", "link"] = "text"
    tone: str = ""
    sign: str = ""
    evidence: tuple[int, ...] = ()
    href: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table ready to be written; ``align`` holds l or r for each column."""

    columns: tuple[str, ...]
    align: str
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    empty: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A success metric at the head of a page."""

    title: str
    value: Cell
    interval: str
    wanted: str
    baseline: str
    verdict: Cell
    note: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture with its table twin; ``anchor`` is unique in the page."""

    picture: Picture
    grid: Grid | None
    anchor: str


Piece = Paragraph | Grid | Drawing | Code


@dataclass(frozen=True, slots=True)
class Chapter:
    """A section with its pieces; ``anchor`` is unique in the page."""

    title: str
    anchor: str
    pieces: tuple[Piece, ...]


@dataclass(slots=True)
class _Register:
    """Numbers evidence in the order it is met, the same evidence keeps its number; and gives each picture an anchor of its own."""

    numbers: dict[Evidence, int] = field(default_factory=dict)
    anchors: set[str] = field(default_factory=set)

    def of(self, evidence: Iterable[Evidence]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.numbers.setdefault(e, len(self.numbers) + 1) for e in evidence))

    def anchor(self, name: str) -> str:
        """Letters, digits and hyphens only; a name met before gets a number."""
        plain = "pic-" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        free = next(a for n in itertools.count(1) if (a := plain if n == 1 else f"{plain}-{n}") not in self.anchors)
        self.anchors.add(free)
        return free


@dataclass(frozen=True, slots=True)
class View:
    """The whole document, ready for reading; ``evidence`` is numbered from 1."""

    document: Document
    cards: tuple[Card, ...]
    metrics: Grid
    chapters: tuple[Chapter, ...]
    evidence: tuple[Evidence, ...]


def view(document: Document) -> View:
    """The document ready for reading."""
    register = _Register()
    cards = tuple(_card(result, register) for result in document.metrics)
    metrics = _targets(Targets(document.metrics, "Success metrics"), register)
    chapters = tuple(
        Chapter(section.title, f"s{number}", tuple(_piece(block, register) for block in section.blocks))
        for number, section in enumerate(document.sections, 1)
    )
    return View(document, cards, metrics, chapters, tuple(register.numbers))


def _piece(block: Block, register: _Register) -> Piece:
    match block:
        case Table():
            return grid(block)
        case Figures():
            return _figures(block, register)
        case Findings():
            return _findings(block, register)
        case Targets():
            return _targets(block, register)
        case Picture():
            return Drawing(block, grid(block.table) if block.table else None, register.anchor(block.name))
        case Paragraph() | Code():
            return block


def cell(text: str, evidence: tuple[int, ...] = ()) -> Cell:
    """A cell of plain text; «not measured: …» is muted wherever it stands, and a whole cell «[words](../step/page.html)» is a link.

    Only a page of the same folder of deliverables can be linked to, so no text from a system can lead elsewhere.
    """
    if link := _PAGE_LINK.fullmatch(text):
        return Cell(link[1], "link", evidence=evidence, href=link[2])
    return Cell(text, "muted" if text.startswith(_NOT_MEASURED) else "text", evidence=evidence)


def grid(table: Table) -> Grid:
    """A table as it is written; rows are cut or filled to the number of columns."""
    width = len(table.columns)
    rows = tuple(tuple(cell(text) for text in (*row, *[""] * width)[:width]) for row in table.rows)
    return Grid(table.columns, (table.align + "l" * width)[:width], rows, table.title, table.empty, table.evidence)


def _value(figure: Figure, register: _Register) -> Cell:
    numbers = register.of(figure.evidence)
    if figure.value is None:
        return Cell(f"{_NOT_MEASURED}: {figure.not_measured}", "muted", evidence=numbers)
    return Cell(f"{show_value(figure.value, figure.unit)} {figure.label}".rstrip(), evidence=numbers)


def _interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None or figure.value is None:
        return ""
    return f"{show_value(figure.low, figure.unit)} to {show_value(figure.high, figure.unit)}"


def _sample(figure: Figure) -> str:
    return "" if figure.n is None else f"{figure.n:,}"


def _name(figure: Figure) -> str:
    dims = ", ".join(f"{key} {value}" for key, value in figure.dims)
    return (figure.title or figure.name) + (f" · {dims}" if dims else "")


def _chip(word: str, signs: Mapping[str, str]) -> Cell:
    return Cell(word, "chip", word.replace(" ", "-"), signs.get(word, ""))


def _card(result: TargetResult, register: _Register) -> Card:
    sample = _sample(result.value)
    interval = " · ".join(part for part in (_interval(result.value), f"n = {sample}" if sample else "") if part)
    baseline = "" if result.baseline is None else f"before: {_value(result.baseline, register).text}"
    value = _value(result.value, register)
    return Card(result.title or result.target, value, interval, result.wanted, baseline, _chip(result.verdict, VERDICT_SIGNS), result.note)


def _figures(block: Figures, register: _Register) -> Grid:
    rows = tuple((cell(_name(f)), _value(f, register), cell(_interval(f)), cell(_sample(f))) for f in block.figures)
    return Grid(("Figure", "Value", "Interval", "n"), "lrrr", rows, block.title, "no figures")


def _targets(block: Targets, register: _Register) -> Grid:
    rows = []
    for result in block.results:
        before = Cell("") if result.baseline is None else _value(result.baseline, register)
        rows.append(
            (
                cell(result.title or result.target),
                _value(result.value, register),
                cell(_interval(result.value)),
                cell(_sample(result.value)),
                before,
                cell(result.wanted),
                _chip(result.verdict, VERDICT_SIGNS),
                cell(result.note),
            )
        )
    columns = ("Target", "Value", "Interval", "n", "Baseline", "Wanted", "Verdict", "Note")
    return _without_empty(Grid(columns, "lrrrrlll", tuple(rows), block.title, "no targets"), keep=("Target", "Value", "Wanted", "Verdict"))


def _findings(block: Findings, register: _Register) -> Grid:
    worst_first = sorted(block.findings, key=lambda f: (_WORST_FIRST[f.severity], -f.count, f.kind, f.subject))
    rows = tuple(
        (
            _chip(finding.severity, SEVERITY_SIGNS),
            Cell(finding.sentence, evidence=register.of(finding.evidence)),
            cell(finding.subject),
            cell(f"{finding.count:,}"),
            cell(", ".join(finding.examples)),
            cell(finding.owner),
        )
        for finding in worst_first
    )
    found = Grid(("Severity", "Finding", "Where", "Count", "Examples", "Owner"), "lllrll", rows, block.title, "nothing found")
    return _without_empty(found, keep=("Severity", "Finding", "Where", "Count"))


def _without_empty(found: Grid, *, keep: tuple[str, ...]) -> Grid:
    """The table without the columns that say nothing in any row."""
    kept = [i for i, name in enumerate(found.columns) if name in keep or any(row[i].text for row in found.rows)]
    return Grid(
        tuple(found.columns[i] for i in kept),
        "".join(found.align[i] for i in kept),
        tuple(tuple(row[i] for i in kept) for row in found.rows),
        found.title,
        found.empty,
        found.source,
    )
