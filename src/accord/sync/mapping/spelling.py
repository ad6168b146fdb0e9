"""Columns as a system spells them, where a person wrote «Email» in the map for its «email»."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from accord.model.flow import Binding, FieldMapping


def as_spelled(binding: Binding, columns: Iterable[str]) -> Binding:
    """The binding with its columns as the system spells them, so that what is read under any spelling is written, too.

    A column of the very spelling of the map is the one that is meant, whatever others there are. Where the letters' case is another, only
    the one column that fits is; between «Email» and «EMAIL» nobody can tell.

    Args:
        binding: as the map has it.
        columns: what the system shows.
    """
    there = tuple(columns)
    known = set(there)
    if not (apart := {c for c in _columns(binding) if c not in known}):
        return binding
    near = {c: [t for t in there if t.lower() == c.lower()] for c in apart}
    meant = {c: found[0] for c, found in near.items() if len(found) == 1}
    if not meant:
        return binding
    return replace(
        binding,
        fields={name: _mapping(mapping, meant) for name, mapping in binding.fields.items()},
        cursor=meant.get(binding.cursor, binding.cursor),
        changed_by=meant.get(binding.changed_by, binding.changed_by),
        own_key=meant.get(binding.own_key, binding.own_key),
    )


def _columns(binding: Binding) -> set[str]:
    found = {c for mapping in binding.fields.values() for c in _of(mapping)}
    return found | {c for c in (binding.cursor, binding.changed_by, binding.own_key) if c}


def _of(mapping: FieldMapping) -> tuple[str, ...]:
    """The columns a mapping names, or means by its field's name; those of an expression are looked up in any case as they are."""
    if mapping.join is not None:
        return mapping.join.columns
    if (mapping.value or (mapping.read and not mapping.write)) and not mapping.column:
        return ()
    return (mapping.column or mapping.name,)


def _mapping(mapping: FieldMapping, meant: dict[str, str]) -> FieldMapping:
    if not any(c in meant for c in _of(mapping)):
        return mapping
    if mapping.join is not None:
        return replace(mapping, join=replace(mapping.join, columns=tuple(meant.get(c, c) for c in mapping.join.columns)))
    column = mapping.column or mapping.name
    return replace(mapping, column=meant.get(column, column))
