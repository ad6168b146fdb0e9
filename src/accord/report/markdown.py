"""A document as Markdown that reads well as plain text too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from accord.model.figure import Evidence
from accord.report.document import Code, Document, Paragraph
from accord.report.stamp import BEGIN, END, Stamp
from accord.report.view import Cell, Drawing, Grid, Piece, view

_CODE = re.compile(r"`[^`\n<|]+`")  # without < and |, so that no viewer can find a tag or a column in it
_LINE_START = re.compile(r"^(\s*)(>|=|[#+-]+(?=\s|$)|-{2,}|\d{1,9}[.)](?=\s|$))", re.MULTILINE)
_ENTITY = re.compile(r"&(?=#?\w+;)")
_OUTER_UNDERSCORE = re.compile(r"(?<!\w)_|_(?!\w)")
_LINK = re.compile(r"\](?=\s*[(\[:])")


def to_markdown(document: Document, stamp: Stamp) -> str:
    """The document as Markdown (GitHub's dialect), ending in its stamp; names from systems cannot become markup."""
    return "\n\n".join(_parts(document, stamp)) + "\n"


def escape(text: str) -> str:
    """Text of several lines that Markdown shows as it is; whole `code spans` are kept, their content needs no escape."""
    return _LINE_START.sub(lambda found: f"{found[1]}{found[2][:-1]}\\{found[2][-1]}", _escape_spans(text))


def _escape_spans(text: str) -> str:
    out, at = [], 0
    for span in _CODE.finditer(text):
        out += [_escape_plain(text[at : span.start()]), span.group()]
        at = span.end()
    return "".join([*out, _escape_plain(text[at:])])


def _escape_plain(text: str) -> str:
    text = text.replace("\\", "\\\\")
    text = _ENTITY.sub("&amp;", text).replace("<", "&lt;")
    for sign in ("`", "*", "~", "|"):
        text = text.replace(sign, "\\" + sign)
    text = _OUTER_UNDERSCORE.sub(r"\\_", text)
    return _LINK.sub(r"\\]", text)


def _one_line(text: str) -> str:
    """Text for a heading, a cell or a list item, behind something that already began the line."""
    return _escape_spans(" ".join(text.split()))


def _parts(document: Document, stamp: Stamp) -> Iterator[str]:
    page = view(document)
    yield f"# {_one_line(document.title)}"
    if document.summary:
        yield escape(document.summary)
    if document.metrics:
        yield from _grid(page.metrics)
    for chapter in page.chapters:
        yield f"## {_one_line(chapter.title)}"
        for piece in chapter.pieces:
            yield from _piece(piece, document)
    if page.evidence:
        yield "## Evidence"
        yield "\n".join(f"{number}. {_evidence(item)}" for number, item in enumerate(page.evidence, 1))
    if document.covers:
        yield "Covers: " + _one_line(", ".join(document.covers))
    yield "---"
    yield BEGIN + "\n" + " · ".join(f"{label} {_one_line(text)}" for label, text in stamp.parts()) + "\n" + END


def _piece(piece: Piece, document: Document) -> Iterator[str]:
    match piece:
        case Paragraph(text, "text"):
            yield escape(text)
        case Paragraph(text, kind):
            words = {"note": "Note", "warning": "Warning"}[kind]
            yield "\n".join(f"> {line}".rstrip() for line in f"**{words}.** {escape(text)}".split("\n"))
        case Grid():
            yield from _grid(piece)
        case Code():
            yield from _code(piece)
        case Drawing(picture, twin, anchor):
            yield f"**{_one_line(picture.title)}** ([picture]({document.name}.html#{anchor}))"
            yield escape(picture.alt)
            if twin:
                yield from _grid(twin)


def _code(code: Code) -> Iterator[str]:
    if code.title:
        yield f"**{_one_line(code.title)}**"
    ticks = max((len(run) for run in re.findall(r"`+", code.text)), default=0)
    fence = "`" * max(3, ticks + 1)
    language = re.sub(r"[^\w+-]", "", code.language)
    yield f"{fence}{language}\n{code.text.rstrip()}\n{fence}"


def _grid(found: Grid) -> Iterator[str]:
    if found.title:
        yield f"**{_one_line(found.title)}**"
    if not found.rows:
        yield f"*{_one_line(found.empty)}*"
    else:
        rules = ["---:" if side == "r" else "---" for side in found.align]
        lines = [[_one_line(column) for column in found.columns], rules, *([_cell(c) for c in row] for row in found.rows)]
        yield "\n".join(f"| {' | '.join(line)} |" for line in lines)
    if found.source:
        yield f"*Source: {_one_line(found.source)}*"


def _cell(cell: Cell) -> str:
    text = _one_line(cell.text)
    if cell.kind == "muted":
        text = f"*{text}*"
    elif cell.kind == "chip":
        text = f"{cell.sign} {text}".strip()
    elif cell.kind == "link":
        text = f"[{text}]({cell.href.removesuffix('.html')}.md)"
    return " ".join([text, *(f"[{number}]" for number in cell.evidence)]).strip()


def _evidence(item: Evidence) -> str:
    detail = f" – {_one_line(item.detail)}" if item.detail else ""
    return f"{item.kind} {_one_line(item.reference)}{detail}"
