"""A first map of systems that nobody has described yet: what two of them hold alike becomes an entity, and a flow between them.

Rows decide, as they do for ``accord design``: two tables are copies of one thing where a key joins them and their other columns say the
same about the rows that meet; small and empty ones go by their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import duckdb

from accord.connectors.protocol import Connector
from accord.connectors.types import quote
from accord.connectors.unreadable import rows_alone
from accord.lifecycle.design.inference import KEY_WORDS, infer_field, infer_key
from accord.lifecycle.design.matching import Match, match_resource
from accord.lifecycle.design.names import name_similarity, words
from accord.lifecycle.design.profile import ColumnProfile, profile
from accord.lifecycle.design.proposed_map import entity_name, identifier
from accord.model.entity import Entity, Field
from accord.model.errors import NOWHERE, AccordError, MapError
from accord.model.flow import Binding, Direction, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import ResourceDescription, System
from accord.model.units import factor

SAMPLE_ROWS = 100_000
_SHARE = 0.5  # of the columns of the smaller table that must be in the other one, too
_EVIDENCE = 0.6  # mean over the columns that were compared row by row
_CERTAIN = 0.9  # share of rows that a conversion explains
_SAME_NAME = 0.85
_SURE = 1.9  # of 2: nothing better is looked for
_CLEARLY = 1.03  # times as sure as what is believed more readily
_LIKE_A_KEY = KEY_WORDS | {"email", "mail"}  # tried before the others
_DIGITS = re.compile(r"[0+][0-9]")  # a number would lose what these begin with


@dataclass(frozen=True)
class Starter:
    """A map to begin with, and what somebody who knows the systems has to look at."""

    map: IntegrationMap
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Seen:
    """A table or file as found: a sample of its rows, and its columns by the name a field would have."""

    system: str
    resource: ResourceDescription
    rows: str
    columns: Mapping[str, ColumnProfile]
    names: Mapping[str, str]
    types: Mapping[str, str]
    key: tuple[str, ...]
    writable: bool

    @property
    def label(self) -> str:
        return f"{self.system}/{self.resource.name}"


@dataclass
class _Thing:
    """What may be one entity: where it was met first, and each further place."""

    first: _Seen
    key: tuple[str, ...]
    others: list[tuple[_Seen, dict[str, FieldMapping]]] = field(default_factory=list)

    def entity(self, key: tuple[str, ...]) -> Entity:
        fields = {n: Field(n, type=self.first.types[n]) for n in self.first.names}
        return Entity(entity_name(self.first.resource.name), key, fields)


def start_map(
    name: str,
    systems: Mapping[str, System],
    connectors: Mapping[str, Connector],
    con: duckdb.DuckDBPyConnection,
    progress: Callable[[str], None],
) -> Starter:
    """Look at every table of the systems and propose a map.

    Args:
        name: of the map.
        systems: as the map is to name them; the first one that holds a value is its authority, as where a map says nothing.
        connectors: by system; only read.
        con: where the samples are put, the first ``SAMPLE_ROWS`` rows of each table.
        progress: told what is looked at.

    Raises:
        SystemUnreachable, DataRefused: a system cannot be looked at.
    """
    notes: list[str] = []
    things: list[_Thing] = []
    for system in systems:
        progress(f"looking at {system}")
        for seen in _look(connectors[system], con, notes):
            if not _joins(con, things, seen, notes):
                things.append(_Thing(seen, seen.key))
    shared = [thing for thing in things if thing.others]
    alone = [thing for thing in things if not thing.others]
    if shared and alone:
        notes.append("held by one system alone, and so left out: " + ", ".join(thing.first.label for thing in alone))
    elif alone:
        notes.append("no two systems hold the same rows; each table with a key is only read")
    entities: dict[str, Entity] = {}
    flows: dict[str, Flow] = {}
    for thing in shared or alone:
        if thing.key:
            _declare(thing, entities, flows, notes)
        else:
            notes.append(f"{thing.first.label} has no column that tells its rows apart, and is left out")
    return Starter(IntegrationMap(name, systems=dict(systems), entities=entities, flows=flows), tuple(notes))


def _look(connector: Connector, con: duckdb.DuckDBPyConnection, notes: list[str]) -> list[_Seen]:
    found = []
    system = connector.system.name
    described = connector.describe()
    if not described.resources:
        notes.append(f"{system} shows no tables" + ("; name its collections under resources:" if described.connector == "rest" else ""))
    for resource in described.resources:
        label = f"{system}/{resource.name}"
        table = quote(f"sample of {label}")
        try:
            if not resource.readable:
                raise MapError("this user may not read it")
            rows = rows_alone(con, connector.scan(con, resource.name))
            con.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM ({rows}) LIMIT {SAMPLE_ROWS}")
        except (AccordError, duckdb.Error) as error:
            notes.append(f"{label} is left out: {str(error).splitlines()[0]}")
            continue
        columns = profile(con, table)
        names = {identifier(column): column for column in columns}
        if len(names) < len(columns):
            notes.append(f"{label} is left out: two of its columns would be called alike")
            continue
        by_field = {n: replace(columns[c], name=n) for n, c in names.items()}
        types = {n: _type(connector, resource, columns[c]) for n, c in names.items()}
        declared = tuple(identifier(c) for c in resource.key)
        key = declared if declared and set(declared) <= set(names) else infer_key(by_field, resource.name)
        view = quote(f"fields of {label}")
        con.execute(f"CREATE TEMP VIEW {view} AS SELECT {', '.join(f'{quote(c)} AS {quote(n)}' for n, c in names.items())} FROM {table}")
        writable = resource.writable and connector.capabilities.write
        found.append(_Seen(system, resource, view, by_field, names, types, key, writable))
    return found


def _type(connector: Connector, resource: ResourceDescription, found: ColumnProfile) -> str:
    """What the system declares; where it declares nothing, what the values read as, unless that would cost them a zero in front."""
    declared = resource.column(found.name)
    if connector.capabilities.typed and declared is not None:
        return str(declared.type)
    if found.type in ("integer", "number") and any(_DIGITS.match(value) for value in found.sketch):
        return "text"
    return found.type


def _joins(con: duckdb.DuckDBPyConnection, things: Sequence[_Thing], seen: _Seen, notes: list[str]) -> bool:
    """Whether a table is one more place of something met before in other systems, which is noted with it."""
    best: tuple[float, _Thing, tuple[str, ...], tuple[Match, ...]] | None = None
    able = [thing for thing in things if seen.system not in {thing.first.system, *(other.system for other, _ in thing.others)}]
    for thing in sorted(able, key=lambda thing: -_named_alike(thing, seen)):
        if best is not None and best[0] >= _SURE:
            break  # each pair of tables costs some tens of milliseconds
        for key in _keys(thing):
            if not _may_meet(thing, seen, key):
                continue
            entity = thing.entity(key)
            matches = match_resource(
                con, entity, seen.resource.name, seen.rows, reference=thing.first.rows, columns=seen.columns, fields=thing.first.columns
            )
            worth = _worth(thing, seen, key, matches)
            if worth and (best is None or worth > best[0] * _CLEARLY):
                best = (worth, thing, key, matches)
    if best is None:
        return False
    _, thing, key, matches = best
    if key != thing.key:
        instead = f", and not {', '.join(thing.key)}" if thing.key else ""
        notes.append(f"{thing.first.label} and {seen.label} meet by {key[0]}, so that is the key{instead}")
        thing.key = key
    own = {m for m in matches if m.field not in key and (m.field in thing.first.key or m.column in seen.key)}  # each system's own numbers
    mapped = [(match, _mapping(thing, seen, match, notes)) for match in matches if match not in own]
    thing.others.append((seen, {match.field: mapping for match, mapping in mapped if mapping is not None}))
    return True


def _keys(thing: _Thing) -> list[tuple[str, ...]]:
    """Its key; until it was met twice, any other column that tells its rows apart, too, in the order in which they are believed.

    A whole number as key is often one that the system counts for itself, which no other system knows, and which meets theirs by chance.
    """
    if thing.others:
        return [thing.key] if thing.key else []
    columns = thing.first.columns
    able = [n for n, c in columns.items() if (n,) != thing.key and c.unique and c.filled == c.rows and c.type in ("text", "uuid")]
    called: list[tuple[str, ...]] = [(n,) for n in able if _LIKE_A_KEY & set(words(n))]
    counted = len(thing.key) == 1 and columns[thing.key[0]].type == "integer"
    own = [thing.key] if thing.key else []
    return [*(called + own if counted else own + called), *((n,) for n in able if (n,) not in called)]


def _may_meet(thing: _Thing, seen: _Seen, key: tuple[str, ...]) -> bool:
    """Whether a look at all rows is worth it: columns that share values share some of those that were sampled by their hash."""
    known = [thing.first.columns[k].sketch for k in key]
    return all(any(k & c.sketch for c in seen.columns.values()) for k in known) or _named_alike(thing, seen) >= _SAME_NAME


def _named_alike(thing: _Thing, seen: _Seen) -> float:
    return name_similarity(thing.first.resource.name.split(".")[-1], seen.resource.name.split(".")[-1])


def _worth(thing: _Thing, seen: _Seen, key: tuple[str, ...], matches: Sequence[Match]) -> float:
    """0..2: how sure it is that both hold the same things; 0 for no."""
    fields = {match.field for match in matches}
    share = len(matches) / max(1, min(len(thing.first.columns), len(seen.columns)))
    if len(matches) < 2 or share < _SHARE or not fields >= set(key):
        return 0.0
    keyed = {match.field: match.column for match in matches}
    if any(seen.columns[keyed[k]].rows > seen.columns[keyed[k]].distinct for k in key if len(key) == 1):
        return 0.0  # it would not tell the rows apart there
    compared = [match.aligned.evidence for match in matches if match.aligned is not None and match.field not in key]
    if compared:
        evidence = sum(compared) / len(compared)
        return 1.0 + evidence * share if evidence >= _EVIDENCE else 0.0
    few = min(max((c.rows for c in s.columns.values()), default=0) for s in (thing.first, seen)) < 20
    alike = _named_alike(thing, seen) >= _SAME_NAME
    return share if alike and (few or len(key) > 1) and all(match.name >= _SAME_NAME for match in matches if match.field in key) else 0.0


def _mapping(thing: _Thing, seen: _Seen, match: Match, notes: list[str]) -> FieldMapping | None:
    """How a field stands in a further place; ``None`` where only a person can say what the difference means."""
    column, pair = seen.names[match.column], match.aligned
    plain = FieldMapping(match.field, column=column)
    if pair is None or pair.equal >= _SHARE or match.field in thing.key:
        return plain
    where = f"{seen.label}, {column}"
    if pair.codes_share >= _CERTAIN:
        notes.append(f"{where}: its codes were read from the rows that meet; look whether some are missing")
        codes, values = seen.columns[match.column].values, thing.first.columns[match.field].values
        return replace(plain, codes={_as_held(code, codes): _as_held(value, values) for code, value in pair.codes})
    if pair.factor_share >= _CERTAIN:
        here, there = infer_field(seen.columns[match.column]).field.unit, infer_field(thing.first.columns[match.field]).field.unit
        if here and there and _is_factor(here, there, pair.factor):
            return replace(plain, unit=here)
        notes.append(f"{where} is left out: {match.field} of {thing.first.label} is {pair.factor:g} times that; give both a unit:")
        return None
    if pair.offset_share >= _CERTAIN and pair.offset_seconds:
        hours = pair.offset_seconds / 3600
        notes.append(f"{where} is left out: {match.field} of {thing.first.label} is {hours:+g} h from that; give its timezone:")
        return None
    return plain


def _as_held(text: str, values: Sequence[str]) -> str:
    """A value as its column spells it; compared it was as a number, if it reads as one."""
    if text in values:
        return text
    try:
        return next((value for value in values if float(value) == float(text)), text)
    except ValueError:
        return text


def _is_factor(here: str, there: str, wanted: float) -> bool:
    try:
        return factor(here, there, place=NOWHERE) == Fraction(wanted).limit_denominator(100_000)
    except MapError:
        return False


def _declare(thing: _Thing, entities: dict[str, Entity], flows: dict[str, Flow], notes: list[str]) -> None:
    first = thing.first
    met = set().union(*(mapped for _, mapped in thing.others)) if thing.others else set(first.names)
    kept = [n for n in first.names if n in met or n in thing.key]
    if left := [first.names[n] for n in first.names if n not in kept]:
        notes.append(f"{first.label}: no other system holds {', '.join(left)}")
    name = _free(entity_name(first.resource.name), entities, first.system)
    fields = {n: _field(thing, n) for n in kept}
    entities[name] = Entity(name, thing.key, fields)
    here = {n: FieldMapping(n, column=first.names[n]) for n in kept}
    way: Direction = "both" if first.writable and thing.others else "read"
    bindings = {first.system: Binding(first.system, first.resource.name, here, direction=way)}
    for seen, mapped in thing.others:
        in_order = {n: mapped[n] for n in kept if n in mapped}
        bindings[seen.system] = Binding(seen.system, seen.resource.name, in_order, direction="both" if seen.writable else "read")
    if thing.others and all(b.direction == "read" for b in bindings.values()):
        notes.append(f"{name}: none of its systems can be written, so this flow only shows whether they agree")
    flow = _free(identifier(first.resource.name), flows, first.system)
    flows[flow] = Flow(flow, name, bindings)


def _field(thing: _Thing, name: str) -> Field:
    places = [(thing.first, name)]
    for seen, mapped in thing.others:
        if name in mapped and not mapped[name].codes:
            places.append((seen, identifier(mapped[name].column)))
    types = [seen.types[own] for seen, own in places]
    inferred = infer_field(thing.first.columns[name]).field
    units = any(mapped[name].unit for _, mapped in thing.others if name in mapped)
    type_ = "text" if "text" in types else types[0]
    return Field(
        name,
        type="number" if units and type_ == "double" else type_,  # an hour as minutes and back is the same in decimals only
        required=name in thing.key,
        unit=inferred.unit if units else "",
        personal=inferred.personal,
    )


def _free(name: str, taken: Mapping[str, object], system: str) -> str:
    return name if name not in taken else f"{name}_in_{system}"
