"""An exported contract gives the same entity back, whatever the entity holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.mapfile import load_map
from accord.mapfile.odcs import contract_text, export_contract, import_contract
from accord.model.entity import AggregateCheck, Entity, EventRule, Field, Rule
from accord.model.integration_map import IntegrationMap
from accord.model.values import Duration

SCHEMA = json.loads((Path(__file__).parent / "odcs_schema.json").read_text(encoding="utf-8"))
ROOT = Path(__file__).resolve().parents[2]

# A map holds no control characters besides these.
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t\x85"), max_size=30)
WORDS = st.text("abcdefghij_", min_size=1, max_size=8).map(lambda t: f"a{t}")
PATTERNS = st.sampled_from(
    ["[A-Z]{2}", "a|b", "^a$", "(a|b)c", r"\d+", r"a\$", "(?i)x", r"\pL+", "[[:alpha:]]", ".*", "^(?:a)$", r"\\", "[|]", "a)b", "$", "^"]
).filter(lambda p: p != "a)b")
NUMBERS = st.one_of(
    st.integers(-(10**18), 10**18).map(str),
    st.decimals(-(10**6), 10**6, places=2).map(str),
    st.sampled_from(["0.10", "1e3", "+5", "-0", "007", "1E-2", "123456789012345678901234567890", "0.30000000000000004", "1e400"]),
)
DATES = st.dates().map(str)
TIMES = st.datetimes().map(lambda t: t.isoformat())


@st.composite
def types(draw: st.DrawFn) -> str:
    precision = draw(st.integers(1, 38))
    space = draw(st.sampled_from(["", " "]))
    number = f"number({precision},{space}{draw(st.integers(0, precision))})"
    names = ["text", "integer", "number", "double", "boolean", "date", "timestamp", "uuid", "json", "binary", "TEXT", "Integer"]
    return draw(st.sampled_from([*names, number]))


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    type_ = draw(types())
    kind = type_.lower().partition("(")[0]
    limits: dict[str, st.SearchStrategy[str]] = {"date": DATES, "timestamp": TIMES, "number": NUMBERS, "double": NUMBERS}
    limits["integer"] = st.integers(-(10**20), 10**20).map(str) | st.just("1e3")
    values = {"text": TEXTS, "boolean": st.sampled_from(["true", "false"]), "uuid": TEXTS, "json": TEXTS, "binary": TEXTS, **limits}[kind]
    side = draw(st.sampled_from(["", "minimum", "maximum"])) if kind in limits else ""
    extra: dict[str, Any] = {side: draw(limits[kind])} if side else {}
    return Field(
        name,
        type_,
        required=draw(st.booleans()),
        unique=draw(st.booleans()),
        unit=draw(st.sampled_from(["", "h", "EUR", "%"])),
        values=tuple(draw(st.lists(values, max_size=3, unique=True))),
        pattern=draw(st.just("") | PATTERNS) if kind == "text" else "",
        references=draw(st.sampled_from(["", "campaign", "campaign.id"])),
        at_most=draw(st.integers(0, 3)),
        severity=draw(st.sampled_from(["quarantine", "report"])),
        personal=draw(st.booleans()),
        description=draw(TEXTS),
        **extra,
    )


@st.composite
def entities(draw: st.DrawFn) -> Entity:
    names = draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))
    made = {name: draw(fields(name)) for name in names}
    one = draw(st.sampled_from(names))
    checks = [f"{one} IS NOT NULL", f"  ({one} is null) or (1 = 1)\n", f"length(cast({one} as varchar)) > 3 and not ('a)' = ''')')"]
    severities: list[Literal["quarantine", "report"]] = ["quarantine", "report"]
    dimensions: list[Any] = ["accuracy", "completeness", "timeliness", "consistency", "validity", "mapping"]
    rules = [
        Rule(name, draw(st.sampled_from(checks)), draw(TEXTS), draw(st.sampled_from(severities)), draw(st.sampled_from(dimensions)))
        for name in draw(st.lists(TEXTS.filter(bool), max_size=3, unique=True))
    ]
    times = [f.name for f in made.values() if f.type == "timestamp"]
    events = [
        EventRule("thing.done", times[0], activity=draw(st.sampled_from(["", "'it''s: done'"])), when=draw(st.sampled_from(["", "1 = 1"])))
        for _ in range(draw(st.integers(0, 2)) if times else 0)
    ]
    return Entity(
        "thing",
        key=tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))),
        fields=made,
        title=draw(TEXTS),
        owner=draw(st.sampled_from(["", "marketing", "no", "1"])),
        rules={rule.name: rule for rule in rules},
        events=tuple(events),
        version=draw(st.sampled_from(["1.0.0", "1.0", "2", "1e3", "draft"])),
        description=draw(TEXTS),
    )


@settings(max_examples=30, deadline=None)
@given(entities())
def test_export_and_import_give_the_same_entity(entity: Entity) -> None:
    """Whoever edits a contract elsewhere and brings it back must find only his own changes."""
    check_round_trip(entity)


@pytest.mark.prove
@settings(max_examples=500, deadline=None)
@given(entities())
def test_export_and_import_give_the_same_entity_many_times(entity: Entity) -> None:
    """The long form."""
    check_round_trip(entity)


def check_round_trip(entity: Entity) -> None:
    """Out and in again, in both ways of writing it."""
    contract = export_contract(IntegrationMap("m", entities={"thing": entity}), "thing")

    jsonschema.validate(contract, SCHEMA)
    for text in (contract_text(contract), json.dumps(contract, allow_nan=False)):
        found = import_contract(text)
        assert found.entities == (entity,)
        assert list(found.entities[0].fields) == list(entity.fields)
        assert found.unchecked == ()


@pytest.mark.parametrize("path", ["tests/mapfile/demo.yaml", "examples/olist"])
def test_the_entities_of_real_maps_come_back(path: str) -> None:
    """What is generated may miss what people write."""
    map_ = load_map(ROOT / path, {"data": "/d", "payments_url": "postgresql://h/db"})

    for name, entity in map_.entities.items():
        assert import_contract(contract_text(export_contract(map_, name))).entities == (entity,)


def test_checks_of_all_rows_and_freshness_come_back_as_they_were() -> None:
    """A limit of 10.50 that comes back as 10.5 would be another contract to those who compare texts."""
    fields = {"id": Field("id", required=True), "amount": Field("amount", "number(12,2)"), "team": Field("team")}
    fields["seen"] = Field("seen", "timestamp", freshness=Duration(7200))
    checks = {
        "n": AggregateCheck("n", "count(*)", at_least="1", severity="stop", reason="an export without rows"),
        "s": AggregateCheck("s", "sum(amount)", at_most="10.50", where="amount > 1", group_by=("team",)),
        "m": AggregateCheck("m", "max(seen)", at_least="2026-01-01", equals="", dimension="timeliness"),
    }
    entity = Entity("item", ("id",), fields, checks=checks)
    document = export_contract(IntegrationMap("x", entities={"item": entity}), "item")

    jsonschema.validate(document, SCHEMA)
    back = import_contract(contract_text(document))

    assert back.entities == (entity,)
    assert back.unchecked == ()


@pytest.mark.parametrize(
    ("check", "wanted"),
    [
        ("{type: sql, name: c, query: SELECT avg(amount) FROM item WHERE amount > 0, mustBeBetween: [1, 5], severity: error}",
         AggregateCheck("c", "avg(amount)", at_least="1", at_most="5", where="amount > 0", severity="stop")),
        ("{metric: rowCount, name: c, mustBeGreaterOrEqualTo: 10}", AggregateCheck("c", "count(*)", at_least="10")),
        ("{metric: rowCount, name: c, mustBeGreaterThan: 10}", None),
        ("{type: sql, name: c, query: SELECT count(*) FROM other, mustBe: 3}", None),
    ],
)  # fmt: skip
def test_a_check_over_all_rows_is_kept_where_the_map_has_a_word_for_it(check: str, wanted: AggregateCheck | None) -> None:
    """What cannot be kept is told, never dropped in silence."""
    head = "kind: DataContract\napiVersion: v3.1.0\nid: x\nversion: 1.0.0\nstatus: active\n"
    properties = "[{name: id, logicalType: string, primaryKey: true}, {name: amount, logicalType: integer}]"

    found = import_contract(f"{head}schema:\n  - name: item\n    properties: {properties}\n    quality:\n      - {check}\n")

    assert dict(found.entities[0].checks) == ({} if wanted is None else {"c": wanted})
    assert bool(found.unchecked) is (wanted is None)
