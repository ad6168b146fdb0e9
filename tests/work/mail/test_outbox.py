"""Who is written to, what it says, and that each message goes out once, whatever the mail server does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from accord.model.errors import TransientError, UsageError
from accord.work.links import Links
from accord.work.mail import Post
from accord.work.mail.calendar_entry import calendar_entry

TABLES = ("mail", "follower")


def states(office: Any) -> list[tuple[str, str, str]]:
    return sorted(office.store.rows("SELECT person, team, state FROM mail"))


def test_a_case_writes_to_those_it_comes_to(office: Any) -> None:
    """Each of a team, or its shared address; what came back says why; who has no address is not asked for one."""
    office.work.start("campaign", case="C1", by="Max")
    assert office.mailbox().turn() == 1
    (brief,) = office.server.kept
    assert (brief["To"], brief["Subject"]) == ("Mia Berg <mia@example.org>", "[acme] Write the brief: C1")

    office.work.complete(office.work.tasks()[0].task, by="Mia", answer={"budget": 3})
    assert office.mailbox().turn() == 2
    assert [str(m["To"]) for m in office.server.kept[1:]] == ["Sam Ött <sam@example.org>", "Sue <sue@example.org>"]
    offer = office.server.kept[1].get_body(("plain",)).get_content()
    assert "Marketing offers it." in offer
    assert "To be accepted by Mon 2026-03-02 12:00 CET." in offer
    draw = office.work.tasks()[0].task
    office.work.reject(draw, by="Sam", reason="which size?")
    office.mailbox().turn()
    back = office.server.to("mia@example.org")[1]
    assert back["Subject"] == "[acme] sent back: Write the brief: C1"
    assert "It came back because: which size?" in back.get_body(("plain",)).get_content()

    office.work.complete(office.work.tasks()[0].task, by="Mia", answer={"budget": 3})
    office.work.complete(draw, by="Sam")
    office.mailbox().turn()
    (shared,) = office.server.to("legal@example.org")
    assert office.server.to("lea@example.org") == []
    assert "redeem" not in shared.get_content()
    assert "https://" not in shared.get_content()
    before = [office.store.table(name) for name in TABLES]
    office.store.rebuild()
    assert [office.store.table(name) for name in TABLES] == before


def test_who_accepts_a_handoff_gets_what_is_needed_to_go_on(office: Any, tokens: Callable[..., dict[str, str]]) -> None:
    """The offer had links to accept and to send back; by those alone nobody could finish. Once for each acceptance, and for nobody else."""
    office.work.start("campaign", case="C1", by="Max")
    office.work.complete(office.work.tasks()[0].task, by="Mia", answer={"budget": 3})
    office.mailbox().turn()
    office.work.accept(office.work.tasks()[0].task, by="Sam")

    assert office.mailbox().turn() == 1

    (_, message) = office.server.to("sam@example.org")
    assert sorted(tokens(message)) == ["claim", "complete"]
    assert Links(office.work, office.key).redeem(tokens(message)["complete"]).state == "completed"
    office.work.start("campaign", case="C2", by="Max")
    office.work.complete(office.work.tasks(team="marketing")[0].task, by="Mia", answer={"budget": 3})
    office.work.accept(office.work.tasks(team="studio")[0].task, by="Sam")  # before anybody was told of the offer
    office.mailbox().turn()
    assert len([m for m in office.server.to("sam@example.org") if "C2" in m["Subject"]]) == 1


def test_a_message_carries_when_it_is_due(office: Any) -> None:
    """As a calendar entry; the same task's later entry takes the place of the first."""
    office.work.start("campaign", case="C;1", by="Mia")
    office.work.complete(office.work.tasks()[0].task, by="Mia", answer={"budget": 3})
    office.mailbox().turn()

    (attached,) = office.server.kept[0].iter_attachments()
    assert (attached.get_content_type(), attached.get_param("method"), attached.get_filename()) == ("text/calendar", "PUBLISH", "due.ics")
    lines = attached.get_content().replace("\r\n", "\n").replace("\n ", "").splitlines()
    assert "DTSTART:20260302T110000Z" in lines
    assert "SUMMARY:Draw it: C\\;1" in lines


def test_a_calendar_entry_is_folded_inside_no_character() -> None:
    """RFC 5545: at most 75 octets a line; what is unfolded is what was written."""
    title = "Größe, «fünf»; \\ " * 12
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)

    text = calendar_entry(key="t", due=now, title=title, text="a\nb\x07", sequence=2, now=now)

    assert max(len(line.encode()) for line in text.split("\r\n")) <= 75
    whole = text.replace("\r\n ", "").split("\r\n")
    (summary,) = [line.removeprefix("SUMMARY:") for line in whole if line.startswith("SUMMARY:")]
    assert summary.replace("\\,", ",").replace("\\;", ";").replace("\\\\", "\\") == title
    assert "DESCRIPTION:a\\nb" in whole


def test_work_that_is_late_is_told_to_whom_it_is_escalated(office: Any) -> None:
    """The owner of the team, with what can still be done."""
    office.work.start("campaign", case="C1", by="Mia")
    office.work.complete(office.work.tasks()[0].task, by="Mia", answer={"budget": 3})
    office.mailbox().turn()
    office.clock.move(hours=3)
    office.work.fire()
    office.mailbox().turn()

    assert [m["Subject"] for m in office.server.to("sam@example.org")] == ["[acme] Draw it: C1", "[acme] late: Draw it: C1"]
    assert len(office.server.to("sue@example.org")) == 1


def test_who_is_told_first_is_told_of_open_tasks_once(office: Any) -> None:
    """Mail may be set up when work runs already; what is over is not told any more."""
    first = office.work.start("campaign", case="C1", by="Mia")
    office.work.start("campaign", case="C2", by="Mia")
    office.work.complete(f"{first}/brief/1", by="Mia", answer={"budget": 3})

    assert office.mailbox().turn() == 3
    assert office.mailbox().turn() == 0
    assert sorted(m["Subject"] for m in office.server.kept) == ["[acme] Draw it: C1", "[acme] Draw it: C1", "[acme] Write the brief: C2"]


def test_what_nobody_needs_any_more_is_not_sent(office: Any) -> None:
    """While the server was away the work went on."""
    office.work.start("campaign", case="C1", by="Mia")
    office.mailbox().queue()
    office.work.complete(office.work.tasks()[0].task, by="Mia", answer={"budget": 3})

    assert office.mailbox().turn() == 2
    assert states(office) == [("Mia", "", "skipped"), ("Sam", "", "sent"), ("Sue", "", "sent")]


def test_a_server_that_is_away_loses_nothing(office: Any) -> None:
    """Tried again later, with longer pauses; the same message, so that mail systems can tell a repeat."""
    office.work.start("campaign", case="C1", by="Mia")
    with pytest.raises(TransientError, match="cannot be reached"):
        office.mailbox("smtp://127.0.0.1:1").turn()
    assert office.mailbox().turn() == 0  # its pause is not over
    office.clock.move(seconds=31)
    office.server.answers = [b"451 later", b""]
    with pytest.raises(TransientError, match="451"):
        office.mailbox().turn()
    office.clock.move(minutes=5)
    with pytest.raises(TransientError):
        office.mailbox().turn()  # taken, and the answer was lost
    office.clock.move(minutes=5)

    assert office.mailbox().turn() == 1
    taken, again = office.server.kept
    assert (taken["Message-ID"], taken.get_body(("plain",)).get_content()) == (
        again["Message-ID"],
        again.get_body(("plain",)).get_content(),
    )
    assert office.store.rows("SELECT state, failures FROM mail") == [("sent", 3)]


def test_a_password_that_is_wrong_costs_no_message(office: Any) -> None:
    """Nor does a server that offers no TLS to send it under: what is set up wrong is mended, and the message is still there."""
    office.work.start("campaign", case="C1", by="Mia")
    with pytest.raises(TransientError, match="cannot be reached: STARTTLS"):
        office.mailbox(office.server.url.replace("smtp://", "smtp://accord:hush@")).turn()

    assert office.store.rows("SELECT state FROM mail") == [("queued",)]
    assert "hush" not in "".join(body for (body,) in office.store.rows("SELECT body FROM event"))


def test_an_address_that_is_refused_holds_up_nobody(office: Any) -> None:
    """It is given up, with what the server said; the others get theirs over the same connection."""
    office.work.start("campaign", case="C1", by="Mia")
    office.work.complete(office.work.tasks()[0].task, by="Mia", answer={"budget": 3})
    office.server.refused = {"sam@example.org"}

    assert office.mailbox().turn() == 1
    assert states(office) == [("Sam", "", "dead"), ("Sue", "", "sent")]
    assert office.store.rows("SELECT error FROM mail WHERE state = 'dead'") == [("the mail server refuses Sam. Left: nothing was sent",)]
    assert office.server.connections == 1


def test_two_that_send_at_once_send_each_message_once(office: Any) -> None:
    """A second worker finds the first at it."""
    for number in range(5):
        office.work.start("campaign", case=f"C{number}", by="Mia")
    boxes = [office.mailbox(), office.mailbox()]
    threads = [threading.Thread(target=box.turn) for box in boxes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    boxes[0].turn()

    assert len(office.server.kept) == 5
    assert len({m["Message-ID"] for m in office.server.kept}) == 5


def test_neither_addresses_nor_links_stand_in_the_log(office: Any, tokens: Callable[..., dict[str, str]]) -> None:
    """Who reads the log must not be able to act as others; an address can be taken out of the map."""
    office.work.start("campaign", case="C1", by="Mia")
    office.mailbox().turn()

    bodies = "".join(body for (body,) in office.store.rows("SELECT body FROM event"))
    assert "mia@" not in bodies
    for token in tokens(office.server.kept[0]).values():
        assert token.partition(".")[2] not in bodies


def test_a_case_cannot_break_the_head_of_a_message(office: Any) -> None:
    """Whatever a system calls its cases."""
    office.work.start("campaign", case="C1\r\nBcc: all@example.org\x00" + "x" * 500, by="Mia")

    assert office.mailbox().turn() == 1
    (message,) = office.server.kept
    assert message["Bcc"] is None
    assert str(message["Subject"]).startswith("[acme] Write the brief: C1 Bcc: all@example.org")


def test_what_is_no_server_is_said_at_once() -> None:
    """Not when the first message is due."""
    for wrong in ("", "http://x", "smtp://", "smtp://host:99999999"):
        with pytest.raises(UsageError, match="--mail"):
            Post(wrong)
