"""What still stands: the open findings, without those that a later proof of agreement has settled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from accord.model.integration_map import IntegrationMap
from accord.store import Store

# Nothing but a difference between systems: once every system of the flow agrees, it is gone.
DISAGREEMENTS = ("missing_record", "stale_field")
# A wrong value. Agreement alone does not settle it, as systems can agree on a wrong value; it does where the system only receives,
# because then the value was replaced by the one of the system that decides.
WRONG_VALUES = ("bad_code", "bad_format", "bad_value", "missing_value", "out_of_range", "time_zone_error", "unit_error")


def proofs(store: Store) -> dict[str, tuple[int, bool]]:
    """Per flow, the last reconciliation: its sequence number in the log, and whether every pair agreed."""
    last = {}
    for stored in store.read(types=["flow.reconciled"]):
        body = stored.event.attributes
        agrees = all(not (p["missing"] or p["extra"] or p["different"]) for p in body["pairs"])
        last[str(body["flow"])] = (stored.seq, agrees)
    return last


def standing_findings(store: Store, integration_map: IntegrationMap) -> tuple[dict[str, Any], ...]:
    """The open findings, without the defects that a later synchronization and its proof have settled.

    Rows that were kept back in quarantine are not part of a proof; they stand as findings of their own. ``detail`` is the object it was
    recorded with, not its JSON.
    """
    proven = proofs(store)
    rows = []
    for row in store.table("finding").to_pylist():
        detail = json.loads(row["detail"])
        seq, agrees = proven.get(str(detail.get("flow", "")), (0, False))
        settled = agrees and seq > row["last_seq"] and _settles(row["kind"], str(row["subject"]), detail, integration_map)
        if not settled:
            rows.append(row | {"detail": detail})
    return tuple(rows)


def _settles(kind: str, subject: str, detail: Mapping[str, Any], integration_map: IntegrationMap) -> bool:
    if kind in DISAGREEMENTS:
        return True
    flow = integration_map.flows.get(str(detail.get("flow", "")))
    if kind not in WRONG_VALUES or flow is None:
        return False
    places = {f"{b.holder}/{b.resource}": b.direction for b in flow.bindings.values()}
    # The subject of such a finding is system/resource.field; a resource may have a dot in its name.
    return any(direction == "write" and subject.startswith(f"{place}.") for place, direction in places.items())
