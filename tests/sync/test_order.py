"""Flows run in an order in which references can be judged."""

from __future__ import annotations

from accord.model.entity import Entity, Field
from accord.model.flow import Binding, FieldMapping, Flow, Lookup
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.sync import flow_order


def organization(references: dict[str, str], priorities: dict[str, int] | None = None) -> IntegrationMap:
    """One flow per entity, each in system ``s``; ``references`` says which entity refers to which."""
    fields = {name: {"id": Field("id"), **({"ref": Field("ref", references=other)} if other else {})} for name, other in references.items()}
    entities = {name: Entity(name, ("id",), f) for name, f in fields.items()}
    flows = {f"{n}s": Flow(f"{n}s", n, {"s": Binding("s", n, {})}, priority=(priorities or {}).get(n, 0)) for n in references}
    return IntegrationMap("test", systems={"s": System("s", "sqlite", "s.db")}, entities=entities, flows=flows)


def test_parents_come_before_children_whatever_the_map_lists_first() -> None:
    """A child judged before its parent would wait in quarantine for a whole run."""
    assert flow_order(organization({"task": "deliverable", "deliverable": "campaign", "campaign": ""})) == (
        "campaigns",
        "deliverables",
        "tasks",
    )


def test_flows_that_do_not_depend_go_by_priority_then_by_the_map() -> None:
    """The foundation wave first."""
    assert flow_order(organization({"x": "", "y": "", "z": ""}, {"z": 1, "x": 3, "y": 3})) == ("zs", "xs", "ys")


def test_a_circle_of_references_falls_back_to_the_map_s_order() -> None:
    """Some order is better than none; the references are judged on the next run."""
    assert flow_order(organization({"x": "y", "y": "x"})) == ("xs", "ys")


def test_an_entity_may_refer_to_itself() -> None:
    """Parent tasks are tasks."""
    assert flow_order(organization({"x": "x"})) == ("xs",)


def test_a_table_of_codes_comes_before_the_flow_that_looks_them_up() -> None:
    """Codes of a table that is still empty would all be refused."""
    made = organization({"x": "", "y": ""})
    looked = FieldMapping("ref", lookup=Lookup("id", "id", entity="y"))
    flows = {**made.flows, "xs": Flow("xs", "x", {"s": Binding("s", "x", {"ref": looked})})}

    assert flow_order(IntegrationMap("test", systems=made.systems, entities=made.entities, flows=flows)) == ("ys", "xs")
