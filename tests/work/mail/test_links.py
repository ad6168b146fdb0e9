"""One-time links: what they do, for whom, and what is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from accord.model.errors import UsageError
from accord.store.signing import load_or_create_key
from accord.work.links import Link, LinkRefused, Links, make_token

Tokens = Callable[..., dict[str, str]]


@pytest.fixture
def sent(office: Any, tokens: Tokens) -> dict[str, str]:
    """Tokens of Sam's message about an offer: accept and reject."""
    office.work.start("campaign", case="C1", by="Mia")
    office.work.complete(office.work.tasks()[0].task, by="Mia", answer={"budget": 3})
    office.mailbox().turn()
    return tokens(office.server.to("sam@example.org")[0])


def refusals(office: Any) -> list[str]:
    return [s.event.attributes["reason"] for s in office.store.read(types=["link.refused"])]


def test_a_link_acts_as_the_person_it_was_sent_to_once(office: Any, sent: dict[str, str]) -> None:
    """The second time it says so, changes nothing, and that it was tried stands in the log."""
    links = Links(office.work, office.key)
    assert sorted(sent) == ["accept", "reject"]
    preview = links.look(sent["accept"])
    assert (preview.title, preview.action, preview.person, preview.form) == ("Draw it", "accept", "Sam", None)
    assert links.redeem(sent["accept"]).state == "ready"
    before = office.store.head()

    with pytest.raises(LinkRefused, match="used already") as caught:
        links.redeem(sent["accept"])

    assert caught.value.reason == "used"
    assert [s.event.type for s in office.store.read(after=before.seq)] == ["link.refused"]
    (used,) = office.store.read(types=["link.used"])
    assert (used.event.attributes["person"], used.event.attributes["action"]) == ("Sam", "accept")
    with pytest.raises(LinkRefused):
        links.redeem(sent["accept"])
    assert refusals(office) == ["used"]  # the same again is recorded once: nobody can fill the log with it


def test_of_many_who_use_a_link_at_once_one_does(office: Any, sent: dict[str, str]) -> None:
    """A double click is no double acceptance."""
    links = Links(office.work, office.key)

    def use(_: int) -> bool:
        try:
            links.redeem(sent["accept"])
        except LinkRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(24))).count(True) == 1


def test_work_can_be_sent_back_and_done_by_links_alone(office: Any, sent: dict[str, str], tokens: Tokens) -> None:
    """A form that is not filled in right, or a reason that is missing, uses no link up."""
    links = Links(office.work, office.key)
    with pytest.raises(UsageError, match="no reason"):
        links.redeem(sent["reject"])
    links.redeem(sent["reject"], reason="which size?")
    office.mailbox().turn()
    mine = tokens(office.server.to("mia@example.org")[-1])
    assert sorted(mine) == ["claim", "complete"]
    form = links.look(mine["complete"]).form
    assert form is not None
    assert form["required"] == ["budget"]
    with pytest.raises(UsageError, match="budget"):
        links.redeem(mine["complete"], answer={"budget": "much"})

    assert links.redeem(mine["complete"], answer={"budget": 4}).state == "completed"
    with pytest.raises(LinkRefused, match="completed"):
        links.redeem(mine["claim"])
    with pytest.raises(LinkRefused, match="sent back or handed on"):
        links.redeem(sent["accept"])  # the work is on offer again, and that is another round
    assert refusals(office) == ["moved on", "moved on"]


def test_a_forged_link_is_refused_in_every_place(office: Any, sent: dict[str, str], tmp_path: Any) -> None:
    """Each character counts; another key, another purpose or another spelling is none of ours."""
    links = Links(office.work, office.key)
    token = sent["accept"]
    payload, signature = token.split(".")
    body = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    mallory = base64.urlsafe_b64encode(json.dumps([*body[:2], "Sue", *body[3:]]).encode()).decode().rstrip("=")
    other = load_or_create_key(tmp_path / "other")
    plain = office.key.sign(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    unpurposed = f"{payload}.{base64.urlsafe_b64encode(plain).decode().rstrip('=')}"
    flipped = [token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :] for n in range(0, len(token), 7)]
    strange = [
        "",
        ".",
        "a.b",
        "ä.ö",
        token + "=",
        f" {token}",
        "x" * 5000,
        "..",
        f"{payload}.{signature}.{signature}",
        f"{mallory}.{signature}",
    ]

    for wrong in (*flipped, *strange, unpurposed, make_token(Link(*body), other)):
        with pytest.raises(LinkRefused) as caught:
            links.redeem(wrong)
        assert caught.value.reason == "forged"

    assert links.redeem(token).state == "ready"


def test_forged_links_cannot_fill_the_log(office: Any) -> None:
    """Of strangers only so many refusals are recorded in an hour; the next says how many were not."""
    links = Links(office.work, office.key)
    for number in range(130):
        with pytest.raises(LinkRefused):
            links.redeem(f"forged{number}.x")
    assert len(refusals(office)) == 100
    office.clock.move(hours=1)
    with pytest.raises(LinkRefused):
        links.redeem("one.more")

    (*_, last) = office.store.read(types=["link.refused"])
    assert last.event.attributes["unrecorded"] == 30


def test_an_old_link_is_refused(office: Any, sent: dict[str, str]) -> None:
    """A mailbox that is opened a year later must not act."""
    office.clock.move(days=14)
    with pytest.raises(LinkRefused, match=r"good until 2026-03-16 09:00 UTC") as caught:
        Links(office.work, office.key).look(sent["accept"])

    assert caught.value.reason == "expired"


def test_who_left_or_lost_the_task_cannot_act_by_an_older_link(office: Any, sent: dict[str, str]) -> None:
    """The map and the task say who may, at the moment the link is used."""
    gone = office.changed(
        (office.folder / "map.yaml").read_text().replace("team: studio}", "team: legal}", 1).replace("owner: Sam", "owner: Sue")
    )
    with pytest.raises(LinkRefused, match="not for Sam any more"):
        Links(gone, office.key).redeem(sent["accept"])
    office.work.delegate(office.work.tasks()[0].task, by="Sam", to="legal")
    with pytest.raises(LinkRefused, match="handed on"):
        Links(office.work, office.key).redeem(sent["accept"])


def test_a_task_somebody_else_took_says_who_has_it(office: Any, sent: dict[str, str]) -> None:
    """Sue was quicker."""
    office.work.claim(office.work.tasks()[0].task, by="Sue")

    with pytest.raises(LinkRefused, match="Sue has it"):
        Links(office.work, office.key).redeem(sent["accept"])
