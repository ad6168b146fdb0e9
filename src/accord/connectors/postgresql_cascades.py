"""Foreign keys of PostgreSQL that act on deletes, and what they would do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import psycopg

from accord.connectors.cascades import ForeignKey, Going, carry_out, held
from accord.connectors.cascades import carried as carried_along
from accord.connectors.protocol import Carried, ChangeBatch
from accord.connectors.types import quote

# Found by the triggers that act, which have an index by table, as the keys that point at one have not.
_BY = """g.tgenabled IN ('O', 'A') AND g.tgfoid IN ('pg_catalog."RI_FKey_cascade_del"'::regproc,
        'pg_catalog."RI_FKey_setnull_del"'::regproc, 'pg_catalog."RI_FKey_setdefault_del"'::regproc)"""
_ACTS: Final = f"""
    SELECT c.relkind = 'v', EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND {_BY})
    FROM pg_catalog.pg_class c WHERE c.oid = %s::regclass"""
# The tables that a view shows rows of, through other views if need be; not of one that a trigger writes in a way of its own.
_BEHIND: Final = f"""
    WITH RECURSIVE shown (oid) AS (
        SELECT %s::regclass::oid UNION SELECT d.refobjid FROM shown s JOIN pg_catalog.pg_rewrite w ON w.ev_class = s.oid
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
            AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> s.oid
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger i WHERE i.tgrelid = s.oid AND i.tgtype & 72 = 72))
    SELECT DISTINCT g.tgrelid::regclass::text, c.conrelid::regclass::text
    FROM shown JOIN pg_catalog.pg_trigger g ON g.tgrelid = shown.oid AND {_BY} JOIN pg_catalog.pg_constraint c ON c.oid = g.tgconstraint
    ORDER BY 1, 2"""
# Of a table in partitions each has a key of its own below that of the whole, which says it all.
_KEYS: Final = """
    SELECT format('%%I.%%I', n.nspname, r.relname), c.conrelid::regclass::text,
        array_agg(a.attname::text ORDER BY k.place), array_agg(p.attname::text ORDER BY k.place),
        CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END, c.conrelid = c.confrelid,
        CASE WHEN NOT (has_schema_privilege(n.oid, 'USAGE') AND bool_and(has_column_privilege(c.conrelid, a.attnum, 'SELECT')))
            THEN 'this user may not read' WHEN row_security_active(c.conrelid) THEN 'row-level security may hide' ELSE '' END,
        array_agg(CASE WHEN a.attcollation <> p.attcollation THEN format(' COLLATE %%I.%%I', ln.nspname, l.collname) ELSE '' END
            ORDER BY k.place)
    FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_constraint c ON c.oid = g.tgconstraint AND c.confrelid = g.tgrelid
    JOIN pg_catalog.pg_class r ON r.oid = c.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
    CROSS JOIN unnest(c.conkey, c.confkey) WITH ORDINALITY k (mine, other, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.mine
    JOIN pg_catalog.pg_attribute p ON p.attrelid = c.confrelid AND p.attnum = k.other
    LEFT JOIN pg_catalog.pg_collation l ON l.oid = p.attcollation LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
    WHERE g.tgrelid = %s::regclass AND g.tgtype & 8 <> 0 AND g.tgenabled IN ('O', 'A')
        AND c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd') AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint w WHERE w.oid = c.conparentid AND w.confrelid = c.confrelid)
    GROUP BY c.oid, n.oid, n.nspname, r.relname, c.conrelid, c.confdeltype, c.confrelid ORDER BY 2, c.oid"""


def goes_on(db: psycopg.Connection[Any], table: str) -> bool:
    """Whether some key acts when rows of a table or view, by its quoted name, are deleted; asked before every delete."""
    is_view, acts = db.execute(_ACTS, (table,), prepare=True).fetchone() or (False, False)
    return bool(acts or (is_view and db.execute(_BEHIND, (table,)).fetchone()))


def keys_of(db: psycopg.Connection[Any], table: str) -> tuple[ForeignKey, ...]:
    """Those that act when rows of a table or view, by its quoted name, are deleted."""
    is_view, acts = db.execute(_ACTS, (table,), prepare=True).fetchone() or (False, False)
    if is_view:
        # Its rows and columns need not be those of the table that the key points at.
        behind = "the view shows rows of '{}', with which the database may delete or empty rows of '{}'"
        return tuple(
            ForeignKey("", child, (), (), "", unseen=behind.format(shown, child))
            for shown, child in db.execute(_BEHIND, (table,)).fetchall()
        )
    if not acts:
        return ()
    found = []
    for child, name, columns, referenced, rule, itself, why, collations in db.execute(_KEYS, (table,)).fetchall():
        unseen = f"{why} rows of '{name}' that may point at it (ON DELETE {rule})" if why else ""
        found.append(ForeignKey(child, name, tuple(columns), tuple(referenced), rule, itself, unseen, tuple(collations)))
    return tuple(found)


def delete(
    db: psycopg.Connection[Any],
    table: str,
    batch: ChangeBatch,
    part: str,
    keys: Sequence[ForeignKey],
    run: Callable[[str], object],
) -> tuple[dict[int, str], tuple[Carried, ...]]:
    """Carry out those deletes of a part of a batch that may be; which may not and why, and what others went along.

    Args:
        db: in a transaction; the rows are locked and judged, so that nobody can point at them any more.
        table: quoted name.
        batch: says whether deletes may go on to other rows.
        part: SQL of the part.
        keys: those that act and point at the table.
        run: deletes the rows of the part that also meet a condition.
    """
    on = " AND ".join(f"t.{quote(name)} = s.k{i}" for i, name in enumerate(batch.key))
    rows = f"accord_typed s JOIN accord_verdict v ON v.row = s.row AND v.outcome = 'delete' JOIN {table} t ON {on}"
    going = Going(rows, part, "s.row", batch.key)
    if batch.cascades:
        went = _carried(db, keys, going)
        run("true")
        return {}, went

    def others(besides: Collection[int]) -> None:
        run(f"s.row <> ALL (ARRAY[{', '.join(map(str, besides))}]::bigint[])")

    return carry_out(keys, lambda: held(keys, going, lambda query: db.execute(query.encode()).fetchall()), others), ()


def look(db: psycopg.Connection[Any], table: str, batch: ChangeBatch, keys: Sequence[ForeignKey]) -> tuple[Carried, ...]:
    """What the delete of the rows in ``accord_typed`` would go on to."""
    on = " AND ".join(f"t.{quote(name)} = s.k{i}" for i, name in enumerate(batch.key))
    return _carried(db, keys, Going(f"accord_typed s JOIN {table} t ON {on}", "true", "s.row", batch.key))


def _carried(db: psycopg.Connection[Any], keys: Sequence[ForeignKey], going: Going) -> tuple[Carried, ...]:
    return carried_along(keys, lambda other: keys_of(db, other), going, lambda query: db.execute(query.encode()).fetchall())
