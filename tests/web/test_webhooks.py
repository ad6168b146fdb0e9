"""Messages of partners over HTTP: signed, once each, and answered so that a sender knows whether to try again."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from accord.web import Site
from accord.web.guard import Tries
from accord.work.webhooks.signature import signed_headers

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
PLACED = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "placed", "subject": "O1", "data": {"amount": 7}}
EVENT = {"content-type": "application/cloudevents+json; charset=utf-8"}


@pytest.fixture
def post(office: Any, web: httpx.Client) -> Callable[..., httpx.Response]:
    """Send a body, signed as it should be."""

    def send(body: Any, identity: str = "m1", name: str = "shop", headers: dict[str, str] | None = None) -> httpx.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {**EVENT, **signed_headers([SECRET], identity, data, now=office.clock()), **(headers or {})}
        return web.post(f"/webhooks/{name}", content=data, headers=given)

    return send


def test_a_structured_event_starts_a_process_and_advances_it(office: Any, post: Callable[..., httpx.Response]) -> None:
    """202 with its id; another try of the same message, signed anew, is thanked for and has no second effect."""
    first = post(PLACED)
    assert (first.status_code, first.json()) == (202, {"id": "m1", "repeated": False})
    office.clock.move(seconds=30)
    second = post(PLACED)
    assert (second.status_code, second.json()) == (200, {"id": "m1", "repeated": True})
    (task,) = office.work.tasks()
    office.work.complete(task.task, by="Mia")

    assert post({"type": "paid", "subject": "O1", "data": {"paid": True}}, "m2").status_code == 202

    assert office.store.rows("SELECT status, started_by, case_id FROM work_instance") == [("completed", "shop", "O1")]


def test_a_binary_event_is_read_from_headers_only_where_the_map_says_so(office: Any, post: Callable[..., httpx.Response]) -> None:
    """The signature covers the body: type and subject in a header could be exchanged on the way."""
    binary = {
        "content-type": "application/json",
        **{"ce-specversion": "1.0", "ce-id": "e1", "ce-source": "/bank", "ce-type": "placed", "ce-subject": "O%C3%A41"},
    }

    refused = post({"amount": 7}, "m1", headers=binary)
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert "signature does not cover" in refused.json()["detail"]
    assert post({"amount": 7}, "m2", "bank", binary).status_code == 202

    assert office.store.rows("SELECT case_id, started_by FROM work_instance") == [("Oä1", "bank")]
    assert office.store.rows("SELECT name, value FROM work_variable") == [("amount", "7")]


def test_what_is_forged_old_or_played_again_is_refused(office: Any, post: Callable[..., httpx.Response], web: httpx.Client) -> None:
    """401 for a signature or a time that is wrong, 409 for the same request byte for byte; a word why, and the state as it was."""
    assert post(PLACED).status_code == 202
    before = office.rows()

    assert web.post("/webhooks/shop", json=PLACED).status_code == 401
    assert post(PLACED, headers={"webhook-signature": "v1,AAAA"}).status_code == 401
    assert post(PLACED, headers={"webhook-timestamp": "1"}).status_code == 401
    old = signed_headers([SECRET], "m9", json.dumps(PLACED).encode(), now=office.clock())
    assert post(PLACED).status_code == 409
    office.clock.move(minutes=6)
    late = post(PLACED, headers=old)
    assert (late.status_code, late.json()["title"]) == (401, "Unauthorized")
    assert "300 s" in late.json()["detail"]

    assert office.rows() == before
    assert {s.event.attributes["reason"] for s in office.store.read(types=["webhook.refused"])} == {"forged", "replayed", "expired"}


REFUSED: tuple[tuple[Any, dict[str, str], str, int], ...] = (
    (PLACED, {}, "nobody", 404),
    (PLACED, {}, "sh%00p", 404),
    (b"x" * 1_048_577, {}, "shop", 413),
    (b"y" * 3_000_000, {}, "shop", 413),
    (b"a: 1", {"content-type": "application/yaml"}, "shop", 415),
    ([PLACED], {"content-type": "application/cloudevents-batch+json"}, "shop", 415),
    (PLACED, {"content-type": "application/json; charset=utf-16"}, "shop", 415),
    (PLACED, {"content-encoding": "gzip"}, "shop", 415),
    (b"{", {}, "shop", 400),
    ({**PLACED, "specversion": "2.0"}, {}, "shop", 422),
    ({**PLACED, "type": "shutdown"}, {}, "shop", 422),
    ({**PLACED, "data": {"amount": "much"}}, {}, "shop", 422),
    ({"type": "paid", "subject": "O9"}, {}, "shop", 422),
)


def test_what_cannot_be_taken_is_answered_with_the_status_that_says_so(office: Any, post: Callable[..., httpx.Response]) -> None:
    """A sender's log has to say what to mend; each is recorded, and nothing else happens."""
    for number, (body, headers, name, status) in enumerate(REFUSED, 1):
        answer = post(body, f"m{number}", name, headers)
        assert (answer.status_code, answer.json()["status"]) == (status, status), REFUSED[number - 1]
        assert answer.json()["detail"]
        assert office.count("webhook.refused") == number

    assert office.store.rows("SELECT count(*) FROM work_instance") == [(0,)]


@pytest.mark.parametrize("times", [40, pytest.param(1000, marks=pytest.mark.prove)])
def test_no_body_makes_it_fail(office: Any, web: httpx.Client, post: Callable[..., httpx.Response], times: int) -> None:
    """At random, signed and not, mangled and not: never a 500, and only whole messages have an effect."""
    rng, whole = random.Random(7), json.dumps(PLACED).encode()
    seen = set()
    for number in range(times):
        body = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        if number % 4 == 0:
            seen.add(post(bytes(body), f"m{number}", rng.choice(["shop", "bank", "x"])).status_code)
        else:
            noise = {"content-type": rng.choice(["application/json", "ä", "text/plain", ""]).encode(), "webhook-id": rng.randbytes(3).hex()}
            seen.add(web.post("/webhooks/shop", content=bytes(body), headers=noise).status_code)

    assert seen <= {202, 400, 401, 404, 422}, seen


def test_who_is_refused_too_often_has_to_wait_and_nobody_else(office: Any, serving: Callable[..., str]) -> None:
    """Whoever guesses is slowed down, by the address a proxy on this machine names; what counts is being refused."""
    seconds = [0.0]
    url = serving(Site(office.work, office.key), tries=Tries(at_once=3, per_second=0.5, clock=lambda: seconds[0]))
    path = office.brief()["complete"]
    with httpx.Client(base_url=url) as client:

        def get(where: str, who: str) -> httpx.Response:
            return client.get(where, headers={"x-forwarded-for": who})

        assert [get("/links/x", "203.0.113.5").status_code for _ in range(4)] == [403, 403, 403, 429]
        answer = get(path, "203.0.113.5")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
        assert client.post("/webhooks/shop", headers={"x-forwarded-for": "203.0.113.5"}).json()["status"] == 429
        assert [get(path, "203.0.113.6").status_code for _ in range(9)] == [200] * 9
        assert [get("/links/x", f"2001:db8::{n}").status_code for n in range(4)] == [403, 403, 403, 429]  # one network
        assert get("/healthz", "203.0.113.5").status_code == 200
        seconds[0] = 2.0

        assert [get("/links/x", "203.0.113.5").status_code for _ in range(2)] == [403, 429]
