"""Fields whose column holds texts that are none: their rows cannot be read, and say so."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from accord.connectors.types import literal, quote
from accord.connectors.unreadable import WHY, flag, shown
from accord.sync.mapping.fields import FieldCode, expression_columns, raw_name


def with_unreadable(code: FieldCode, columns: Collection[str]) -> FieldCode:
    """The code of a field, which gives a reason where one of its columns cannot be read; see ``known_read``.

    Args:
        code: the field as compiled.
        columns: those of the resource that cannot be read in some row.
    """
    mine = _mine(code, columns)
    if not mine:
        return code
    kept = [(quote(raw_name(flag(c))), shown(f"CAST({quote(raw_name(c))} AS VARCHAR)")) for c in mine]
    name, why = literal(f"{code.name}: '"), literal(f"' {WHY}")
    says = " ".join(f"WHEN {unread} THEN {name} || left({value}, 60) || {why}" for unread, value in kept)
    return replace(
        code,
        broken=f"({' OR '.join(unread for unread, _ in kept)} OR {code.broken})",
        reason=f"CASE {says} ELSE {code.reason} END",
    )


def known_read(code: FieldCode, columns: Collection[str]) -> str:
    """SQL over the resource's columns: the value of a field, null where one of its columns cannot be read."""
    mine = _mine(code, columns)
    return f"CASE WHEN NOT ({' OR '.join(quote(flag(c)) for c in mine)}) THEN {code.read} END" if mine else code.read


def _mine(code: FieldCode, columns: Collection[str]) -> list[str]:
    return [c for c in dict.fromkeys((*code.needs, code.column)) if c in columns]


def where_known(where: str, columns: Collection[str]) -> str:
    """The condition of a binding, which also takes a row of which it cannot be told: left out it would look deleted.

    Args:
        where: of the map.
        columns: those of the resource that cannot be read in some row.
    """
    names = {c.lower() for c in expression_columns(where)} if columns else set()
    unknown = [quote(flag(c)) for c in columns if c.lower() in names]
    return f"(({where}) OR {' OR '.join(sorted(unknown))})" if unknown else f"({where})"
