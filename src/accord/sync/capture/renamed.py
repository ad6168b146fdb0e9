"""Columns that go by another name now, known by the values they hold: a name tells nothing, as another column may have taken it.

A mapped column that is gone may be one that was renamed. One that is there may be another than at the last run: ``name`` was renamed to
``title``, and a new column is called ``name``. Then the values agreed for the field stand in ``title``, and what stands in ``name``, often
nothing at all, is nobody's edit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from accord.connectors.types import quote
from accord.model.flow import FieldMapping
from accord.sync.capture.read import unmapped_columns
from accord.sync.cycle import Cycle, Side, join_on, storage_type
from accord.sync.identity.own_key import agreed_with
from accord.sync.mapping.fields import compile_field, mapped_columns
from accord.sync.mapping.unreadable import known_read

ENOUGH: Final = 0.8  # share of equal values from which a new column is taken for the renamed old one
_HALF: Final = 0.5  # enough where the order of columns tells the same; and below it a column no longer holds what was agreed


@dataclass(frozen=True, slots=True)
class Renamed:
    """A column that seems to have another name: the field, its column, what that is called now, and the share of agreed values there.

    ``now`` is empty where no other column holds them: it was dropped and made anew, and ``share`` is what still stands under its name. Else
    ``share`` is 1 where an earlier run found it and nobody has settled it since.
    """

    field: str
    column: str
    now: str
    share: float = 1.0

    @property
    def hint(self) -> str:
        """What seems to have happened, and what to do."""
        if not self.now:
            seems = "It seems to have been dropped and made anew, or to have got another's name"
            return f"{seems}: {self.share:.0%} of the agreed values of '{self.field}' stand there. Bring them back, or map it elsewhere."
        seems = f"'{self.column}' seems to be called '{self.now}' now: {self.share:.0%} of the agreed values of '{self.field}' stand there."
        return f"{seems} Map '{self.field}' to '{self.now}'."


def renamed_away(cycle: Cycle, side: Side, old: Collection[str], noted: Mapping[str, str]) -> Iterator[Renamed]:
    """Columns that a side lacks and that another one holds now.

    Args:
        cycle: the run, its side captured and its bases loaded.
        side: which lacks some column.
        old: the columns it had at the last run.
        noted: what that run found, by column.
    """
    new = [c for c in unmapped_columns(side) if c not in old] if _comparable(cycle, side) else []
    for name, mapping in side.binding.fields.items():
        gone = [c for c in mapped_columns(mapping) if c in side.lacking]
        if not gone or mapping.read or name in side.codes:
            continue
        if noted.get(gone[0]) in side.columns:
            yield Renamed(name, gone[0], noted[gone[0]])
        elif new and (best := max((_share(cycle, side, name, c), c) for c in new))[0] >= ENOUGH:
            yield Renamed(name, gone[0], best[1], best[0])


def other_columns(cycle: Cycle, side: Side, old: Collection[str], order: Sequence[str], noted: Mapping[str, str]) -> list[Renamed]:
    """Columns that are there and are others than at the last run; see ``_taken_names`` and ``_made_anew``.

    Args:
        cycle: the run, its side captured and its bases loaded.
        side: whose columns they are.
        old: the columns it had at the last run.
        order: the same, as they stood then.
        noted: what that run found, by column.
    """
    found = list(_taken_names(cycle, side, old, noted))
    return found + list(_made_anew(cycle, side, order, {c for c, now in noted.items() if not now}, {r.field for r in found}))


def _made_anew(cycle: Cycle, side: Side, order: Sequence[str], noted: Collection[str], known: Collection[str]) -> Iterator[Renamed]:
    """Columns that no longer hold most of the agreed values, where the order of columns is another: made anew, or exchanged names."""
    there, places = list(side.columns), {c: i for i, c in enumerate(order)}
    if not (places and _comparable(cycle, side)):
        return
    both = [c for c in there if c in places]
    moved = set(noted) if both == sorted(both, key=places.__getitem__) else {*both, *noted}
    asked = [name for name, code in side.codes.items() if code.column in moved and _plain(side, name) and name not in known]
    stayed = _stayed(cycle, side, asked) if asked else {}
    for name in asked:
        if stayed[name] < _HALF:
            yield Renamed(name, side.codes[name].column, "", stayed[name])


def _taken_names(cycle: Cycle, side: Side, old: Collection[str], noted: Mapping[str, str]) -> Iterator[Renamed]:
    """Columns whose field has its values in a new one: the name is another column's now.

    Where a system puts every new column last, one that stands before the mapped one tells that this is new, too. Elsewhere it is told only
    where most of the agreed values are no longer under the old name.
    """
    there = list(side.columns)
    for name, mapping in side.binding.fields.items():
        column = mapping.column or mapping.name
        if noted.get(column) in there and name in side.codes:
            yield Renamed(name, column, noted[column])
    new = [c for c in unmapped_columns(side) if c not in old]
    if not (old and new and _comparable(cycle, side)):
        return
    last = side.connector.capabilities.appends
    asked = {
        name: [c for c in new if not last or there.index(c) < there.index(code.column)]
        for name, code in side.codes.items()
        if code.column in there and _plain(side, name) and code.column not in noted and code.column in old
    }
    if not (asked := {name: columns for name, columns in asked.items() if columns}):
        return
    stayed = _stayed(cycle, side, asked)
    for name, columns in asked.items():
        if stayed[name] >= (1.0 if last else _HALF):
            continue
        share, best = max((_share(cycle, side, name, c), c) for c in columns)
        if share >= max(_HALF if last else ENOUGH, stayed[name]):
            yield Renamed(name, side.codes[name].column, best, share)


def _plain(side: Side, name: str) -> bool:
    mapping = side.binding.fields.get(name)  # none: the own key
    return mapping is not None and not (mapping.read or mapping.join or mapping.value)


def _stayed(cycle: Cycle, side: Side, fields: Collection[str]) -> dict[str, float]:
    """How many of the agreed values of fields still stand in their columns; of a key, how many of the agreed rows are there."""
    base, cap = agreed_with(cycle, side), side.table("cap")
    there = f"c.{quote(cycle.keys[0])} IS NOT NULL"
    equal = [
        f"count(*) FILTER (b.{quote(f)} IS NOT NULL AND "
        + (f"{there})" if f in cycle.keys else f"c.{quote(f)} IS NOT DISTINCT FROM b.{quote(f)})")
        for f in fields
    ]
    counted = [f"count(b.{quote(f)})" + ("" if f in cycle.keys else f" FILTER ({there})") for f in fields]
    row = cycle.sql(
        f"SELECT {', '.join((*equal, *counted))} FROM {base} b LEFT JOIN {cap} c ON {join_on(cycle.keys, 'b', 'c')} WHERE NOT b._gone"
    )[0]
    numbers = [int(str(n)) for n in row]
    return {f: numbers[i] / numbers[i + len(equal)] if numbers[i + len(equal)] else 1.0 for i, f in enumerate(fields)}


def _comparable(cycle: Cycle, side: Side) -> bool:
    return bool(side.relation) and all(k in side.codes for k in cycle.keys)


def _share(cycle: Cycle, side: Side, name: str, column: str) -> float:
    """How many of the agreed values of a field stand in a column, among the rows that have one."""
    codes = {f: known_read(side.codes[f], side.unreadable) for f in cycle.keys}
    codes[name] = f"CAST({_read_from(cycle, side, name, column)} AS {storage_type(cycle.entity, name)})"
    rows = f"SELECT {', '.join(f'{code} AS {quote(f)}' for f, code in codes.items())} FROM {side.relation}"
    ((total, equal),) = cycle.sql(
        f"SELECT count(*), count(*) FILTER (r.{quote(name)} IS NOT DISTINCT FROM b.{quote(name)}) FROM {agreed_with(cycle, side)} b "
        f"{'LEFT ' if name in cycle.keys else ''}JOIN ({rows}) r ON {join_on(cycle.keys, 'b', 'r')} "
        f"WHERE b.{quote(name)} IS NOT NULL AND NOT b._gone"
    )
    return int(str(equal)) / int(str(total)) if total else 0.0


def _read_from(cycle: Cycle, side: Side, name: str, column: str) -> str:
    """SQL of a field as it is read when its column, and that of all fields that share it, is another one."""
    fields = side.binding.fields
    mine = (fields[name].column or name).lower()
    moved: dict[str, FieldMapping] = {f: replace(m, column=column) if (m.column or f).lower() == mine else m for f, m in fields.items()}
    return compile_field(cycle.entity.fields[name], moved[name], replace(side.binding, fields=moved), side.columns).read
