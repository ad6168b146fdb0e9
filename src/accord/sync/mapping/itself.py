"""Whether a column holds the canonical value itself, so that nothing can happen to it on the way there and back."""

from __future__ import annotations

from accord.model.entity import Field
from accord.model.flow import FieldMapping
from accord.model.types import CanonicalType

_ZONED = "TIMESTAMP WITH TIME ZONE"


def converts(field: Field, mapping: FieldMapping) -> bool:
    """Whether a mapping does anything beyond a cast to the field's type; its time zone aside."""
    if mapping.codes or mapping.format or mapping.value or mapping.default or mapping.read or mapping.write:
        return True
    if mapping.split or mapping.join or mapping.lookup or mapping.separator or field.separator:
        return True
    return bool(mapping.unit) and mapping.unit != field.unit


def holds_itself(field: Field, mapping: FieldMapping, kind: str, stored: str) -> bool:
    """Whether reading and writing the column is copying it.

    Args:
        field: the canonical field.
        mapping: how the system holds it.
        kind: DuckDB type of the column, as scanned.
        stored: the type the field is kept in.
    """
    if converts(field, mapping) or mapping.timezone:
        return False
    same = kind.upper().replace("TIMESTAMPTZ", _ZONED) == stored.replace("TIMESTAMPTZ", _ZONED)
    json = CanonicalType.parse(field.type).name == "json"
    return (same and not json) or (json and kind.upper() == "JSON")
