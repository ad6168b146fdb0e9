"""Under which name the store keeps what a flow remembers: until the first run under a new name, the one it had before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from accord.model.flow import RENAMED_FROM_NONE
from accord.model.integration_map import IntegrationMap
from accord.store import Store

KEPT: Final = "SELECT flow FROM flow_state UNION SELECT flow FROM live_change UNION SELECT flow FROM intent WHERE closed_seq IS NULL"
# Of one flow, by the indexes: every run asks, and intents of the past are many.
OF_ONE: Final = """
    SELECT 1 FROM flow_state WHERE flow = ? UNION ALL SELECT 1 FROM live_change WHERE flow = ?
    UNION ALL SELECT 1 FROM intent WHERE flow = ? AND closed_seq IS NULL LIMIT 1"""


def kept_as(map: IntegrationMap, store: Store) -> Mapping[str, str]:  # noqa: A002 - the word of the glossary
    """Flow → the name it had, for each of which the map says that it was renamed and no run has taken over yet what stands there."""
    renamed = [f for f in map.flows.values() if f.renamed_from not in ("", RENAMED_FROM_NONE) and f.renamed_from not in map.flows]
    return {f.name: f.renamed_from for f in renamed if not keeps(store, f.name) and keeps(store, f.renamed_from)}


def keeps(store: Store, flow: str) -> bool:
    """Whether the store keeps something under this name."""
    return bool(store.rows(OF_ONE, flow, flow, flow))
