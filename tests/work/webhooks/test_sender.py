"""Events told to partners: signed, in order, at least once; a partner that is away holds up nobody and loses nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from accord.model.errors import UnknownName, UsageError
from accord.work import Work
from accord.work.couriers import carry_out_once
from accord.work.webhooks import Sender, verify_webhook
from accord.work.webhooks.sender import resume, senders, standing

SECRET, NEXT = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", "the-one-that-comes-after-it"  # as in the environment of this folder's tests
World = Callable[..., Work]


def hook(partner: Any, types: str = "[process.started, 'task.*']", secret: str = "SECRET", name: str = "shop") -> str:
    os.environ["HOOK_" + name.upper()] = partner.url
    return f"{name}: {{url: '${{env:HOOK_{name.upper()}}}', types: {types}, secret: '${{env:{secret}}}'}}"


def begin(work: Work, *cases: str) -> None:
    for case in cases:
        work.start("order", case=case, by="Mia", variables={"amount": 3})


def told(partner: Any) -> list[str]:
    return [json.loads(body)["type"] for _, body in partner.seen]


def kinds(work: Work) -> list[str]:
    return [s.event.type for s in work.store.read() if s.event.type.startswith("webhook.")]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test sets is taken back."""
    for name in ("HOOK_SHOP", "HOOK_OTHER"):
        monkeypatch.setenv(name, "")


def test_events_that_were_asked_for_arrive_signed_and_in_order(world: World, partner: Any, clock: Any) -> None:
    """From the moment the webhook is declared; as CloudEvents 1.0, which the receiver's side verifies."""
    begin(world(), "before")
    work = world(hook(partner))
    sender = Sender(work, "shop")
    assert sender.turn() == 0
    begin(work, "C1")

    assert sender.turn() == 2
    assert sender.turn() == 0
    assert told(partner) == ["process.started", "task.ready"]
    headers, body = partner.seen[1]
    assert headers["content-type"].startswith("application/cloudevents+json")
    identity, _ = verify_webhook(headers, body, [SECRET], clock())
    event = json.loads(body)
    assert (event["specversion"], event["source"], event["data"]["case"]) == ("1.0", "/accord/acme", "C1")
    assert event["subject"].startswith("process_instance/order-")
    assert identity.startswith(event["sequence"])
    assert datetime.fromisoformat(event["time"]) == clock()
    assert kinds(work) == ["webhook.started", "webhook.delivered"]


def test_all_events_can_be_asked_for_without_end(world: World, partner: Any) -> None:
    """What became of webhooks is not told: each would tell of the one before."""
    work = world(hook(partner, "['*']"))
    sender = Sender(work, "shop")
    sender.turn()
    begin(work, "C1")
    while sender.turn():
        pass

    assert told(partner) == ["process.defined", "process.started", "task.ready"]


def test_a_partner_that_fails_gets_each_event_in_the_end(world: World, partner: Any, clock: Any) -> None:
    """Reset, slow, 500 and 503 with Retry-After: later, with longer pauses, the same event with the same id, none left out."""
    work = world(hook(partner))
    patient, hasty = Sender(work, "shop"), Sender(work, "shop", timeout_seconds=0.3)
    patient.turn()
    begin(work, "C1", "C2")
    partner.answers = [204, "reset", 500, "slow", (503, {"retry-after": "600"}), 404]
    pauses = []
    assert patient.turn() == 1
    while (row := standing(work.store)[0])["failures"]:
        assert patient.turn() == 0  # its time has not come
        pauses.append((datetime.fromisoformat(str(row["run_at"])) - clock()).total_seconds())
        clock.move(seconds=pauses[-1])
        # Whoever never answers is given up soon; everybody else may take as long as a busy machine needs.
        (hasty if partner.answers[:1] == ["slow"] else patient).turn()

    assert pauses == [5, 10, 20, 600, 80]
    ids = [headers["webhook-id"] for headers, _ in partner.seen]
    assert len(dict.fromkeys(ids)) == 4
    assert ids == [ids[0], *[ids[1]] * 6, *ids[7:]]
    assert standing(work.store)[0]["behind"] == 1  # its own record of that
    errors = [s.event.attributes["error"] for s in work.store.read(types=["webhook.failed"])]
    assert not any("hush" in error for error in errors)


def test_a_partner_that_is_gone_holds_up_no_other(world: World, partner: Any, second: Any) -> None:
    """410 ends it at once; a person may go on with it, or leave out the event it stands at."""
    work = world(f"{hook(partner)}, {hook(second, name='other')}")
    carry_out_once(senders(work), lambda error: None)
    begin(work, "C1")
    partner.answers = [410, 410]

    assert carry_out_once(senders(work), lambda error: None) == 2
    assert told(second) == ["process.started", "task.ready"]
    assert {row["name"]: row["state"] for row in standing(work.store)} == {"webhook:other": "", "webhook:shop": "dead"}
    assert Sender(work, "shop").turn() == 0
    resume(work, "shop", by="Mia")
    assert Sender(work, "shop").turn() == 0
    resume(work, "shop", by="Mia", skip=True)
    assert Sender(work, "shop").turn() == 1
    assert told(partner) == ["process.started", "process.started", "task.ready"]
    before = work.store.table("follower")
    work.store.rebuild()
    assert work.store.table("follower") == before
    with pytest.raises(UsageError, match="nothing failed"):
        resume(work, "shop", by="Mia")
    with pytest.raises(UnknownName, match="Known: other, shop"):
        resume(work, "shopp", by="Mia")


def test_a_process_that_dies_tells_again_with_the_same_id(world: World, partner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At least once: what was told and not recorded is told again, and a receiver knows it by its id."""
    work = world(hook(partner))
    Sender(work, "shop").turn()
    begin(work, "C1")
    dying = Sender(work, "shop")
    monkeypatch.setattr(dying, "_event", lambda *given, **more: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        dying.turn()
    work.store.close()
    again = world(hook(partner))

    assert Sender(again, "shop").turn() == 2
    ids = [headers["webhook-id"] for headers, _ in partner.seen]
    assert ids == [*ids[:2], *ids[:2]]
    assert partner.seen[0][1] == partner.seen[2][1]


def test_while_one_secret_takes_the_place_of_another_both_sign(world: World, partner: Any, clock: Any) -> None:
    """Neither side has to change at the same moment."""
    work = world(hook(partner, secret="BOTH"))
    sender = Sender(work, "shop")
    sender.turn()
    begin(work, "C1")
    sender.turn()

    for secret in (SECRET, NEXT):
        verify_webhook(*partner.seen[0], [secret], clock())


def test_an_address_or_secret_that_is_not_set_is_said_at_once(world: World, partner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the first event is due."""
    work = world(hook(partner, secret="MISSING"))
    with pytest.raises(UsageError, match="MISSING"):
        Sender(work, "shop")
    for wrong in (" ", "whsec_ä", "whsec_x"):
        monkeypatch.setenv("MISSING", wrong)
        with pytest.raises(UsageError, match="secret"):
            Sender(work, "shop")
