"""The links of mails over HTTP: looked at by anybody, used once, by a click."""

from __future__ import annotations

import contextlib
import html
import random
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from accord.store.signing import load_or_create_key
from accord.work.links import Link, make_token

ANSWER = {"answer.budget": "1200.50", "answer.channel": "Mail", "answer.urgent": "false"}


def shown(answer: httpx.Response) -> str:
    """What a person reads."""
    text = re.sub(r"<(style|title)>.*?</\1>", "", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_a_campaign_is_carried_from_mail_to_mail_by_clicks_alone(office: Any, web: httpx.Client) -> None:
    """The whole way of people who have a mailbox and a browser: filled in, handed over, sent back, accepted, finished."""
    mine = office.brief()
    assert sorted(mine) == ["claim", "complete"]
    page = web.get(mine["complete"])
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for said in (
        "Acme <Marketing> · Campaign",
        "Finish “Write the brief”",
        "C<1>",
        "Wed 2026-03-04 10:00 CET",
        "on time",
        "Mia Berg",
        "EUR",
    ):
        assert said in shown(page)
    first = {**ANSWER, "answer.kickoff": "2026-03-29T09:30", "answer.targets": '{"a": [1]}'}
    assert web.post(mine["complete"], data=first).status_code == 200
    office.tell()
    theirs = office.links("sam@example.org")
    assert "The studio takes this work over from Marketing" in shown(web.get(theirs["accept"]))
    assert "What is missing" in shown(web.get(theirs["reject"]))
    assert "Marketing was told" in shown(web.post(theirs["reject"], data={"answer.reason": "which size?"}))
    office.tell()
    again = office.links("mia@example.org")
    page = web.get(again["complete"])
    assert "It came back because which size?" in shown(page)
    for filled in (
        'value="1200.5"',
        "<option selected>Mail</option>",
        'value="false" required checked',
        'value="2026-03-29T09:30"',
        "{&#34;a&#34;: [1]}",
    ):
        assert filled in page.text  # only what is wrong has to be filled in anew
    assert "is finished" in shown(web.post(again["complete"], data=first))
    office.tell()

    accepted = web.post(office.links("sue@example.org")["accept"])
    ways = dict(re.findall(r'<a href="([^"]+)">([^<]+)</a>', accepted.text))
    assert sorted(ways.values()) == ["Finish it", "Take it"]
    done = web.post(next(f"/links/{token}" for token, said in ways.items() if said == "Finish it"), data={"answer.budget": "9"})

    assert "Done" in shown(done)
    assert office.store.rows("SELECT status FROM work_instance") == [("completed",)]
    assert office.store.rows("SELECT ended_by FROM work_task ORDER BY seq") == [("Mia",), ("Sue",)]
    kept = dict(office.store.rows("SELECT name, value FROM work_variable"))
    assert kept["budget"] == "1200.5"
    assert kept["kickoff"] == '"2026-03-29T09:30:00+02:00"'  # as the clock of the team shows it


def test_looking_uses_nothing_up_however_often(office: Any, web: httpx.Client) -> None:
    """Mail programs and their guards follow every link, by GET and by HEAD, before anybody reads the message."""
    mine = office.brief()
    before, head = office.rows(), office.store.head()

    for path in mine.values():
        for method in ("GET", "HEAD", "GET"):
            assert web.request(method, path).status_code == 200

    assert (office.rows(), office.store.head()) == (before, head)
    assert web.post(mine["claim"]).status_code == 200


def test_what_does_not_fit_is_said_beside_its_field_and_uses_nothing_up(office: Any, web: httpx.Client) -> None:
    """All mistakes at once, with what was filled in still there; the log holds which fields and not what stood in them."""
    path, before = office.brief()["complete"], office.rows()

    wrong = {
        "answer.budget": "<b>1,5",
        "answer.channel": "TV",
        "answer.notes": "UPPER",
        "answer.extra": "x",
        "answer.kickoff": "soon",
        "answer.targets": "{not json",
    }
    answer = web.post(path, data=wrong)

    assert answer.status_code == 422
    beside = dict(re.findall(r'id="f-answer\.(\w+)-wrong">([^<]+)<', html.unescape(answer.text)))
    assert beside == {
        "budget": "Expected a number, such as 1200.50.",
        "channel": "Expected one of: Search, Mail.",
        "kickoff": "Expected a time with its zone, such as 2026-03-02T09:00:00+01:00.",
        "urgent": "This is needed.",
        "notes": "Expected the form [a-z ]*.",
        "targets": 'Expected JSON, such as {"amount": 7} or "a text".',
    }
    assert 'value="&lt;b&gt;1,5"' in answer.text
    assert "extra: There is no such field." in shown(answer)
    assert web.post(path, data={**ANSWER, "answer.budget": "6000"}).status_code == 422
    assert office.rows() == before
    assert [s.event.attributes["fields"]["budget"] for s in office.store.read(types=["task.refused"])] == ["type", "maximum"]
    assert web.post(path, data=ANSWER).status_code == 200


def test_a_reason_that_is_missing_is_asked_for(office: Any, web: httpx.Client) -> None:
    """Work that comes back without a word helps nobody."""
    web.post(office.brief()["complete"], data=ANSWER)
    office.tell()
    path = office.links("sam@example.org")["reject"]

    answer = web.post(path, data={"answer.reason": "  "})

    assert answer.status_code == 422
    assert "f-answer.reason-wrong" in answer.text
    assert office.count("handoff.rejected") == 0


def test_a_gate_that_is_not_passed_says_why_and_how_to_go_on(office: Any, web: httpx.Client) -> None:
    """The click counted, the work is not done: a new link stands right there."""
    answer = web.post(office.brief()["complete"], data={**ANSWER, "answer.budget": "7"})

    assert "Not finished yet" in shown(answer)
    assert "the budget is too small" in shown(answer)
    (next_,) = re.findall(r'<a href="([^"]+)">Finish it</a>', answer.text)
    assert "is finished" in shown(web.post(f"/links/{next_}", data=ANSWER))


def test_what_is_used_forged_old_or_overtaken_is_refused_with_a_word(office: Any, web: httpx.Client, tmp_path: Any) -> None:
    """Each with the status that says it, recorded, and the state as it was; the page explains it to a person."""
    mine = office.brief()
    web.post(mine["complete"], data=ANSWER)
    office.tell()
    theirs, sues = office.links("sam@example.org"), office.links("sue@example.org")
    stranger = make_token(Link("x", "accept", "Sam", 2**33, "n", "r"), load_or_create_key(tmp_path / "other"))
    assert web.post(sues["accept"]).status_code == 200
    before = office.rows()

    def refused(path: str, status: int, said: str, **more: Any) -> None:
        for answer in (web.get(path), web.post(path, **more)):
            assert (answer.status_code, said in shown(answer)) == (status, True), shown(answer)

    refused(mine["complete"], 410, "used already", data=ANSWER)
    refused(mine["claim"], 409, "is completed")
    refused(theirs["accept"], 409, "this link does nothing any more")
    for token in (stranger, theirs["reject"][7:-1], "x", "a.b", "%00", "%2e%2e", "x" * 3000, "ä.ö", "..%2f..%2fetc%2fpasswd"):
        path = f"/links/{token}"
        answers = (web.get(path), web.post(path, data={"answer.reason": "x"}))
        assert {a.status_code for a in answers} <= {403, 404, 405}, token
    office.clock.move(days=15)
    refused(theirs["reject"], 410, "was good until", data={"answer.reason": "too late"})

    assert office.rows() == before
    reasons = {s.event.attributes["reason"] for s in office.store.read(types=["link.refused"])}
    assert reasons == {"used", "moved on", "forged", "expired"}


def test_of_two_clicks_at_once_one_counts(office: Any, web: httpx.Client) -> None:
    """A double click, or two browsers: exactly one does it, the others are told so."""
    path = office.brief()["complete"]

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(lambda _: web.post(path, data=ANSWER).status_code, range(16)))

    assert found == [200, *[410] * 15]
    assert (office.count("task.completed"), office.count("link.used")) == (1, 1)


@pytest.mark.parametrize("times", [40, pytest.param(1000, marks=pytest.mark.prove)])
def test_no_body_makes_it_fail(office: Any, web: httpx.Client, times: int) -> None:
    """What no page of ours would send: each gets an answer, none changes anything."""
    path, before, rng = office.brief()["complete"], office.rows(), random.Random(4)
    names = [
        "answer.budget",
        "answer.channel",
        "answer.urgent",
        "answer.kickoff",
        "answer.targets",
        "answer.",
        "answer.x.y",
        "x",
        "",
        "\ud800",
    ]
    values = [
        "",
        "nan",
        "1e999",
        "9" * 400,
        "-",
        "٣",
        "\0",
        "{",
        "[" * 900,
        '{"a":"\\ud800"}',
        "0001-01-01T00:00",
        "9999-12-31T23:59",
        "\n",
        "true",
    ]

    for number in range(times):
        kind = "application/x-www-form-urlencoded"
        if number % 3:
            pairs = [f"{rng.choice(names)}={rng.choice(values)}" for _ in range(rng.randrange(6))]
            body = "&".join(pairs).encode("utf-8", "surrogatepass")
        else:
            body, kind = rng.randbytes(rng.randrange(200)), rng.choice([kind, "multipart/form-data", "application/json", "", "ä;;"])
        status = web.post(path, content=body, headers={"content-type": kind.encode()}).status_code
        assert status in (400, 415, 422), (status, body)

    assert office.rows() == before


def test_a_body_longer_than_a_form_is_not_read_to_its_end(office: Any, web: httpx.Client) -> None:
    """Whoever sends gigabytes is cut off."""
    path, sent = office.brief()["complete"], []

    def endless() -> Any:
        for _ in range(10_000):
            sent.append(1)
            yield b"a" * 65_536

    with contextlib.suppress(httpx.TransportError):  # cut while it was still sending
        assert web.post(path, content=endless(), headers={"content-type": "application/x-www-form-urlencoded"}).status_code == 413
    assert len(sent) < 5_000
    assert web.post(path, content=b"a=1&" * 600, headers={"content-type": "application/x-www-form-urlencoded"}).status_code == 400


def test_no_page_may_load_keep_or_pass_on_anything(office: Any, web: httpx.Client) -> None:
    """The address of a link is the right to use it: no cache, no referrer, no frame, no script, nothing from elsewhere."""
    answers = [
        web.get(office.brief()["complete"]),
        web.get("/links/x"),
        web.get("/nothing"),
        web.get("/healthz"),
        web.post("/webhooks/shop"),
    ]

    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script" not in policy
        wanted = {
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
            "x-frame-options": "DENY",
        }
        assert wanted.items() <= dict(answer.headers).items()
        assert "server" not in answer.headers
        assert "<script" not in answer.text
        assert "http" not in re.sub(r'http-equiv|"\S*problem\S*"', "", answer.text)


def test_a_used_link_names_no_other_right(office: Any, web: httpx.Client) -> None:
    """What is shown after use stands only in the answer to the one click that counted."""
    path = office.brief()["claim"]
    assert "/links" not in web.get(path).text
    first = web.post(path)
    assert re.findall(r'href="(WyJ[^"]+)"', first.text)

    again = web.post(path)

    assert re.findall(r'href="(WyJ[^"]+)"', again.text) == []
