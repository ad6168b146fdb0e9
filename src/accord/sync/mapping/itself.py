"""Whether a column holds the canonical value itself, so that nothing can happen to it on the way there and back."""

from __future__ import annotations

from accord.model.entity import Entity, Field
from accord.model.flow import FieldMapping
from accord.model.types import CanonicalType
from accord.sync.cycle import Side, storage_type
from accord.sync.mapping.fields import FieldCode


def converts(field: Field, mapping: FieldMapping) -> bool:
    """Whether a mapping does anything beyond a cast to the field's type; its time zone aside."""
    if mapping.codes or mapping.format or mapping.value or mapping.default or mapping.read or mapping.write:
        return True
    if mapping.split or mapping.join or mapping.lookup or mapping.separator or field.separator:
        return True
    return bool(mapping.unit) and mapping.unit != field.unit


def holds_itself(entity: Entity, side: Side, code: FieldCode) -> bool:
    """Whether reading and writing the column of a field is copying it: it holds the canonical value, in the field's own type."""
    field, mapping = entity.fields[code.name], side.binding.fields.get(code.name)
    if mapping is None or converts(field, mapping) or mapping.timezone:
        return False
    kind = zoned(side.columns.get(code.column, ""))
    json = CanonicalType.parse(field.type).name == "json"
    return kind == "JSON" if json else kind == zoned(storage_type(entity, code.name))


def zoned(kind: str) -> str:
    """A type of DuckDB as it writes it; moments have two names."""
    return kind.upper().replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE")
