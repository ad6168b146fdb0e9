"""Contracts others wrote become entities that promise the same, and say what they cannot promise."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from accord.mapfile.odcs import ContractProblems, ImportedContract, import_contract
from accord.model.entity import Entity, Field, Rule
from accord.model.values import Duration

CONTRACTS = Path(__file__).parent / "contracts"


def read(name: str) -> ImportedContract:
    return import_contract((CONTRACTS / name).read_text(encoding="utf-8"), name)


def told(problems: object) -> str:
    return "\n".join(map(str, problems))  # type: ignore[call-overload]


def test_a_contract_of_3_0_becomes_one_entity_with_its_checks() -> None:
    """Type, key, limits, pattern, values, personal data, rules, owner and freshness: all an entity has a word for."""
    found = read("sellers.odcs.yaml")

    assert found.freshness == Duration(4 * 3600)
    assert found.entities == (
        Entity(
            "seller",
            key=("country", "number"),
            title="Seller master data",
            description="Who sells on the marketplace.",
            owner="daustin",
            version="2.1.0",
            fields={
                "country": Field("country", pattern="[A-Z]{2}"),
                "number": Field("number", "integer", required=True, minimum="1"),
                "email": Field("email", unique=True, personal=True, pattern=r"[\s\S]*(?:@)[\s\S]*", description="E-mail address"),
                "rating": Field("rating", "number(3,2)", maximum="5"),
                "joined": Field("joined", "timestamp", required=True),
                "tier": Field("tier", values=("basic", "gold")),
            },
            rules={
                "country_minLength": Rule("country_minLength", 'length("country") >= 2', dimension="validity"),
                "country_maxLength": Rule("country_maxLength", 'length("country") <= 2', dimension="validity"),
                "rating_exclusiveMinimum": Rule("rating_exclusiveMinimum", '"rating" > 0', dimension="validity"),
                "joined_past": Rule("joined_past", "NOT (\"joined\" < DATE '2000-01-01')"),
                "gold_is_rated": Rule(
                    "gold_is_rated",
                    "NOT (tier = 'gold' AND rating IS NULL)",
                    reason="a gold seller has no rating",
                    severity="report",
                    dimension="validity",
                ),
            },
        ),
    )


def test_what_an_entity_cannot_hold_is_named_with_its_line() -> None:
    """A check that disappears in silence is worse than one that was never there."""
    found = read("sellers.odcs.yaml")

    assert [p.message for p in found.unchecked] == [
        "object 'seller', property 'country': the length of its physical type is not checked.",
        "object 'seller', quality 'rowCount': a check over all rows together is not checked.",
        "object 'seller', quality: a quality check in words, which nothing can run, is not checked.",
    ]
    assert [p.place.line for p in found.unchecked] == [25, 55, 64]
    assert "measured on 'seller.joined'" in told(found.left_out)
    for part in ("domain", "tenant", "limitations", "servers", "physicalName", "tags", "mhopper", "ceastwood", "retention"):
        assert f"'{part}'" in told(found.left_out)


def test_a_contract_of_3_1_becomes_an_entity_for_each_table() -> None:
    """Real contracts hold several tables, and foreign keys between them."""
    found = read("orders.odcs.yaml")
    orders, lines = found.entities

    assert found.freshness == Duration(3600)
    assert (orders.title, orders.description, orders.owner, orders.key) == (
        "Orders of customers",
        "One row for each order.",
        "shop",
        ("order_id",),
    )
    assert [f.type for f in orders.fields.values()] == ["uuid", "timestamp", "number(12,2)", "text"]
    assert (orders.fields["status"].values, orders.fields["status"].pattern) == (("open", "paid"), "[a-z]+")
    assert [(r.name, r.check, r.severity) for r in orders.rules.values()] == [
        ("total_exclusiveMinimum", '"total" > 0', "quarantine"),
        ("total_multipleOf", '"total" % 0.01 = 0', "quarantine"),
        ("status_given", '"status" IS NOT NULL', "report"),
        ("status_valid", "CAST(\"status\" AS VARCHAR) IN ('open', 'paid', 'lost')", "quarantine"),
    ]
    assert lines.key == ("order_id", "position")
    assert lines.fields["order_id"] == Field("order_id", "uuid", references="orders.order_id")
    assert lines.rules["sku_not_missing"].check == "CAST(\"sku\" AS VARCHAR) NOT IN ('', 'n/a')"
    assert [f.type for f in lines.fields.values()][3:] == ["text", "json"]
    assert "all rows together" not in told(found.unchecked), "the key says that it is unique"
    assert "time of day" in told(found.unchecked)
    assert "('properties')" in told(found.unchecked)
    assert "'purpose'" in told(found.left_out)
    assert "the longer latency 90m" in told(found.left_out)


def test_json_and_physical_types_alone_are_read() -> None:
    """Contracts made by tools are often JSON and name only what the database says."""
    (sensor,) = read("sensors.odcs.json").entities

    assert [f.type for f in sensor.fields.values()] == ["integer", "text", "timestamp", "double", "json"]
    assert sensor.fields["state"].values == ("on", "off")


HEAD = """\
apiVersion: v3.0.2
kind: DataContract
id: x
version: 1.0.0
status: active
schema:
  - name: thing
    properties:
      - {name: id, primaryKey: true, logicalType: integer}
"""


def problems(text: str) -> str:
    with pytest.raises(ContractProblems) as caught:
        import_contract(text, "c.yaml")
    return told(caught.value.problems)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("kind: DataContract", "kind: Contract", 2, "Expected kind: DataContract"),
        ("v3.0.2", "v2.2.2", 1, "Known: v3.0.0, v3.0.1, v3.0.2, v3.1.0, v3.2.0."),
        ("status: active\n", "", 1, "'status' is missing"),
        ("schema:", "shema:", 6, "Did you mean 'schema'?"),
        ("logicalType: integer", "logicalType: int", 9, "Did you mean 'integer'?"),
        ("logicalType: integer", "physicalType: geometri", 9, "has no canonical type"),
        ("primaryKey: true, ", "unique: true, ", 7, "Did you mean 'id', whose values are unique?"),
        ("primaryKey: true", "primarykey: true", 9, "Did you mean 'primaryKey'?"),
        ("primaryKey: true", "primaryKey: yes", 9, "'yes' is not true or false"),
        ("name: thing", "name: the thing", 7, "cannot be a name"),
        ("logicalType: integer", "logicalType: integer, logicalTypeOptions: {minimum: one}", 9, "minimum 'one' is no integer"),
        ("logicalType: integer", "logicalType: string, logicalTypeOptions: {pattern: '(?=a)'}", 9, "no regular expression"),
        ("logicalType: integer", "logicalType: integer, logicalTypeOptions: {min: 1}", 9, "Did you mean 'minimum'?"),
        ("logicalType: integer", "customProperties: [{property: accordUnits, value: h}]", 9, "Did you mean 'accordUnit'?"),
        ("logicalType: integer", "logicalType: integer, customProperties: [{property: accordType, value: text}]", 9, "make them agree"),
        ("{name: id,", "{nme: id,", 9, "a property has no name"),
        ("version: 1.0.0", "version: [1]", 4, "a single value is needed here"),
        ("    properties:\n", "    quality: [{type: sqll}]\n    properties:\n", 8, "Did you mean 'sql'?"),
        ("status: active", "status: active\nslaProperties: [{property: latency, value: 3, unit: m}]", 6, "m could be months"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_line_and_what_was_expected(old: str, new: str, line: int, said: str) -> None:
    """The same answers as the map's own loader gives."""
    assert old in HEAD

    found = problems(HEAD.replace(old, new, 1))

    assert said in found
    assert f"c.yaml:{line}: " in found


def test_every_mistake_is_told_at_once() -> None:
    """A contract is mended in one go, not one error at a time."""
    text = HEAD.replace("integer", "int").replace("status: active\n", "").replace("kind: DataContract", "kind: x")

    assert problems(text).count("c.yaml:") == 3


@pytest.mark.parametrize("version", ["v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0"])
def test_every_version_of_3_is_read(version: str) -> None:
    """A contract is not refused for a patch of the standard."""
    assert import_contract(HEAD.replace("v3.0.2", version)).entities[0].key == ("id",)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT avg(id) OVER () FROM ${object}", "it does not count the rows"),
        ("SELECT count(*) FROM other WHERE id < 0", "it reads 'other'"),
        ("SELECT count(*) FROM ${object} WHERE id < (SELECT 1)", "a query inside an expression"),
        ("SELECT count(*) FROM ${object} WHERE id < 0 GROUP BY id", "not an SQL expression"),
        ("SELECT count(*) FROM ${object} WHERE id IN (1) UNION SELECT 1", "not an SQL expression"),
    ],
)
def test_a_query_over_more_than_one_row_is_named_and_not_run(query: str, why: str) -> None:
    """Only what decides row by row can keep a row back; anything else must not pass for it."""
    found = import_contract(f"{HEAD}    quality: [{{type: sql, query: '{query}', mustBe: 0}}]\n")

    assert found.entities[0].rules == {}
    assert why in told(found.unchecked)


def test_a_query_that_allows_some_rows_is_no_rule() -> None:
    """«At most ten» cannot say which of the rows is wrong."""
    found = import_contract(f"{HEAD}    quality: [{{type: sql, query: 'SELECT count(*) FROM thing WHERE id < 0', mustBeLessThan: 10}}]\n")

    assert found.entities[0].rules == {}
    assert "more than none of its rows may break it" in told(found.unchecked)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("^[A-Z]{2}$", ["DE"], ["de", "DEU", " DE"]),
        ("^(a|b)$", ["a", "b"], ["ab"]),
        ("^a|b$", ["ax", "xb"], ["xa", "bx"]),
        ("@", ["a@b", "@", "a\n@"], ["ab"]),
        (r"^a\$", ["a$", "a$b"], ["a"]),
        (r"^[|]$", ["|"], ["a|"]),
        ("^(?:a|b)c$", ["ac", "bc"], ["a"]),
    ],
)
def test_a_pattern_accepts_the_same_texts_here_and_there(pattern: str, good: list[str], bad: list[str]) -> None:
    """ODCS finds a pattern anywhere in a text, a map matches the text as a whole."""
    text = HEAD + f"      - {{name: t, logicalType: string, logicalTypeOptions: {{pattern: '{pattern}'}}}}\n"
    ours = import_contract(text).entities[0].fields["t"].pattern

    with duckdb.connect() as con:
        accepted = [v for v in good + bad if con.execute("SELECT regexp_full_match(?, ?)", [v, ours]).fetchall() == [(True,)]]

    assert accepted == good


def test_signs_that_json_writes_as_two_escapes_are_one() -> None:
    """Half a sign cannot be printed, stored or compared; an escaped backslash begins no escape."""
    document = json.loads((CONTRACTS / "sensors.odcs.json").read_text(encoding="utf-8"))
    document["schema"][0]["properties"][1]["enum"] = ["😀", r"\ud83d\ude00", "\\😀"]

    found = import_contract(json.dumps(document)).entities[0]

    assert found.fields["state"].values == ("😀", r"\ud83d\ude00", "\\😀")
