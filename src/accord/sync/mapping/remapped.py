"""Fields that are read or written in another way than at the flow's last run: what their bases say is about another mapping."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from accord.connectors.types import quote
from accord.sync.cycle import Cycle, Side, join_on
from accord.sync.identity.own_key import agreed_with
from accord.sync.mapping.fields import mapped_columns

_KNOWN = 0.5  # of the rows with a value: from so many that are as they were, it is the same field read in a better way
_READ = ("column", "codes", "unit", "timezone", "format", "value", "default", "separator", "split", "join", "lookup", "read")


def find_remapped(cycle: Cycle, previous: Mapping[str, Any]) -> None:
    """Set of each side which fields are new to it (``fresh``), and which it may hold from now on (``widened``); note both for the next run.

    A value of a fresh field was never agreed with its system, so that it is no edit: it joins what is agreed, as the values of a row do
    that a system shows for the first time. A mapping that changed while most values stayed what they were (a renamed column, one code
    more) is no fresh one; what differs there is an edit. The same holds for a column that was away at the last run: made anew, and empty,
    it says nothing about the values the field had.
    """
    known, took_part = previous.get("mapped", {}), previous.get("columns", {})
    for side in cycle.sides:
        before, now = known.get(side.name), _prints(cycle, side)
        if before is not None:
            read = {f for f, (print_, _) in now.items() if before.get(f, ("", ""))[0] != print_ and not side.codes[f].constant}
            read |= _came_back(side, took_part.get(side.name) or (), now)
            side.fresh = frozenset(f for f in read if f not in before or not _continues(cycle, side, f))
            side.widened = frozenset(f for f, (_, may) in now.items() if may and not before.get(f, ("", False))[1])
        if took_part and side.name not in took_part:
            side.widened = frozenset(f for f, (_, may) in now.items() if may)  # what was agreed without it has yet to reach it
        if not cycle.limited:
            # A field whose column is gone for now keeps how it was read, but it is not written; a side that is left out keeps both.
            kept = {f: [said, False] for f, (said, _) in (before or {}).items() if f in side.binding.fields}
            cycle.notes["mapped"] = {**cycle.notes.get("mapped", {}), side.name: {**kept, **now}}


def _came_back(side: Side, columns: Sequence[str], fields: Iterable[str]) -> set[str]:
    """Fields of which a column was not among those the side had at the last run."""
    then = {c.lower() for c in columns}
    return {f for f in fields if then and any(c.lower() not in then for c in mapped_columns(side.binding.fields[f]))}


def _prints(cycle: Cycle, side: Side) -> dict[str, list[Any]]:
    """Field: SHA-256 of how it is read, and whether it may be written."""
    found: dict[str, list[Any]] = {}
    for name, code in side.codes.items():
        if name in cycle.keys:
            continue
        mapping, field = side.binding.fields[name], cycle.entity.fields[name]
        said = (field.type, field.unit, field.separator, mapping.column or name, *(getattr(mapping, part) for part in _READ[1:]))
        found[name] = [hashlib.sha256(repr(said).encode()).hexdigest()[:16], code.writable]
    return found


def _continues(cycle: Cycle, side: Side, field: str) -> bool:
    """Whether most of the values are those that were agreed under the mapping before."""
    f = quote(field)
    rows = f"{side.table('cap')} c JOIN {agreed_with(cycle, side)} b ON {join_on(cycle.keys, 'c', 'b')}"
    found = cycle.sql(
        f"SELECT count(*), count(*) FILTER (c.{f} IS NOT DISTINCT FROM b.{f}) FROM {rows} "
        f"WHERE NOT b._gone AND (c.{f} IS NOT NULL OR b.{f} IS NOT NULL)"
    )
    (asked, same) = found[0]
    return not asked or int(str(same)) >= _KNOWN * int(str(asked))
