"""What a flow carried under its earlier name counts from the moment it is renamed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from accord.measure import open_measure
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store


def test_a_renamed_flow_is_measured_before_its_first_run(
    store: Store, now: datetime, put: Callable[..., None], entity_map: Callable[..., IntegrationMap]
) -> None:
    """Empty figures after a rename look like lost data; another flow's rows under a name that is free again would be wrong ones."""
    put("clients", "golden", {"id": "text", "_gone": "boolean"}, [{"id": "1", "_gone": False}])
    made = entity_map({"thing": {"id": "text"}})
    renamed = replace(made, flows={"things": Flow("things", "thing", {}, renamed_from="clients")})
    taken = replace(made, flows={**renamed.flows, "clients": Flow("clients", "thing", {})})

    with open_measure(renamed, store, now=now) as measure:
        rows = measure.con.execute("SELECT id FROM entity_thing").fetchall()

    assert rows == [("1",)]
    with open_measure(taken, store, now=now) as measure:
        assert measure.sources.segments("things", "golden") == ()
