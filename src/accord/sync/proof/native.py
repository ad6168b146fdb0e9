"""Reconcile by digests that the systems compute themselves: only rows that may differ, or may break the contract, are read.

Which rows those are is all that is taken from the digests. From there on the rows go the way they go when all of them were read: judged
by the contract, shown as both systems can show them, compared by value. See ``docs/decisions/0021-digests-in-the-proof.md`` for when a
flow is compared this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import combinations

import duckdb

from accord.connectors.bulk import DIGEST
from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import Connector, Digested, Keyed, Shaped, Still
from accord.connectors.types import quote
from accord.model.errors import UnknownName, UsageError
from accord.sync.capture.moved import key_columns, make_native
from accord.sync.capture.read import capture
from accord.sync.cycle import Cycle, storage_type
from accord.sync.proof.compared import compared_fields
from accord.sync.proof.passed import judged_by_row
from accord.sync.proof.suspects import Alike, find_suspects
from accord.sync.proof.translate import breaking, surely_read

_KEYS = "suspect_keys"


def read_suspects(cycle: Cycle, held: ExitStack) -> Alike | None:
    """Read of each side only what may differ from another side or break the contract, into ``cap_<i>``.

    Args:
        cycle: nothing of it was read yet.
        held: keeps every system at the moment its digests are of, until it is closed.

    Returns:
        What was not read; ``None`` where rows have to be read and nothing was done.

    Raises:
        GuardStopped: a mapped column is gone.
    """
    if not _may(cycle):
        return None
    connectors = [side.connector for side in cycle.sides]

    def restore() -> None:
        for side, connector in zip(cycle.sides, connectors, strict=True):
            side.connector = connector

    with ExitStack() as open_:
        open_.callback(restore)
        try:
            _hold(cycle, open_)
            found = _read(cycle)
        except (UnknownName, UsageError):  # a resource to be made, a condition only DuckDB understands: the ordinary way says more
            found = None
        if found is not None:
            held.push(open_.pop_all())
            return found
    return None


def _may(cycle: Cycle) -> bool:
    """Whether the map alone says nothing for which rows are needed."""
    sides = cycle.sides
    able = all(isinstance(s.connector, t) for s in sides for t in (Still, Digested, Keyed, Shaped))
    keyed = all(set(cycle.keys) <= set(side.binding.fields) for side in sides)
    return able and keyed and len({type(side.connector) for side in sides}) == 1 and judged_by_row(cycle)


def _hold(cycle: Cycle, open_: ExitStack) -> None:
    """Put a held system in the place of each one."""
    resources: dict[int, list[str]] = {}
    for side in cycle.sides:
        resources.setdefault(id(side.connector), []).append(side.binding.resource)
    held: dict[int, Connector] = {}
    for side in cycle.sides:
        number = id(side.connector)
        if number not in held:
            assert isinstance(side.connector, Still)
            held[number] = open_.enter_context(side.connector.still(cycle.con, resources[number]))
        side.connector = held[number]


def _read(cycle: Cycle) -> Alike | None:
    for side in cycle.sides:  # no row at all, which shows the columns
        columns = ", ".join(f"{quote(c)} VARCHAR" for c in key_columns(cycle, side))
        cycle.sql(f"CREATE OR REPLACE TABLE {side.table('native')} ({columns})")
        capture(cycle.con, cycle.entity, side, drift=cycle.flow.drift, may_create=False, native=side.table("native"))
    kinds = ", ".join(f"{quote(k)} {storage_type(cycle.entity, k)}" for k in cycle.keys)
    cycle.sql(f"CREATE OR REPLACE TABLE {_KEYS} ({kinds})")
    shown = [side.columns for side in cycle.sides]
    fields = _fields(cycle)
    if not fields or not all(make_native(cycle, s, _KEYS, s.columns) for s in cycle.sides):
        return None
    asides = [breaking(cycle.entity, side) for side in cycle.sides]
    if None in asides:
        return None
    with ExitStack() as open_:
        # An engine with one thread for each: what waits for a system beside another thread of its engine looks for work all the time.
        cons = [cycle.con, *(open_.enter_context(borrowed_duck()) for _ in cycle.sides[1:])]
        alike = _compare(cycle, fields, cons, [str(a) for a in asides])
    if alike is None:
        return None
    for side in cycle.sides:
        cycle.progress(f"{cycle.flow.name}: reading what may differ in {side.name}")
        native = make_native(cycle, side, _KEYS, side.columns)
        capture(cycle.con, cycle.entity, side, drift=cycle.flow.drift, may_create=False, among=_KEYS, native=native)
    if [side.columns for side in cycle.sides] != shown:  # a value is not as its column says, and then all others read differently, too
        return None
    for side in cycle.sides:
        side.rows = alike.rows[side.name]
    return alike


def _fields(cycle: Cycle) -> list[str]:
    """The fields compared, if they are the same for every pair, and all sides hold each in one native type and read it in one way."""
    compared = [compared_fields(cycle, *pair) for pair in combinations(cycle.sides, 2)]
    if any(fields != compared[0] for fields in compared):
        return []
    natives = [s.connector.declared_types(s.binding.resource) if isinstance(s.connector, Shaped) else {} for s in cycle.sides]
    for name in compared[0]:
        codes = [side.codes[name] for side in cycle.sides]
        zones = {side.binding.fields[name].timezone or "UTC" for side in cycle.sides}
        types = {known.get(code.column) for known, code in zip(natives, codes, strict=True)}
        if len(zones) > 1 or len(types) > 1 or None in types:
            return []
        if not all(surely_read(cycle.entity, side, code) for side, code in zip(cycle.sides, codes, strict=True)):
            return []
    return compared[0]


def _compare(cycle: Cycle, fields: Sequence[str], cons: Sequence[duckdb.DuckDBPyConnection], asides: Sequence[str]) -> Alike | None:
    """Have digests made of all rows and fill ``suspect_keys``; ``None`` when most rows are suspect."""
    raw = _kept_as_they_are(cycle)
    tables = _digest(cycle, fields, cons, asides, raw)
    alike = find_suspects(cycle, tables, "native")
    codes = [cycle.sides[0].codes[k] for k in cycle.keys]
    read = ", ".join(f"CAST({c.read} AS {storage_type(cycle.entity, c.name)}) AS {quote(c.name)}" for c in codes)
    own = ", ".join(f"{quote(c.name)} AS {quote(c.column)}" for c in codes)
    cycle.sql(f"CREATE OR REPLACE TABLE {_KEYS} AS {f'SELECT {read} FROM (SELECT {own} FROM suspects)' if raw else 'FROM suspects'}")
    return alike


def _kept_as_they_are(cycle: Cycle) -> bool:
    """Whether all sides show keys in the same types, so that they can be compared before they are cast."""
    return all(len({side.columns[side.codes[k].column] for side in cycle.sides}) == 1 for k in cycle.keys)


def _digest(cycle: Cycle, fields: Sequence[str], cons: Sequence[duckdb.DuckDBPyConnection], asides: Sequence[str], raw: bool) -> list[str]:
    """Tables of key and digest of every side, made at the same time, under the names by which the cycle's connection finds them."""
    tables = []
    for con, side in zip(cons, cycle.sides, strict=True):
        found = con.execute("SELECT current_database()").fetchone()
        tables.append(f"{quote(str(found[0]))}.main.{side.table('digests')}" if found else side.table("digests"))

    def fill(numbers: Sequence[int]) -> None:
        for n in numbers:
            side, con = cycle.sides[n], cons[n]
            assert isinstance(side.connector, Digested)
            held = [side.codes[k] for k in cycle.keys]
            columns = [side.codes[f].column for f in fields]
            where, keys = side.binding.where, [code.column for code in held]
            relation = side.connector.digest_rows(con, side.binding.resource, keys, columns, where, aside=asides[n])
            shown = [
                f"{quote(c.column) if raw else f'CAST({c.read} AS {storage_type(cycle.entity, c.name)})'} AS {quote(c.name)}" for c in held
            ]
            con.execute(f"CREATE OR REPLACE TABLE {tables[n]} AS SELECT {', '.join(shown)}, {DIGEST} FROM {relation}")

    cycle.progress(f"{cycle.flow.name}: comparing digests of {' and '.join(side.name for side in cycle.sides)}")
    # Two resources of one system are read one after the other, over the one connection that holds its moment.
    groups: dict[int, list[int]] = {}
    for n, side in enumerate(cycle.sides):
        groups.setdefault(id(side.connector), []).append(n)
    with ThreadPoolExecutor(len(groups), thread_name_prefix="accord-compare") as pool:
        for done in [pool.submit(fill, numbers) for numbers in groups.values()]:
            done.result()
    return tables
