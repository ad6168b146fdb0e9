"""What happens to a canonical value on the way into a column and back: nothing, where it holds the value itself; or it is lost."""

from __future__ import annotations

from accord.connectors.types import quote
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
    if not _copied(entity, side, code):
        return False
    return _kind(side, code) == ("JSON" if _is_json(entity, code) else zoned(storage_type(entity, code.name)))


def kept_once(entity: Entity, side: Side) -> dict[str, str]:
    """Columns of texts and bytes that a field shows as they are, so that a table holds both by holding the field: column → field."""
    found: dict[str, str] = {}
    for name, code in side.codes.items():
        column, kind = quote(code.column), side.columns.get(code.column, "")
        large = kind in ("VARCHAR", "BLOB") and kind == storage_type(entity, name) and name not in entity.key
        if large and code.read in (column, f"CAST({column} AS {kind})") and code.column not in side.unreadable:
            found.setdefault(code.column, name)
    return found


def keeps_itself(entity: Entity, side: Side, code: FieldCode) -> bool:
    """Whether the column shows a canonical value that is written to it as it is; others in it may need to be read.

    A column of texts does so with the canonical text of JSON, which reads as itself.
    """
    text = _is_json(entity, code) and _kind(side, code) == "VARCHAR" and _copied(entity, side, code)
    return text or holds_itself(entity, side, code)


def lost(code: FieldCode) -> str:
    """SQL over the value (``same.<field>``), its column as written and what that is read as (``back.<field>``): the column is left empty,
    and an empty one does not show the value."""
    same, back = quote(f"same.{code.name}"), quote(f"back.{code.name}")
    return f"({same} IS NOT NULL AND {quote(code.column)} IS NULL AND {back} IS DISTINCT FROM {same})"


def read_back(code: FieldCode) -> str:
    """SQL, as for ``lost``: the value as the column shows it; one that is lost there is itself, and nothing that an empty column shows."""
    return f"CASE WHEN {lost(code)} THEN {quote(f'same.{code.name}')} ELSE {quote(f'back.{code.name}')} END"


def _copied(entity: Entity, side: Side, code: FieldCode) -> bool:
    field, mapping = entity.fields[code.name], side.binding.fields.get(code.name)
    return mapping is not None and not converts(field, mapping) and not mapping.timezone


def _is_json(entity: Entity, code: FieldCode) -> bool:
    return CanonicalType.parse(entity.fields[code.name].type).name == "json"


def _kind(side: Side, code: FieldCode) -> str:
    return zoned(side.columns.get(code.column, ""))


def zoned(kind: str) -> str:
    """A type of DuckDB as it writes it; moments have two names."""
    return kind.upper().replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE")
