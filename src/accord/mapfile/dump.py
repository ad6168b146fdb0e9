"""Write a map as YAML that loads back to an equal map."""

from __future__ import annotations

import io
import re
from decimal import Decimal
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

from accord.mapfile.shapes import ListShape, RecordShape, Shape, TableShape, map_shape
from accord.model.integration_map import IntegrationMap
from accord.model.values import Duration

_ONE_LINE: Final = 100
# Controls and line separators, which are safe only as escapes in double quotes.
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_PLAIN: Final = re.compile(r"[\w(./]([\w ./()<>=+*%'@-]*[\w./()<>=+*%'@-])?")


def dump_map(map_: IntegrationMap) -> str:
    """The map as YAML text, sections parted by empty lines, keys that hold their default left out.

    Load it with ``as_written=True`` first when ``${variables}`` are to stay in the text.
    """
    plain = _plain(map_shape(), map_)
    parts: list[str] = []
    head = CommentedMap()
    for name, value in plain.items():
        if isinstance(value, CommentedMap) and not value.fa.flow_style():
            parts.append(_text(CommentedMap({name: value})))
        else:
            head[name] = value
    return "\n".join([_text(head), *parts])


def dump_section(map_: IntegrationMap, section: str) -> str:
    """One section of the map as YAML text, as ``dump_map`` writes it; «» when nothing stands in it.

    Raises:
        KeyError: a map has no such section.
    """
    key = map_shape().key(section)
    if key is None:
        raise KeyError(section)
    value = getattr(map_, section)
    if value == key.default:
        return ""
    laid_out = _plain(key.shape, value)
    laid_out.fa.set_block_style()  # more names are going to be added below
    return _text(CommentedMap({section: laid_out}))


def _text(value: CommentedMap) -> str:
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 1_000_000  # one value, one line: a folded line is harder to compare
    yaml.allow_unicode = True
    out = io.StringIO()
    yaml.dump(value, out)
    return out.getvalue()


def _plain(shape: Shape, value: Any) -> Any:
    if isinstance(shape, RecordShape):
        return _record(shape, value)
    if isinstance(shape, TableShape):
        return _laid_out(CommentedMap({_quoted(name): _plain(shape.item, part) for name, part in value.items()}))
    if isinstance(shape, ListShape):
        items = CommentedSeq([_plain(shape.item, part) for part in value])
        if not any(isinstance(i, CommentedMap) for i in items):
            items.fa.set_flow_style()
        return items
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, Decimal):
        near = float(value)
        return near if Decimal(repr(near)) == value else format(value, "f")
    return _quoted(value) if isinstance(value, str) else value


def _quoted(text: str) -> str:
    """The text with the quotes it needs; the library alone leaves some out that its own reader asks for."""
    if not _CONTROLS.search(text) and _PLAIN.fullmatch(text):
        return text
    quoted: str = (DoubleQuotedScalarString if _CONTROLS.search(text) else SingleQuotedScalarString)(text)
    return quoted


def _record(shape: RecordShape, value: Any) -> Any:
    given = {k.name: _plain(k.shape, v) for k in shape.keys if (v := getattr(value, k.name)) != k.default or k.required}
    if shape.shorthand is not None:
        if not given and shape.key(shape.shorthand) is not None:
            default = getattr(value, shape.shorthand)
            return default if default else _laid_out(CommentedMap())
        if set(given) == {shape.shorthand}:
            return given[shape.shorthand]
    return _laid_out(CommentedMap(given))


def _laid_out(table: CommentedMap) -> CommentedMap:
    """A table on one line when it is short and holds only plain values."""
    flat = not any(isinstance(v, CommentedMap) or (isinstance(v, CommentedSeq) and not v.fa.flow_style()) for v in table.values())
    if (
        flat
        and sum(len(str(k)) + len(str(v)) + 4 for k, v in table.items()) <= _ONE_LINE
        and not any("\n" in str(v) for v in table.values())
    ):
        table.fa.set_flow_style()
    return table
