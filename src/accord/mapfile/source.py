"""Read YAML text into nodes that remember their line; nothing is interpreted here.

A scalar keeps the text as written, so what it means is decided by what the map expects at that place: ``version: 1.0`` stays the text
«1.0», and «no» is never a boolean. The tree is built from the parser's events, with limits, so that no file can exhaust memory or the
call stack: aliases share their node, and what they would expand to is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from accord.mapfile.problems import Problem
from accord.model.errors import MapSyntaxError, Place

MAX_BYTES: Final = 5_000_000
MAX_NODES: Final = 500_000
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
MAX_DEPTH: Final = 40
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(slots=True)
class Node:
    """Where a node stands, and how many nodes it stands for once its aliases are written out."""

    place: Place
    size: int = 1


@dataclass(slots=True)
class Scalar(Node):
    """A single value, as the text that was written; ``plain`` tells that it had no quotes."""

    text: str = ""
    plain: bool = True

    @property
    def is_null(self) -> bool:
        """Whether nothing was written, or a plain null."""
        return self.plain and self.text in _NULLS


@dataclass(slots=True)
class Listing(Node):
    """A list of nodes."""

    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Table(Node):
    """Names and their nodes, in order; ``name_places`` says where each name was written."""

    items: dict[str, Node] = field(default_factory=dict)
    name_places: dict[str, Place] = field(default_factory=dict)
    merges: list[Table] = field(default_factory=list)


def read_file(path: Path, shown: str, problems: list[Problem]) -> Table | None:
    """The top level of one map file, or ``None`` with what is wrong added to ``problems``; ``shown`` is the name used in places."""
    place = Place(shown)
    try:
        if path.stat().st_size > MAX_BYTES:
            problems.append(
                Problem(
                    place,
                    "is too large for a map file.",
                    f"Expected at most {MAX_BYTES // 1_000_000} MB; split the map over several files.",
                )
            )
            return None
        data = path.read_bytes()
    except OSError as error:
        problems.append(Problem(place, f"cannot be read: {error.strerror or error}.", "Expected a readable map file."))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.append(Problem(Place(shown, line), "holds bytes that are not UTF-8.", "Save the file as UTF-8."))
        return None
    return read_text(text, shown, problems)


def read_text(text: str, shown: str, problems: list[Problem]) -> Table | None:
    """The top level of a map given as text; see ``read_file``."""
    try:
        root = _Tree(shown, problems).grow(text)
    except MapSyntaxError as error:
        problems.append(Problem(error.place, error.what, error.expected))
        return None
    except MarkedYAMLError as error:
        problems.append(_explained(error, text, shown))
        return None
    except (YAMLError, ValueError, OverflowError) as error:  # the reader and escapes out of range
        problems.append(Problem(Place(shown), f"is not YAML: {_first_line(error)}.", "Expected YAML text."))
        return None
    if root is None or (isinstance(root, Scalar) and root.is_null):
        problems.append(Problem(Place(shown), "is empty.", "Expected sections such as systems:, entities: and flows:."))
        return None
    if not isinstance(root, Table):
        problems.append(Problem(root.place, "is not a mapping of sections.", "Expected sections such as systems:, entities: and flows:."))
        return None
    return root


class _Tree:
    """Builds nodes from parser events, counting what they stand for."""

    def __init__(self, shown: str, problems: list[Problem]) -> None:
        self.shown, self.problems = shown, problems
        self.anchors: dict[str, Node | None] = {}
        self.documents = 0

    def grow(self, text: str) -> Node | None:
        events = YAML(typ="safe", pure=True).parse(text)
        root: Node | None = None
        for event in events:
            if isinstance(event, DocumentStartEvent):
                self.documents += 1
                if self.documents > 1:
                    raise MapSyntaxError(
                        "starts a second document.",
                        place=self.at(event),
                        expected="Expected one document in a file; remove the '---' line.",
                    )
            elif isinstance(event, (ScalarEvent, SequenceStartEvent, MappingStartEvent, AliasEvent)):
                root = self.node(event, events, 1)
        return root

    def at(self, event: Any) -> Place:
        return Place(self.shown, event.start_mark.line + 1)

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        place = self.at(event)
        if depth > MAX_DEPTH:
            raise MapSyntaxError(f"is nested more than {MAX_DEPTH} levels deep.", place=place, expected="Expected the few levels of a map.")
        if isinstance(event, AliasEvent):
            return self.alias(event, place)
        if event.tag is not None:
            self.problems.append(Problem(place, f"a tag ('{event.tag}') is not allowed here.", "Expected plain values; remove the tag."))
        anchor = event.anchor
        if anchor is not None:
            self.anchors[anchor] = None  # open: an alias inside itself would have no end
        node: Node
        if isinstance(event, ScalarEvent):
            if _CONTROL.search(event.value):
                self.problems.append(Problem(place, "a value holds a control character.", "Expected text that can be read."))
            node = Scalar(place, 1, event.value, event.style is None)
        elif isinstance(event, SequenceStartEvent):
            node = self.listing(place, events, depth)
        else:
            node = self.table(place, events, depth)
        if anchor is not None:
            self.anchors[anchor] = node
        return node

    def alias(self, event: Any, place: Place) -> Node:
        if event.anchor not in self.anchors:
            raise MapSyntaxError(
                f"the alias '*{event.anchor}' has no anchor before it.", place=place, expected=f"Expected '&{event.anchor}' above."
            )
        node = self.anchors[event.anchor]
        if node is None:
            raise MapSyntaxError(f"the alias '*{event.anchor}' stands inside its own anchor.", place=place, expected="Write the value out.")
        return node

    def grown(self, holder: Node, part: Node) -> None:
        holder.size += part.size
        if holder.size > MAX_NODES:
            raise MapSyntaxError(
                f"stands for more than {MAX_NODES:,} values once its aliases are written out.",
                place=holder.place,
                expected="Use fewer aliases.",
            )

    def listing(self, place: Place, events: Iterator[Any], depth: int) -> Listing:
        listing = Listing(place)
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            item = self.node(event, events, depth + 1)
            self.grown(listing, item)
            listing.items.append(item)
        return listing

    def table(self, place: Place, events: Iterator[Any], depth: int) -> Table:
        table = Table(place)
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            name = self.node(event, events, depth + 1)
            value = self.node(next(events), events, depth + 1)
            self.grown(table, value)
            if not isinstance(name, Scalar) or name.is_null:
                self.problems.append(Problem(name.place, "a key is not a name.", "Expected a text before the colon."))
            elif name.text == "<<" and name.plain:
                self.merge(table, value)
            else:
                add(table, name.text, value, name.place, self.problems)
        for inherited in table.merges:
            for text, node in inherited.items.items():
                if text not in table.items:
                    table.items[text], table.name_places[text] = node, inherited.name_places[text]
        return table

    def merge(self, table: Table, value: Node) -> None:
        parts = value.items if isinstance(value, Listing) else [value]
        for part in parts:
            if isinstance(part, Table):
                table.merges.append(part)
            else:
                self.problems.append(
                    Problem(value.place, "'<<' takes in something that is not a mapping.", "Expected an alias of a mapping.")
                )


def add(table: Table, name: str, node: Node, place: Place, problems: list[Problem], *, kind: str = "key") -> None:
    """Put a name into a table; a name that stands there already is a problem that names both places."""
    if name in table.items:
        problems.append(
            Problem(place, f"{kind} '{name}' is given twice.", f"It stands at {table.name_places[name]} already; remove one of the two.")
        )
        return
    table.items[name], table.name_places[name] = node, place


def _explained(error: MarkedYAMLError, text: str, shown: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark is not None else 0
    lines = text.splitlines()
    written = lines[line - 1] if 0 < line <= len(lines) else ""
    indent = written[: len(written) - len(written.lstrip())]
    if "\t" in indent or "'\\t'" in str(error.problem):
        return Problem(Place(shown, line), "a tab stands where only spaces may indent.", "Replace tabs by spaces.")
    what = str(error.problem or error.context or "cannot be parsed").strip().rstrip(".")
    since = error.context_mark.line + 1 if error.context_mark is not None and error.context_mark.line + 1 != line else 0
    return Problem(
        Place(shown, line),
        f"is not YAML: {what}{f' (begun on line {since})' if since else ''}.",
        "Check quotes, colons and the indentation of this line and the one above.",
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["unreadable text"])[0].strip().rstrip(".")
