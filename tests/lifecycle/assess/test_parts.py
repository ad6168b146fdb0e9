"""Gaps, architecture, baseline precision and units, each on the smallest map that shows it."""

from __future__ import annotations

from dataclasses import replace

from accord.lifecycle.assess.architecture import architecture_findings, describe_architecture
from accord.lifecycle.assess.baseline import precision
from accord.lifecycle.assess.gaps import find_gaps
from accord.lifecycle.assess.status import SystemStatus
from accord.lifecycle.assess.units import factors
from accord.model.entity import Entity, Field
from accord.model.figure import Figure
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.goals import Target
from accord.model.integration_map import IntegrationMap
from accord.model.process import Process, Step
from accord.model.system import ColumnDescription, ResourceDescription, System, SystemDescription
from accord.model.types import CanonicalType

TEXT = CanonicalType("text")
FIELDS = {"id": FieldMapping("id"), "name": FieldMapping("name", column="title")}
BINDINGS = {"a": Binding("a", "things", FIELDS), "b": Binding("b", "items", FIELDS, direction="write")}
MAP = IntegrationMap(
    "m",
    systems={n: System(n, "sqlite", n, owner="team") for n in ("a", "b", "c")},
    entities={"thing": Entity("thing", ("id",), {"id": Field("id", required=True), "name": Field("name")}, owner="team")},
    flows={"things": Flow("things", "thing", BINDINGS, owner="team")},
)


def _status(name: str, resource: str, *columns: str, writable: bool = True) -> SystemStatus:
    described = ResourceDescription(resource, tuple(ColumnDescription(c, "TEXT", TEXT) for c in columns), ("id",), 3, writable)
    return SystemStatus(MAP.systems[name], SystemDescription(name, "sqlite", (described,), 1.0))


def test_a_complete_map_has_no_gap() -> None:
    """A gap analysis that always finds something is not read."""
    found = find_gaps(MAP, [_status("a", "things", "id", "title"), _status("b", "items", "id", "title")], ())

    assert found.gaps == ()
    assert found.required > 5


def test_what_is_required_and_not_there_is_named_with_what_was_probably_meant() -> None:
    """A missing column stops a flow; the message must say which and what to do."""
    target = Target("t", "thruput")
    process = Process("p", steps={"s": Step("s")})
    wanting = replace(MAP, targets={"t": target}, processes={"p": process})

    found = find_gaps(
        wanting, [_status("a", "things", "id", "titel"), _status("b", "items", "id", "title", writable=False)], ("throughput",)
    )

    kinds = {(g.kind, g.subject) for g in found.gaps}
    assert {("missing_column", "a/things.title"), ("not_writable", "b/items"), ("no_team", "p.s"), ("no_sla", "p.s")} <= kinds
    assert {("no_handoffs", "p"), ("no_owner", "process p"), ("unknown_kpi", "target t")} <= kinds
    todos = {g.subject: g.todo for g in found.gaps}
    assert "did you mean 'titel'?" in todos["a/things.title"]
    assert "did you mean 'throughput'?" in todos["target t"]


def test_a_system_outside_every_flow_and_an_undecided_field_are_findings() -> None:
    """Both are decisions someone forgot to take."""
    shared = replace(MAP.flows["things"], bindings={**BINDINGS, "b": Binding("b", "items", FIELDS)})
    undecided = replace(MAP, flows={"things": shared})

    found = {f.kind: f.subject for f in architecture_findings(describe_architecture(undecided), undecided)}

    assert found == {"orphan_system": "c", "several_masters": "things"}
    assert {f.kind for f in architecture_findings(describe_architecture(MAP), MAP)} == {"orphan_system"}


def test_a_wide_interval_says_how_many_more_cases_it_needs() -> None:
    """Twice as wide as wanted needs four times the cases."""
    wide = precision(Figure("k", 100.0, "h", n=50, low=90.0, high=110.0))
    narrow = precision(Figure("k", 100.0, "h", n=50, low=96.0, high=104.0))

    assert (wide.value, wide.more) == (0.1, 150)
    assert narrow.more == 0
    assert precision(Figure("k", None, not_measured="no rows")).words == "not measured: no rows"


def test_factors_are_those_of_the_units_kind() -> None:
    """Hours are mistaken for minutes, euros for cents, and never the other way about."""
    assert 60.0 in factors("h")
    assert 60.0 not in factors("EUR")
    assert 100.0 in factors("EUR")
