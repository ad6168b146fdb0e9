"""Proposals that no longer hold: what a row was mistaken for has changed, or the row is gone, and nobody has to decide."""

from __future__ import annotations

from accord.connectors.types import literal
from accord.sync.cycle import Cycle, names
from accord.sync.identity.links import PROPOSAL_ENDS, PROPOSALS, proposals_query


def withdraw(cycle: Cycle) -> None:
    """Add to ``proposals_gone`` what this flow asked about rows without an id, and has no reason to ask now; once new links are known.

    Other flows see other systems, and what people search for among all that is agreed is about ids: those are not judged here. A row that
    has an id by now settles what was asked about it by itself. The same question may come back.
    """
    query = proposals_query(cycle.store, cycle.entity.name)
    if not query:
        return
    ends = names(PROPOSAL_ENDS)
    holds = f"ANTI JOIN (SELECT {ends} FROM ends) USING ({ends})" if cycle.has("ends") else ""
    cycle.sql(
        f"""
        INSERT INTO proposals_gone BY NAME
        SELECT {names(c for c in PROPOSALS if c not in ("at", "withdrawn"))}, CAST($at AS TIMESTAMPTZ) AS "at", true AS withdrawn
        FROM ({query}) p {holds} WHERE flow = {literal(cycle.flow.name)} AND (left_resource <> '' OR right_resource <> '')
        AND NOT EXISTS (SELECT 1 FROM links l WHERE (l.resource, l.own_key) IN ((left_resource, left_key), (right_resource, right_key)))""",
        {"at": cycle.now},
    )
