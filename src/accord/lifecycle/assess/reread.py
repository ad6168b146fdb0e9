"""Accuracy of the assessment: a random sample of what was recorded is read again from the systems and compared."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import Connector
from accord.connectors.types import literal, quote
from accord.lifecycle.observe import BoundRows, Observation, observe
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store

BINDINGS = 5
CELLS = 25


@dataclass(frozen=True)
class Reread:
    """How many facts were read again, how many were as recorded, and the first that were not."""

    sampled: int
    confirmed: int
    differing: tuple[str, ...]


def read_again(
    observed: Observation,
    integration_map: IntegrationMap,
    connectors: Mapping[str, Connector],
    store: Store,
    *,
    now: datetime,
    seed: int = 0,
) -> Reread:
    """Read up to ``BINDINGS`` bindings again and compare their row counts and ``CELLS`` cells of each.

    Args:
        observed: what was recorded.
        integration_map: the map.
        connectors: by system; they are asked anew.
        store: as for ``observe``.
        now: the same.
        seed: chooses the sample; the same seed chooses the same places.
    """
    rng = random.Random(seed)  # noqa: S311 - a sample, not a secret
    chosen = rng.sample(observed.bound, min(BINDINGS, len(observed.bound)))
    flows: dict[str, Flow] = {}
    for bound in chosen:
        if bound.entity.identity is not None:  # who a row is takes all that is known to see
            flows[bound.flow.name] = bound.flow
            continue
        kept = flows.get(bound.flow.name, replace(bound.flow, bindings={}))
        flows[bound.flow.name] = replace(kept, bindings={**kept.bindings, bound.binding.name: bound.binding})
    sampled, confirmed, differing = 0, 0, []
    with borrowed_duck() as con:
        anew = observe(integration_map, connectors, con, store, now=now, flows=flows)
        fresh = {(b.flow.name, b.binding.name): b for b in anew.bound}
        for bound in chosen:
            again = fresh.get((bound.flow.name, bound.binding.name))
            facts = {"rows": (str(bound.rows), str(again.rows) if again else None)}
            fields = rng.sample([f for f in bound.fields if f not in bound.entity.key], min(3, len(bound.fields) - len(bound.entity.key)))
            cells = _cells(anew, again, fields, seed) if again else {}
            facts |= {place: (value, cells.get(place)) for place, value in _cells(observed, bound, fields, seed).items()}
            for place, (before, after) in facts.items():
                sampled += 1
                if before == after:
                    confirmed += 1
                else:
                    differing.append(f"{bound.label} {place}: recorded {before}, read again {after}")
    return Reread(sampled, confirmed, tuple(differing[:10]))


def _cells(observed: Observation, bound: BoundRows, fields: list[str], seed: int) -> dict[str, str]:
    if not set(bound.entity.key) <= set(bound.fields):
        return {}
    found: dict[str, str] = {}
    for field in fields:
        rows = observed.con.execute(
            "SELECT k, coalesce(v, 'empty') "
            f"FROM (SELECT {bound.key_sql} AS k, min({quote(field)}::VARCHAR) AS v FROM {bound.table} GROUP BY 1) "
            f"WHERE k IS NOT NULL ORDER BY hash(k || {literal(str(seed))}), k LIMIT {CELLS // max(len(fields), 1)}"
        ).fetchall()
        found |= {f"{field} of {key}": str(value) for key, value in rows}
    return found
