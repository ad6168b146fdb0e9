"""The meaning of a map as canonical values, and its hash."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

from accord.mapfile.shapes import ListShape, RecordShape, Shape, TableShape, map_shape
from accord.model.integration_map import IntegrationMap
from accord.model.values import Duration


def meaning(shape: Shape, value: Any) -> Any:
    """A value as plain JSON without places, names that are keys, and keys that hold their default."""
    if isinstance(shape, RecordShape):
        pairs = ((k, getattr(value, k.name)) for k in shape.keys)
        return {k.name: meaning(k.shape, v) for k, v in pairs if k.required or v != k.default}
    if isinstance(shape, TableShape):
        return {name: meaning(shape.item, v) for name, v in value.items()}
    if isinstance(shape, ListShape):
        return [meaning(shape.item, v) for v in value]
    if isinstance(value, Duration):
        return f"{value.seconds}s"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")  # 12.5 and 12.50 are one amount
    return value


def content_hash(map_: IntegrationMap) -> str:
    """SHA-256 (hex) over the meaning: the same for any order of keys, split into files, comments and way of writing.

    ``load_map`` hashes the map as written, before variables are filled in.
    """
    canonical = json.dumps(meaning(map_shape(), map_), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
