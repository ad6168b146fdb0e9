"""The integration map with its lines colored by what the last reconciliation of each flow found."""

from __future__ import annotations

from collections.abc import Mapping

from accord.lifecycle.titles import counted
from accord.model.integration_map import IntegrationMap
from accord.report.document import Picture
from accord.report.maps import EdgeStatus, integration_map_picture
from accord.store import Store


def agreement(store: Store, integration_map: IntegrationMap, failed: Mapping[str, str] | None = None) -> dict[tuple[str, str], EdgeStatus]:
    """The state of each binding by (flow, binding), from the last reconciliation of its flow.

    A binding is *bad* when it differs from another system of its flow on some key, *warning* when it agrees but rows of it wait in
    quarantine, and *good* otherwise. One that was never compared has no state.

    Args:
        store: the event log.
        integration_map: the map.
        failed: flows that did not run this time, with the reason in a word or two.
    """
    status: dict[tuple[str, str], EdgeStatus] = {}
    for stored in store.read(types=["flow.reconciled"]):
        body = stored.event.attributes
        flow = integration_map.flows.get(str(body["flow"]))
        for binding in flow.bindings if flow else ():
            pairs = [p for p in body["pairs"] if binding in (p["left"], p["right"])]
            if not pairs:
                status.pop((str(body["flow"]), binding), None)
                continue
            differing = sum(int(p["missing"]) + int(p["extra"]) + int(p["different"]) for p in pairs)
            waiting = int(body.get("quarantined", {}).get(binding, 0))
            if differing:
                found = EdgeStatus(f"{differing:,} differ", "bad")
            elif waiting:
                found = EdgeStatus(f"{waiting:,} kept back", "warning")
            else:
                found = EdgeStatus(counted(max(int(p["keys"]) for p in pairs), "key"), "good")
            status[str(body["flow"]), binding] = found
    for name, word in (failed or {}).items():
        for binding in integration_map.flows[name].bindings:
            status[name, binding] = EdgeStatus(word, "bad")
    return status


def agreement_map(store: Store, integration_map: IntegrationMap, failed: Mapping[str, str] | None = None) -> Picture:
    """The integration map with, on each line, the keys that agree, differ, or are kept back in quarantine."""
    status = agreement(store, integration_map, failed)
    return integration_map_picture(integration_map, status, title="Which systems agree on what, as compared last")
