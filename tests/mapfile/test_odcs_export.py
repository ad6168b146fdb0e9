"""Contracts written by Accord are documents of the standard that other tools can read and run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
from ruamel.yaml import YAML

from accord.mapfile import load_map
from accord.mapfile.odcs import contract_text, export_contract
from accord.model.entity import Entity, Field
from accord.model.errors import UnknownName
from accord.model.flow import Binding, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.model.values import Duration

SCHEMA = json.loads((Path(__file__).parent / "odcs_schema.json").read_text(encoding="utf-8"))
ROOT = Path(__file__).resolve().parents[2]
GIVEN = {"data": "/d", "payments_url": "postgresql://u:secret@h/db", "tracker_url": "postgresql://u:secret@h:1/db"}


def property_of(contract: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(p for p in contract["schema"][0]["properties"] if p["name"] == name)
    return found


@pytest.mark.parametrize("path", ["tests/mapfile/demo.yaml", "examples/olist"])
def test_every_contract_is_a_document_of_the_standard(path: str) -> None:
    """Otherwise no tool but ours can read it."""
    map_ = load_map(ROOT / path, GIVEN)

    for entity in map_.entities:
        jsonschema.validate(export_contract(map_, entity), SCHEMA)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_any_yaml_reader_takes_in_the_same_values(demo_path: Path, version: str) -> None:
    """In YAML 1.1, which most tools speak, a bare «on» is true and a bare 1.0 a number."""
    map_ = load_map(demo_path)
    fields = {
        name: Field(name, values=("on", "no", "1.0", "2026-01-01", "12:30:45", "0x1F", "~", "", "null", "é: #")) for name in ("y", "x")
    }
    contract = export_contract(replace(map_, entities={"e": Entity("e", ("x",), fields, title="off", version="1.0")}), "e")

    yaml = YAML(typ="safe", pure=True)
    yaml.version = version

    assert yaml.load(contract_text(contract)) == contract


def test_keys_types_and_checks_stand_in_the_words_of_the_standard(demo_path: Path) -> None:
    """Custom properties only where the standard has no word."""
    contract = export_contract(load_map(demo_path), "campaign")

    assert property_of(contract, "id") == {
        "name": "id",
        "logicalType": "string",
        "physicalType": "varchar",
        "logicalTypeOptions": {"pattern": "^(?:CMP-[0-9]{4})$"},
        "primaryKey": True,
        "primaryKeyPosition": 1,
        "required": True,
    }
    assert property_of(contract, "budget") == {
        "name": "budget",
        "logicalType": "number",
        "physicalType": "decimal(12,2)",
        "logicalTypeOptions": {"minimum": 0},
        "customProperties": [{"property": "accordUnit", "value": "EUR"}],
    }
    assert property_of(contract, "status")["quality"][0]["arguments"] == {"validValues": ["planned", "active", "done", "cancelled"]}
    assert [m["username"] for m in contract["team"] if m["role"] == "owner"] == ["marketing"]
    assert contract["slaProperties"] == [{"property": "latency", "value": 15, "unit": "min", "element": "campaign"}]
    assert [(q["name"], q["severity"], q["dimension"]) for q in contract["schema"][0]["quality"]] == [
        ("dates", "error", "accuracy"),
        ("launched", "warning", "completeness"),
    ]


def test_the_query_of_a_rule_counts_the_rows_that_break_it(demo_path: Path) -> None:
    """The definition that runs in other tools is the one that keeps rows back here, for nulls too."""
    contract = export_contract(load_map(demo_path), "campaign")
    query = contract["schema"][0]["quality"][0]["query"].replace("${object}", "campaign")

    with duckdb.connect() as con:
        con.execute("CREATE TABLE campaign (planned_start DATE, planned_end DATE)")
        con.execute("INSERT INTO campaign VALUES ('2026-01-02', '2026-01-01'), ('2026-01-01', '2026-01-02'), (NULL, '2026-01-01')")

        assert con.execute(query).fetchone() == (1,)


def test_the_id_is_that_of_the_entity_and_not_of_its_version(demo_path: Path) -> None:
    """Catalogues follow a contract over its versions by its id."""
    map_ = load_map(demo_path)
    later = replace(map_, version="2", entities={**map_.entities, "asset": replace(map_.entities["asset"], version="2.0.0")})

    ids = {export_contract(m, e)["id"] for m in (map_, later) for e in ("asset", "campaign")}

    assert len(ids) == 2
    assert export_contract(map_, "asset")["id"] == export_contract(later, "asset")["id"]


@pytest.mark.parametrize(
    ("connector", "at", "shown"),
    [
        ("postgresql", "postgresql://ana:secret@db.example:5433/sales?password=secret", ("postgres", "db.example", 5433, "sales")),
        ("postgresql", "postgresql://ana:secret@db.example/sales", ("postgres", "db.example", 5432, "sales")),
        ("postgresql", "host=db.example password=secret", ("custom", None, None, None)),
        ("postgresql", "postgresql://${env:SECRET_HOST}/sales", ("custom", None, None, None)),
        ("postgresql", "postgresql://ana:secret@[broken/sales", ("custom", None, None, None)),
        ("rest", "https://key:secret@api.example/v1?token=secret", ("custom", "api.example", None, None)),
    ],
)
def test_servers_name_the_place_and_no_secret(connector: str, at: str, shown: tuple[str | int | None, ...]) -> None:
    """A contract is made to be given away."""
    map_ = IntegrationMap(
        "m",
        systems={"s": System("s", connector, at)},
        entities={"e": Entity("e", ("x",), {"x": Field("x")})},
        flows={"f": Flow("f", "e", {"s": Binding("s", "t", {})})},
    )

    contract = export_contract(map_, "e")
    server = contract["servers"][0]

    jsonschema.validate(contract, SCHEMA)
    assert tuple(server.get(k) for k in ("type", "host", "port", "database")) == shown
    assert "secret" not in contract_text(contract).lower().replace("secret_host", "")


@pytest.mark.parametrize(("seconds", "shown"), [(0, (0, "s")), (90, (90, "s")), (900, (15, "min")), (7200, (2, "h")), (172_800, (2, "d"))])
def test_latency_is_the_longest_freshness_of_the_flows(seconds: int, shown: tuple[int, str]) -> None:
    """Only the longest is a promise that every flow keeps."""
    flows = {name: Flow(name, "e", {}, freshness=Duration(s)) for name, s in (("a", 0), ("b", seconds))}
    contract = export_contract(IntegrationMap("m", entities={"e": Entity("e", ("x",), {"x": Field("x")})}, flows=flows), "e")

    assert (contract["slaProperties"][0]["value"], contract["slaProperties"][0]["unit"]) == shown


def test_an_unknown_entity_is_answered_with_those_there_are(demo_path: Path) -> None:
    """A wrong name should cost one look, not a search."""
    with pytest.raises(UnknownName, match="Did you mean 'campaign'"):
        export_contract(load_map(demo_path), "campain")


def test_the_schema_of_these_tests_refuses_what_is_no_contract(demo_path: Path) -> None:
    """A schema that accepts everything would prove nothing."""
    good = export_contract(load_map(demo_path), "campaign")
    breaks: list[Callable[[dict[str, Any]], object]] = [
        lambda c: c.pop("status"),
        lambda c: c.update(owner="x"),
        lambda c: c["schema"][0]["properties"][0].update(logicalType="text"),
        lambda c: c["schema"][0]["properties"][2]["logicalTypeOptions"].update(minimum="0"),
        lambda c: c["schema"][0]["quality"][0].pop("query"),
        lambda c: c["slaProperties"][0].pop("value"),
    ]

    for change in breaks:
        contract = json.loads(json.dumps(good))
        change(contract)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(contract, SCHEMA)
