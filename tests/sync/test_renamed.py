"""A flow that gets another name in the map goes on where it was, and never begins anew without a word."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from accord.model.errors import GuardStopped
from accord.sync.apply.plan import apply_plan, check_plan, plan_flow
from accord.sync.merge.conflict_list import lost_values, open_conflicts
from accord.sync.merge.decide import decide

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def rename(world: Any, name: str, said: str) -> None:
    """Give the only flow another name in the map, as people do."""
    (flow,) = world.map.flows.values()
    world.map = replace(world.map, flows={name: replace(flow, name=name, renamed_from=said)})
    world.flow = name


@pytest.fixture
def agreed(two: Any) -> Any:
    """Systems a and b that agree on two rows; then b edits one of them, and deletes the other."""
    two.sql("a", "INSERT INTO things VALUES ('1', 'Mia', 1), ('2', 'Sam', 2)")
    two.sync()
    two.sql("b", "UPDATE things SET name = 'Mia B' WHERE id = '1'")
    two.sql("b", "DELETE FROM things WHERE id = '2'")
    return two


def test_a_renamed_flow_goes_on_from_what_was_agreed(agreed: Any) -> None:
    """As a first contact, a's old name would win over b's edit, and the row deleted in b would come back."""
    rename(agreed, "items", "things")

    result = agreed.sync()

    assert agreed.rows("a") == agreed.rows("b") == {"1": ("Mia B", 1)}
    assert (result.counts["updated"], result.counts["deleted"], result.counts["conflicts"]) == (1, 1, 0)
    assert (agreed.store.flow_state("things"), agreed.reconcile().agrees, agreed.sync().changed) == ({}, True, False)
    (told,) = agreed.store.read(types=["flow.renamed"])
    assert (told.event.attributes["flow"], told.event.attributes["from"]) == ("items", "things")
    before = [agreed.store.table(name) for name in ("flow_state", "flow_status", "intent")]
    agreed.store.rebuild()
    assert [agreed.store.table(name) for name in ("flow_state", "flow_status", "intent")] == before


def test_a_flow_that_looks_renamed_is_stopped_before_anything_is_written(agreed: Any) -> None:
    """The map does not say whether it is the same flow; whoever edited it knows."""
    rename(agreed, "items", "")

    for dry_run in (True, False):
        with pytest.raises(GuardStopped, match=r"\(a, b\).* renamed_from: things"):
            agreed.sync(dry_run=dry_run)

    assert agreed.rows("b") == {"1": ("Mia B", 1)}


@pytest.mark.prove
def test_a_flow_that_is_said_to_be_new_begins_anew(agreed: Any) -> None:
    """The way out for another flow over the same systems: a first contact, in which a's values hold."""
    rename(agreed, "items", "none")

    agreed.sync()

    assert agreed.rows("a") == agreed.rows("b") == {"1": ("Mia", 1), "2": ("Sam", 2)}


def test_a_plan_under_the_new_name_tells_what_will_be_done_and_moves_nothing(agreed: Any) -> None:
    """A look must not leave a trace, and its plan can be carried out."""
    rename(agreed, "items", "things")
    before = agreed.store.head().seq

    plan, result = plan_flow(agreed.map, "items", agreed.connectors, agreed.store, run="look", now=NOW)

    assert (agreed.store.head().seq, result.flow, plan.flow, plan.writes) == (before, "items", "items", 2)
    assert "was called 'things'" in " ".join(f.sentence for f in result.findings)
    check_plan(agreed.map, plan, agreed.connectors, agreed.store, run="check", now=NOW)
    apply_plan(agreed.map, plan, agreed.connectors, agreed.store, run="apply", now=NOW)
    assert agreed.rows("a") == agreed.rows("b") == {"1": ("Mia B", 1)}


def test_what_waits_for_people_and_what_a_cut_off_run_meant_goes_along(two: Any) -> None:
    """A decision made under the old name is carried out under the new one; nothing is decided again, and what lost stays on record."""
    (flow,) = two.map.flows.values()
    two.map = replace(two.map, flows={"things": replace(flow, authority={"name": "human"})})
    two.sql("a", "INSERT INTO things VALUES ('1', 'Mia', 1), ('2', 'Sam', 2)")
    two.sync()
    two.sql("a", "UPDATE things SET name = 'x' WHERE id = '1'")
    two.sql("b", "UPDATE things SET name = 'y' WHERE id = '1'")
    two.sync()
    (task,) = open_conflicts(two.store, ["things"])
    decide(two.map, two.connectors, two.store, task.id, take="b", by="ann", run="ask", now=NOW)
    two.sql("b", "UPDATE things SET size = 9 WHERE id = '2'")
    two.crash("reading back a")
    rename(two, "items", "things")

    two.sync()

    assert two.rows("a") == two.rows("b") == {"1": ("y", 1), "2": ("Sam", 9)}
    assert open_conflicts(two.store, ["things", "items"]) == []
    assert sorted((v.loser, v.losing_value, v.rule) for v in lost_values(two.store, ["items"])) == [
        ("a", "x", "decided"),
        ("a", "x", "human"),
        ("b", "y", "human"),
    ]
    assert two.store.pending_intents("things") == two.store.pending_intents("items") == ()
    assert not two.sync().changed
