"""The rows KPIs are measured on before anything was synchronized: what the systems hold now, merged by authority."""

from __future__ import annotations

from datetime import datetime

from accord.connectors.types import quote
from accord.lifecycle.assess.agreement import authority_rank
from accord.lifecycle.observe import BoundRows, Observation
from accord.model.event import Event, ObjectRef
from accord.model.flow import Flow
from accord.store import Store
from accord.sync.judge.validate import accepted_view, find_bad


def record_observed(observed: Observation, store: Store, *, run: str, now: datetime) -> tuple[str, ...]:
    """Write each flow's rows as seen now as a segment, named by an ``entity.observed`` event.

    Rows that break their contract are left out, as a synchronization would; of several systems the most believed one that has a value
    gives it. A flow that has been synchronized has agreed rows and is left alone, and so is one whose rows are as last observed.

    Returns:
        The flows for which an event was written.
    """
    newest = {str(e.event.attributes["flow"]): str(e.event.attributes["sha"]) for e in store.read(types=["entity.observed"])}
    written = []
    for flow in dict.fromkeys(b.flow.name for b in observed.bound):
        bound = [b for b in observed.of_flow(flow) if b.binding.direction != "write" and set(b.entity.key) <= set(b.fields)]
        if not bound or "golden" in store.flow_state(flow):
            continue
        segment = store.write_segment_from(observed.con, _merged(observed, bound[0].flow, bound))
        if newest.get(flow) == segment.sha:
            continue
        entity = bound[0].entity.name
        attributes = {"entity": entity, "flow": flow, "sha": segment.sha, "rows": segment.rows, "run": run}
        store.append(
            [
                Event(
                    f"observed:{flow}:{run}:{segment.sha[:16]}",
                    "entity.observed",
                    now,
                    "lifecycle.assess",
                    attributes,
                    (ObjectRef("flow", flow),),
                )
            ]
        )
        written.append(flow)
    return tuple(written)


def _merged(observed: Observation, flow: Flow, bound: list[BoundRows]) -> str:
    """SQL of one row a key: each field from the most believed binding that has a value for it."""
    con, entity = observed.con, bound[0].entity
    references: dict[str, str] = {}
    for name, field in entity.fields.items():
        if field.references:
            target = quote(f"keys of {field.references}")
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE {target} AS SELECT key AS k FROM known_key WHERE entity = '{field.references.split('.')[0]}'"
            )
            held = con.execute(f"SELECT 1 FROM {target} LIMIT 1").fetchone()
            references |= {name: target} if held else {}
    keys = ", ".join(quote(k) for k in entity.key)
    rest = [f for f in entity.fields if f not in entity.key]
    parts = []
    for one in bound:
        assert one.side is not None
        captured, bad = one.side.table("cap"), f"refused_{one.side.index}"
        find_bad(con, entity, one.side.codes, captured, bad, references)
        ranks = {f: authority_rank(flow, f, [b for b in bound if f in b.fields]).index(one.binding.name) for f in rest if f in one.fields}
        values = "".join(
            f", {quote(f) if f in one.fields else 'NULL'} AS {quote(f)}, {ranks.get(f, 99)} AS {quote('rank of ' + f)}" for f in rest
        )
        parts.append(f"SELECT {keys}{values} FROM ({accepted_view(captured, bad)})")
    merged = "".join(f", arg_min({quote(f)}, {quote('rank of ' + f)}) AS {quote(f)}" for f in rest)
    return f"SELECT {keys}{merged} FROM ({' UNION ALL BY NAME '.join(parts)}) GROUP BY {keys} ORDER BY {keys}"
