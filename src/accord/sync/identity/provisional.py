"""Rows whose own key has no canonical id yet: until a run finds out who they are, they go by the id their key would found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from accord.connectors.types import quote
from accord.sync.cycle import Cycle, storage_type
from accord.sync.identity.own_key import canonical_id


def unknown_rows(cycle: Cycle, keys: Sequence[str]) -> dict[str, str]:
    """Of some keys (JSON text), those that only stand for a row without an id: key → system, resource and own key of that row."""
    if cycle.entity.identity is None:
        return {}
    found = _provisional(
        cycle, keys, "p.resource, p.own", "links l ON l.resource = p.resource AND l.own_key = p.own WHERE l.canonical IS NULL"
    )
    return {key: f"{resource} '{own}'" for key, resource, own in found}


def recognized_rows(cycle: Cycle, keys: Sequence[str]) -> dict[str, str | None]:
    """Of the same keys, in a run that has found out who their rows are: the key each row got instead; ``None``: it waits for a person."""
    if cycle.entity.identity is None or not cycle.has("present"):
        return {}
    now = f"CASE WHEN p.reason IS NULL THEN {_key(cycle, 'p.canonical')} END"
    made = "links_new n ON n.resource = p.resource AND n.own_key = p.own WHERE (n.canonical IS NOT NULL OR p.reason IS NOT NULL)"
    return {key: other for key, other in _provisional(cycle, keys, now, made) if key != other}


def _provisional(cycle: Cycle, keys: Sequence[str], columns: str, joined: str) -> list[tuple[Any, ...]]:
    cycle.con.register("asked_keys", pa.table({"key": pa.array(list(keys), pa.string())}))
    key = _key(cycle, canonical_id(cycle.entity, "p.resource", "p.own"))
    found = cycle.sql(f"""
        SELECT * FROM (SELECT {key} AS key, {columns} FROM present p LEFT JOIN {joined} AND p.resource <> '')
        WHERE key IN (FROM asked_keys) ORDER BY ALL""")
    cycle.con.unregister("asked_keys")
    return found


def _key(cycle: Cycle, id_: str) -> str:
    """SQL of a canonical id as the JSON text of its key."""
    name = cycle.keys[0]
    kept = f"CAST(CAST({id_} AS {storage_type(cycle.entity, name)}) AS VARCHAR)"
    return f"CAST(to_json(struct_pack({quote(name)} := {kept})) AS VARCHAR)"
