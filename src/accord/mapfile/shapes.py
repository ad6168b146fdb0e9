"""The shape of the map, read from the model's dataclasses: the one source of loader, schema, reference page, dump, hash and diff."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from decimal import Decimal
from functools import cache
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from accord.model.entity import Field
from accord.model.flow import FieldMapping
from accord.model.integration_map import IntegrationMap
from accord.model.values import Duration

ScalarKind = Literal["text", "integer", "number", "decimal", "boolean", "duration"]
_SCALARS: Final[dict[type, ScalarKind]] = {
    str: "text",
    bool: "boolean",
    int: "integer",
    float: "number",
    Decimal: "decimal",
    Duration: "duration",
}
# A record written as a single text: which of its keys the text is.
SHORTHANDS: Final[dict[type, str]] = {Field: "type", FieldMapping: "column"}
# Attributes the loader sets itself, never written in a map.
_OWN: Final = frozenset({"place"})


@dataclass(frozen=True, slots=True)
class ScalarShape:
    """A single value."""

    kind: ScalarKind


@dataclass(frozen=True, slots=True)
class ChoiceShape:
    """One of a few words; the empty word is a default and not written."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListShape:
    """A list."""

    item: Shape


@dataclass(frozen=True, slots=True)
class TableShape:
    """Names given by the author, each with a value; ``shorthand``: the name that a bare text in its place stands for, or «»."""

    item: Shape
    shorthand: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a record."""

    name: str
    shape: Shape
    required: bool
    default: Any
    doc: str


@dataclass(frozen=True, slots=True)
class RecordShape:
    """One dataclass of the model; ``named``: its name is the key it stands under."""

    cls: type
    named: bool
    keys: tuple[Key, ...]

    def key(self, name: str) -> Key | None:
        """The key of that name, or ``None``."""
        return next((k for k in self.keys if k.name == name), None)

    @property
    def shorthand(self) -> str | None:
        """The key that a bare text stands for, or ``None``."""
        return SHORTHANDS.get(self.cls)


Shape = ScalarShape | ChoiceShape | ListShape | TableShape | RecordShape


@cache
def record(cls: type) -> RecordShape:
    """The shape of a dataclass of the model."""
    hints = get_type_hints(cls)
    named, keys = False, []
    for f in fields(cls):
        if f.name in _OWN or f.metadata.get("computed"):
            continue
        if f.name == "name" and "doc" not in f.metadata:
            named = True
            continue
        default = f.default if f.default is not MISSING else f.default_factory() if f.default_factory is not MISSING else MISSING
        shape = _shape(hints[f.name])
        if isinstance(shape, TableShape):
            shape = replace(shape, shorthand=f.metadata.get("shorthand", ""))
        keys.append(Key(f.name, shape, default is MISSING, None if default is MISSING else default, f.metadata.get("doc", "")))
    return RecordShape(cls, named, tuple(keys))


def map_shape() -> RecordShape:
    """The shape of the whole map."""
    return record(IntegrationMap)


def sections() -> tuple[str, ...]:
    """The top-level keys that hold names, such as systems and flows."""
    return tuple(k.name for k in map_shape().keys if isinstance(k.shape, TableShape))


def empty(shape: Shape) -> Any:
    """A stand-in for a required value that is missing, so that the rest can still be checked."""
    if isinstance(shape, TableShape):
        return {}
    if isinstance(shape, ListShape):
        return ()
    if isinstance(shape, ScalarShape):
        return {"text": "", "integer": 0, "number": 0.0, "decimal": Decimal(0), "boolean": False, "duration": Duration(0)}[shape.kind]
    return shape.words[0] if isinstance(shape, ChoiceShape) else None


def word(cls: type) -> str:
    """What a record is called in messages: «entity», «field mapping»."""
    text = "".join(f" {c.lower()}" if c.isupper() else c for c in cls.__name__).strip()
    return {"integration map": "map", "field mapping": "field", "event rule": "event", "handoff rule": "handoffs"}.get(text, text)


def _shape(hint: Any) -> Shape:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        kept = [a for a in arguments if a is not type(None)]
        if len(kept) == 1:
            return _shape(kept[0])
        choices = [_shape(a) for a in kept]
        return ChoiceShape(tuple(w for c in choices if isinstance(c, ChoiceShape) for w in c.words))
    if origin is Literal:
        return ChoiceShape(tuple(str(a) for a in arguments))
    if origin is tuple:
        return ListShape(_shape(arguments[0]))
    if origin is not None and issubclass(origin, Mapping):
        return TableShape(_shape(arguments[1]))
    if hint in _SCALARS:
        return ScalarShape(_SCALARS[hint])
    return record(hint)
