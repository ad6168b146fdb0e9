"""The map as JSON Schema, for editors that complete and underline."""

from __future__ import annotations

import json
from typing import Any, Final

from accord.mapfile.content import meaning
from accord.mapfile.shapes import ChoiceShape, Key, ListShape, RecordShape, Shape, TableShape, map_shape

_VARIABLE: Final = {"type": "string", "pattern": r"\$\{[^{}]+\}"}
_SCALARS: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": ["string", "number", "boolean"]},  # an unquoted 1.0 or true is a text where the map needs a text
    "integer": {"anyOf": [{"type": "integer"}, _VARIABLE]},
    "number": {"anyOf": [{"type": "number"}, _VARIABLE]},
    "decimal": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[-+]?[0-9]+(\.[0-9]+)?$"}, _VARIABLE]},
    "boolean": {"anyOf": [{"type": "boolean"}, _VARIABLE]},
    "duration": {"anyOf": [{"type": "string", "pattern": "^[0-9]{1,9}[smhdw]( [0-9]{1,9}[smhdw])*$"}, _VARIABLE]},
}


def json_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of one map file; since a map may be split over files, no section is required in each."""
    definitions: dict[str, Any] = {}
    top = _record(map_shape(), definitions)
    top.pop("required")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Accord integration map",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """The schema as JSON text, the same for the same version of Accord."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _record(shape: RecordShape, definitions: dict[str, Any]) -> dict[str, Any]:
    doc = (shape.cls.__doc__ or "").strip().splitlines()[0].replace("``", "")
    schema: dict[str, Any] = {
        "type": "object",
        "description": doc,
        "properties": {key.name: _key(key, definitions) for key in shape.keys},
        "additionalProperties": False,
        "required": [key.name for key in shape.keys if key.required],
    }
    return schema


def _key(key: Key, definitions: dict[str, Any]) -> dict[str, Any]:
    schema = dict(_shape(key.shape, definitions))
    if key.doc:
        schema["description"] = key.doc
    if not key.required and key.default not in (None, "", (), {}):
        schema["default"] = meaning(key.shape, key.default)
    return schema


def _shape(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    if isinstance(shape, RecordShape):
        return _reference(shape, definitions)
    if isinstance(shape, TableShape):
        table = {"type": ["object", "null"], "additionalProperties": _shape(shape.item, definitions)}
        if not shape.shorthand:
            return table
        return {"anyOf": [table, {**_SCALARS["text"], "description": f"short for {{'{shape.shorthand}': …}}"}]}
    if isinstance(shape, ListShape):
        return {"type": "array", "items": _shape(shape.item, definitions)}
    if isinstance(shape, ChoiceShape):
        return {"anyOf": [{"enum": [w for w in shape.words if w]}, _VARIABLE]}
    return _SCALARS[shape.kind]


def _reference(shape: RecordShape, definitions: dict[str, Any]) -> dict[str, Any]:
    name = shape.cls.__name__
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _record(shape, definitions)
    options: list[dict[str, Any]] = [{"$ref": f"#/$defs/{name}"}]
    if shape.shorthand is not None:
        key = shape.key(shape.shorthand)
        assert key is not None
        options.append({**_SCALARS["text"], "description": f"short for {{{key.name}: …}}: {key.doc}"})
    if not any(k.required for k in shape.keys):
        options.append({"type": "null"})
    return options[0] if len(options) == 1 else {"anyOf": options}
