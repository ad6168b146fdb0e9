"""Read XML into elements that remember their line, with limits: no document type, no entities, nothing that grows beyond its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from accord.mapfile.bpmn.words import BpmnProblems
from accord.mapfile.problems import Problem
from accord.model.errors import Place

MAX_BYTES: Final = 5_000_000
MAX_ELEMENTS: Final = 60_000
MAX_DEPTH: Final = 40


@dataclass(slots=True)
class Element:
    """An element; attributes of other name spaces are called ``{space}name``."""

    space: str
    name: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def get(self, name: str) -> str:
        """An attribute, or «»."""
        return self.attributes.get(name, "")

    def named(self, space: str, *names: str) -> Iterator[Element]:
        """The children of these names."""
        return (child for child in self.children if child.space == space and child.name in names)

    def first(self, space: str, name: str) -> Element | None:
        """The first child of a name."""
        return next(self.named(space, name), None)


class _Grower:
    """Takes the parser's events; its refusals are raised through the parser."""

    def __init__(self, shown: str) -> None:
        self.shown, self.count = shown, 0
        self.parser: Any = None
        self.open: list[Element] = []
        self.root: Element | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        line, (space, name) = self.parser.parser.CurrentLineNumber, _parted(tag)
        self.count += 1
        if self.count > MAX_ELEMENTS:
            raise _refused(self.shown, line, f"it has more than {MAX_ELEMENTS:,} elements.", "Expected a diagram people can read.")
        if len(self.open) >= MAX_DEPTH:
            raise _refused(self.shown, line, f"elements stand more than {MAX_DEPTH} levels deep.", "Expected the few levels of BPMN.")
        element = Element(space, name, attributes, line)
        if self.open:
            self.open[-1].children.append(element)
        elif self.root is None:
            self.root = element
        self.open.append(element)

    def end(self, tag: str) -> None:
        self.open.pop()

    def data(self, text: str) -> None:
        if self.open:
            self.open[-1].text += text

    def close(self) -> Element | None:
        return self.root


def read_xml(data: bytes, shown: str) -> Element:
    """The root of an XML document.

    Raises:
        BpmnProblems: it is not well-formed, too large, or has a document type or entities.
    """
    if len(data) > MAX_BYTES:
        raise _refused(shown, 0, "it is too large for a diagram.", f"Expected at most {MAX_BYTES // 1_000_000} MB.")
    grower = _Grower(shown)
    parser = grower.parser = DefusedXMLParser(target=grower, forbid_dtd=True)
    try:
        parser.feed(data)
        root = parser.close()
    except DefusedXmlException as error:
        line = parser.parser.CurrentLineNumber
        raise _refused(shown, line, "it declares a document type or entities.", "These are refused for safety; remove them.") from error
    except ParseError as error:
        raise _refused(shown, error.position[0], f"this is no well-formed XML ({error.msg}).", "Expected a file of BPMN 2.0.") from error
    except (LookupError, ValueError) as error:  # an encoding that nobody knows, or that XML cannot be read in
        raise _refused(shown, 0, f"it is written in an encoding that cannot be read ({error}).", "Expected UTF-8.") from error
    if not isinstance(root, Element):
        raise _refused(shown, 0, "it is empty.", "Expected a file of BPMN 2.0.")
    return root


def _parted(tag: str) -> tuple[str, str]:
    space, _, name = tag.rpartition("}")
    return space.removeprefix("{"), name


def _refused(shown: str, line: int, message: str, expected: str) -> BpmnProblems:
    return BpmnProblems([Problem(Place(shown, line), message, expected)])
