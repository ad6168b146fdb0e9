"""What breaks a contract, and whether its version says so."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from accord.mapfile.compatibility import compare_contracts, judge_contract
from accord.model.entity import AggregateCheck, Entity, Field, Rule
from accord.model.errors import UsageError
from accord.model.values import Duration

FIELDS = {
    "id": Field("id", required=True),
    "price": Field("price", "number(10,2)", unit="EUR", minimum="0", maximum="99.5", freshness=Duration(60)),
    "state": Field("state", values=("open", "done"), unique=True),
    "note": Field("note", pattern="[a-z]+", references="thing", at_most=3),
}
OLD = Entity(
    "item",
    ("id",),
    FIELDS,
    rules={"r": Rule("r", "price > 1")},
    checks={"c": AggregateCheck("c", "count(*)", at_least="1")},
    version="1.4.2",
)


def edited(field: str, **values: Any) -> Entity:
    return replace(OLD, fields={**FIELDS, field: replace(FIELDS[field], **values)})


CASES = [
    ("breaking", replace(OLD, key=("id", "state"))),
    ("breaking", replace(OLD, fields={k: v for k, v in FIELDS.items() if k != "note"})),
    ("compatible", replace(OLD, fields={**FIELDS, "extra": Field("extra")})),
    ("breaking", replace(OLD, fields={**FIELDS, "extra": Field("extra", required=True)})),
    ("compatible", edited("price", type="number(12,3)")),
    ("breaking", edited("price", type="number(10,3)")),
    ("breaking", edited("price", type="text")),
    ("breaking", edited("price", unit="USD")),
    ("breaking", edited("note", required=True)),
    ("breaking", edited("id", required=False)),
    ("compatible", edited("state", values=("open", "done", "gone"))),
    ("breaking", edited("state", values=("open",))),
    ("breaking", edited("note", values=("x",))),
    ("compatible", edited("state", values=())),
    ("breaking", edited("note", pattern="[a-c]+")),
    ("compatible", edited("note", pattern="")),
    ("breaking", edited("price", minimum="1")),
    ("compatible", edited("price", minimum="-1")),
    ("compatible", edited("price", maximum="100")),
    ("breaking", edited("price", maximum="9.5")),
    ("breaking", edited("state", unique=False)),
    ("breaking", edited("note", at_most=2)),
    ("compatible", edited("note", at_most=4)),
    ("compatible", edited("note", references="")),
    ("breaking", edited("note", references="other")),
    ("compatible", edited("state", severity="report")),
    ("compatible", edited("price", freshness=Duration(30))),
    ("breaking", edited("price", freshness=None)),
    ("editorial", edited("price", description="net")),
    ("compatible", replace(OLD, rules={})),
    ("breaking", replace(OLD, rules={"r": Rule("r", "price > 2")})),
    ("compatible", replace(OLD, rules={"r": Rule("r", "price > 1", severity="report")})),
    ("compatible", replace(OLD, rules={**OLD.rules, "s": Rule("s", "price > 3", severity="report")})),
    ("breaking", replace(OLD, rules={**OLD.rules, "s": Rule("s", "price > 3")})),
    ("compatible", replace(OLD, checks={})),
    ("breaking", replace(OLD, checks={"c": AggregateCheck("c", "count(*)", at_least="1", severity="stop")})),
    ("compatible", replace(OLD, checks={"c": AggregateCheck("c", "count(*)", at_least="2")})),
    ("editorial", replace(OLD, owner="desk")),
]


@pytest.mark.parametrize(("level", "new"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_each_change_has_the_level_of_those_it_may_hurt(level: str, new: Entity) -> None:
    """Too strict and nobody raises versions in earnest; too lax and a reader breaks at night."""
    assert [c.level for c in compare_contracts(OLD, new)] == [level]


@pytest.mark.parametrize(
    ("old", "new", "change", "wanted", "good"),
    [
        ("1.4.2", "1.4.2", {}, "1.4.2", True),
        ("1.4.2", "1.4.1", {}, "1.4.2", False),
        ("1.4.2", "1.4.2", {"owner": "desk"}, "1.4.2", True),
        ("1.4.2", "1.4.3", {"rules": {}}, "1.5.0", False),
        ("1.4.2", "1.5.0", {"rules": {}}, "1.5.0", True),
        ("1.4.2", "1.5.0", {"key": ("state",)}, "2.0.0", False),
        ("1.4.2", "2.0.0", {"key": ("state",)}, "2.0.0", True),
        ("0.4.2", "0.5.0", {"key": ("state",)}, "0.5.0", True),
        ("1", "2", {"key": ("state",)}, "2.0.0", True),
    ],
)
def test_the_version_must_be_raised_as_far_as_the_worst_change_asks(old: str, new: str, change: Any, wanted: str, good: bool) -> None:
    """A version is a promise that machines can read."""
    verdict = judge_contract(replace(OLD, version=old), replace(OLD, version=new, **change))

    assert (verdict.wanted, verdict.good) == (wanted, good)


def test_a_version_that_is_none_is_refused() -> None:
    """Comparing words would answer something and mean nothing."""
    with pytest.raises(UsageError, match="version 'next' is no version"):
        judge_contract(OLD, replace(OLD, version="next"))


def test_no_key_of_a_field_changes_without_a_word() -> None:
    """One that was forgotten would pass under the same version."""
    others = {
        "type": "date", "required": True, "unique": True, "unit": "EUR", "values": ("a",), "pattern": "a", "minimum": "1", "maximum": "2",
        "references": "person", "at_most": 2, "severity": "report", "freshness": Duration(60), "separator": ";", "personal": True,
        "description": "words",
    }  # fmt: skip
    assert {f.name for f in fields(Field)} == {"name", "place", *others}

    for name, other in others.items():
        old, new = (Entity("item", ("id",), {"f": field}) for field in (Field("f"), replace(Field("f"), **{name: other})))
        assert [c.sentence for c in compare_contracts(old, new) if "field 'f'" in c.sentence], name
