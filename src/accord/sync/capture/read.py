"""Read a system once and bring its rows into canonical shape."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping

import duckdb

from accord.connectors.files import absent
from accord.connectors.protocol import Keyed, Versioned, change_token
from accord.connectors.types import duckdb_type, quote
from accord.connectors.unreadable import BROKEN, WHY_BROKEN, flag, flagged, is_flag
from accord.model.entity import Entity
from accord.model.errors import AccordError, MapError, UnknownName
from accord.model.flow import FieldMapping
from accord.model.types import CanonicalType
from accord.sync.cycle import Side, names, storage_type
from accord.sync.identity.own_key import own_key_code
from accord.sync.mapping.fields import compile_field, expression_columns, mapped_columns, raw_name
from accord.sync.mapping.missing import missing_column
from accord.sync.mapping.spelling import as_spelled
from accord.sync.mapping.unreadable import known_read, where_known, with_unreadable

BRING_BACK = "bring the column back: without its key no row is known"
_SCANNED = re.compile(r"([a-z]+_\d+)(_[a-z]+)?")


def capture(
    con: duckdb.DuckDBPyConnection,
    entity: Entity,
    side: Side,
    *,
    drift: str = "stop",
    may_create: bool = True,
    among: str = "",
    native: str = "",
    versions: str = "",
    relation: str = "",
) -> None:
    """Scan the side's resource into table ``cap_<index>``: every field of the entity, and each mapped column as ``raw.<column>``.

    Fields the binding does not map, or whose column is gone, are null and not in ``side.codes``.

    Args:
        con: the cycle's connection.
        entity: the canonical shape.
        side: filled in: ``codes``, ``columns``, ``lacking``, ``rows``.
        drift: what to do when a mapped column is gone: ``stop`` raises, anything else treats its field as not provided.
        may_create: make the resource first when the map says ``create`` (a dry run does not).
        among: only rows whose key stands in this table of canonical keys.
        native: table with the same keys in the system's own columns; where the connector reads by key, only those rows are read.
        versions: table to make of the versions these rows have, with the columns of ``native``; asked only of who has versions.
        relation: what ``open_side`` gave; opened here when it is empty.

    Raises:
        GuardStopped: a mapped column is gone and the flow says stop, or it is a key column.
        MapError: it never was there.
    """
    # A run that was told what changed before it reads has to have looked at the token even before that.
    token = side.token if among else change_token(side.connector, side.binding.resource)
    if native and isinstance(side.connector, Keyed):
        relation = _by_key(con, side, native, versions)
    elif not relation:
        relation = open_side(con, entity, side, may_create=may_create)
    scanned = {row[0]: row[1] for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
    side.broken = BROKEN in scanned
    unread, scanned = flagged(scanned), {c: t for c, t in scanned.items() if not is_flag(c)}
    side.columns, side.relation = scanned, relation
    side.binding = as_spelled(side.binding, scanned)
    side.codes, lacking, side.doubled = {}, [], None
    for name, field in entity.fields.items():
        if side.binding.own_key and name in entity.key:
            side.codes[name] = own_key_code(entity, side, scanned)
            continue
        mapping = side.binding.fields.get(name)
        if mapping is None or name in side.withheld:
            continue
        absent = [c for c in mapped_columns(mapping) if not present(c, scanned)]
        if absent:
            lacking += absent
            if drift == "stop" or name in entity.key:
                todo = "set drift: evolve to go on without the field"
                if name in entity.key:
                    todo = BRING_BACK
                raise lost_column(side, absent[0], mapping, todo)
            continue
        side.codes[name] = compile_field(field, mapping, side.binding, scanned)
    side.lacking = tuple(lacking)
    side.unreadable = unread
    if unread:
        side.codes = {name: with_unreadable(code, unread) for name, code in side.codes.items()}
    rows = captured_rows(entity, side)
    if among:
        rows = f"SELECT * FROM ({rows}) SEMI JOIN {among} USING ({names(entity.key)})"
    try:
        found = con.execute(f"CREATE OR REPLACE TABLE {side.table('cap')} AS {rows}").fetchone()
    except (duckdb.BinderException, duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        if not side.binding.where:
            raise
        what = f"binding '{side.name}', where: {side.binding.where!r} cannot be told of its rows: {str(error).splitlines()[0].rstrip('.!')}"
        expected = "Expected a condition that holds or not for whatever its columns may show, such as try_cast(size AS INTEGER) > 1."
        raise MapError(f"{what}.", place=side.binding.place, expected=expected) from error
    side.rows = int(found[0]) if found else 0
    side.token = token if token == change_token(side.connector, side.binding.resource) else None


def drop_scanned(con: duckdb.DuckDBPyConnection, side: Side) -> None:
    """Let the table go that a scan of the side filled, now that ``cap_<index>`` has its values, too; it cannot be asked any more."""
    name = _SCANNED.fullmatch(side.relation)
    for table in (name[1], f"{name[1]}_raw") if name else ():
        with contextlib.suppress(duckdb.CatalogException):  # it is a view
            con.execute(f"DROP TABLE IF EXISTS temp.{table}")
    side.relation = ""


def lost_column(side: Side, column: str, mapping: FieldMapping, todo: str, *, state: str = "is gone", hint: str = "") -> AccordError:
    """The end of a run that meets a mapped column no more, or a map that names one which never was there.

    Args:
        side: which shows other columns.
        column: the one it lacks.
        mapping: of the field it holds.
        todo: what can be done beside correcting the map.
        state: what became of the column.
        hint: where its values stand now, if that is known.
    """
    where = f"column '{column}' of '{side.binding.resource}' in system '{side.binding.holder}' {state}"
    gone = f"{where}; field '{mapping.name}' is mapped to it ({mapping.place})"
    asks = f"field '{mapping.name}' is mapped to"
    return missing_column(side, column, asks, gone=gone, place=mapping.place, todo=todo, more=hint)


def captured_rows(entity: Entity, side: Side) -> str:
    """SQL of what ``cap_<index>`` holds, over the side's relation.

    Raises:
        GuardStopped, MapError: the cursor column, or one that the condition asks for, is gone or never was there.
    """
    scanned, unread = side.columns, side.unreadable
    canonical = [
        f"CAST({known_read(side.codes[n], unread) if n in side.codes else 'NULL'} AS {storage_type(entity, n)}) AS {quote(n)}"
        for n in entity.fields
    ]
    kept = dict.fromkeys(c for code in side.codes.values() for c in (*code.needs, code.column) if c and present(c, scanned))
    if side.binding.cursor:
        if not present(side.binding.cursor, scanned):
            gone = f"cursor column '{side.binding.cursor}' of '{side.binding.resource}' in system '{side.binding.holder}' is gone"
            raise missing_column(side, side.binding.cursor, "cursor names", gone=gone, place=side.binding.place)
        kept[side.binding.cursor] = None
    if side.binding.changed_by and present(side.binding.changed_by, scanned):
        kept[side.binding.changed_by] = None
    kept |= dict.fromkeys(flag(c) for c in tuple(kept) if c in unread)
    for asked in expression_columns(side.binding.where) if side.binding.where else ():
        if not present(asked, scanned):
            what = f"column '{asked}' of '{side.binding.resource}' in system '{side.binding.holder}' is gone"
            why = f"binding '{side.name}' asks for it in where ({side.binding.place})"
            raise missing_column(side, asked, "where asks for", gone=f"{what}; {why}", place=side.binding.place)
    where = f"WHERE {where_known(side.binding.where, unread)}" if side.binding.where else ""
    if side.broken:
        kept |= dict.fromkeys((BROKEN, WHY_BROKEN))
        where += f" OR {BROKEN} IS NOT NULL" if where else ""
    raw = [f"{quote(c)} AS {quote(raw_name(c))}" for c in kept]
    return f"SELECT {', '.join(canonical + raw)} FROM {side.relation} {where}"


def open_side(con: duckdb.DuckDBPyConnection, entity: Entity, side: Side, *, may_create: bool) -> str:
    """The side's resource as a relation in the system's own columns."""
    return _with_columns(con, side, _open(con, entity, side, may_create=may_create))


def _by_key(con: duckdb.DuckDBPyConnection, side: Side, native: str, versions: str) -> str:
    assert isinstance(side.connector, Keyed)
    if not (versions and isinstance(side.connector, Versioned)):
        return side.connector.scan_keys(con, side.binding.resource, native)
    relation, versioned = side.connector.scan_versions(con, side.binding.resource, native)
    if versioned:
        keys = names(column[0] for column in con.execute(f"SELECT * FROM {native} LIMIT 0").description or ())
        where = f" WHERE ({side.binding.where})" if side.binding.where else ""
        con.execute(f"CREATE OR REPLACE TABLE {versions} AS SELECT {keys}, _version AS _digest FROM {versioned}{where}")
    return relation


def _with_columns(con: duckdb.DuckDBPyConnection, side: Side, relation: str) -> str:
    """The relation, or an empty one with the mapped columns where a system without declared columns holds no row to show them.

    A file of JSON lines without a line says nothing about its columns: that is no drift. With rows, a column that is gone still is.
    """
    if not side.connector.capabilities.sparse or con.execute(f"SELECT 1 FROM {relation} LIMIT 1").fetchone() is not None:
        return relation
    there = [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]
    mapped = [c for mapping in side.binding.fields.values() for c in mapped_columns(mapping)]
    mapped += expression_columns(side.binding.where) if side.binding.where else ()
    columns = list({c.lower(): c for c in (*mapped, *there)}.values())
    empty = f"columnless_{side.index}"
    con.execute(f"CREATE OR REPLACE TABLE {empty} ({', '.join(f'{quote(c)} VARCHAR' for c in columns)})")
    return empty


def _open(con: duckdb.DuckDBPyConnection, entity: Entity, side: Side, *, may_create: bool) -> str:
    binding = side.binding
    if not (binding.create and side.writable) or (side.known and side.may_exist):
        # What an earlier run read and is gone is not made anew: empty, it would tell that every row was deleted.
        return side.connector.scan(con, binding.resource)
    columns, key = created_columns(entity, side)
    if may_create:
        side.connector.create(binding.resource, columns, key)
        return side.connector.scan(con, binding.resource)
    known = () if absent(side.connector) else {r.name for r in side.connector.describe().resources}
    if binding.resource in known:
        return side.connector.scan(con, binding.resource)
    empty = f"absent_{side.index}"
    # As it will show itself once it is made, or a plan would not be what is then to be carried out.
    typed = side.connector.capabilities.typed
    declared = (f"{quote(c)} {duckdb_type(type_) if typed else 'VARCHAR'}" for c, type_ in columns.items())
    con.execute(f"CREATE OR REPLACE TABLE {empty} ({', '.join(declared)})")
    return empty


def created_columns(entity: Entity, side: Side) -> tuple[dict[str, CanonicalType], tuple[str, ...]]:
    """Columns and key of a resource made by Accord: the type of each field, text where the mapping holds codes or a format.

    Raises:
        UnknownName: a key field has no column of its own in this binding.
    """
    columns: dict[str, CanonicalType] = {}
    for name, field in entity.fields.items():
        mapping = side.binding.fields.get(name)
        if mapping is None or (mapping.value and not mapping.column) or (mapping.read and not mapping.write):
            continue
        if mapping.join is not None:
            columns |= dict.fromkeys(mapping.join.columns, CanonicalType("text"))
            continue
        type_ = CanonicalType.parse(field.type)
        converted = bool(mapping.unit) and mapping.unit != field.unit
        if mapping.codes or mapping.format or mapping.read or mapping.split or mapping.lookup or mapping.separator:
            type_ = CanonicalType("text")
        elif converted:
            type_ = CanonicalType("double") if type_.name == "double" else CanonicalType("number", 38, 9)
        columns[mapping.column or name] = type_
    if side.binding.cursor and side.binding.cursor not in columns:
        raise MapError(
            f"binding '{side.name}' makes its own resource and names cursor '{side.binding.cursor}', which no field is mapped to.",
            place=side.binding.place,
            expected="Map a field to it or leave the cursor out.",
        )
    if side.binding.own_key:
        return {side.binding.own_key: CanonicalType("text"), **columns}, (side.binding.own_key,)
    key = []
    for name in entity.key:
        column = side.binding.fields[name].column or name
        if column not in columns:
            raise UnknownName("column", column, columns, place=side.binding.place, holder=f"the key of binding '{side.name}'")
        key.append(column)
    return columns, tuple(key)


def present(column: str, scanned: Mapping[str, str]) -> bool:
    """Whether a column is there, in whatever case the map spells it."""
    return column in scanned or column.lower() in {c.lower() for c in scanned}


def unmapped_columns(side: Side) -> tuple[str, ...]:
    """Columns of the resource that the binding makes no use of, be it as cursor, as own key or to say who changed a row."""
    used = {c.lower() for c in (side.binding.cursor, side.binding.own_key, side.binding.changed_by)}
    for mapping in side.binding.fields.values():
        used |= {c.lower() for c in _texts(mapped_columns(mapping))}
        used |= {(mapping.column or mapping.name).lower()}
    if side.binding.where:
        used |= {c.lower() for c in expression_columns(side.binding.where)}
    return tuple(c for c in side.columns if c.lower() not in used)


def _texts(columns: Iterable[str]) -> tuple[str, ...]:
    return tuple(columns)
