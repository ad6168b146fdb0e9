"""A binding's own key in place of the canonical id: how it is read, written, and made for rows a system does not have yet."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from accord.connectors.protocol import Giving
from accord.connectors.types import literal, quote
from accord.model.entity import Entity
from accord.model.errors import UsageError
from accord.sync.cycle import Cycle, Side, names
from accord.sync.identity.links import LINKS, fill_links, resource_of
from accord.sync.mapping.fields import FieldCode
from accord.sync.mapping.missing import missing_column

HELD = "_identity"  # column of a capture: why a row waits, null for most
NAMESPACE = uuid.UUID("6f1c1f0e-4a51-5d0e-9a4b-0c2f7c3f6a10")  # of canonical ids: never change it, or a replay gives other ids
UUID, NEXT, GIVEN = "uuid", "next", "given"


def own_key_code(entity: Entity, side: Side, scanned: Mapping[str, str]) -> FieldCode:
    """The code of the entity's key in a binding with a key of its own.

    It reads the own key as text, which ``identify`` then replaces by the canonical id, and writes the own key linked to an id. A row that
    waits for a decision about who it is counts as broken, so that quarantine shows it and nobody takes it for a delete.

    Raises:
        GuardStopped, MapError: the column is gone, or never was there.
    """
    key, wanted = entity.key[0], side.binding.own_key
    column = next((c for c in scanned if c == wanted), None) or next((c for c in scanned if c.lower() == wanted.lower()), None)
    if column is None:
        gone = f"column '{wanted}' of '{side.binding.resource}' in system '{side.binding.holder}' is gone; it holds the own key"
        raise missing_column(side, wanted, "own_key names", gone=gone, place=side.binding.place)
    write = f"(SELECT any_value(o._own) FROM {own_table(side)} o WHERE o._canonical = CAST({quote(key)} AS VARCHAR))"
    read = f"(CAST({quote(column)} AS VARCHAR))"  # in brackets, as it is not the canonical value yet: nobody may take it for a plain column
    return FieldCode(key, column, read, f"({quote(HELD)} IS NOT NULL)", quote(HELD), write, (column,), True, True)


def own_table(side: Side) -> str:
    """The table ``_canonical`` → ``_own`` of a binding; the same for its capture and its read-back."""
    return quote(f"own.{side.name}")


def agreed_with(cycle: Cycle, side: Side) -> str:
    """SQL of what is agreed with a side, under the keys its capture has before identities are known: of an own key, the own one."""
    base = side.table("stored_base")
    if not side.binding.own_key:
        return base
    key = quote(cycle.keys[0])
    fill_links(cycle.con, cycle.store, cycle.entity.name, "own_link", resource=resource_of(side.binding))
    link = f"(SELECT canonical, own_key FROM own_link WHERE NOT retired) l ON l.canonical = CAST(b.{key} AS VARCHAR)"
    return f"(SELECT b.* REPLACE (l.own_key AS {key}) FROM {base} b JOIN {link})"


def make_own_tables(cycle: Cycle, *sides: Side) -> None:
    """Fill the own-key tables of sides: the row that is there counts, else the link made last, so that a row that was deleted, or whose
    insert never came through, is made again under the key it had."""
    for side in sides:
        if side.binding.own_key:
            cycle.sql(f"""
                CREATE OR REPLACE TABLE {own_table(side)} AS
                SELECT l.canonical AS _canonical, arg_min(l.own_key, (p.own IS NULL, -coalesce(l.n, 1000000), l.own_key)) AS _own
                FROM (SELECT resource, own_key, canonical, retired, n FROM links) l
                LEFT JOIN (SELECT own FROM present WHERE side = {side.index} AND reason IS NULL) p ON p.own = l.own_key
                WHERE l.resource = {literal(resource_of(side.binding))} AND NOT l.retired GROUP BY l.canonical""")


def uuid5(name: str) -> str:
    """SQL of the version-5 UUID, as text, of an SQL text: the same name gives the same id everywhere and always."""
    digest = f"sha1(unhex({literal(NAMESPACE.hex)}) || encode({name}))"
    variant = f"substr('89ab', (strpos('0123456789abcdef', substr({digest}, 17, 1)) - 1) % 4 + 1, 1)"
    parts = [
        f"substr({digest}, 1, 8)",
        f"substr({digest}, 9, 4)",
        f"'5' || substr({digest}, 14, 3)",
        f"{variant} || substr({digest}, 18, 3)",
        f"substr({digest}, 21, 12)",
    ]
    return " || '-' || ".join(parts)


def canonical_id(entity: Entity, resource: str, own: str) -> str:
    """SQL of the canonical id that the row ``own`` of ``resource`` (both SQL) founds."""
    prefix = entity.identity.prefix if entity.identity else ""
    return f"{literal(prefix)} || {uuid5(f'concat_ws(chr(31), {literal(entity.name)}, {resource}, {own})')}"


def assign_keys(cycle: Cycle) -> None:
    """Give own keys to agreed rows that a system is about to get for the first time; between judging ``merged`` and planning targets.

    The link is noted before the intent, so that a run that dies in the middle makes the row again under the same key; that to a key which
    may be anybody's only once the row was made under it. A key that is taken already is not given out: the row is then refused with the
    reason that its key cannot be written.
    """
    if cycle.entity.identity is None:
        return
    key = quote(cycle.keys[0])
    for side in cycle.sides:
        if not (side.binding.own_key and side.writable) or side.binding.new_key == GIVEN:
            continue
        i, table = side.index, own_table(side)
        lacking = (
            f"SELECT m.* FROM merged m ANTI JOIN {table} o ON o._canonical = CAST(m.{key} AS VARCHAR) "
            f"WHERE m._exists AND NOT m._held AND NOT _in_{i} AND NOT _bad_{i} AND NOT {side.leaves(cycle.flow.deletes)}"
        )
        if not cycle.count(f"SELECT count(*) FROM ({lacking})"):
            continue
        resource = literal(resource_of(side.binding))
        cycle.sql(f"""
            CREATE OR REPLACE TEMP TABLE given AS
            SELECT canonical, own FROM (SELECT CAST({key} AS VARCHAR) AS canonical, {_new_key(cycle, side)} AS own FROM ({lacking}))
            WHERE own IS NOT NULL AND own NOT IN (SELECT own_key FROM links WHERE resource = {resource})
            AND own NOT IN (SELECT own FROM present WHERE side = {i}) AND own NOT IN (SELECT _own FROM {table})
            QUALIFY row_number() OVER (PARTITION BY own ORDER BY canonical) = 1""")
        if not open_keys(cycle, side):
            note_links(cycle, f"SELECT {resource}, own, canonical, NULL, false, 'made', 1.0 FROM given")
        cycle.sql(f"INSERT INTO {table} SELECT canonical, own FROM given")


def open_keys(cycle: Cycle, side: Side) -> bool:
    """Whether keys that we make for rows of a side may be taken by somebody else's row: numbers, and SQL without the canonical id."""
    rule = side.binding.new_key
    if not (side.binding.own_key and side.writable) or rule in ("", UUID, GIVEN):
        return False
    words = re.sub(r"'[^']*'", "''", rule)
    return rule == NEXT or not re.search(rf"\b{re.escape(cycle.keys[0])}\b", words, re.IGNORECASE)


def gives_keys(side: Side) -> bool:
    """Whether a side's system gives the own keys of rows made there.

    Raises:
        UsageError: the map says so, and it cannot.
    """
    binding = side.binding
    if not (binding.own_key and binding.new_key == GIVEN and side.writable):
        return False
    kind = side.connector
    why = kind.gives_key(binding.resource, binding.own_key) if isinstance(kind, Giving) else f"a system of kind '{kind.kind}' gives no keys"
    if why:
        where = f"'{binding.own_key}' of {binding.holder}/{binding.resource}"
        raise UsageError(
            f"binding '{binding.name}': new_key: given, but {where} gets no key there: {why}.",
            place=binding.place,
            expected="Expected a sequence, default or auto-increment; or new_key: uuid, next or SQL.",
        )
    return True


def note_given(cycle: Cycle, side: Side, rows: str) -> None:
    """Note the keys a system gave: SQL of canonical id and own key, as texts."""
    note_links(cycle, given_links(side, rows))
    table = own_table(side)
    cycle.sql(f"DELETE FROM {table} WHERE _canonical IN (SELECT canonical FROM ({rows}))")
    cycle.sql(f"INSERT INTO {table} SELECT canonical, own FROM ({rows})")


def withdraw_taken(cycle: Cycle, side: Side) -> None:
    """Take back links to keys made by this run, or by one that died, that somebody else's row had by the time ours was to be inserted.

    The row under such a key is not the one it was made for; kept, the link would make one thing of two. It is noted as a link to nothing,
    so that the key is not given out again, and nobody is known by it.
    """
    if not side.binding.own_key:
        return
    key, resource = quote(cycle.keys[0]), literal(resource_of(side.binding))
    stale = f"SELECT CAST({key} AS VARCHAR) FROM {side.table('done')} WHERE _op = 'insert' AND _status = 'stale'"
    runs = ", ".join(literal(str(run)) for run in (cycle.run, *(s.event.attributes["run"] for s in cycle.intents)))
    mine = f"resource = {resource} AND rule = 'made' AND \"by\" IN ({runs}) AND canonical IN ({stale})"
    if not cycle.count(f"SELECT count(*) FROM links WHERE {mine}"):
        return
    cycle.sql(f"DELETE FROM {own_table(side)} WHERE _canonical IN (SELECT canonical FROM links WHERE {mine})")
    note_links(cycle, f"SELECT resource, own_key, NULL, canonical, false, 'taken', 1.0 FROM links WHERE {mine}")


def given_links(side: Side, rows: str) -> str:
    """SQL of the links for SQL of canonical id and own key."""
    return f"SELECT {literal(resource_of(side.binding))}, own, canonical, NULL, false, 'given', 1.0 FROM ({rows})"


def _new_key(cycle: Cycle, side: Side) -> str:
    """SQL over ``merged`` of a new own key, as text."""
    rule, key = side.binding.new_key, f"CAST({quote(cycle.keys[0])} AS VARCHAR)"
    if not rule:
        return key
    if rule == UUID:
        return uuid5(f"concat_ws(chr(31), {literal('own ' + cycle.entity.name)}, {literal(resource_of(side.binding))}, {key})")
    if rule == NEXT:
        used = (
            f"(SELECT coalesce(max(TRY_CAST(k AS BIGINT)), 0) FROM (SELECT own AS k FROM present WHERE side = {side.index} "
            f"UNION ALL SELECT own_key FROM links WHERE resource = {literal(resource_of(side.binding))} "
            f"UNION ALL SELECT _own FROM {own_table(side)}))"
        )
        return f"CAST({used} + row_number() OVER (ORDER BY {key}) AS VARCHAR)"
    return f"TRY(CAST(({rule}) AS VARCHAR))"


def note_links(cycle: Cycle, query: str) -> None:
    """Add links (resource, own key, canonical, before, retired, rule, score) to those of this run."""
    values: dict[str, object] = {"by": cycle.run, "at": cycle.now}
    cycle.sql(f"INSERT INTO links_new SELECT *, $by, $at FROM ({query})", values)
    columns = names(LINKS)
    cycle.sql("DELETE FROM links USING links_new n WHERE links.resource = n.resource AND links.own_key = n.own_key")
    cycle.sql(f"INSERT INTO links ({columns}, n) SELECT {columns}, 1000000 FROM links_new")
