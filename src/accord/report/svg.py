"""Drawings as SVG text: making elements, guessing how wide words are, and letting only harmless drawings into a page."""

from __future__ import annotations

import re
from html import escape as _escape
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from accord.model.errors import DataRefused
from accord.report.palette import LIGHT, picture_style

NAMESPACE: Final = "http://www.w3.org/2000/svg"
FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Helvetica Neue', Arial, sans-serif"
_SHAPES: Final = frozenset({"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"})
_WORDS: Final = frozenset({"text", "tspan", "title", "desc"})
_FRAMES: Final = frozenset({"svg", "g", "defs", "marker", "clipPath", "linearGradient", "stop", "pattern"})
_TAGS: Final = _SHAPES | _WORDS | _FRAMES
_REFERENCE: Final = re.compile(r"url\(\s*['\"]?#([^)'\"]+)['\"]?\s*\)")
_DROPPED: Final = frozenset({"style", "href", "class", "tabindex", "aria-label", "aria-roledescription", "role"})
_NARROW: Final = frozenset("iljtfrI.,:;'|!()[]{}-/ ·’`")
_WIDE: Final = frozenset("mwMW@%—→←↔⇄")


def escape(text: str) -> str:
    """Text that stands between tags or in a quoted attribute; what XML forbids is left out."""
    return _escape("".join(sign for sign in text if sign >= " " or sign in "\t\n"), quote=True)


def element(tag: str, content: str = "", **attributes: str | float | None) -> str:
    """An element around ready-made ``content``; ``_`` in attribute names becomes ``-``, numbers are rounded to 0.1."""
    shown = "".join(f' {key.rstrip("_").replace("_", "-")}="{number(value)}"' for key, value in attributes.items() if value is not None)
    return f"<{tag}{shown}>{content}</{tag}>" if content else f"<{tag}{shown}/>"


def number(value: str | float) -> str:
    """An attribute's value: text escaped, a number with at most one decimal."""
    return escape(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0").replace("-0", "0" if value > -0.05 else "-0")


def text_width(text: str, size: float = 13.0, *, bold: bool = False) -> float:
    """An upper guess of a text's width in px for the sans-serif fonts readers have; no font is looked up, so it never varies."""
    width = 0.0
    for sign in text:
        if sign in _NARROW:
            width += 0.40
        elif sign in _WIDE:
            width += 0.98
        elif ord(sign) > 0x2E7F:
            width += 1.05
        else:
            width += 0.71 if sign.isupper() else 0.60
    return width * size * (1.09 if bold else 1.0)


def shorten(text: str, width: float, size: float = 13.0, *, bold: bool = False) -> str:
    """The text on one line, cut with an ellipsis where it would be wider than ``width`` px."""
    text = " ".join(text.split())
    if text_width(text, size, bold=bold) <= width:
        return text
    while text and text_width(text + "…", size, bold=bold) > width:
        text = text[:-1].rstrip()
    return text + "…"


def wrap(text: str, width: float, size: float = 13.0, *, bold: bool = False) -> tuple[str, ...]:
    """The text on one line, or on two of about the same length; the second is cut where it would be wider than ``width`` px."""
    words = text.split()
    whole = " ".join(words)
    if text_width(whole, size, bold=bold) <= width or len(words) < 2:
        return (shorten(whole, width, size, bold=bold),)

    def longer(cut: int) -> float:
        return max(text_width(" ".join(part), size, bold=bold) for part in (words[:cut], words[cut:]))

    fitting = [cut for cut in range(1, len(words)) if text_width(" ".join(words[:cut]), size, bold=bold) <= width]
    cut = min(fitting, key=longer, default=1)
    return tuple(shorten(" ".join(part), width, size, bold=bold) for part in (words[:cut], words[cut:]))


def embed(svg: str, *, prefix: str, title: str, description: str) -> str:
    """The drawing for a page: named for screen readers, its ids made unique by ``prefix``, and nothing in it that acts or loads.

    The text is parsed and written anew from the elements that only draw, so what was checked is what the page holds.

    Raises:
        DataRefused: it is no SVG, or holds an element that does more than draw (script, foreignObject, style, image …).
    """
    where = f"picture '{prefix}'"
    try:
        root = fromstring(svg, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as problem:
        raise DataRefused(f"not a drawing: {problem}", where, "an SVG document") from problem
    if _local(root.tag) != "svg":
        raise DataRefused(f"its root is <{_local(root.tag)}>", where, "an SVG document")
    head = "".join(f'<{tag} id="{prefix}-{tag}">{escape(text)}</{tag}>' for tag, text in (("title", title), ("desc", description)))
    box = "".join(f' {name}="{escape(root.attrib[name])}"' for name in ("width", "height", "viewBox") if name in root.attrib)
    inside = "".join(_write(child, prefix, where) for child in root if _local(child.tag) not in ("title", "desc"))
    return (
        f'<svg xmlns="{NAMESPACE}" role="img" aria-labelledby="{prefix}-title {prefix}-desc"{box} font-family="{escape(FONT)}">'
        f"{head}{inside}</svg>"
    )


def standalone(svg: str) -> str:
    """A drawing of ours as a file of its own, for a README or a mail: with a ground, and in the reader's theme."""
    opening = svg.index(">") + 1
    ground = element("rect", width="100%", height="100%", fill=LIGHT["surface"])
    return f"{svg[:opening]}<style>{picture_style()}</style>{ground}{svg[opening:]}"


def _local(tag: str) -> str:
    return tag.removeprefix(f"{{{NAMESPACE}}}")


def _write(node: Element, prefix: str, where: str) -> str:
    tag = _local(node.tag)
    if tag not in _TAGS:
        raise DataRefused(f"it holds <{tag}>", where, "only " + ", ".join(sorted(_TAGS)))
    attributes = []
    for name, value in node.attrib.items():
        if name.startswith(("on", "{")) or name in _DROPPED:
            continue
        if name == "id":
            value = f"{prefix}-{value}"
        elif "url(" in value:
            found = _REFERENCE.fullmatch(value.strip())
            if not found:
                continue
            value = f"url(#{prefix}-{found[1]})"
        attributes.append(f' {name}="{escape(value)}"')
    inside = escape(node.text or "") if tag in _WORDS else ""
    for child in node:
        inside += _write(child, prefix, where)
        if tag in ("text", "tspan"):
            inside += escape(child.tail or "")
    opening = f"<{tag}{''.join(attributes)}"
    return f"{opening}>{inside}</{tag}>" if inside else f"{opening}/>"
