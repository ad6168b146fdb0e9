"""One suite for every kind of system there is; what a kind cannot do is marked *never* by its capabilities."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.connectors.protocol import ChangeBatch
from accord.connectors.roundtrip import VALUES, self_test
from accord.model.errors import AccordError, DataRefused, SystemUnreachable, UnknownName
from accord.model.types import CanonicalType

AT = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)
ONE = {"id": "1", "name": 'two\nlines, "quoted" 🙂', "amount": Decimal("10.50"), "at": AT}
TWO = {"id": "2", "name": None, "amount": None, "at": None}
THREE = {"id": "3", "name": "three", "amount": Decimal("-3.00"), "at": AT}


def never(reason: str) -> None:
    pytest.skip(f"never: {reason}")


def keys(table: Any) -> list[str]:
    return [] if table is None else table.column("id").to_pylist()


def test_a_system_that_is_not_there_is_named_and_not_made_by_reading(bench: Any) -> None:
    """A typing mistake in the map must not leave empty files behind."""
    if bench.kind in ("postgresql", "mysql", "rest"):
        never("the server is there; the faults of its connections have tests of their own")

    with pytest.raises(SystemUnreachable) as caught:
        bench.connector.describe()

    assert "under_test" in str(caught.value)
    assert list(bench.folder.iterdir()) == []


def test_an_unknown_resource_is_answered_with_those_there_are(bench: Any, duck: duckdb.DuckDBPyConnection) -> None:
    """The way out stands in the message."""
    bench.create()

    with pytest.raises(UnknownName, match=r"Did you mean 'items'"):
        bench.connector.scan(duck, "item")


def test_creating_twice_keeps_what_is_there(bench: Any) -> None:
    """create is called on every run."""
    bench.create()
    bench.apply("insert", [ONE])

    bench.create()

    assert list(bench.oracle()) == ["1"]


def test_what_is_inserted_is_what_other_programs_read(bench: Any) -> None:
    """The oracle shares no code with the connector."""
    bench.create()

    result = bench.apply("insert", [ONE, TWO, THREE])

    assert (result.inserted, result.updated, result.deleted, result.unchanged) == (3, 0, 0, 0)
    assert (result.stale, result.refused) == (None, None)
    assert bench.oracle() == {"1": (ONE["name"], Decimal("10.5")), "2": (None, None), "3": ("three", Decimal(-3))}


def test_a_repeated_batch_is_unchanged_and_writes_nothing(bench: Any) -> None:
    """After a crash the whole batch comes again; a file that is not changed is not touched either."""
    bench.create()
    bench.apply("insert", [ONE, TWO])
    updated = {**ONE, "name": "new", "amount": Decimal("11.00")}
    bench.apply("update", [updated], [ONE])
    before = bench.connector.describe().resource("items").last_change

    again = bench.apply("update", [updated], [ONE])
    repeated = bench.apply("insert", [updated, TWO])

    assert (again.unchanged, again.updated, again.stale) == (1, 0, None)
    assert (repeated.unchanged, repeated.inserted, repeated.stale) == (2, 0, None)
    if bench.kind != "sqlite":  # its transaction is empty, but SQLite does not promise an untouched file
        assert bench.connector.describe().resource("items").last_change == before


def test_columns_that_a_batch_does_not_name_are_left_alone(bench: Any) -> None:
    """A binding often maps only some columns of a table."""
    bench.create()
    bench.apply("insert", [ONE, THREE])

    result = bench.apply("update", [{"id": "1", "amount": Decimal("1.00")}], [{"amount": Decimal("10.50")}], ["amount"])

    assert result.updated == 1
    assert bench.oracle() == {"1": (ONE["name"], Decimal(1)), "3": ("three", Decimal(-3))}


def test_a_value_that_is_not_as_expected_is_stale_and_stays(bench: Any) -> None:
    """Compare and set: somebody's edit since the reading is never overwritten."""
    bench.create()
    bench.apply("insert", [ONE, THREE])
    wanted = [{**ONE, "name": "ours"}, {**THREE, "name": "ours"}]

    result = bench.apply("update", wanted, [{**ONE, "name": "not what it is"}, THREE])

    assert (result.updated, keys(result.stale)) == (1, ["1"])
    assert bench.oracle()["1"][0] == ONE["name"]
    assert bench.oracle()["3"][0] == "ours"


def test_a_null_where_a_value_was_expected_is_stale(bench: Any) -> None:
    """Nulls compare as values: a plain = would let this one through."""
    bench.create()
    bench.apply("insert", [TWO])

    result = bench.apply("update", [{**TWO, "name": "ours"}], [{**TWO, "name": "something"}])

    assert (result.updated, keys(result.stale)) == (0, ["2"])


def test_an_update_of_a_row_that_is_gone_is_stale(bench: Any) -> None:
    """It was deleted meanwhile; writing it would undo that."""
    bench.create()
    bench.apply("insert", [THREE])

    result = bench.apply("update", [ONE], [ONE])

    assert keys(result.stale) == ["1"]
    assert list(bench.oracle()) == ["3"]


def test_an_insert_over_other_values_is_stale(bench: Any) -> None:
    """Two programs made the same key; neither is lost silently."""
    bench.create()
    bench.apply("insert", [ONE])

    result = bench.apply("insert", [{**ONE, "name": "ours"}, THREE])

    assert (result.inserted, keys(result.stale)) == (1, ["1"])
    assert bench.oracle()["1"][0] == ONE["name"]


def test_a_delete_removes_what_was_expected_and_nothing_else(bench: Any) -> None:
    """Gone already is unchanged; changed meanwhile is stale."""
    bench.create()
    bench.apply("insert", [ONE, TWO, THREE])
    batch = ([ONE, THREE], [ONE, {**THREE, "name": "not what it is"}])

    first = bench.apply("delete", *batch)
    second = bench.apply("delete", *batch)

    assert (first.deleted, first.unchanged, keys(first.stale)) == (1, 0, ["3"])
    assert (second.deleted, second.unchanged, keys(second.stale)) == (0, 1, ["3"])
    assert sorted(bench.oracle()) == ["2", "3"]


def test_every_row_of_a_mixed_batch_is_counted_once(bench: Any) -> None:
    """The figures of a run add up to what was sent."""
    bench.create()
    bench.apply("insert", [ONE, TWO, THREE])
    batches = [
        bench.batch("update", [{**ONE, "name": "new"}, {**TWO, "id": "9"}], [ONE, TWO]),
        bench.batch("insert", [{**ONE, "id": "4"}, TWO]),
        bench.batch("delete", [THREE, {**THREE, "id": "8"}], [THREE, THREE]),
    ]
    rows = pa.concat_tables([batch.rows for batch in batches])

    result = bench.connector.apply(ChangeBatch("items", ("id",), batches[0].columns, rows, "mixed"))

    assert (result.inserted, result.updated, result.deleted, result.unchanged, keys(result.stale)) == (1, 1, 1, 2, ["9"])


def test_every_type_survives(bench: Any) -> None:
    """Ends of ranges, microseconds, long decimals, JSON, bytes and nulls, written and read by the connector."""
    results = self_test(bench.connector)

    assert [result.type for result in results] == list(VALUES)
    assert {result.type: result.wrong for result in results if not result.survives} == {}
    assert bench.connector.describe().resource("accord_self_test").row_count == 0


def test_an_empty_text_is_not_a_null(bench: Any) -> None:
    """They mean different things; where a system cannot tell them apart the row is refused with that reason."""
    bench.create()

    result = bench.apply("insert", [{"id": "1", "name": ""}, {"id": "2", "name": None}])

    if bench.kind == "xlsx":
        assert keys(result.refused) == ["1"]
        assert "empty text" in result.refused.column("reason")[0].as_py()
    else:
        assert result.inserted == 2
        assert {key: row["name"] for key, row in bench.scan().items()} == {"1": "", "2": None}


def test_describe_counts_exactly_and_knows_the_columns(bench: Any) -> None:
    """assess reports these figures as measured."""
    bench.create()
    bench.apply("insert", [{"id": str(i), "name": f"n{i}"} for i in range(1234)])

    description = bench.connector.describe()
    items = description.resource("items")

    assert (description.system, description.connector) == ("under_test", bench.kind)
    assert (items.row_count, items.writable) == (1234, True)
    assert [column.name for column in items.columns] == ["id", "name", "amount", "at"]
    if bench.connector.capabilities.typed:
        assert items.column("amount").type == CanonicalType("number", 12, 2)
        assert items.column("at").type == CanonicalType("timestamp")
    if bench.connector.capabilities.keys_declared:
        assert items.key == ("id",)


def test_an_empty_resource_is_read_as_no_rows_with_its_columns(bench: Any) -> None:
    """Nothing is a valid state, and not an error."""
    bench.create()

    assert bench.scan() == {}
    assert [c.name for c in bench.connector.describe().resource("items").columns] == ["id", "name", "amount", "at"]


def test_a_column_that_is_not_there_is_refused_before_anything_is_written(bench: Any) -> None:
    """Schema drift is found before the first wrong write."""
    if bench.connector.capabilities.sparse:
        never("a row may have any column")
    bench.create()
    bench.apply("insert", [ONE])
    batch = bench.batch("insert", [THREE])
    renamed = batch.rows.rename_columns([n.replace("amount", "amuont") for n in batch.rows.column_names])

    with pytest.raises(UnknownName, match="Did you mean 'amount'"):
        bench.connector.apply(ChangeBatch("items", ("id",), ("name", "amuont", "at"), renamed, "b"))

    assert list(bench.oracle()) == ["1"]


def test_a_column_that_the_system_computes_is_named_with_what_the_map_should_say(bench: Any) -> None:
    """Nobody can write it, and a map that maps it both ways is only found out by trying."""
    if not bench.has_sql:
        never("it computes no columns")
    form = "VIRTUAL" if bench.kind == "duckdb" else "STORED"
    bench.sql(
        f"CREATE TABLE items (id varchar(9) PRIMARY KEY, amount decimal(12,2), name varchar(9) GENERATED ALWAYS AS (upper(id)) {form})"
    )

    with pytest.raises(DataRefused, match=r"generated column|DEFAULT") as caught:
        bench.apply("insert", [{"id": "1", "name": "x"}], columns=("name", "amount"))

    assert "direction: read" in caught.value.expected
    assert bench.oracle() == {}


def test_typed_systems_are_read_in_their_types(bench: Any, duck: duckdb.DuckDBPyConnection) -> None:
    """Sync relies on it: the DuckDB type is that of the canonical type, or VARCHAR where the system has none."""
    bench.create()
    bench.apply("insert", [ONE])

    view = bench.connector.scan(duck, "items")

    found = {row[0]: row[1] for row in duck.execute(f"DESCRIBE {view}").fetchall()}
    typed = {"id": "VARCHAR", "name": "VARCHAR", "amount": "DECIMAL(12,2)", "at": "TIMESTAMP WITH TIME ZONE"}
    assert found == (typed if bench.connector.capabilities.typed else dict.fromkeys(typed, "VARCHAR"))


def test_two_scans_in_one_connection_are_two_states(bench: Any, duck: duckdb.DuckDBPyConnection) -> None:
    """Read back after applying must not overwrite what was read before."""
    bench.create()
    bench.apply("insert", [ONE])
    before = bench.connector.scan(duck, "items")
    bench.apply("insert", [THREE])
    after = bench.connector.scan(duck, "items")

    counts = [duck.execute(f"SELECT count(*) FROM {view}").fetchone()[0] for view in (before, after)]

    assert counts == [1, 2]


def test_a_closed_connector_opens_again(bench: Any) -> None:
    """Long-lived processes let go of handles between cycles."""
    bench.create()
    bench.connector.close()

    assert bench.apply("insert", [ONE]).inserted == 1


def test_names_with_quotes_and_spaces_are_only_names(bench: Any, duck: duckdb.DuckDBPyConnection) -> None:
    """Identifiers come from maps and systems; none may end a quote."""
    evil = 'a "b"; DROP TABLE x --'
    name = "odd; 'name'" if bench.kind == "xlsx" else 'odd "na\'me"'
    bench.connector.create(name, {"id": CanonicalType("text"), evil: CanonicalType("text")}, ["id"])
    rows = pa.table({"_op": ["insert"], "id": ["1"], evil: ["v"], "_old_" + evil: pa.array([None], pa.string())})
    result = bench.connector.apply(ChangeBatch(name, ("id",), (evil,), rows, "b"))

    assert result.inserted == 1
    assert duck.execute(f"SELECT * FROM {bench.connector.scan(duck, name)}").fetchall() == [("1", "v")]


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.sampled_from("\n\t\"',;=\\"), min_size=1, max_size=40)
AMOUNTS = st.decimals(min_value=-9999999999, max_value=9999999999, places=2)


ROWS = st.lists(st.tuples(st.none() | TEXTS, st.none() | AMOUNTS), min_size=1, max_size=8)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_any_text_and_amount_is_read_back_as_it_was_written(bench: Any, rows: list[tuple[str | None, Decimal | None]]) -> None:
    """Generated values; deleted again afterwards, so each example begins empty."""
    check_any(bench, rows)


@pytest.mark.prove
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_any_text_and_amount_is_read_back_many_times(bench: Any, rows: list[tuple[str | None, Decimal | None]]) -> None:
    """The long form."""
    check_any(bench, rows)


def check_any(bench: Any, rows: list[tuple[str | None, Decimal | None]]) -> None:
    """Insert, look, delete, look."""
    bench.create()
    given_rows = [{"id": f"k{i}", "name": name, "amount": amount} for i, (name, amount) in enumerate(rows)]

    inserted = bench.apply("insert", given_rows)
    found = bench.scan()
    deleted = bench.apply("delete", given_rows, given_rows)

    assert (inserted.inserted, inserted.refused) == (len(rows), None)
    assert {k: (row["name"], None if row["amount"] is None else Decimal(row["amount"])) for k, row in found.items()} == {
        row["id"]: (row["name"], row["amount"]) for row in given_rows
    }
    assert deleted.deleted == len(rows)
    assert bench.scan() == {}


def test_errors_are_ours_and_name_the_system(bench: Any) -> None:
    """No traceback of a library reaches a user."""
    bench.create()

    with pytest.raises(AccordError, match="under_test"):
        bench.connector.apply(ChangeBatch("nowhere", ("id",), (), bench.batch("insert", [ONE]).rows, "b"))
