"""Messages from partners: once each, and only from who holds the secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import pytest

from accord.work import Work
from accord.work.webhooks import Receiver
from accord.work.webhooks.signature import signed_headers

SECRET, NEXT = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", "the-one-that-comes-after-it"  # as in the environment of this folder's tests
PLACED = {"type": "placed", "subject": "O1", "data": {"amount": 7}}


def signed(body: Any, now: datetime, identity: str = "m1", secret: str = SECRET) -> tuple[dict[str, str], bytes]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return signed_headers([secret], identity, data, now=now), data


def refused(work: Work) -> list[str]:
    return [s.event.attributes["reason"] for s in work.store.read(types=["webhook.refused"])]


def state(work: Work) -> list[Any]:
    return [work.store.table(name).num_rows for name in ("work_instance", "work_task", "work_variable")]


def test_a_message_starts_and_advances_what_waits_for_it(gate: Any, clock: Any) -> None:
    """Over a real server; a new try of the same message has no effect, and is thanked for."""
    work: Work = gate.receiver._work
    with httpx.Client() as client:

        def post(body: Any, identity: str) -> tuple[int, str]:
            headers, data = signed(body, clock(), identity)
            answer = client.post(gate.url + "shop", content=data, headers=headers)
            return answer.status_code, answer.text

        assert post(PLACED, "m1") == (200, "")
        clock.move(seconds=5)
        assert post(PLACED, "m1") == (200, "this message was taken before; nothing was changed.")
        (task,) = work.tasks()
        work.complete(task.task, by="Mia")
        assert post({"type": "paid", "subject": "O1", "data": {"paid": True}}, "m2") == (200, "")

    assert work.store.rows("SELECT status, started_by FROM work_instance") == [("completed", "shop")]
    assert work.store.rows("SELECT name, value FROM work_variable ORDER BY name") == [("amount", "7"), ("paid", "true")]


def test_what_is_forged_old_or_played_again_is_refused(world: Callable[..., Work], clock: Any) -> None:
    """Who listens on the wire can neither make one, change one, nor send one a second time."""
    work = world()
    receiver = Receiver(work)
    headers, body = signed(PLACED, clock())
    assert receiver.receive("shop", headers, body).status == 200
    before = state(work)

    other = signed(PLACED, clock(), secret=NEXT)[0]
    changed = [
        ({**headers, "webhook-id": "m2"}, body),
        ({**headers, "webhook-timestamp": str(int(clock().timestamp()) + 1)}, body),
        (headers, body.replace(b"7", b"8")),
        (other, body),
        ({**headers, "webhook-signature": ""}, body),
        ({**headers, "webhook-signature": "v1,ä v1 ,"}, body),
        ({**headers, "webhook-timestamp": "-1"}, body),
        ({**headers, "webhook-timestamp": "9" * 13}, body),
        ({**headers, "webhook-id": "x" * 201}, body),
        ({**headers, "webhook-id": "\ud800"}, body),
        ({}, body),
    ]
    for given in changed:
        assert receiver.receive("shop", *given).status == 401
    assert receiver.receive("shop", {name.title(): value for name, value in headers.items()}, body).status == 409
    clock.move(minutes=6)
    assert receiver.receive("shop", headers, body).status == 401
    clock.move(minutes=-12)
    assert receiver.receive("shop", headers, body).status == 401

    assert set(refused(work)) == {"forged", "replayed", "expired"}
    assert state(work) == before


def test_of_many_that_come_at_once_one_counts(world: Callable[..., Work], clock: Any) -> None:
    """A partner with two machines sends twice."""
    work = world()
    receiver = Receiver(work)
    requests = [signed(PLACED, clock()) for _ in range(12)]

    with ThreadPoolExecutor(6) as pool:
        found = sorted(r.status for r in pool.map(lambda given: receiver.receive("shop", *given), requests))

    assert found == [200, *[409] * 11]
    assert state(work)[0] == 1


@pytest.mark.parametrize(
    ("name", "body", "status", "reason"),
    [
        ("shop", b"x" * 1_048_577, 413, "oversized"),
        ("nobody", PLACED, 404, "unknown"),
        ("\ud800" * 300, PLACED, 404, "unknown"),
        ("sh\0p", PLACED, 404, "unknown"),
        ("shop", b"", 400, "no JSON"),
        ("shop", b"[1]", 400, "no JSON"),
        ("shop", b'{"a": NaN}', 400, "no JSON"),
        ("shop", b'{"a": "\\ud800"}', 400, "no JSON"),
        ("shop", b'{"a":' * 100_000, 400, "no JSON"),
        ("shop", b'{"a":' * 80 + b"1" + b"}" * 80, 400, "no JSON"),
        ("shop", b'{"a": 1' + b"0" * 5000 + b"}", 400, "no JSON"),
        ("shop", {**PLACED, "type": "shutdown"}, 422, "unknown message"),
        ("shop", {**PLACED, "type": ["placed"]}, 422, "unknown message"),
        ("shop", {"type": "placed", "data": {"amount": 7}}, 422, "no key"),
        ("shop", {**PLACED, "subject": "x" * 501}, 422, "no key"),
        ("shop", {**PLACED, "data": {"amount": "much"}}, 422, "unfit"),
        ("shop", {"type": "paid", "subject": "O9"}, 422, "nobody waits"),
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "replace").decode() if not isinstance(value, int) else str(value),
)
def test_what_cannot_be_taken_is_answered_and_recorded(
    world: Callable[..., Work], clock: Any, name: str, body: Any, status: int, reason: str
) -> None:
    """No fault of the sender may stop the server or change a process."""
    work = world()

    received = Receiver(work).receive(name, *signed(body, clock()))

    assert (received.status, refused(work), state(work)) == (status, [reason], [0, 0, 0])
    assert received.said


def test_a_message_that_came_too_early_is_taken_when_it_is_sent_again(world: Callable[..., Work], clock: Any) -> None:
    """The sender's next try is looked at anew, as nobody was reached by the first."""
    work = world()
    receiver = Receiver(work)
    paid = {"type": "paid", "subject": "O1", "data": {"paid": True}}
    assert receiver.receive("shop", *signed(paid, clock(), "p1")).status == 422
    receiver.receive("shop", *signed(PLACED, clock(), "m1"))
    work.complete(work.tasks()[0].task, by="Mia")
    clock.move(seconds=30)

    assert receiver.receive("shop", *signed(paid, clock(), "p1")).status == 200
    clock.move(seconds=30)
    assert receiver.receive("shop", *signed(paid, clock(), "p1")).status == 422  # it is over: nobody waits any more


def test_a_partner_with_a_form_of_its_own_is_understood(world: Callable[..., Work], clock: Any) -> None:
    """Message and key are SQL over what it sends."""
    work = world(
        "shop: {secret: '${env:SECRET}', messages: [placed, paid], message: \"case when event = 'new' then 'placed' end\", "
        "key: \"'O' || (ref ->> 'no')\"}"
    )

    received = Receiver(work).receive("shop", *signed({"event": "new", "ref": {"no": 5}, "amount": 4}, clock()))

    assert received.status == 200
    assert work.store.rows("SELECT case_id FROM work_instance") == [("O5",)]
    assert Receiver(work).receive("shop", *signed({"event": "old", "amount": 4}, clock(), "m2")).status == 422


def test_strangers_cannot_fill_the_log(world: Callable[..., Work], clock: Any) -> None:
    """Anybody can send to an address on the web."""
    work = world()
    receiver = Receiver(work)
    for number in range(110):
        receiver.receive("shop", {}, str(number).encode())

    assert len(refused(work)) == 100
