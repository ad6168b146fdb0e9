"""What a noun of the map says beyond the defaults, as plain values, and a fingerprint of that.

Keys at their default are left out. So a fingerprint that is kept from one run to the next stays the same when a newer program knows a key
more, and differs when somebody edits the map.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any

from accord.model.values import Duration


def stated(value: Any) -> Any:
    """A noun, or mappings and tuples of nouns, as plain JSON values; durations as the map has them, places left out."""
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): stated(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [stated(part) for part in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: stated(part) for name, default in _keys(value.__class__) if (part := getattr(value, name)) != default}
    return value


def stated_print(*values: Any) -> str:
    """32 hex digits over what they state, in whatever order names stand in the map."""
    text = json.dumps([stated(value) for value in values], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


@cache
def _keys(kind: type) -> tuple[tuple[str, Any], ...]:
    return tuple((f.name, _default(f)) for f in fields(kind) if f.compare)


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default
