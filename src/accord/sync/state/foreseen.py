"""What flows would agree on: of several that are planned together, each rests on what those before it will have agreed on by then."""

from __future__ import annotations

from accord.connectors.types import literal
from accord.model.entity import Entity
from accord.model.figure import Finding
from accord.model.integration_map import IntegrationMap
from accord.sync.cycle import Ahead, Cycle, names
from accord.sync.state.finish import golden_rows


def foresee(cycle: Cycle) -> Ahead | None:
    """How the rows agreed on would change by what was just decided, as far as other flows ask; ``None``: not at all."""
    asked = _fields_asked(cycle.map, cycle.entity)
    if not asked:
        return None
    fields, keys = names((*cycle.keys, *(f for f in asked if f not in cycle.keys))), names(cycle.keys)
    rows = f"({golden_rows(cycle, 'true')})"
    came = cycle.con.execute(f"SELECT {fields} FROM {rows} EXCEPT SELECT {fields} FROM golden0").to_arrow_table()
    decided = "(SELECT * FROM merged WHERE NOT _held)"
    lost = f"SELECT {keys} FROM golden0 SEMI JOIN {decided} {cycle.using()} ANTI JOIN {rows} {cycle.using()}"
    gone = cycle.con.execute(lost).to_arrow_table()
    if not (came.num_rows or gone.num_rows):
        return None
    # Keys of its own are linked while it runs, and some are given by systems then.
    return Ahead(came, gone, known=cycle.entity.identity is None)


def asks_all_again(cycle: Cycle) -> bool:
    """Whether what is foreseen says something about rows that nobody touched and that do not wait."""
    for name, ahead in cycle.foreseen.items():
        flow = cycle.map.flows[name]
        if ahead.known and flow.entity in _looked_up(cycle):
            return True
        agreed = cycle.store.flow_state(name).get("golden") or cycle.store.flow_state(flow.renamed_from).get("golden")
        if ahead.known and flow.entity in _pointed_at(cycle) and (ahead.gone.num_rows or not agreed):
            return True
    return False


def later_rows(cycle: Cycle) -> list[Finding]:
    """The rows that wait for what other flows agree on first, where that cannot be foreseen; after the quarantine was collected."""
    unknown = {cycle.map.flows[name].entity for name, ahead in cycle.foreseen.items() if not ahead.known}
    if not unknown or not cycle.rows("quarantine"):
        return []
    fields = {f.name for f in cycle.entity.fields.values() if f.references in unknown}
    fields |= {m.name for s in cycle.sides for m in s.binding.fields.values() if m.lookup is not None and m.lookup.entity in unknown}
    about = " OR ".join(f"starts_with(reason, {literal(f'{name}: ')})" for name in sorted(fields)) or "false"
    reasons = "SELECT key, unnest(reasons) AS reason FROM waiting WHERE key IS NOT NULL"
    keys = [str(key) for (key,) in cycle.sql(f"SELECT DISTINCT key FROM ({reasons}) WHERE {about} ORDER BY 1")]
    if not keys:
        return []
    first = " and ".join(f"'{name}'" for name, ahead in cycle.foreseen.items() if not ahead.known)
    what = f"{len(keys)} {'row waits' if len(keys) == 1 else 'rows wait'} for what is agreed in {first} first"
    sentence = f"flow '{cycle.flow.name}': {what}. One run takes them along; with plans, make a second one after this was applied."
    return [Finding(LATER, cycle.flow.name, sentence, "warning", len(keys), tuple(keys))]


LATER = "later_plan"
"""Kind of the finding of ``later_rows``; its examples are all keys."""


def _fields_asked(map_: IntegrationMap, entity: Entity) -> tuple[str, ...]:
    """The fields of an entity's agreed rows that other flows look at."""
    pointed = any(field.references == entity.name for other in map_.entities.values() for field in other.fields.values())
    lookups = [m.lookup for f in map_.flows.values() for b in f.bindings.values() for m in b.fields.values() if m.lookup is not None]
    asked = [name for lookup in lookups if lookup.entity == entity.name for name in (lookup.code, lookup.value) if name]
    return tuple(dict.fromkeys((*(entity.key if pointed or asked else ()), *asked)))


def _looked_up(cycle: Cycle) -> set[str]:
    return {m.lookup.entity for s in cycle.sides for m in s.binding.fields.values() if m.lookup is not None}


def _pointed_at(cycle: Cycle) -> set[str]:
    return {field.references for field in cycle.entity.fields.values() if field.references}
