"""Do the systems that share an entity agree? Records one system lacks, values that differ, and whether a unit or a clock explains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accord.connectors.types import literal, quote
from accord.lifecycle.assess.defects import Check, insert
from accord.lifecycle.assess.units import factors
from accord.lifecycle.observe import BoundRows, Observation
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.model.types import CanonicalType

NUMERIC = ("integer", "number", "double")


@dataclass(frozen=True)
class Systematic:
    """A difference that nearly all rows of a pair show: the mapping is wrong rather than the data."""

    flow: str
    system: str
    resource: str
    field: str
    kind: str
    rows: int
    of: int


def compare_systems(observed: Observation, integration_map: IntegrationMap) -> tuple[Systematic, ...]:
    """Add to the table ``defect`` where systems disagree; cells already known to be wrong are left out.

    The value to agree on is the one most systems hold; where none is held by more than the others, the one of the field's authority.

    Returns:
        Differences that more than half of the compared rows of a field show.
    """
    zones = time_zones(integration_map)
    found: list[Systematic] = []
    for flow in integration_map.flows.values():
        bound = [b for b in observed.of_flow(flow.name) if takes_part(b)]
        if len(bound) < 2:
            continue
        _missing(observed, flow, bound)
        _cells(observed, flow, bound)
        _differences(observed, flow, bound, zones)
        found += _systematic(observed, flow)
    return tuple(found)


def takes_part(bound: BoundRows) -> bool:
    """Whether a binding is expected to hold what the others hold: an empty target is one that was never loaded, not one with gaps."""
    return bound.rows > 0


def time_zones(integration_map: IntegrationMap) -> tuple[str, ...]:
    """Every time zone the map names, but UTC."""
    named = (
        {integration_map.timezone}
        | {c.timezone for c in integration_map.calendars.values()}
        | {log.timezone for log in integration_map.logs.values()}
    )
    for flow in integration_map.flows.values():
        for binding in flow.bindings.values():
            named |= {m.timezone for m in binding.fields.values()}
    return tuple(sorted(z for z in named if z and z != "UTC"))


def authority_rank(flow: Flow, field: str, bound: Sequence[BoundRows]) -> list[str]:
    """The bindings in the order in which their value of a field is believed."""
    named = flow.authority.get(field, flow.authority.get("*", ""))
    readable = sorted(bound, key=lambda b: (b.binding.name != named, b.binding.direction == "write"))
    return [b.binding.name for b in readable]


def _place(flow: Flow, bound: BoundRows) -> dict[str, str]:
    return {"entity": flow.entity, "flow": flow.name, "system": bound.system, "resource": bound.binding.resource}


def _missing(observed: Observation, flow: Flow, bound: Sequence[BoundRows]) -> None:
    """Keys that another binding holds soundly and this one does not; a source that is only read need not hold what others create."""
    creators = set(flow.existence) or {b.binding.name for b in bound if b.binding.direction != "write"}
    keys = ", ".join(map(literal, bound[0].entity.key))
    checks = []
    for one in bound:
        if one.binding.direction == "read" and len(creators) > 1 and one.binding.name not in creators:
            continue
        for other in (b for b in bound if b is not one and b.binding.name in creators):
            unsound = (
                f"SELECT key FROM defect WHERE system = {literal(other.system)} AND resource = {literal(other.binding.resource)} "
                f"AND field IN ({keys}) AND key IS NOT NULL"
            )
            query = (
                f"SELECT DISTINCT k AS key, {literal('held by ' + other.system)} AS detail "
                f"FROM (SELECT {other.key_sql} AS k FROM {other.table}) WHERE k IS NOT NULL AND k NOT IN ({unsound}) "
                f"AND k NOT IN (SELECT {one.key_sql} FROM {one.table} WHERE {one.key_sql} IS NOT NULL)"
            )
            checks.append(Check("missing_record", {**_place(flow, one), "field": "", "column": ""}, query))
    insert(observed.con, checks)


def _cells(observed: Observation, flow: Flow, bound: Sequence[BoundRows]) -> None:
    """Make the table ``cell``: one row per key, compared field and binding, without the cells known to be wrong."""
    con, entity = observed.con, bound[0].entity
    parts = []
    for number, one in enumerate(bound):
        # Of several rows under one key the first stands for it; the others are reported as duplicates.
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE first_rows_{number} AS SELECT {one.key_sql} AS k, * FROM {one.table} "
            "QUALIFY row_number() OVER (PARTITION BY k ORDER BY _row) = 1"
        )
        for field in one.fields:
            holders = [b for b in bound if field in b.fields]
            if field in entity.key or len(holders) < 2:
                continue
            type_, value = entity.fields[field].type.split("(")[0], quote(field)
            fixed = (one.binding.name, one.system, one.binding.resource, field, one.column(field))
            parts.append(
                f"SELECT {', '.join(map(literal, fixed))}, {authority_rank(flow, field, holders).index(one.binding.name)}, "
                f"k, {value}::VARCHAR, "
                f"{f'try_cast({value} AS DOUBLE)' if type_ in NUMERIC else 'NULL::DOUBLE'}, "
                f"{f'epoch({value}::TIMESTAMPTZ)' if type_ == 'timestamp' else 'NULL::DOUBLE'} FROM first_rows_{number} WHERE k IS NOT NULL"
            )
    con.execute(
        'CREATE OR REPLACE TEMP TABLE cell (binding VARCHAR, system VARCHAR, resource VARCHAR, field VARCHAR, "column" VARCHAR, '
        "believed INTEGER, key VARCHAR, value VARCHAR, number DOUBLE, instant DOUBLE)"
    )
    if parts:
        con.execute(f"INSERT INTO cell {' UNION ALL '.join(parts)}")
    con.execute(
        "DELETE FROM cell USING defect AS d "
        "WHERE cell.system = d.system AND cell.resource = d.resource AND cell.key = d.key AND cell.field = d.field"
    )


def _differences(observed: Observation, flow: Flow, bound: Sequence[BoundRows], zones: Sequence[str]) -> None:
    con = observed.con
    # Agreed value of a key and field: held by most, then by the most believed binding.
    con.execute(
        "CREATE OR REPLACE TEMP TABLE difference AS "
        "WITH held AS (SELECT *, count(*) OVER (PARTITION BY key, field, value) AS votes FROM cell), "
        "agreed AS (SELECT * FROM held QUALIFY row_number() OVER (PARTITION BY key, field ORDER BY votes DESC, believed) = 1) "
        "SELECT c.*, a.value AS agreed, a.number AS agreed_number, a.instant AS agreed_instant, a.system AS agreed_system, "
        "'stale_field' AS kind FROM cell AS c JOIN agreed AS a USING (key, field) WHERE c.value IS DISTINCT FROM a.value"
    )
    _recognise_units(observed, bound)
    _recognise_zones(observed, zones)
    checks = []
    for kind in ("unit_error", "time_zone_error", "stale_field"):
        shown, agreed = (f"left(coalesce({c}, 'empty'), 60)" for c in ("value", "agreed"))
        detail = f"'«' || {shown} || '» instead of «' || {agreed} || '» of ' || agreed_system"
        query = f'SELECT system, resource, key, field, "column", {detail} AS detail FROM difference WHERE kind = {literal(kind)}'
        checks.append(Check(kind, {"entity": flow.entity, "flow": flow.name}, query))
    insert(con, checks)


def _recognise_units(observed: Observation, bound: Sequence[BoundRows]) -> None:
    tests = []
    for field, declared in bound[0].entity.fields.items():
        type_ = CanonicalType.parse(declared.type)
        if type_.name not in NUMERIC:
            continue
        rounded = 0.51 * 10.0**-type_.scale if type_.name == "number" else 0.51 if type_.name == "integer" else 0.0
        near = f"greatest(0.005 * abs(number), {rounded!r})"  # half a last digit is what a conversion may lose
        fits = " OR ".join(f"abs(number - agreed_number * {f!r}) <= {near}" for f in factors(declared.unit))
        tests.append(f"(field = {literal(field)} AND ({fits}))")
    if tests:
        where = f"number <> 0 AND agreed_number <> 0 AND ({' OR '.join(tests)})"
        observed.con.execute(f"UPDATE difference SET kind = 'unit_error' WHERE {where}")


def _recognise_zones(observed: Observation, zones: Sequence[str]) -> None:
    """A time off by the offset that a zone of the map has at that very instant is a clock error; so is 1 or 2 h when no zone is named."""
    shift = "abs(instant - agreed_instant)"
    tests = [] if zones else [f"{shift} IN (3600, 7200)"]
    for zone in zones:
        for instant in ("to_timestamp(instant)", "to_timestamp(agreed_instant)"):
            offset = f"epoch(timezone({literal(zone)}, {instant})) - epoch(timezone('UTC', {instant}))"
            tests.append(f"({shift} > 0 AND abs({shift} - abs({offset})) < 1)")
    observed.con.execute(f"UPDATE difference SET kind = 'time_zone_error' WHERE {' OR '.join(tests)}")


def _systematic(observed: Observation, flow: Flow) -> list[Systematic]:
    found = observed.con.execute(
        "SELECT d.system, d.resource, d.field, d.kind, count(*), any_value(c.n) FROM difference AS d "
        "JOIN (SELECT system, resource, field, count(*) AS n FROM cell GROUP BY ALL) AS c USING (system, resource, field) "
        "GROUP BY d.system, d.resource, d.field, d.kind HAVING count(*) > 0.5 * any_value(c.n) AND count(*) >= 10 ORDER BY ALL"
    ).fetchall()
    return [Systematic(flow.name, str(s), str(r), str(f), str(k), int(n), int(of)) for s, r, f, k, n, of in found]
