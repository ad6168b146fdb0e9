"""A definition read from the log is the one that was written: a case goes on as its map said, whichever process carries it on."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from accord.store import Store
from accord.work import Work
from accord.work.definition import Definition, definition_from

MakeWork = Callable[..., Work]
MAP = (
    "gates: {g: {checks: {second: {reason: it is not second}, first: {reason: it is not first}}}}\n"
    "processes: {p: {owner: studio, steps: {start: {team: studio, gate: g, form: {size: integer, second: boolean, first: boolean}}, "
    "judge: {kind: decision, team: studio, after: [start], routes: {small: {when: size < 10, to: ship}, otherwise: {to: cut}}}, "
    "ship: {team: studio}, cut: {team: studio}}}}"
)
GOOD = {"size": 5, "second": True, "first": True}


def _begun(work: Work) -> tuple[str, Definition]:
    instance = work.start("p", case="1", by="Sam")
    return f"{instance}/start/1", work.library.current("p")


def test_the_first_route_that_is_open_is_taken_by_another_process_too(work_with: MakeWork) -> None:
    """The log holds names in the order of the alphabet, in which an «otherwise» would come before what it is the rest of."""
    task, _ = _begun(work_with(MAP))

    elsewhere = work_with(MAP)  # knows nothing but what the log holds
    refused = elsewhere.complete(task, by="Sam", answer={"size": 5})
    assert refused.reasons == ("it is not second", "it is not first")
    elsewhere.complete(task, by="Sam", answer=GOOD)

    assert [task.step for task in elsewhere.tasks()] == ["ship"]


def test_a_definition_comes_back_from_the_log_as_it_was(work_with: MakeWork) -> None:
    """Names, their order, and the hash an instance is pinned to."""
    _, current = _begun(work_with(MAP))

    again = definition_from(json.loads(json.dumps(current.body, sort_keys=True)))

    assert (again, again.hash) == (current, current.hash)
    assert [list(again.steps), list(again.steps["judge"].routes), list(again.steps["start"].form), list(again.gates["g"].checks)] == [
        ["start", "judge", "ship", "cut"],
        ["small", "otherwise"],
        ["size", "second", "first"],
        ["second", "first"],
    ]


def test_another_order_of_routes_is_another_definition(work_with: MakeWork) -> None:
    """It decides differently, so instances under way must not come to it unasked."""
    _, current = _begun(work_with(MAP))
    other = work_with(
        MAP.replace(
            "{small: {when: size < 10, to: ship}, otherwise: {to: cut}}", "{otherwise: {to: cut}, small: {when: size < 10, to: ship}}"
        )
    )

    assert other.library.current("p").hash != current.hash


@pytest.mark.parametrize("known", [True, False])
def test_a_definition_stored_without_its_order_is_read_as_the_map_writes_it(work_with: MakeWork, store: Store, known: bool) -> None:
    """Cases that began before the log kept it go on by the order they were written in, as long as the map still says the same."""
    work = work_with(MAP)
    _, current = _begun(work)
    body = json.dumps({name: value for name, value in current.body.items() if name != "order"}, sort_keys=True)

    class Old:
        def rows(self, sql: str, *values: object) -> list[tuple[str]]:
            return [(body,)]

    elsewhere = work_with(MAP if known else MAP.replace("size < 10", "size < 20"))
    found = elsewhere.library.get(Old(), current.hash_without_order)  # type: ignore[arg-type]

    assert list(found.steps["judge"].routes) == (["small", "otherwise"] if known else ["otherwise", "small"])
    assert found.steps["judge"].routes["small"].when == "size < 10"
