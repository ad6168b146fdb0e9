"""Every pair of systems that shares an entity: types, units, time zones, overlap of keys and values, share of equal values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import duckdb

from accord.connectors.types import quote
from accord.lifecycle.assess.status import SystemStatus
from accord.lifecycle.observe import BoundRows, Observation
from accord.model.entity import Field
from accord.model.integration_map import IntegrationMap
from accord.model.types import CanonicalType

DOMAIN = 1000


@dataclass(frozen=True)
class FieldPair:
    """One field as two systems hold it.

    Args:
        field: canonical name.
        left_type: the left system's own type; ``right_type`` likewise.
        left_unit: unit or time zone declared on the left; ``right_unit`` likewise.
        convertible: every value of either side fits the canonical type as far as the types say.
        compared: keys both hold, sound on both sides.
        equal: of these, how many hold the same canonical value.
        domain_overlap: shared different values / different values of the smaller side, for fields with at most 1,000 of them.
    """

    field: str
    left_type: str
    right_type: str
    left_unit: str
    right_unit: str
    convertible: bool
    compared: int
    equal: int
    domain_overlap: float | None

    @property
    def match_rate(self) -> float | None:
        """Equal / compared."""
        return self.equal / self.compared if self.compared else None


@dataclass(frozen=True)
class Pair:
    """Two systems and an entity both hold; ``reason`` says why it was not evaluated, empty when it was."""

    left: str
    right: str
    entity: str
    flow: str
    left_keys: int = 0
    right_keys: int = 0
    shared_keys: int = 0
    fields: tuple[FieldPair, ...] = ()
    reason: str = ""

    @property
    def key_overlap(self) -> float | None:
        """Keys both hold / keys either holds."""
        union = self.left_keys + self.right_keys - self.shared_keys
        return self.shared_keys / union if union else None

    @property
    def match_rate(self) -> float | None:
        """Equal values / compared values, over all shared fields."""
        compared = sum(f.compared for f in self.fields)
        return sum(f.equal for f in self.fields) / compared if compared else None

    @property
    def compatibility(self) -> float | None:
        """Key overlap x match rate: the share of what either holds that both hold alike; ``None`` when nothing is shared."""
        if self.key_overlap is None or (self.match_rate is None and self.shared_keys):
            return self.key_overlap
        return self.key_overlap * (self.match_rate or 0.0)


def evaluate_pairs(observed: Observation, integration_map: IntegrationMap, statuses: Sequence[SystemStatus]) -> tuple[Pair, ...]:
    """Every pair of bindings of one entity in different systems, whether in one flow or in two."""
    found = []
    descriptions = {s.system.name: s.description for s in statuses}
    for entity in integration_map.entities:
        declared = [(f, b) for f in integration_map.flows.values() if f.entity == entity for b in f.bindings.values()]
        read = {(b.flow.name, b.binding.name): b for b in observed.of_entity(entity)}
        for (left_flow, left), (right_flow, right) in combinations(declared, 2):
            if left.holder == right.holder:
                continue
            one, two = read.get((left_flow.name, left.name)), read.get((right_flow.name, right.name))
            flow = left_flow.name if left_flow is right_flow else f"{left_flow.name}, {right_flow.name}"
            if one is None or two is None:
                missing = left if one is None else right
                reason = observed.unread.get((missing.holder, missing.resource), f"{missing.holder}/{missing.resource} is not there yet")
                found.append(Pair(left.holder, right.holder, entity, flow, reason=reason))
                continue
            natives = tuple(_native_types(descriptions.get(b.system), b) for b in (one, two))
            found.append(_evaluate(observed, one, two, flow, natives))
    return tuple(found)


def _native_types(description: object, bound: BoundRows) -> Mapping[str, str]:
    resource = description.resource(bound.binding.resource) if description is not None and hasattr(description, "resource") else None
    return {c.name: c.native_type for c in resource.columns} if resource else {}


def _evaluate(observed: Observation, left: BoundRows, right: BoundRows, flow: str, natives: Sequence[Mapping[str, str]]) -> Pair:
    con = observed.con
    for name, bound in (("pair_left", left), ("pair_right", right)):
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM (SELECT {bound.key_sql} AS _key, * FROM {bound.table}) "
            "WHERE _key IS NOT NULL QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _row) = 1"
        )
    counted = con.execute(
        "SELECT (SELECT count(*) FROM pair_left), (SELECT count(*) FROM pair_right), "
        "(SELECT count(*) FROM pair_left JOIN pair_right USING (_key))"
    ).fetchone()
    assert counted is not None
    shared = [f for f in left.entity.fields if f in left.fields and f in right.fields and f not in left.entity.key]
    equal = _equal(con, shared)
    pairs = []
    for field in shared:
        types = [natives[i].get(b.column(field), "computed") for i, b in enumerate((left, right))]
        units = [_unit(b, field) for b in (left, right)]
        convertible = all(_fits(t, left.entity.fields[field]) for t in types)
        overlap = _domain_overlap(con, field)
        pairs.append(FieldPair(field, types[0], types[1], units[0], units[1], convertible, int(counted[2]), equal[field], overlap))
    return Pair(left.system, right.system, left.entity.name, flow, int(counted[0]), int(counted[1]), int(counted[2]), tuple(pairs))


def _equal(con: duckdb.DuckDBPyConnection, fields: Sequence[str]) -> dict[str, int]:
    """Keys both hold with the same value, per field."""
    if not fields:
        return {}
    same = (f"count(*) FILTER (WHERE l.{quote(f)}::VARCHAR IS NOT DISTINCT FROM r.{quote(f)}::VARCHAR)" for f in fields)
    found = con.execute(f"SELECT {', '.join(same)} FROM pair_left AS l JOIN pair_right AS r USING (_key)").fetchone()
    assert found is not None
    return dict(zip(fields, map(int, found), strict=True))


def _domain_overlap(con: duckdb.DuckDBPyConnection, field: str) -> float | None:
    """Different values both sides hold / different values of the smaller side; ``None`` above ``DOMAIN`` values."""
    name = quote(field)
    left, right = (f"SELECT DISTINCT {name}::VARCHAR AS v FROM {t} WHERE {name} IS NOT NULL" for t in ("pair_left", "pair_right"))
    counts = (f"(SELECT count(*) FROM {part})" for part in (f"({left})", f"({right})", f"({left}) JOIN ({right}) USING (v)"))
    found = con.execute(f"SELECT {', '.join(counts)}").fetchone()
    assert found is not None
    smaller, larger = sorted((int(found[0]), int(found[1])))
    return int(found[2]) / smaller if smaller and larger <= DOMAIN else None


def _unit(bound: BoundRows, field: str) -> str:
    mapping, declared = bound.binding.fields[field], bound.entity.fields[field]
    if declared.type in ("timestamp", "date"):
        return mapping.timezone or "UTC"
    return mapping.unit or declared.unit


def _fits(native: str, declared: Field) -> bool:
    """Whether a system's declared type can hold the canonical one without loss; texts can hold all, a date no time of day."""
    word = native.lower()
    type_ = CanonicalType.parse(declared.type)
    if type_.name == "timestamp":
        return "date" not in word or "time" in word
    if type_.name in ("integer", "number", "double"):
        whole = any(w in word for w in ("int", "serial"))
        return not (whole and type_.name == "double") and "bool" not in word and "date" not in word
    return True
