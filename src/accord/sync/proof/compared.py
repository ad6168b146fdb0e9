"""Two sides held against each other by value, each value as both systems can show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accord.connectors.types import literal, quote
from accord.model.flow import MARK_FIELD
from accord.sync.cycle import Cycle, Side, join_on, names
from accord.sync.judge.once import Proofs
from accord.sync.judge.validate import find_bad
from accord.sync.mapping.fields import FieldCode, written_from
from accord.sync.mapping.itself import holds_itself, read_back
from accord.sync.mapping.outside import is_partial, outside_rows
from accord.sync.proof.diff import compare_digests, name_differences
from accord.sync.result import PairResult


def accept_rows(cycle: Cycle, side: Side, references: dict[str, str]) -> tuple[int, Proofs]:
    """Fill ``rows_<i>`` with the rows that keep the contract and ``aside_<i>`` with the keys of the others.

    Returns:
        How many the others are, and what was proven of all rows on the way.
    """
    cap, bad = side.table("cap"), side.table("bad")
    proofs = find_bad(cycle.con, cycle.entity, side.codes, cap, bad, references)
    without = f"ANTI JOIN {bad} x ON x.rid = c.rowid" if cycle.count(f"SELECT count(*) FROM {bad}") else ""
    cycle.sql(f"CREATE OR REPLACE VIEW {side.table('rows')} AS SELECT c.* FROM {cap} c {without}")
    held = f"SELECT DISTINCT {names(cycle.keys, 'c')} FROM {cap} c JOIN {bad} x ON x.rid = c.rowid WHERE x.reasons IS NOT NULL"
    cycle.sql(f"CREATE OR REPLACE TABLE {side.table('aside')} AS {held}")
    return cycle.count(f"SELECT count(*) FROM {bad} WHERE reasons IS NOT NULL"), proofs


def compared_fields(cycle: Cycle, left: Side, right: Side) -> list[str]:
    """The fields both sides hold themselves, keys left out."""
    return [f for f in left.fields if f in right.codes and f not in cycle.keys and not (left.codes[f].constant or right.codes[f].constant)]


def make_differences(cycle: Cycle) -> None:
    """Make the empty table ``differences``."""
    columns = ", ".join(f"{quote(c)} VARCHAR" for c in ("left", "right", "key", "kind", "field", "left_value", "right_value"))
    cycle.sql(f"CREATE OR REPLACE TABLE differences ({columns})")


def compare_sides(cycle: Cycle, left: Side, right: Side, quarantined: Mapping[str, int]) -> PairResult:
    """Hold two sides against each other; every difference goes into ``differences``. Rows set aside by ``accept_rows`` take no part."""
    fields = compared_fields(cycle, left, right)
    cut = [f for f in fields if any(_comes_back(cycle, side, side.codes[f], fields) for side in (left, right))]
    tables, own = ("left", "right"), ["_own"] if cut else []
    for side, table in zip((left, right), tables, strict=True):
        # Rows stay where they are; only keys and digests are made of all of them.
        rows = f"(SELECT *, hash({names(cut)}) AS _own FROM {side.table('rows')})" if cut else side.table("rows")
        shown = as_both_show(cycle, left, right, fields, rows, own)
        aside = " ".join(f"ANTI JOIN {s.table('aside')} {cycle.using()}" for s in (left, right) if quarantined[s.name])
        other = right if side is left else left
        aside += _left_out(cycle, side, other) + _marked(cycle, side, other)
        cycle.sql(f"CREATE OR REPLACE TEMP VIEW {table}_rows AS SELECT * FROM ({shown}) {aside}")
        row = f"hash({names((*cycle.keys, *fields))})"
        cycle.sql(
            f"CREATE OR REPLACE TEMP TABLE {table}_digests AS SELECT {names((*cycle.keys, *own))}, {row} AS _digest FROM {table}_rows"
        )
    digests = compare_digests(cycle.con, "left_digests", "right_digests", cycle.keys, (left.name, right.name))
    suspects = [f"{table}_suspects" for table in tables]
    held = {f: f"held.{f}" for f in cut}  # what differs is named as the systems hold it
    for side, table in zip((left, right), tables, strict=True):
        rows = ", ".join(["*", *(f"{quote(f)} AS {quote(name)}" for f, name in held.items())])
        rows = f"(SELECT {rows} FROM {side.table('rows')} SEMI JOIN suspect {cycle.using()})"
        shown = as_both_show(cycle, left, right, fields, rows, list(held.values()))
        cycle.sql(f"CREATE OR REPLACE TEMP TABLE {table}_suspects AS SELECT * FROM ({shown})")
    start = f"{literal(left.name)}, {literal(right.name)}"
    counted = name_differences(cycle.con, suspects[0], suspects[1], cycle.keys, fields, "differences", start, held)
    coarser = _coarser(cycle, left, right, cut) if cut else {}
    return PairResult(left.name, right.name, digests.both, *counted, digests.left_digest, digests.right_digest, "portable", coarser)


def _coarser(cycle: Cycle, left: Side, right: Side, fields: Sequence[str]) -> dict[str, int]:
    """By field, the values that are other ones, but the same in the coarser form both systems can hold; of rows that agree."""
    on = join_on(cycle.keys, "l", "r")
    alike = f"left_digests l JOIN right_digests r ON {on} WHERE l._digest = r._digest AND l._own <> r._own"
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE coarser AS SELECT {names(cycle.keys, 'l')} FROM {alike}")
    counts = ", ".join(f"count(*) FILTER (l.{quote(f)} IS DISTINCT FROM r.{quote(f)})" for f in fields)
    rows = " JOIN ".join(f"(SELECT * FROM {s.table('rows')} SEMI JOIN coarser {cycle.using()}) {a}" for s, a in ((left, "l"), (right, "r")))
    found = cycle.sql(f"SELECT {counts} FROM {rows} ON {on}")[0]
    return {field: int(str(count)) for field, count in zip(fields, found, strict=True) if count}


def _left_out(cycle: Cycle, side: Side, other: Side) -> str:
    """SQL that takes out rows of a side that the other one's condition leaves out, and that it does not show."""
    if not is_partial(other):
        return ""
    provided = [f for f in side.fields if not side.codes[f].constant]
    rows = f"(SELECT * FROM {side.table('rows')} ANTI JOIN {other.table('rows')} {cycle.using()})"
    table = f"left_out_{side.index}_{other.index}"
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE {table} AS {outside_rows(cycle, other, rows, provided)}")
    return f" ANTI JOIN {table} {cycle.using()}"


def _marked(cycle: Cycle, side: Side, other: Side) -> str:
    """SQL that takes out rows of a side that are marked as deleted, where the other one does not hold them: there they were deleted."""
    if cycle.flow.deletes != "mark" or MARK_FIELD not in side.codes:
        return ""
    alone = f"{side.table('rows')} ANTI JOIN {other.table('rows')} {cycle.using()}"
    return f" ANTI JOIN (SELECT {names(cycle.keys)} FROM {alone} WHERE {quote(MARK_FIELD)} IS NOT NULL) {cycle.using()}"


def as_both_show(cycle: Cycle, left: Side, right: Side, fields: Sequence[str], rows: str, more: Sequence[str] = ()) -> str:
    """SQL of rows, each value written to and read back from both systems' columns (without touching them).

    Args:
        cycle: of both sides.
        left: one side.
        right: the other.
        fields: to show; keys are shown as they are.
        rows: SQL that can stand after FROM.
        more: further columns of it to leave as they are.
    """
    query = f"SELECT {names((*cycle.keys, *more, *fields))} FROM {rows}"
    for through in (right, left):
        codes = [through.codes[f] for f in fields]
        comes = [c for c in codes if _comes_back(cycle, through, c, fields)]
        back = _once(comes)
        kept = [*cycle.keys, *more, *fields]
        # In steps, because a read expression names the system's columns, which may be called like canonical fields.
        written = [f"{quote(n)} AS {quote('same.' + n)}" for n in kept]
        columns = [(name, write) for c in back for name, write in ((c.column, c.write), *c.more)]
        written += [f"CAST({write} AS {_column_type(through, name)}) AS {quote(name)}" for name, write in columns]
        came = "".join(f", {c.read} AS {quote('back.' + c.name)}" for c in comes)
        reads = {c.name: read_back(c) for c in comes}
        read = ", ".join(f"{reads.get(n, quote('same.' + n))} AS {quote(n)}" for n in kept)
        query = f"SELECT {read} FROM (SELECT *{came} FROM (SELECT {', '.join(written)} FROM ({query})))"
    return f"SELECT {names((*cycle.keys, *more, *fields))} FROM ({query})"


def _comes_back(cycle: Cycle, side: Side, code: FieldCode, fields: Sequence[str]) -> bool:
    """Whether a value can be written to the columns it is read from, and may be another one then."""
    if code.write is None or tuple(code.needs) != (code.column, *(name for name, _ in code.more)) or holds_itself(cycle.entity, side, code):
        return False
    return {f.lower() for f in written_from(side.binding, code.name)} <= {f.lower() for f in (*cycle.keys, *fields)}


def _once(codes: list[FieldCode]) -> list[FieldCode]:
    """The first field of each column."""
    found: dict[str, FieldCode] = {}
    for code in codes:
        found.setdefault(code.column, code)
    return list(found.values())


def _column_type(side: Side, column: str) -> str:
    return next(t for c, t in side.columns.items() if c.lower() == column.lower())
