"""Three-way merge by value, per key and field, over any number of sides.

A side's value *changed* when it differs from what was last agreed with that side. Nothing changed: the golden value stays. One value
changed: it wins, whoever's it is. Several: the field's authority decides, and what loses is recorded. A side that shows a key for the first
time has no base to have changed from; it joins by authority and does not overrule what others agreed. A side that was never shown what is
agreed (``merge.unseen``) has not answered it: the authority decides between its edit and that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from accord.connectors.types import literal, quote
from accord.model.figure import Finding
from accord.model.flow import MARK_FIELD, FieldMapping
from accord.sync.cycle import Cycle, Side, join_on, key_json, names, storage_type
from accord.sync.judge.going import GOING
from accord.sync.mapping.fields import raw_name, read_moment
from accord.sync.merge.again import keys_again
from accord.sync.merge.sets import holds_set, set_stages, set_value
from accord.sync.merge.unseen import find_unseen, missed, unseen, unseen_columns
from accord.sync.merge.weave import weave, weaves
from accord.sync.state.base import unshown_fields

AGREED = 0  # winner: the golden value stays; the side with index i wins as i + 1
_BY_TIME = ("latest", "merge")  # authorities under which, of two values, the later one wins


def find_active(cycle: Cycle) -> int:
    """Fill table ``active`` with the keys this cycle must look at and return how many: any side differs from its base, or is unsettled."""
    keys = names(cycle.keys)
    parts = []
    for side in cycle.sides:
        cur, base, quarantined = side.table("cur"), side.table("base"), side.table("qkey")
        differs = " OR ".join(f"c.{quote(f)} IS DISTINCT FROM b.{quote(f)}" for f in side.fields if f not in cycle.keys) or "false"
        parts += [
            f"SELECT {names(cycle.keys, 'c')} FROM {cur} c LEFT JOIN {base} b ON {join_on(cycle.keys, 'c', 'b')} "
            f"WHERE b._gone IS NULL OR b._gone OR {differs}",
            f"SELECT {names(cycle.keys, 'b')} FROM (SELECT * FROM {base} WHERE NOT _gone) b "
            f"ANTI JOIN {cur} c {cycle.using()} ANTI JOIN {quarantined} q {cycle.using()}",
            f"SELECT {keys} FROM {base} WHERE NOT _settled",
        ]
        if side.fresh or side.widened:
            parts.append(f"SELECT {keys} FROM {cur}")
        if side.writable:
            parts.append(f"SELECT {names(cycle.keys, 'g')} FROM golden0 g ANTI JOIN {base} b {cycle.using()}")
    if cycle.resumed:
        parts.append(f"SELECT {keys} FROM resumed")
    if cycle.rows(GOING):
        parts.append(f"SELECT {keys} FROM {GOING}")
    if cycle.rows("decision0"):
        shown = " UNION ".join(f"SELECT {keys} FROM {table}" for table in ("golden0", *(s.table("cur") for s in cycle.sides)))
        parts.append(f"SELECT {keys} FROM ({shown}) WHERE {key_json(cycle.keys)} IN (SELECT key FROM decision0)")
        parts.append(keys_again(cycle))
    return cycle.make("active", " UNION ".join(parts))


def authority_of(cycle: Cycle, field: str) -> str:
    """Who wins a field: the name of a side, or latest, merge or human."""
    first = next((s.name for s in cycle.sides if s.readable), "")
    return cycle.flow.authority.get(field) or cycle.flow.authority.get("*") or first


def believed(cycle: Cycle, field: str) -> list[Side]:
    """Sides whose changes of a field count, in the order in which they win: the authority first, then as the flow lists them."""
    named = authority_of(cycle, field)
    sides = [s for s in cycle.sides if field in s.codes and s.codes[field].readable]
    return sorted(sides, key=lambda s: s.name != named)


def merge(cycle: Cycle) -> None:
    """Fill table ``merged``: one row per active key with what is to be agreed.

    Columns: the key and every canonical field; ``_exists``; ``_g0`` (was agreed before); ``_deleter`` (index + 1 of the side that deleted);
    per side ``_in_ _rid_ _bad_ _dup_ _ba_ _gone_ _del_ _new_``; per field ``w.<f>`` (winner) and ``h.<f>`` (an open conflict for a person);
    per field under ``merge`` ``j.<f>``: 0, or 1 where the value joins all edits, 2 where it joins newcomers too.
    """
    _tell_timeless(cycle)
    merged_fields = [f for f in cycle.fields if f not in cycle.keys]
    by_time = [f for f in merged_fields if authority_of(cycle, f) in _BY_TIME]
    joined = [f for f in merged_fields if authority_of(cycle, f) == "merge"]
    find_unseen(cycle, frozenset(joined))
    asked = [f for f in merged_fields if authority_of(cycle, f) == "human"]
    # What is asked more than once is a column that the next stage names: said again in full by each side about each other one, it would be
    # a text that grows with the cube of their number, and DuckDB plans every word of it.
    stages = [_flags(cycle, merged_fields), _existence(cycle), _moves(cycle, merged_fields)]
    stages += [", ".join(f"{_latest(cycle, f, _changed)} AS {quote('t1.' + f)}" for f in by_time)]
    stages += [*_questions(cycle, asked), _changed_winners(cycle, merged_fields)]
    stages += [", ".join(f"{_latest(cycle, f, _newly)} AS {quote('t2.' + f)}" for f in by_time), _all_winners(cycle, merged_fields)]
    if sets := [f for f in joined if holds_set(cycle, f)]:
        stages += [", ".join(parts) for parts in zip(*(set_stages(cycle, f, believed(cycle, f)) for f in sets), strict=True)]
    if counters := [f for f in joined if counts(cycle, f)]:
        stages.append(", ".join(f"{_sum(cycle, f)} AS {quote('sum.' + f)}" for f in counters))
        stages.append(", ".join(f"CASE WHEN {quote('sum.' + f)} IS NULL THEN 0 ELSE 1 END AS {quote('j.' + f)}" for f in counters))
    query = stages[0]
    for stage in filter(None, stages[1:]):
        query = f"SELECT *, {stage} FROM ({query})"
    per_side = [
        f"{n}{s.index}"
        for s in cycle.sides
        for n in ("_in_", "_rid_", "_bad_", "_qrid_", "_dup_", "_ba_", "_gone_", "_del_", "_new_", "_set_")
    ]
    picked = [names((*cycle.keys, "_exists", "_g0", "_deleted", "_created", "_deleter", *per_side))]
    for f in merged_fields:
        picked += [f"{_value(cycle, f)} AS {quote(f)}", f"{quote('w.' + f)}", f"{quote('h.' + f)}"]
    picked += [quote("j." + f) if f in (*sets, *counters) else f"0 AS {quote('j.' + f)}" for f in joined]
    cycle.sql(f"CREATE OR REPLACE TABLE merged AS SELECT {', '.join(picked)}, false AS _held FROM ({query})")
    for f in joined:
        if weaves(cycle, f):
            weave(cycle, f, believed(cycle, f))
    _find_open(cycle, [*asked, *joined])


def _find_open(cycle: Cycle, fields: list[str]) -> None:
    """Say about which fields some row is in an open conflict: what follows does not ask of the others."""
    asked = ", ".join(f"bool_or({quote('h.' + f)})" for f in fields)
    told = cycle.sql(f"SELECT {asked} FROM merged")[0] if fields else ()
    open_ = frozenset(f for f, some in zip(fields, told, strict=True) if some)
    for side in cycle.sides:
        side.open = open_


def _flags(cycle: Cycle, fields: list[str]) -> str:
    k0 = quote(cycle.keys[0])
    columns, joins = [names(cycle.keys, "a")], [f"LEFT JOIN golden0 g ON {join_on(cycle.keys, 'a', 'g')}"]
    for side in cycle.sides:
        i = side.index
        c, b, q = f"c{i}", f"b{i}", f"q{i}"
        joins += [f"LEFT JOIN {side.table(t)} {a} ON {join_on(cycle.keys, 'a', a)}" for t, a in (("cur", c), ("base", b))]
        inside, bad, refused = f"({c}._rid IS NOT NULL)", "false", "CAST(NULL AS BIGINT)"
        if cycle.count(f"SELECT count(*) FROM {side.table('qkey')}"):  # what each join hands on grows with those before it
            joins.append(f"LEFT JOIN {side.table('qkey')} {q} ON {join_on(cycle.keys, 'a', q)}")
            bad, refused = f"({q}.{k0} IS NOT NULL)", f"{q}._rid"
        twice = "false" if bad == "false" else f"coalesce({q}._ambiguous, false)"
        based = f"({b}.{k0} IS NOT NULL AND NOT coalesce({b}._gone, false))"
        columns += [
            f"{inside} AS _in_{i}, {c}._rid AS _rid_{i}",
            f"{bad} AS _bad_{i}, {refused} AS _qrid_{i}, {twice} AS _dup_{i}",
            f"{based} AS _ba_{i}, coalesce({b}._settled AND NOT {b}._gone, false) AS _set_{i}",
            f"(coalesce({b}._gone, false) AND NOT {inside} AND NOT {bad}) AS _gone_{i}",
            f"({based} AND NOT {inside} AND NOT {bad}) AS _del_{i}, ({inside} AND NOT {based}) AS _new_{i}",
            f"{_moment(side, c)} AS _at_{i}",
        ]
        if side.unseen or side.missed:
            joins.append(f"LEFT JOIN {side.table('unseen')} u{i} ON {join_on(cycle.keys, 'a', f'u{i}')}")
            columns += unseen_columns(side, f"u{i}")
        columns += [f"{c}.{quote(f)} AS {quote(f'c{i}.{f}')}, {b}.{quote(f)} AS {quote(f'b{i}.{f}')}" for f in fields if f in side.codes]
    echoed = [s for s in cycle.sides if cycle.rows(s.table("echoed"))]
    joins += [f"LEFT JOIN {s.table('echoed')} e{s.index} ON {join_on(cycle.keys, 'a', f'e{s.index}')}" for s in echoed]
    away = unshown_fields(cycle) if echoed else set()
    columns += [f"{_agreed(cycle, f, echoed) if f in away else f'g.{quote(f)}'} AS {quote('g.' + f)}" for f in fields]
    return f"SELECT {', '.join(columns)}, (g.{k0} IS NOT NULL) AS _g0 FROM active a {' '.join(joins)}"


def _agreed(cycle: Cycle, field: str, echoed: Sequence[Side]) -> str:
    """The agreed value of a field of which a side has no column for now: what a run that did not end wrote elsewhere, where it stands.

    The edit may have been made in that column. Not where a side shows another value that was not to be replaced: the edit may be its own,
    and taken back since.
    """
    f = quote(field)
    written = [(s, f"coalesce(e{s.index}.{quote('ok.' + field)}, false)") for s in echoed if field in s.codes]
    if not written:
        return f"g.{f}"
    value = f"CASE {' '.join(f'WHEN {ok} THEN c{s.index}.{f}' for s, ok in written)} END"
    meant = {s.index: f"coalesce(e{s.index}.{quote('set.' + field)}, false)" for s, _ in written}
    others = [
        f"(c{s.index}._rid IS NOT NULL AND NOT {meant.get(s.index, 'false')} AND c{s.index}.{f} IS DISTINCT FROM {value})"
        for s in believed(cycle, field)
    ]
    return f"CASE WHEN ({' OR '.join(ok for _, ok in written)}) AND NOT ({' OR '.join(others) or 'false'}) THEN {value} ELSE g.{f} END"


def winner_names(cycle: Cycle) -> str:
    """SQL of the branches of a CASE over winners that give the name of the side."""
    return " ".join(f"WHEN {s.index + 1} THEN {literal(s.name)}" for s in cycle.sides)


def who_of(side: Side, alias: str) -> str:
    """SQL over a captured row: who changed it last, by the system's own column; otherwise the system is all that is known."""
    column = next((c for c in side.columns if c.lower() == side.binding.changed_by.lower()), None) if side.binding.changed_by else None
    return f"coalesce(CAST({alias}.{quote(raw_name(column))} AS VARCHAR), {literal(side.name)})" if column else literal(side.name)


def moment_of(side: Side, alias: str) -> str:
    """SQL giving when the system says a row changed, for rows of ``cap_`` or ``cur_``; null where it does not say."""
    return _moment(side, alias)


def _moment(side: Side, alias: str) -> str:
    return _said(side, alias) or "CAST(NULL AS TIMESTAMPTZ)"


def _said(side: Side, alias: str) -> str:
    column, moment = side.binding.cursor, ""
    if column:
        kind = next((t for c, t in side.columns.items() if c.lower() == column.lower()), "")
        named = (m for m in side.binding.fields.values() if (m.column or m.name).lower() == column.lower())
        moment = read_moment(f"{alias}.{quote(raw_name(column))}", kind, next(named, FieldMapping(column)))
    return moment or (f"TRY_CAST({alias}.updated_at AS TIMESTAMPTZ)" if "updated_at" in side.codes else "")


def _tell_timeless(cycle: Cycle) -> None:
    """Say which systems cannot win by ``latest``: the map gives them a cursor that is no time, or nothing at all."""
    asked = [f for f in cycle.fields if f not in cycle.keys and authority_of(cycle, f) == "latest"]
    for side in cycle.sides:
        subject = f"{side.binding.holder}/{side.binding.resource}"
        known = any(f.kind == "no_time" and f.subject == subject for f in cycle.findings)
        if known or _said(side, "c") or not any(f in side.codes and side.codes[f].readable for f in asked):
            continue
        what = f"flow '{cycle.flow.name}': the cursor '{side.binding.cursor}' of {subject} is a number and no time of change"
        if not side.binding.cursor:  # of a flow made in code: a map that says so is refused
            what = f"flow '{cycle.flow.name}': neither a cursor nor updated_at says when a row of {subject} changed"
        todo = "so by authority: latest every edit with a time wins over its edits. Name a column with a time, or map updated_at."
        cycle.findings.append(Finding("no_time", subject, f"{what}, {todo}", "warning"))


def _existence(cycle: Cycle) -> str:
    may = [s for s in cycle.sides if s.may_exist]
    created = " OR ".join(f"_new_{s.index}" for s in may) or "false"
    deleted = " OR ".join(f"_del_{s.index}" for s in may) or "false"
    held = " OR ".join(f"_in_{s.index} OR _bad_{s.index}" for s in cycle.sides)
    deleter = "CASE " + " ".join(f"WHEN _del_{s.index} THEN {s.index + 1}" for s in may) + " END" if may else "NULL"
    # A key made anew since the delete is a decision taken later than it, so the new row stays.
    gone = f"NOT ({deleted})" if cycle.flow.deletes == "propagate" else f"({held})"
    based = "".join(f", (_in_{s.index} AND _ba_{s.index}) AS _based_{s.index}" for s in cycle.sides)
    exists = f"(({created}) OR (_g0 AND {gone}))"
    return f"({created}) AS _created, ({deleted}) AS _deleted, {deleter} AS _deleter, {exists} AS _exists{based}"


def _moves(cycle: Cycle, fields: list[str]) -> str:
    """What ``_changed`` and ``_newly`` name."""
    columns = []
    for f in fields:
        for s in believed(cycle, f):
            now, before = quote(f"c{s.index}.{f}"), quote(f"b{s.index}.{f}")
            # What always stands there was edited by nobody; only the map says another value than before.
            edited = f"{before} IS NOT NULL AND " if s.codes[f].constant else ""
            based = "false" if f in s.fresh else f"_based_{s.index}"
            columns.append(f"({based} AND {edited}{now} IS DISTINCT FROM {before}) AS {_changed(s, f)}")
            columns.append(f"({s.new(f)} AND {now} IS NOT NULL) AS {_newly(s, f)}")
    return ", ".join(columns)


def _changed(side: Side, field: str) -> str:
    """SQL: the side shows another value than was agreed with it."""
    return quote(f"e{side.index}.{field}")


def _newly(side: Side, field: str) -> str:
    """SQL: the side shows a value of a row, or of a field, that it shows for the first time."""
    return quote(f"v{side.index}.{field}")


def _latest(cycle: Cycle, field: str, condition: Callable[[Side, str], str]) -> str:
    """The latest moment of a side whose condition holds."""
    moments = (f"CASE WHEN {condition(s, field)} THEN _at_{s.index} END" for s in believed(cycle, field))
    return f"greatest({', '.join(['CAST(NULL AS TIMESTAMPTZ)', *moments])})"


def _first(sides: list[Side], condition: dict[int, str], latest: str = "") -> str:
    """The first side, in order, whose condition holds; with the column of ``_latest``: among those of that moment."""
    if not sides:
        return f"CAST({AGREED} AS INTEGER)"
    whens = [f"WHEN {condition[s.index]} THEN {s.index + 1}" for s in sides]
    if latest:
        whens = [f"WHEN _at_{s.index} = {latest} AND {condition[s.index]} THEN {s.index + 1}" for s in sides] + whens
    return f"CASE {' '.join(whens)} ELSE {AGREED} END"


def _pick(sides: list[Side], field: str, winner: str) -> str:
    cases = " ".join(f"WHEN {s.index + 1} THEN {quote(f'c{s.index}.{field}')}" for s in sides)
    return f"CASE {winner} {cases} ELSE {quote('g.' + field)} END" if cases else quote("g." + field)


def _questions(cycle: Cycle, fields: list[str]) -> list[str]:
    """Stages that lead to ``x1.<f>``, by ``k<i>.<f>`` (the side has a say), ``f1.<f>`` (the first that has) and ``p1.<f>`` (its value).

    A person decides between everything that moved; a newcomer alone does not question what is agreed.
    """
    stages: list[list[str]] = [[], [], [], [], []]
    for f in (f for f in fields if believed(cycle, f)):
        sides, moved, first, value = believed(cycle, f), quote("m1." + f), quote("f1." + f), quote("p1." + f)
        says = {s.index: quote(f"k{s.index}.{f}") for s in sides}
        some = [*(_changed(s, f) for s in sides), f"{quote('g.' + f)} IS NULL", *(missed(s) for s in sides if s.missed)]
        stages[0].append(f"({' OR '.join(some)}) AS {moved}")
        stages[1] += [f"({_changed(s, f)} OR ({_newly(s, f)} AND {moved})) AS {says[s.index]}" for s in sides]
        stages[2].append(f"{_first(sides, says)} AS {first}")
        stages[3].append(f"{_pick(sides, f, first)} AS {value}")
        quarrel = " OR ".join(f"({says[s.index]} AND {quote(f'c{s.index}.{f}')} IS DISTINCT FROM {value})" for s in sides)
        if rivals := _rivals(f, sides):
            quarrel = f"({quarrel} OR {rivals})"
        stages[4].append(f"({quarrel}) AS {quote('x1.' + f)}")
    return [", ".join(columns) for columns in stages]


def _changed_winners(cycle: Cycle, fields: list[str]) -> str:
    """``w1.<f>``: the winner among edits against a base; ``x1.<f>``: edits that a person must decide between."""
    columns = []
    for f in fields:
        sides = believed(cycle, f)
        rule = authority_of(cycle, f)
        if rule == "human" and sides:
            columns.append(f"CASE WHEN {quote('x1.' + f)} THEN {AGREED} ELSE {quote('f1.' + f)} END AS {quote('w1.' + f)}")
            continue
        winner = _first(sides, {s.index: _changed(s, f) for s in sides}, quote("t1." + f) if rule in _BY_TIME else "")
        if any(f in s.unseen for s in sides):
            winner = f"CASE WHEN {_overrules(cycle, f, sides)} THEN {winner} ELSE {AGREED} END"
        columns.append(f"{winner} AS {quote('w1.' + f)}, false AS {quote('x1.' + f)}")
    return ", ".join(columns) or "0 AS _no_fields"


def _answered(field: str, sides: list[Side]) -> str:
    """SQL: somebody edited the field who saw what is agreed, so that it is no rival any more."""
    return " OR ".join(f"({_changed(s, field)} AND NOT {unseen(s, field)})" for s in sides) or "false"


def _overrules(cycle: Cycle, field: str, sides: list[Side]) -> str:
    """SQL: the winner among edits wins over what is agreed, too, be it that its side never showed that."""
    rule, answered = authority_of(cycle, field), _answered(field, sides)
    if rule not in _BY_TIME:
        return " OR ".join([answered, *(_changed(s, field) for s in sides if s.name == rule)])
    last = _latest(cycle, field, lambda side, f: f"_in_{side.index} AND {side.based(f)} AND NOT {unseen(side, f)}")
    return f"{answered} OR coalesce({quote('t1.' + field)} > {last}, {last} IS NULL AND {quote('t1.' + field)} IS NOT NULL)"


def _rivals(field: str, sides: list[Side]) -> str:
    """SQL: a person has to decide between what is agreed and a value of a side that never showed it; empty where there is no such side."""
    agreed, other = quote("g." + field), {s.index: f"{quote(f'c{s.index}.{field}')} IS DISTINCT FROM {quote('g.' + field)}" for s in sides}
    rivals = [f"({_changed(s, field)} AND {unseen(s, field)} AND {other[s.index]})" for s in sides if field in s.unseen]
    rivals += [f"({missed(s)} AND {_newly(s, field)} AND {agreed} IS NOT NULL AND {other[s.index]})" for s in sides if s.missed]
    return f"(({' OR '.join(rivals)}) AND NOT ({_answered(field, sides)}))" if rivals else ""


def _all_winners(cycle: Cycle, fields: list[str]) -> str:
    """``w.<f>``: the winner once sides that show the key for the first time have joined; ``h.<f>``: open for a person."""
    columns = []
    for f in fields:
        sides = believed(cycle, f)
        rule = authority_of(cycle, f)
        new = {s.index: _newly(s, f) for s in sides}
        w1, x1 = quote("w1." + f), quote("x1." + f)
        agreed = f"({quote('g.' + f)} IS NOT NULL OR {w1} <> {AGREED} OR {x1})"
        fresh = quote("t2." + f)
        first_new = _first(sides, new, fresh if rule in _BY_TIME else "")
        joined = f"CASE WHEN {agreed} THEN {w1} ELSE {first_new} END"
        named = next((s for s in sides if s.name == rule), None)
        if named is not None:
            joined = f"CASE WHEN {new[named.index]} THEN {named.index + 1} ELSE {joined} END"
        elif rule in _BY_TIME and sides:
            known = _latest(cycle, f, lambda side, field: f"_in_{side.index} AND {side.based(field)}")
            joined = f"CASE WHEN {agreed} AND {known} IS NOT NULL AND {fresh} > {known} THEN {first_new} ELSE {joined} END"
        elif rule == "human":
            joined = w1
        columns.append(f"{joined} AS {quote('w.' + f)}, {x1} AS {quote('h.' + f)}")
    return ", ".join(columns) or "0 AS _no_winners"


def _value(cycle: Cycle, field: str) -> str:
    sides = believed(cycle, field)
    value = _pick(sides, field, quote("w." + field))
    kind = storage_type(cycle.entity, field)
    if authority_of(cycle, field) == "merge" and counts(cycle, field):
        value = f"CASE WHEN {quote('j.' + field)} > 0 THEN {quote('sum.' + field)} ELSE {value} END"
    elif authority_of(cycle, field) == "merge" and holds_set(cycle, field):
        value = set_value(cycle, field, value)
    if field == MARK_FIELD and cycle.flow.deletes == "mark":
        moment = f"CAST(TIMESTAMPTZ {literal(cycle.now.isoformat())} AS {kind})"
        marked = f"coalesce({quote('g.' + field)}, {moment})"
        value = f"CASE WHEN _deleted AND NOT _created THEN {marked} WHEN _created AND _g0 THEN NULL ELSE {value} END"
    return f"CAST({value} AS {kind})"


def _sum(cycle: Cycle, field: str) -> str:
    """SQL of a counter with every side's difference; null where an edit is no number, or the sum is none that the field can hold."""
    kind = storage_type(cycle.entity, field)
    wide = {"BIGINT": "DECIMAL(38,0)"}.get(kind, re.sub(r"\(\d+", "(38", kind))
    parts = [f"CAST({quote('g.' + field)} AS {wide})"]
    for s in believed(cycle, field):
        now, before = (f"CAST({quote(f'{letter}{s.index}.{field}')} AS {wide})" for letter in "cb")
        parts.append(f"CASE WHEN {_changed(s, field)} THEN {now} - {before} ELSE 0 END")
    return f"TRY(TRY_CAST({' + '.join(parts)} AS {kind}))"


def counts(cycle: Cycle, field: str) -> bool:
    """Whether a field under ``merge`` is a counter: every side's difference to its base is added."""
    kind = storage_type(cycle.entity, field)
    return kind in ("BIGINT", "DOUBLE") or kind.startswith("DECIMAL")


def adds_up(cycle: Cycle) -> bool:
    """Whether some value is made of several sides' edits, which must not be merged twice: what is agreed moves with every round."""
    return any(authority_of(cycle, f) == "merge" for f in cycle.fields if f not in cycle.keys)
