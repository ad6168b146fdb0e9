"""What each target must become: inserts, updates and deletes in its own columns and values."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from accord.connectors.decide import ROW
from accord.connectors.protocol import OLD, OP, ChangeBatch
from accord.connectors.types import literal, quote
from accord.model.types import CanonicalType
from accord.sync.apply.cascades import goes_on
from accord.sync.cycle import Cycle, Side, join_on, names
from accord.sync.identity.own_key import GIVEN, NEXT, gives_keys
from accord.sync.mapping.fields import FieldCode, column_writes, raw_name, written_from, written_type
from accord.sync.mapping.itself import holds_itself, kept_once, lost, read_back
from accord.sync.mapping.outside import is_partial, outside_rows

_KEYS_ALIKE = frozenset({"integer", "date", "uuid"})  # of which a key's text stays the same when it is held as one


def plan_target(cycle: Cycle, side: Side) -> None:
    """Fill ``want_<i>`` (each agreed row as this system will show it) and ``plan_<i>`` (rows that must change, ``_op`` and ``_set``).

    A value counts as different only when it still is after writing and reading it back through the mapping: a column that holds less than
    the canonical value (whole hours, days, three decimals) is as equal as it can be, and is not written again and again.
    ``_unfit`` holds why a row cannot be written: a value the column has no room for. Where the column would be left empty for it, that is
    no coarser form of the value: it is wanted all the same, and differs from nothing at all.

    A row that the binding's condition leaves out (table ``out_<i>``) is not made there. One that is left out and would no longer be is
    made, or, where it stands there as it was last written, updated.
    """
    once = _wanted_once(cycle, side)
    _make_wants(cycle, side, once)
    if not side.writable:
        side.moving = frozenset(side.codes)
        cycle.make(
            side.table("plan"),
            f"SELECT rowid AS _m, {names(cycle.keys)}, '' AS _op, CAST([] AS VARCHAR[]) AS _set, "
            f"'' AS _unfit{''.join(', NULL AS ' + quote('k:' + side.codes[k].column) for k in cycle.keys)} FROM merged WHERE false",
        )
        return
    i, keys = side.index, cycle.keys
    written = side.written(keys)
    columns, sharing = column_writes(written), side.sharing()
    key_codes = [side.codes[k] for k in keys]
    editable = f"(_in_{i} OR (_bad_{i} AND NOT _dup_{i} AND _ba_{i}))"
    # In two steps, because what differs is asked many times, and DuckDB plans each repetition anew.
    seen = [f"m.rowid AS _m, {names(keys, 'm')}, m._exists, m._held, _in_{i} AS _in, _bad_{i} AS _bad, _ba_{i} AS _ba"]
    out, again, hidden = side.leaves(cycle.flow.deletes), "false", ""
    if is_partial(side):
        cycle.make(side.table("out"), outside_rows(cycle, side, "(SELECT * FROM merged WHERE _exists AND NOT _held)", cycle.fields))
        known = {"h": side.table("hidden"), "x": side.table("out")}
        hidden = " ".join(f"LEFT JOIN {table} {alias} ON {join_on(keys, 'm', alias)}" for alias, table in known.items())
        again = f"(_gone_{i} AND NOT _in_{i} AND NOT _bad_{i} AND coalesce(h._held, false))"
        out = f"(x.{quote(keys[0])} IS NOT NULL OR ({out} AND h.{quote(keys[0])} IS NULL))"
    seen.append(f"{out} AS _out, {editable} AS _editable, {again} AS _again")
    for c in key_codes:
        raw = quote(raw_name(c.column))
        seen.append(f"w.{raw} AS {quote('wk:' + c.column)}, r.{raw} AS {quote('rk:' + c.column)}")
    moving = side.moving = _moving(cycle, side, written, editable)
    seen += [f"({_differs(side, c, sharing[c.name])}) AS {quote('d:' + c.name)}" for c in written if c.name in moving]
    told = [c for c in written if not holds_itself(cycle.entity, side, c)]
    seen += [f"m.{quote(c.name)} AS {quote('m:' + c.name)}, w.{quote('lost.' + c.name)} AS {quote('l:' + c.name)}" for c in told]
    for column in columns:
        raw, wanted = quote(raw_name(column)), quote(once.get(column, raw_name(column)))
        seen.append(f"w.{wanted} AS {quote('w:' + column)}, r.{raw} AS {quote('r:' + column)}")
        if hidden:
            seen.append(f"h.{raw} AS {quote('h:' + column)}")
    planned = _planned(cycle, side, written, key_codes, moving, again=bool(hidden))
    cycle.make(
        side.table("plan"),
        f"""
        SELECT * FROM (SELECT {", ".join(planned)} FROM (
            SELECT {", ".join(seen)} FROM merged m LEFT JOIN {side.table("want")} w ON w._m = m.rowid
            LEFT JOIN {side.table("cap")} r ON r.rowid = coalesce(m._rid_{i}, m._qrid_{i})
            LEFT JOIN {side.table("base")} b ON {join_on(keys, "m", "b")} LEFT JOIN golden0 g ON {join_on(keys, "m", "g")} {hidden}
        )) WHERE _op IS NOT NULL""",
    )
    if not gives_keys(side):
        _keep_renamed(cycle, side, key_codes, written)


def _keep_renamed(cycle: Cycle, side: Side, key_codes: list[FieldCode], written: tuple[FieldCode, ...]) -> None:
    """Let no row go for one that cannot take its place: a delete waits while a new row with the same values has a key that does not fit.

    Such a pair is a row whose key was changed elsewhere. Once it waits it does so for as long as some new key does not fit: by then the new
    row may have been edited.
    """
    plan, keys = side.table("plan"), cycle.keys
    label = f"concat_ws(', ', {', '.join(f'CAST(p.{quote(k)} AS VARCHAR)' for k in keys)})"
    spoiled = " OR ".join(f"p.{quote('k:' + c.column)} IS NULL" for c in key_codes)
    coming = f"SELECT p._m, {label} AS label FROM {plan} p WHERE p._op = 'insert' AND ({spoiled})"
    if not cycle.count(f"SELECT count(*) FROM {plan} WHERE _op = 'delete'") or not cycle.count(f"SELECT count(*) FROM ({coming})"):
        return
    going = f"(SELECT _m, {names(keys)} FROM {plan} WHERE _op = 'delete') d"
    same = " AND ".join(f"w.{quote(c.name)} IS NOT DISTINCT FROM b.{quote(c.name)}" for c in written) or "true"
    cycle.sql(f"""
        CREATE OR REPLACE TEMP TABLE kept_rows AS SELECT _m, min(label) AS label FROM (
            SELECT d._m, w.label FROM {going} JOIN {side.table("base")} b ON {join_on(keys, "d", "b")}
            JOIN (SELECT * FROM {side.table("want")} JOIN ({coming}) USING (_m)) w ON {same}
            UNION ALL SELECT d._m, (SELECT min(label) FROM ({coming})) FROM {going} ANTI JOIN golden0 g ON {join_on(keys, "d", "g")}
        ) GROUP BY _m""")
    told = f"which column {', '.join(c.column for c in key_codes)} cannot hold: it stays until that row is written or gone"
    why = f"concat('its key seems to be changed to ', chr(39), left(k.label, 60), chr(39), {literal(f', {told}')})"
    cycle.sql(f"UPDATE {plan} SET _unfit = {why} FROM kept_rows k WHERE {plan}._m = k._m")


def _moving(cycle: Cycle, side: Side, written: tuple[FieldCode, ...], editable: str) -> frozenset[str]:
    """The fields that may differ in some row that is there; of a wide table mostly few, and what asks of a field is planned at a price.

    All of them where a row is to go: the plan names the fields that its delete takes away.
    """
    i, fields = side.index, [c.name for c in written]
    differs = {f: f"w.{quote(f)} IS DISTINCT FROM r.{quote(f)}" for f in fields}
    rows = (
        f"merged m LEFT JOIN {side.table('want')} w ON w._m = m.rowid "
        f"LEFT JOIN {side.table('cap')} r ON r.rowid = coalesce(m._rid_{i}, m._qrid_{i})"
    )
    if cycle.count(f"SELECT count(*) FROM {side.table('qkey')}"):
        differs = {f: f"({sql} OR w.{quote(f)} IS DISTINCT FROM b.{quote(f)})" for f, sql in differs.items()}
        rows += f" LEFT JOIN {side.table('base')} b ON {join_on(cycle.keys, 'm', 'b')}"
    asked = ", ".join(["bool_or(NOT m._exists)", *(f"bool_or({sql})" for sql in differs.values())])
    going, *moving = cycle.sql(f"SELECT {asked} FROM {rows} WHERE NOT m._held AND {editable}")[0]
    return frozenset(f for f, moves in zip(fields, moving, strict=True) if moves or going)


def _planned(
    cycle: Cycle, side: Side, written: tuple[FieldCode, ...], key_codes: list[FieldCode], moving: frozenset[str], *, again: bool
) -> list[str]:
    """Columns of ``plan_<i>`` over rows as seen: ``_editable`` (may be updated there), ``d:`` differs (of fields ``moving``), ``l:`` lost,
    ``w:`` wanted, ``r:`` read, ``h:`` last written where it is not shown; ``_again``: to be updated there."""
    fresh = {c.name: f"(NOT _editable OR {quote('d:' + c.name)})" if c.name in moving else "NOT _editable" for c in written}
    any_differs = " OR ".join(quote("d:" + c.name) for c in written if c.name in moving) or "false"
    op = (
        "CASE WHEN _held THEN NULL WHEN _exists AND NOT _in AND NOT _bad AND NOT _out "
        "THEN CASE WHEN _again THEN 'update' ELSE 'insert' END "
        f"WHEN _exists AND _editable AND ({any_differs}) THEN 'update' WHEN NOT _exists AND _in AND _ba THEN 'delete' END"
    )
    unfit = [
        f"CASE WHEN {fresh[c.name]} AND {quote('l:' + c.name)} THEN {_why_lost(side, c, written)} END"
        for c in written
        if not holds_itself(cycle.entity, side, c)
    ]
    given = gives_keys(side)
    unfit += [
        f"CASE WHEN NOT _editable AND {quote('wk:' + c.column)} IS NULL THEN concat({literal(f'{c.name}: the key ')}, chr(39), "
        f"left(CAST({quote(c.name)} AS VARCHAR), 60), chr(39), {literal(f' does not fit column {c.column}')}) END"
        for c in key_codes
        if not given
    ]
    every = f"CAST([{', '.join(literal(c.name) for c in written)}] AS VARCHAR[])"
    sets = ", ".join(f"CASE WHEN {quote('d:' + c.name)} THEN {literal(c.name)} END" for c in written if c.name in moving)
    some = f"list_filter(CAST([{sets}] AS VARCHAR[]), lambda x: x IS NOT NULL)"
    columns = [f"_m, {names(cycle.keys)}, {op} AS _op, CASE WHEN _editable THEN {some} ELSE {every} END AS _set"]
    columns.append(f"CASE WHEN _exists THEN nullif(concat_ws('; ', {', '.join(['NULL', *unfit])}), '') END AS _unfit")
    for c in key_codes:
        wanted, read = quote("wk:" + c.column), quote("rk:" + c.column)
        columns.append(f"CASE WHEN _editable THEN {read} ELSE {wanted} END AS {quote('k:' + c.column)}")
    for column, (_, of) in column_writes(written).items():
        wanted, read = quote("w:" + column), quote("r:" + column)
        some = " OR ".join(fresh[name] for name in of)
        columns.append(f"CASE WHEN _exists THEN CASE WHEN {some} THEN {wanted} ELSE {read} END END AS {quote('n:' + column)}")
        hidden = f"WHEN _again THEN {quote('h:' + column)} " if again else ""
        columns.append(f"CASE WHEN _editable THEN {read} {hidden}END AS {quote('o:' + column)}")
    return columns


def _why_lost(side: Side, code: FieldCode, written: tuple[FieldCode, ...]) -> str:
    """SQL over rows as seen: why a column would be left empty for a value; null where another part of the column says it."""
    said = f"{literal(f'{code.name}: {chr(39)}')} || left(CAST({quote('m:' + code.name)} AS VARCHAR), 60) || "
    unfit = f"{said}{literal(f'{chr(39)} does not fit column {code.column}')}"
    mapping = side.binding.fields.get(code.name)
    if mapping is None or mapping.split is None:
        return unfit
    mark, parts = mapping.split.separator, [n for n in written_from(side.binding, code.name) if n in {c.name for c in written}]
    parted = {name: f"contains(CAST({quote('m:' + name)} AS VARCHAR), {literal(mark)})" for name in parts[:-1]}
    todo = "change the value, or map the column to one field and join the parts of other systems"
    why = literal(f"' holds '{mark}', which separates the parts of column {code.column}: {todo}")
    mine = f"WHEN {parted[code.name]} THEN {said}{why} " if code.name in parted else ""
    others = " OR ".join(f"coalesce({sql}, false)" for name, sql in parted.items() if name != code.name) or "false"
    return f"CASE {mine}WHEN NOT ({others}) THEN {unfit} END"


def _differs(side: Side, code: FieldCode, sharing: tuple[str, ...]) -> str:
    """SQL: the field of an existing row must be written; of a quarantined row, only what others changed since it was agreed.

    What waits for a person is not written, nor is a field that shares its column.
    """
    i, f = side.index, quote(code.name)
    waits = " OR ".join(side.contested(name) for name in sharing)
    # Agreed, verified and not touched since: settled, even where the system shows it in a coarser form than the mapping can predict.
    known = "false" if code.name in side.fresh | side.widened else f"_set_{i}"
    settled = f"({known} AND m._g0 AND m.{f} IS NOT DISTINCT FROM g.{f} AND r.{f} IS NOT DISTINCT FROM b.{f})"
    accepted = f"w.{f} IS DISTINCT FROM r.{f} AND NOT ({waits}) AND NOT {settled}"
    others = [quote(name) for name in sharing[1:]]  # what a quarantined row shows in the same column is its users' edit
    alone = "".join(f" AND r.{other} IS NOT DISTINCT FROM b.{other}" for other in others)
    # Nobody edited a quarantined row of a restored system, as far as that run is concerned.
    shown = f"(_in_{i} OR _ba_{i})" if side.restored else f"_in_{i}"
    return f"CASE WHEN {shown} THEN {accepted} ELSE w.{f} IS DISTINCT FROM b.{f} AND m.{f} IS DISTINCT FROM g.{f}{alone} END"


def _wanted_once(cycle: Cycle, side: Side) -> dict[str, str]:
    """The columns that ``want_<i>`` has only as the field they hold."""
    written = {c.name for c in side.written(cycle.keys) if holds_itself(cycle.entity, side, c)}
    return {column: field for column, field in kept_once(cycle.entity, side).items() if field in written}


def _make_wants(cycle: Cycle, side: Side, once: Mapping[str, str]) -> None:
    """Each agreed row written to this system's columns and read back from them, without touching the system; ``once``: ``_wanted_once``."""
    i = side.index
    codes = [*(side.codes[k] for k in cycle.keys), *side.written(cycle.keys)]
    kinds = _kinds(side)
    native = {column: f"CAST({write} AS {kinds[column.lower()]})" for column, (write, _) in column_writes(codes).items()}
    needed = dict.fromkeys(n for c in codes for n in c.needs)
    kept = [n for n in needed if n not in native]
    raw = "".join(f", {quote(raw_name(n))} AS {quote('kept.' + n)}" for n in kept)
    told = [c.name for c in codes if c.name not in cycle.keys and not holds_itself(cycle.entity, side, c)]
    stage = ", ".join(
        [
            *(f"{sql} AS {quote(c)}" for c, sql in native.items()),
            *(f"{quote('kept.' + n)} AS {quote(n)}" for n in kept),
            *(f"{quote(n)} AS {quote('same.' + n)}" for n in told),
        ]
    )
    shown = ", ".join(
        [
            *(f"{quote(c)} AS {quote(raw_name(c))}" for c in native if c not in once),
            *(f"{read_back(c) if c.name in told else quote('back.' + c.name)} AS {quote(c.name)}" for c in codes),
            *(f"{lost(c)} AS {quote('lost.' + c.name)}" for c in codes if c.name in told),
        ]
    )
    came = "".join(f", {c.read} AS {quote('back.' + c.name)}" for c in codes)
    cycle.sql(f"""
        CREATE OR REPLACE TABLE {side.table("want")} AS SELECT _m, {shown} FROM (SELECT *{came} FROM (
            SELECT _m, {stage} FROM (SELECT rowid AS _m, * FROM merged WHERE _exists AND NOT _held) m
            LEFT JOIN (SELECT rowid AS _r{raw} FROM {side.table("cap")}) r ON r._r = coalesce(m._rid_{i}, m._qrid_{i})))""")


def _kinds(side: Side) -> dict[str, str]:
    """The type of each column by its name in small letters; of two such names the first."""
    return {column.lower(): kind for column, kind in reversed(side.columns.items())}


def make_batch(cycle: Cycle, side: Side, batch_id: str) -> ChangeBatch | None:
    """The rows of ``plan_<i>`` that can be written, in the order of ``numbered``, for the connector; ``None`` when there are none."""
    if not cycle.rows(side.table("plan")):
        return None
    key = tuple(side.codes[k].column for k in cycle.keys)
    columns = tuple(column_writes(side.written(cycle.keys)))
    picked = [f"_op AS {quote(OP)}", *(f"{quote('k:' + c)} AS {quote(c)}" for c in key)]
    picked += [f"{quote('n:' + c)} AS {quote(c)}, {quote('o:' + c)} AS {quote(OLD + c)}" for c in columns]
    # Of the plan, by name: a column of the system may be called like the entity's key.
    rows: pa.Table = cycle.con.execute(
        f"SELECT {', '.join(picked)} FROM {side.table('plan')} p WHERE _unfit IS NULL ORDER BY {names(cycle.keys, 'p')}"
    ).to_arrow_table()
    free = side.binding.new_key == NEXT
    if not rows.num_rows:
        return None
    return ChangeBatch(
        side.binding.resource, key, columns, rows, batch_id, _given_column(side), free, _text_types(cycle, side), goes_on(side)
    )


def _text_types(cycle: Cycle, side: Side) -> dict[str, CanonicalType]:
    """What the texts that are written to columns of texts are, where the mapping does not make other texts of them."""
    found, kinds = {}, _kinds(side)
    for name in (*cycle.keys, *(c.name for c in side.written(cycle.keys))):
        mapping, column = side.binding.fields.get(name), side.codes[name].column
        if mapping is not None and kinds[column.lower()] == "VARCHAR":
            type_ = written_type(cycle.entity.fields[name], mapping)
            # Bytes go to a column of texts in a text of ours, in which they are compared, too.
            if type_.name not in ("text", "binary") and (name not in cycle.keys or type_.name in _KEYS_ALIKE):
                found[column] = type_
    return found


def _given_column(side: Side) -> str:
    """The column of the own key that the side's system gives; empty where it gives none."""
    return side.binding.own_key if side.binding.new_key == GIVEN else ""


def numbered(cycle: Cycle, side: Side) -> str:
    """SQL of ``_m`` and the number in the batch of each row of ``plan_<i>`` that can be written."""
    table, order = side.table("plan"), names(cycle.keys)
    return f"SELECT _m, {order}, row_number() OVER (ORDER BY {order}) AS {quote(ROW)} FROM {table} WHERE _unfit IS NULL"


def asks_for_keys(cycle: Cycle, side: Side) -> bool:
    """Whether the side's system is to give keys to rows of ``plan_<i>``."""
    column = side.codes[cycle.keys[0]].column
    missing = f"SELECT count(*) FROM {side.table('plan')} WHERE _unfit IS NULL AND _op = 'insert' AND {quote('k:' + column)} IS NULL"
    return bool(_given_column(side)) and cycle.count(missing) > 0


def intent_query(cycle: Cycle, side: Side) -> str:
    """SQL of what is about to be written, in canonical values: key, values as they will be read back, ``_op`` and the fields ``_set``."""
    rest = [f for f in cycle.fields if f not in cycle.keys]
    known = {c.name: f"w.{quote(c.name)}" for c in side.written(cycle.keys)}
    known |= {c.name: f"{c.read} AS {quote(c.name)}" for c in side.codes.values() if c.constant}
    values = ", ".join(known.get(f, f"NULL AS {quote(f)}") for f in rest)
    return (
        f"SELECT {names(cycle.keys, 'p')}{', ' + values if values else ''}, p._op, p._set FROM {side.table('plan')} p "
        f"LEFT JOIN {side.table('want')} w ON w._m = p._m WHERE p._unfit IS NULL ORDER BY {names(cycle.keys, 'p')}"
    )
