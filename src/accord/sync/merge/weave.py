"""Texts under ``merge``: the few rows in which several sides edited one text are merged by its lines and words."""

from __future__ import annotations

import pyarrow as pa

from accord.connectors.types import quote
from accord.model.types import CanonicalType
from accord.sync.cycle import Cycle, Side, join_on
from accord.sync.merge.text_merge import merge_texts


def weaves(cycle: Cycle, field: str) -> bool:
    """Whether a field under ``merge`` is a text whose edits are combined."""
    entity_field = cycle.entity.fields[field]
    return CanonicalType.parse(entity_field.type).name == "text" and not entity_field.separator


def weave(cycle: Cycle, field: str, sides: list[Side]) -> None:
    """Combine, in ``merged``, the edits of rows in which more than one side moved a text (``j.<f>`` becomes 1).

    Where edits overlap, the row stays as the ``latest`` rule left it, or, with ``contested: human``, is opened for a person (``h.<f>``).
    Only such rows leave the database; there are as many as people who wrote into the same text between two runs.
    """
    if not sides:
        return
    f = quote(field)
    picked, joins, moved, odd = [], [], [], []
    for s in sides:
        i = s.index
        based = "false" if field in s.fresh else f"m._ba_{i}"
        edited = f"(m._in_{i} AND {based} AND c{i}.{f} IS DISTINCT FROM b{i}.{f})"
        joins.append(f"LEFT JOIN {s.table('cap')} c{i} ON c{i}.rowid = m._rid_{i}")
        joins.append(f"LEFT JOIN {s.table('base')} b{i} ON {join_on(cycle.keys, 'm', f'b{i}')}")
        moved.append(f"CASE WHEN {edited} THEN 1 ELSE 0 END")
        odd.append(f"({edited} AND b{i}.{f} IS DISTINCT FROM g.{f})")
        picked.append(f"{edited}, b{i}.{f}, c{i}.{f}")
    rows = cycle.sql(f"""
        SELECT m.rowid, g.{f}, {", ".join(picked)} FROM merged m JOIN golden0 g ON {join_on(cycle.keys, "m", "g")} {" ".join(joins)}
        WHERE m._exists AND (({" + ".join(moved)}) >= 2 OR {" OR ".join(odd)})""")
    if not rows:
        return
    woven = [(row[0], _woven(row[1], row[2:])) for row in rows]
    table = pa.table({"_m": pa.array([m for m, _ in woven], pa.int64()), "text": pa.array([t for _, t in woven], pa.string())})
    cycle.con.register("woven", table)
    try:
        cycle.sql(
            f"UPDATE merged SET {f} = t.text, {quote('j.' + field)} = 1 FROM woven t WHERE merged.rowid = t._m AND t.text IS NOT NULL"
        )
        if cycle.flow.contested == "human":
            open_ = f"{f} = g.{f}, {quote('w.' + field)} = 0, {quote('h.' + field)} = true"
            cycle.sql(
                f"UPDATE merged SET {open_} FROM (SELECT t._m, g.{f} FROM woven t JOIN merged m ON m.rowid = t._m "
                f"JOIN golden0 g ON {join_on(cycle.keys, 'm', 'g')} WHERE t.text IS NULL) g WHERE merged.rowid = g._m"
            )
    finally:
        cycle.con.unregister("woven")


def _woven(golden: object, sides: tuple[object, ...]) -> str | None:
    """The combined text, or ``None`` when edits overlap; a text that was taken away meets every other edit of it."""
    versions: set[str | None] = set()
    agreed = "" if golden is None else str(golden)
    for edited, base, now in zip(sides[0::3], sides[1::3], sides[2::3], strict=True):
        if not edited:
            continue
        if now is None or base == golden:
            versions.add(None if now is None else str(now))
            continue
        moved = merge_texts(
            "" if base is None else str(base), [agreed, str(now)]
        )  # onto what is agreed, where this side shows it differently
        if moved is None:
            return None
        versions.add(moved)
    if None in versions:
        return None  # all of them null is no conflict, and was settled before
    return merge_texts(agreed, [v for v in versions if v is not None])
