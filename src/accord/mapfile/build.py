"""Turn nodes into the dataclasses of the model, collecting every mistake instead of stopping at the first.

A value that cannot be read is replaced by its default, so that one mistake does not hide the others; a map with problems is never
handed out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from accord.mapfile.problems import Problem
from accord.mapfile.shapes import (
    ChoiceShape,
    Key,
    ListShape,
    RecordShape,
    ScalarShape,
    Shape,
    TableShape,
    empty,
    map_shape,
    word,
)
from accord.mapfile.source import Listing, Node, Scalar, Table
from accord.mapfile.variables import IN_ENVIRONMENT, Variables
from accord.model.errors import Place, alternatives, nearest
from accord.model.integration_map import IntegrationMap
from accord.model.values import Duration

Path = tuple[str, ...]
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,15}")
_DECIMAL: Final = re.compile(r"[-+]?[0-9]{1,25}(\.[0-9]{1,20})?")
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,25}(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?")
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Where ${env:NAME} may stand: it is filled in when the value is used, and never before.
_SECRETS: Final = {"systems": ("at", "options"), "webhooks": ("url", "secret")}
_MEANT: Final = {"yes": "true", "on": "true", "1": "true", "y": "true", "no": "false", "off": "false", "0": "false", "n": "false"}
_WANTED: Final = {
    "text": "a text",
    "integer": "a whole number, such as 3",
    "number": "a number, such as 0.95",
    "decimal": "an exact number, such as 12.50",
    "boolean": "true or false",
    "duration": "a duration, such as 90s, 15m, 4h, 2d or 1w",
}


class Builder:
    """Builds one map; ``problems`` are the mistakes met, ``places`` says where each path of keys was written.

    ``as_written`` leaves variables in texts alone; ``partial`` tells that a file could not be read, so top-level keys may be missing.
    """

    def __init__(self, variables: Variables, *, as_written: bool = False, partial: bool = False) -> None:
        self.variables, self.as_written, self.partial = variables, as_written, partial
        self.problems: list[Problem] = []
        self.places: dict[Path, Place] = {}

    def build(self, root: Table) -> IntegrationMap:
        """The map of the merged top level; complete only when ``problems`` is empty."""
        section = root.items.get("variables")
        for name, node in section.items.items() if isinstance(section, Table) else ():
            self.variables.check(name, self._reporter(node.place, "the map, variables"))
        built = self._record(map_shape(), root, (), "", "the map")
        assert isinstance(built, IntegrationMap)
        return built

    def _problem(self, place: Place, holder: str, message: str, expected: str) -> None:
        self.problems.append(Problem(place, f"{holder}: {message}", expected))

    def _reporter(self, place: Place, holder: str) -> Callable[[str, str], None]:
        return lambda message, expected: self._problem(place, holder, message, expected)

    def _value(self, shape: Shape, node: Node, path: Path, holder: str, default: Any) -> Any:
        if isinstance(shape, RecordShape):
            return self._record(shape, node, path, path[-1], holder)
        if isinstance(shape, TableShape):
            return self._table(shape, node, path, holder, default)
        if isinstance(shape, ListShape):
            return self._list(shape, node, path, holder, default)
        return self._scalar(shape, node, path, holder, default)

    def _record(self, shape: RecordShape, node: Node, path: Path, name: str, holder: str) -> Any:
        values: dict[str, Any] = {"place": self.places.get(path, node.place)}
        if shape.named:
            values["name"] = name
        if isinstance(node, Scalar) and node.is_null:
            node = Table(node.place)
        if isinstance(node, Scalar) and shape.shorthand is not None:
            node = Table(node.place, items={shape.shorthand: node}, name_places={shape.shorthand: node.place})
        if not isinstance(node, Table):
            known = ", ".join(k.name for k in shape.keys)
            self._problem(node.place, holder, f"{_found(node)} stands where a mapping is needed.", f"Expected the keys {known}.")
            node = Table(node.place)
            values |= {k.name: empty(k.shape) for k in shape.keys if k.required}
        else:
            self._unknown(shape, node, holder)
            for key in shape.keys:
                if key.required and (key.name not in node.items or _is_null(node.items[key.name])):
                    if path or not self.partial:
                        self._problem(values["place"], holder, f"'{key.name}' is missing.", f"Expected {key.name}: {key.doc}.")
                    values[key.name] = empty(key.shape)
        for key in shape.keys:
            part = node.items.get(key.name)
            if part is not None and not _is_null(part):
                values[key.name] = self._key(key, part, node.name_places[key.name], (*path, key.name), holder)
        return shape.cls(**values)

    def _key(self, key: Key, node: Node, place: Place, path: Path, holder: str) -> Any:
        self.places[path] = place
        inner = path[-1] if holder == "the map" else f"{holder}, {path[-1]}"
        default = empty(key.shape) if key.required else key.default
        return self._value(key.shape, node, path, inner, default)

    def _unknown(self, shape: RecordShape, node: Table, holder: str) -> None:
        known = [k.name for k in shape.keys]
        for name in node.items:
            if name in known:
                continue
            if name == "name" and shape.named:
                self._problem(
                    node.name_places[name], holder, "'name' is not a key.", "The name is the key it stands under; remove this line."
                )
            else:
                self._problem(node.name_places[name], holder, f"'{name}' is not a key.", alternatives(name, known))

    def _table(self, shape: TableShape, node: Node, path: Path, holder: str, default: Any) -> Any:
        if isinstance(node, Scalar) and shape.shorthand:
            node = Table(node.place, items={shape.shorthand: node}, name_places={shape.shorthand: node.place})
        if not isinstance(node, Table):
            first = next((n.text for n in node.items if isinstance(n, Scalar) and n.text), "") if isinstance(node, Listing) else ""
            such = f", such as {_short(first)}: …" if first else ""
            what = f"{_found(node)} stands where a mapping is needed."
            self._problem(node.place, holder, what, f"Expected name: value, one on each line{such}.")
            return default
        values = {}
        for name, part in node.items.items():
            inner = (*path, name)
            self.places[inner] = node.name_places[name]
            if isinstance(shape.item, RecordShape):
                outer = f"{holder.rpartition(', ')[0]}, " if ", " in holder else ""
                values[name] = self._value(shape.item, part, inner, f"{outer}{word(shape.item.cls)} '{name}'", None)
            elif _is_null(part):
                self._problem(node.name_places[name], holder, f"'{name}' has no value.", "Expected a value after the colon.")
            else:
                values[name] = self._value(shape.item, part, inner, f"{holder}, '{name}'", empty(shape.item))
        return values

    def _list(self, shape: ListShape, node: Node, path: Path, holder: str, default: Any) -> Any:
        if not isinstance(node, Listing):
            hint = f"[{node.text}]" if isinstance(node, Scalar) else "[a, b]"
            self._problem(node.place, holder, f"{_found(node)} stands where a list is needed.", f"Expected a list, such as {hint}.")
            return default
        values = []
        for position, part in enumerate(node.items):
            inner = (*path, str(position))
            self.places[inner] = part.place
            if _is_null(part):
                self._problem(part.place, holder, f"item {position + 1} of the list is empty.", "Remove it or give it a value.")
            else:
                values.append(self._value(shape.item, part, inner, f"{holder}, item {position + 1}", empty(shape.item)))
        return tuple(values)

    def _scalar(self, shape: ScalarShape | ChoiceShape, node: Node, path: Path, holder: str, default: Any) -> Any:
        wanted = _one_of(shape.words) if isinstance(shape, ChoiceShape) else _WANTED[shape.kind]
        if not isinstance(node, Scalar):
            self._problem(node.place, holder, f"{_found(node)} stands where a single value is needed.", f"Expected {wanted}.")
            return default
        keep = isinstance(shape, ScalarShape) and shape.kind == "text" and (self.as_written or path[0] == "variables")
        text = node.text if keep else self.variables.fill(node.text, self._reporter(node.place, holder))
        if IN_ENVIRONMENT in text and not keep and not any(path[0] == section and path[2] in keys for section, keys in _SECRETS.items()):
            self._problem(
                node.place,
                holder,
                "a secret is filled in only where a system is opened or a webhook is signed.",
                "Expected ${env:…} in at: or options: of a system, or in url: or secret: of a webhook, only.",
            )
        if isinstance(shape, ChoiceShape):
            if text in shape.words and text:
                return text
            meant = nearest(text, [w for w in shape.words if w])
            self._problem(
                node.place,
                holder,
                f"'{_short(text)}' is not possible here.",
                f"Expected {wanted}." + (f" Did you mean '{meant}'?" if meant else ""),
            )
            return default
        try:
            return _read(shape.kind, text if shape.kind == "text" else text.strip())
        except ValueError:
            meant = _MEANT.get(text.strip().lower()) if shape.kind == "boolean" else None
            hint = f" Did you mean {meant}?" if meant else ""
            self._problem(
                node.place, holder, f"'{_short(text)}' is not {_WANTED[shape.kind].partition(',')[0]}.", f"Expected {wanted}.{hint}"
            )
            return default


def _read(kind: str, text: str) -> Any:
    """The value of a scalar; ``ValueError`` when the text is none of its kind."""
    if kind == "text":
        return text
    if kind == "duration":
        return Duration.parse(text)
    if kind == "boolean" and text in _BOOLEANS:
        return _BOOLEANS[text]
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "decimal" and _DECIMAL.fullmatch(text):
        return Decimal(text)
    if kind == "number" and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    raise ValueError(text)


def default_variables(root: Table) -> Mapping[str, str]:
    """The ``variables:`` of a map as written; what is wrong there is reported when the map is built."""
    section = root.items.get("variables")
    items = section.items if isinstance(section, Table) else {}
    return {name: node.text for name, node in items.items() if isinstance(node, Scalar) and not node.is_null}


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.is_null


def _found(node: Node) -> str:
    if isinstance(node, Scalar):
        return f"the text '{_short(node.text)}'"
    return "a list" if isinstance(node, Listing) else "a mapping"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else f"{flat[:57]}…"


def _one_of(words: tuple[str, ...]) -> str:
    shown = [w for w in words if w]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"
