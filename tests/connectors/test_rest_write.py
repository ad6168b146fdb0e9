"""Writing to an API: under a condition, counted row by row, and never twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from accord.connectors.registry import open_connector
from accord.model.errors import DataRefused, SystemUnreachable
from accord.model.system import Resource, System

FAST = {"retry_seconds": "0.01", "retries": "3", "timeout_seconds": "1", "items": "data", "error_path": "error", "confirm": "false"}


@pytest.fixture
def api_of(rest_api: Any, tmp_path: Any) -> Iterator[Callable[..., Any]]:
    """Opens the test API with the collection «things»."""
    opened = []

    def make(*, columns: dict[str, str] | None = None, **options: str) -> Any:
        system_wide = {name: value for name, value in options.items() if name in ("auth", "token", "retries", "concurrency")}
        own = {name: value for name, value in options.items() if name not in system_wide}
        resource = Resource("things", key=("id",), columns=columns or {"id": "text", "a": "text"}, options=own)
        opened.append(
            open_connector(System("crm", "rest", rest_api.url, options=FAST | system_wide, resources={"things": resource}), base=tmp_path)
        )
        return opened[-1]

    yield make
    for connector in opened:
        connector.close()


def held(api: Any) -> dict[str, Any]:
    return {key[0]: item["a"] for key, item in api.rows["things"].items()}


def keys(table: Any) -> list[str]:
    return [] if table is None else table.column("id").to_pylist()


WRITES = [("insert", "POST"), ("update", "PATCH"), ("delete", "DELETE")]
CUTS = ["cut", "reset", "blackhole", "500", "503 0", "502", "429 0", "garbage"]


@pytest.mark.parametrize(("op", "method"), WRITES)
@pytest.mark.parametrize("fault", CUTS)
def test_a_write_without_a_clear_answer_is_looked_at_and_done_once(
    rest_api: Any, api_of: Any, change: Any, op: str, method: str, fault: str
) -> None:
    """«cut» and «garbage» come after the effect, the others before it; in both cases the row ends written, and counted as written."""
    rest_api.put("things", [{"id": "1", "a": "old"}] if op != "insert" else [])
    rest_api.faults += [(method, fault)] * 2

    result = change(
        api_of(), "things", op, [{"id": "1", "a": "new" if op != "delete" else "old"}], [{"a": "old"}] if op != "insert" else []
    )

    assert (result.inserted + result.updated + result.deleted, result.unchanged, result.stale, result.refused) == (1, 0, None, None)
    assert held(rest_api) == ({} if op == "delete" else {"1": "new"})


@pytest.mark.parametrize("guard", ["etag 412", "etag 409", "version 422", "version 409", "version 200"])
@pytest.mark.parametrize("op", ["update", "delete"])
def test_an_edit_between_look_and_write_is_never_overwritten(rest_api: Any, api_of: Any, change: Any, guard: str, op: str) -> None:
    """Whatever status the API has for it, the row is stale and holds what the other program wrote."""
    kind, _, status = guard.partition(" ")
    rest_api.etags, rest_api.version, rest_api.in_200 = kind == "etag", "rev" if kind == "version" else "", status == "200"
    rest_api.conflict = 409 if status == "200" else int(status)
    rest_api.put("things", [{"id": "1", "a": "old"}, {"id": "2", "a": "old"}])
    method = "PATCH" if op == "update" else "DELETE"

    def before(sent: str, path: str) -> None:
        if sent == method and path.split("?")[0].endswith("/1"):
            rest_api.put("things", [{"id": "1", "a": "theirs"}])

    rest_api.before = before
    connector = api_of(**({"version": "rev"} if kind == "version" else {}))
    wanted = [{"id": i, "a": "new" if op == "update" else "old"} for i in ("1", "2")]

    result = change(connector, "things", op, wanted, [{"a": "old"}, {"a": "old"}])

    assert (keys(result.stale), result.updated + result.deleted, result.refused) == (["1"], 1, None)
    assert held(rest_api) == {"1": "theirs"} | ({"2": "new"} if op == "update" else {})


def test_an_edit_of_another_member_is_no_reason_to_give_up(rest_api: Any, api_of: Any, change: Any) -> None:
    """The entity tag is that of the whole row; ours is written over the new state, and theirs stays."""
    rest_api.etags = True
    rest_api.put("things", [{"id": "1", "a": "old", "b": "x"}])
    edits = ["theirs"]

    def before(method: str, path: str) -> None:
        if method == "PATCH" and edits:
            rest_api.put("things", [{"id": "1", "a": "old", "b": edits.pop()}])

    rest_api.before = before

    result = change(api_of(), "things", "update", [{"id": "1", "a": "new"}], [{"a": "old"}])

    assert (result.updated, result.stale, result.refused) == (1, None, None)
    assert rest_api.rows["things"]["1",]["b"] == "theirs"


@pytest.mark.parametrize("in_200", [False, True])
def test_what_the_api_refuses_is_refused_with_its_reason_and_the_rest_goes_in(
    rest_api: Any, api_of: Any, change: Any, in_200: bool
) -> None:
    """One bad row of a hundred costs one row."""
    rest_api.in_200 = in_200
    rest_api.check = lambda item: "a is too long" if len(item["a"]) > 3 else None

    result = change(api_of(), "things", "insert", [{"id": str(i), "a": "long" if i == 7 else "ok"} for i in range(100)])

    assert (result.inserted, keys(result.refused), result.stale) == (99, ["7"], None)
    assert "a is too long" in result.refused.column("reason")[0].as_py()
    assert len(held(rest_api)) == 99


def test_a_row_that_always_breaks_the_api_is_refused_and_a_dead_network_is_an_error(rest_api: Any, api_of: Any, change: Any) -> None:
    """A bug of the API at one row must not stop the flow; an API that is away must not refuse rows."""
    rest_api.faults += [("POST", "500")] * 9
    broken = change(api_of(), "things", "insert", [{"id": "1", "a": "x"}])
    rest_api.faults[:] = [("POST", "reset")] * 9

    assert "HTTP 500" in broken.refused.column("reason")[0].as_py()
    with pytest.raises(SystemUnreachable, match="crm"):
        change(api_of(), "things", "insert", [{"id": "1", "a": "x"}])


def test_a_token_that_expires_while_writing_stops_with_the_way_out(rest_api: Any, api_of: Any, change: Any) -> None:
    """What was written stands and is found by the next run."""
    rest_api.faults += [("POST", "401")]

    with pytest.raises(DataRefused, match=r"auth: and token:.*rows written before stand"):
        change(api_of(), "things", "insert", [{"id": "1", "a": "x"}])


def test_every_try_of_a_write_carries_the_same_idempotency_key(rest_api: Any, api_of: Any, change: Any) -> None:
    """An API that knows it does the write once, also when the first try is still on its way."""
    rest_api.faults += [("POST", "reset")]

    change(api_of(), "things", "insert", [{"id": "1", "a": "x"}, {"id": "2", "a": "x"}])

    sent = [headers["Idempotency-Key"] for method, _, headers in rest_api.log if method == "POST"]
    assert (len(sent), len(set(sent))) == (3, 2)


def test_an_api_with_keys_of_its_own_is_not_filled_with_copies(rest_api: Any, api_of: Any, change: Any) -> None:
    """Each run would find its rows missing and make them once more; the row that showed it is removed again."""
    rest_api.own_keys = True

    result = change(api_of(concurrency="1"), "things", "insert", [{"id": str(i), "a": "x"} for i in range(200)])

    assert (result.inserted, len(keys(result.refused))) == (0, 200)
    assert "keys of its own" in result.refused.column("reason")[0].as_py()
    assert held(rest_api) == {}
    assert rest_api.asked("POST") == 1


def test_a_put_sends_the_whole_row_with_what_is_not_ours_as_it_was(rest_api: Any, api_of: Any, change: Any) -> None:
    """An API without PATCH would else lose every member that the map does not know."""
    rest_api.put_text("things", '{"id": "1", "a": "old", "n": 12345678901234567890, "d": {"x": [1.50, null]}, "z": null}')

    change(api_of(update="PUT"), "things", "update", [{"id": "1", "a": "new"}], [{"a": "old"}])

    assert {k: str(v) for k, v in rest_api.rows["things"]["1",].items()} == {
        "id": "1",
        "a": "new",
        "n": "12345678901234567890",
        "d": "{'x': ['1.50', None]}",
        "z": "None",
    }


def test_a_value_is_written_in_the_json_type_the_api_uses(rest_api: Any, api_of: Any, change: Any) -> None:
    """A number stays a number, although it travels as text; a declared type decides before what was seen."""
    rest_api.put_text("things", '{"id": "1", "a": 1.50, "b": "2", "c": true}')
    connector = api_of(columns={"id": "text", "b": "text"})

    change(connector, "things", "update", [{"id": "1", "a": "2.50", "b": "3", "c": "false"}], [{"a": "1.50", "b": "2", "c": "true"}])

    found = rest_api.rows["things"]["1",]
    assert (type(found["a"]).__name__, found["a"], found["b"], found["c"]) == ("Num", "2.50", "3", False)


def test_a_verb_that_the_map_takes_away_is_never_used(rest_api: Any, api_of: Any, change: Any) -> None:
    """«delete: none» for an API whose rows must not be deleted."""
    rest_api.put("things", [{"id": "1", "a": "old"}])

    result = change(api_of(delete="none"), "things", "delete", [{"id": "1", "a": "old"}], [{"a": "old"}])

    assert "offers no delete" in result.refused.column("reason")[0].as_py()
    assert rest_api.asked("DELETE") == 0


def test_hostile_keys_stay_keys(rest_api: Any, api_of: Any, change: Any) -> None:
    """Nothing in a key leads to another path or adds a parameter."""
    odd = ["../things", "a/b", "a?b=c", "a#b", "%2e%2e", "a;b", "//host/x", "ü 🙂", "a\r\nX: y"]

    inserted = change(api_of(), "things", "insert", [{"id": key, "a": "x"} for key in odd])
    updated = change(api_of(), "things", "update", [{"id": key, "a": "y"} for key in odd], [{"a": "x"}] * len(odd))

    assert (inserted.inserted, updated.updated) == (len(odd), len(odd))
    assert held(rest_api) == dict.fromkeys(odd, "y")


@pytest.mark.parametrize("op", ["update", "delete"])
def test_a_row_that_has_no_address_is_refused_and_not_taken_for_gone(rest_api: Any, api_of: Any, change: Any, op: str) -> None:
    """«.» in a path leads to the list, so nobody can look at the row: a delete would count as done, an update as late, run after run."""
    rest_api.put("things", [{"id": key, "a": "old"} for key in (".", "1")])
    rows = [{"id": key, "a": "new"} for key in (".", "..", "1")]

    result = change(api_of(), "things", op, rows, [{"a": "old"}] * 3)

    assert result.refused.to_pylist() == [{"id": ".", "reason": "an empty key, or one of dots, cannot stand in an address"}]
    assert (keys(result.stale), result.unchanged) == (([".."], 0) if op == "update" else ([], 1))
    assert held(rest_api) == {".": "old"} | ({"1": "new"} if op == "update" else {})


@pytest.mark.parametrize("said", ['{"success": false, "message": "not allowed"}', '{"error": "not allowed"}'], ids=["flag", "word"])
@pytest.mark.parametrize(("op", "method"), WRITES)
def test_an_answer_of_success_that_names_an_error_is_none(rest_api: Any, api_of: Any, change: Any, op: str, method: str, said: str) -> None:
    """Else the write would count as done, and in the next run the API's old value would take back the edit, or the row that was deleted."""
    rest_api.put("things", [{"id": "1", "a": "old"}] if op != "insert" else [])
    rest_api.faults += [(method, f"say {said}")] * 9
    row = {"id": "1", "a": "new" if op != "delete" else "old"}

    result = change(api_of(error_path=""), "things", op, [row], [{"a": "old"}] if op != "insert" else [])

    assert (keys(result.refused), result.inserted + result.updated + result.deleted) == (["1"], 0)
    assert "not allowed" in result.refused.column("reason")[0].as_py()


def test_a_member_that_the_api_never_changes_is_refused_by_name(rest_api: Any, api_of: Any, change: Any) -> None:
    """It answers with success and the old value; that must not look like somebody's edit back in the next run."""
    rest_api.put("things", [{"id": i, "a": "old", "b": "old"} for i in ("1", "2", "3")])
    rest_api.fixed = {"a"}
    connector = api_of(columns={"id": "text", "a": "text", "b": "text"})
    rows = [{"id": "1", "a": "new", "b": "old"}, {"id": "2", "a": "OLD ", "b": "new"}, {"id": "3", "a": "old", "b": "new"}]

    result = change(connector, "things", "update", rows, [{"a": "old", "b": "old"}] * 3)

    assert (keys(result.refused), keys(result.stale), result.updated) == (["1"], [], 2)
    assert "and yet a stayed as it was" in result.refused.column("reason")[0].as_py()


@pytest.mark.parametrize(
    ("op", "method", "said"),
    [
        ("insert", "POST", "there is no such row"),
        ("update", "PATCH", "a stayed as it was"),
        ("delete", "DELETE", "the row is there as it was"),
    ],
)
def test_a_write_that_is_answered_with_nothing_and_not_carried_out_is_refused(
    rest_api: Any, api_of: Any, change: Any, op: str, method: str, said: str
) -> None:
    """Counted as done, the API's old state would look like an edit in the next run, and be spread over the true one."""
    rest_api.put("things", [{"id": i, "a": "old"} for i in "12"] if op != "insert" else [])
    rest_api.quiet = True
    rest_api.faults += [(method, "204")]
    rows = [{"id": i, "a": "new" if op != "delete" else "old"} for i in "12"]

    result = change(api_of(concurrency="1"), "things", op, rows, [{"a": "old"}] * 2 if op != "insert" else [])

    assert (keys(result.refused), result.inserted + result.updated + result.deleted) == (["1"], 1)
    assert result.refused.column("reason")[0].as_py().startswith(f"HTTP 204, and yet {said}")
    assert held(rest_api) == {"insert": {"2": "new"}, "update": {"1": "old", "2": "new"}, "delete": {"1": "old"}}[op]


@pytest.mark.parametrize(
    ("held", "wanted", "taken"),
    [
        ('"Ann"', "Anna", False),
        ('"A text of the full room"', "A text of the full room, and more", True),
        ("1.5", "99.9", False),
        ("99", "99.9", True),
        ("99", "100", False),
        ('"2026-03-01"', "2026-04-01", False),
        ('"2026-03-01"', "2026-03-01T10:00:00Z", True),
    ],
)
def test_only_what_a_system_with_less_room_makes_of_a_value_is_taken_for_it(
    rest_api: Any, api_of: Any, change: Any, held: str, wanted: str, taken: bool
) -> None:
    """Else an edit would never reach the API, and nobody would hear of it."""
    rest_api.put_text("things", f'{{"id": "1", "a": {held}}}')
    rest_api.fixed, rest_api.quiet = {"a"}, True

    result = change(api_of(), "things", "update", [{"id": "1", "a": wanted}], [{"a": held.strip('"')}])

    assert (result.updated, keys(result.refused)) == ((1, []) if taken else (0, ["1"]))


def test_a_write_that_shows_late_is_waited_for(rest_api: Any, api_of: Any, change: Any) -> None:
    """An API with replicas may answer before the one we ask has it."""
    rest_api.put("things", [{"id": "1", "a": "old"}])
    rest_api.faults += [("PATCH", "204")]

    def before(method: str, path: str) -> None:
        if method == "GET" and rest_api.asked("GET") == 2:
            rest_api.put("things", [{"id": "1", "a": "new"}])

    rest_api.before = before

    assert change(api_of(), "things", "update", [{"id": "1", "a": "new"}], [{"a": "old"}]).updated == 1
    assert rest_api.asked("PATCH") == 1


def test_a_budget_that_is_used_up_is_waited_for_whatever_its_status(rest_api: Any, api_of: Any, change: Any) -> None:
    """403 with Retry-After is no row that is refused."""
    rest_api.put("things", [{"id": "1", "a": "old"}])
    rest_api.faults += [("PATCH", "403 0")]

    assert change(api_of(), "things", "update", [{"id": "1", "a": "new"}], [{"a": "old"}]).updated == 1
