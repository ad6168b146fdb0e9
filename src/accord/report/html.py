"""A document as one self-contained HTML page: no script, nothing loaded from elsewhere, light and dark."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from accord.report.document import Document
from accord.report.palette import style_sheet
from accord.report.stamp import BEGIN, END, Stamp
from accord.report.svg import embed
from accord.report.view import Drawing, view

if TYPE_CHECKING:
    from jinja2 import Template

_CODE = re.compile(r"`([^`\n]+)`")
_BLANK_LINES = re.compile(r"\n\s*\n")


def to_html(document: Document, stamp: Stamp, template: str) -> str:
    """The document as a page, written by the text of a template.

    The template is Jinja2 and gets ``page`` (`accord.report.view.View`), ``stamp``, ``style`` (the colors as CSS), ``stamp_begin`` and
    ``stamp_end``, and the filters ``prose`` (paragraphs), ``inline`` (one line), ``kind`` (paragraph, grid, drawing or code) and
    ``drawing`` (a picture as safe SVG). Everything is escaped by default; it runs in a sandbox, as templates may come from a pack.

    Raises:
        DataRefused: a picture holds more than a drawing.
        jinja2.TemplateError: the template does not parse, or names what it is not given.
    """
    return _compiled(template).render(
        page=view(document),
        stamp=stamp,
        style=Markup(style_sheet()),  # noqa: S704 - our own constants, no data in it
        stamp_begin=Markup(BEGIN),  # noqa: S704 - a constant
        stamp_end=Markup(END),  # noqa: S704 - a constant
    )


@lru_cache(maxsize=32)
def _compiled(template: str) -> Template:
    from jinja2 import StrictUndefined  # here, because most commands write no page
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"inline": _inline, "prose": _prose, "drawing": _drawing, "kind": _kind}
    return environment.from_string(template)


def _inline(text: str) -> Markup:
    """Escaped text in which `code spans` are set as code, and no line ends between a number and its sign."""
    text = text.replace(" %", "\u00a0%").replace("≥ ", "≥\u00a0").replace("≤ ", "≤\u00a0")
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just before


def _prose(text: str) -> Markup:
    """Escaped text, a paragraph for each stretch between blank lines."""
    return Markup("").join(Markup("<p>{}</p>").format(_inline(part)) for part in _BLANK_LINES.split(text.strip()))


def _drawing(piece: Drawing) -> Markup:
    """The SVG of a picture, checked and named."""
    picture = piece.picture
    return Markup(embed(picture.svg, prefix=piece.anchor, title=picture.title, description=picture.alt))  # noqa: S704 - checked by embed


def _kind(piece: object) -> str:
    """The word a template tells pieces apart by: paragraph, grid, drawing or code."""
    return type(piece).__name__.lower()
