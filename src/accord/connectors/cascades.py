"""Rows that a database deletes or empties by itself because a row they point at is deleted: foreign keys that act.

What such a key does is no answer to a statement of ours: no count has it, no expectation is compared. So before rows are deleted it is
asked which others point at them. The parents are locked by then, and a database lets nobody point at a row that somebody else has locked:
what is counted then is all there is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from accord.connectors.protocol import Carried
from accord.connectors.types import quote

ACTING = ("CASCADE", "SET NULL", "SET DEFAULT")
TOLD_OF = 5  # up to so many rows a share of a table says nothing, and the table is not counted
Ask = Callable[[str], Iterable[Sequence[object]]]


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key that acts on deletes.

    Args:
        table: quoted name of the table whose rows point.
        name: how people know it.
        columns: of that table, in the order of ``referenced``.
        referenced: the columns they point at.
        rule: one of ``ACTING``.
        itself: it points at its own table.
        unseen: why its rows cannot be looked at; empty when they can.
        collations: of each column, what is to be said behind it so that it is compared as the key compares it.
    """

    table: str
    name: str
    columns: tuple[str, ...]
    referenced: tuple[str, ...]
    rule: str
    itself: bool = False
    unseen: str = ""
    collations: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """Its columns for people."""
        return ", ".join(self.columns)

    def joined(self, parent: str, child: str) -> str:
        """SQL: a row of the table ``child`` points at a row of ``parent``."""
        said = self.collations or ("",) * len(self.columns)
        pairs = zip(self.referenced, self.columns, said, strict=True)
        return " AND ".join(f"{parent}.{quote(to)} = {child}.{quote(column)}{more}" for to, column, more in pairs)


@dataclass(frozen=True, slots=True)
class Going:
    """SQL of rows that are about to be deleted.

    Args:
        rows: what stands behind FROM, with the row itself as ``t``.
        where: which of them.
        number: the row's number in the batch.
        key: columns by which a row of the table is known.
    """

    rows: str
    where: str
    number: str
    key: tuple[str, ...]

    def pointing(self, one: ForeignKey) -> str:
        """The rows ``c`` that point at them, joined."""
        # A row that points at itself goes with nobody's row but itself.
        same = " AND ".join(f"c.{quote(k)} = t.{quote(k)}" for k in self.key)
        return f"JOIN {one.table} c ON {one.joined('t', 'c')}{f' AND NOT ({same})' if one.itself else ''}"


def held(keys: Sequence[ForeignKey], going: Going, ask: Ask) -> dict[int, str]:
    """Why rows may not be deleted, by number: others point at them that the database would delete or empty.

    Args:
        keys: those that act and point at the table.
        going: rows of a batch.
        ask: gives the rows of a query.
    """
    told: dict[int, list[str]] = {}
    for one in keys:
        if one.unseen:
            found: Iterable[Sequence[object]] = ask(f"SELECT DISTINCT {going.number}, 0 FROM {going.rows} WHERE {going.where}")
        else:
            grouped = f"WHERE {going.where} GROUP BY {going.number}"
            found = ask(f"SELECT {going.number}, count(*) FROM {going.rows} {going.pointing(one)} {grouped}")
        for row, count in found:
            told.setdefault(int(str(row)), []).append(one.unseen or what(one, int(str(count))))
    names = " and ".join(dict.fromkeys(f"'{one.name}'" for one in keys))
    todo = f"delete or move them first, or bind {names} in a flow whose deletes come first; cascades: allow says that it is meant"
    return {row: f"{'; '.join(reasons)}: {todo}" for row, reasons in told.items()}


def what(one: ForeignKey, count: int) -> str:
    """What would become of the rows that point at a row, for people."""
    rows = f"{count} row{'' if count == 1 else 's'} of '{one.name}'"
    would = "be deleted with it" if one.rule == "CASCADE" else f"lose {'its' if count == 1 else 'their'} {one.shown} with it"
    return f"{rows} would {would} (ON DELETE {one.rule})"


def in_tree(keys: Sequence[ForeignKey]) -> bool:
    """Whether rows of the table point at others of it: what is written of these may set rows free that could not be deleted before."""
    return any(one.itself for one in keys)


def carry_out(keys: Sequence[ForeignKey], look: Callable[[], dict[int, str]], delete: Callable[[Collection[int]], None]) -> dict[int, str]:
    """Delete all rows but those that are held; returns these, with the reason of each.

    Args:
        keys: those that act and point at the table.
        look: ``held`` over the rows to be deleted that are still there.
        delete: deletes all others; called once more as long as that sets further rows free, in a tree whose rows point at one another.
    """
    found = look()
    delete(found)
    while found and in_tree(keys):
        left = look()
        if len(left) == len(found):
            return left
        found = left
        delete(found)
    return found


def carried(keys: Sequence[ForeignKey], keys_of: Callable[[str], Sequence[ForeignKey]], going: Going, ask: Ask) -> tuple[Carried, ...]:
    """What the delete of rows goes on to, along each way of keys; a key that leads back to where it was is followed once.

    Args:
        keys: those that act and point at the table.
        keys_of: the same of another table, by its quoted name.
        going: the rows.
        ask: gives the rows of a query.
    """
    found: list[Carried] = []

    def follow(one: ForeignKey, way: tuple[ForeignKey, ...], joined: str, last: str) -> None:
        if one.unseen:
            ((parents,),) = ask(f"SELECT count(DISTINCT {going.number}) FROM {going.rows} WHERE {going.where}")
            found.append(Carried(one.name, one.shown, one.rule, 0, 0 if way else int(str(parents))))
            return
        if way:
            mine = f"c{len(way)}"
            joined += f" JOIN {one.table} {mine} ON {one.joined(last, mine)}"
        else:
            mine, joined = "c", going.pointing(one)
        ((rows, parents),) = ask(f"SELECT count(*), count(DISTINCT {going.number}) FROM {going.rows} {joined} WHERE {going.where}")
        count, way = int(str(rows)), (*way, one)
        if not count:
            return
        of = 0
        if count > TOLD_OF:
            ((total,),) = ask(f"SELECT count(*) FROM {one.table}")
            of = int(str(total))
        found.append(Carried(one.name, one.shown, one.rule, count, 0 if way[1:] else int(str(parents)), of))
        for further in keys_of(one.table) if one.rule == "CASCADE" else ():
            if further not in way:
                follow(further, way, joined, mine)

    for one in keys:
        follow(one, (), "", "t")
    return tuple(found)


def gone(before: Sequence[Carried], stayed: Sequence[Carried]) -> tuple[Carried, ...]:
    """What went along of what was counted before: not what hangs on rows that another key refused to let go."""
    left = {(c.resource, c.column, c.rule): c for c in added(stayed, ())}
    less = ((c, left.get((c.resource, c.column, c.rule))) for c in added(before, ()))
    return tuple(
        c if s is None else replace(c, rows=c.rows - s.rows, held=c.held - s.held) for c, s in less if s is None or c.rows > s.rows
    )


def added(one: Sequence[Carried], other: Sequence[Carried]) -> tuple[Carried, ...]:
    """Both together, each key once."""
    sums: dict[tuple[str, str, str], Carried] = {}
    for c in (*one, *other):
        before = sums.get(known := (c.resource, c.column, c.rule))
        sums[known] = c if before is None else replace(c, rows=c.rows + before.rows, held=c.held + before.held, of=max(c.of, before.of))
    return tuple(sums.values())
