"""Personal values stand sealed in the log and open everywhere else, on both databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from accord.model.errors import DataRefused, TerminalError
from accord.model.event import Event, ObjectRef
from accord.store import Store, open_store
from accord.store.database import Rows
from accord.store.sealing import Mark, Subject, erased_name
from accord.store.sealing.keys import Keyring

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ANNA, BERT = Subject("customer", "anna"), Subject("customer", "bert")


class Everything:
    """Marks ``mail`` and ``by`` of each event, and the first object, as those of the person in ``who``."""

    def marks(self, events: Sequence[Event], rows: Rows) -> list[list[Mark]]:
        found = []
        for event in events:
            subject = Subject("customer", event.attributes["who"])
            marks = [Mark(("attributes", "mail"), subject), Mark(("attributes", "by"), subject, name=True)]
            found.append([*marks, Mark(("objects", 0, 1), subject, name=True)])
        return found


def _event(number: int, who: str, **more: object) -> Event:
    given = {"who": who, "mail": [f"{who}-secret@example.org", 1.5], "by": f"{who} Surname", "open": "seen by all", **more}
    return Event(f"e{number}", "letter.noted", NOON, "test", given, (ObjectRef("mailbox", f"{who}-box"),))


@pytest.fixture
def sealed(store: Store) -> Store:
    """A store that seals."""
    store.protect(Everything())
    return store


def _bodies(store: Store) -> str:
    return "\n".join(body for (body,) in store.rows("SELECT body FROM event ORDER BY seq"))


def _shred(store: Store, subjects: Iterable[Subject]) -> None:
    ring: Keyring = store._sealer.keyring
    with store._transaction() as tx:
        old = ring.shred(tx, ring.known(tx, subjects).values())
    ring.destroy(old)


def test_the_log_holds_no_personal_value_and_readers_get_it(sealed: Store) -> None:
    """The log is kept for ever and handed to auditors; what is needed for work must still be there."""
    events = [_event(1, "anna"), _event(2, "bert")]

    sealed.append(events)

    assert [stored.event for stored in sealed.read()] == events
    text = _bodies(sealed)
    assert "secret" not in text
    assert "Surname" not in text
    assert "-box" not in text
    assert "seen by all" in text
    assert [s.event.id for s in sealed.read(object=ObjectRef("mailbox", "bert-box"))] == ["e2"]
    assert sealed.verify().seq == 2


def test_who_loses_the_key_loses_the_values_and_the_log_still_verifies(sealed: Store) -> None:
    """Erasure and an immutable log meet in this one property."""
    sealed.append([_event(1, "anna"), _event(2, "bert"), _event(3, "anna")])
    head = sealed.head()

    _shred(sealed, [ANNA])
    sealed.rebuild()

    first, second, third = (stored.event for stored in sealed.read())
    assert first.attributes["mail"] is None
    assert first.attributes["open"] == "seen by all"
    assert first.attributes["by"] == third.attributes["by"] == first.objects[0].id
    assert str(first.attributes["by"]).startswith(erased_name(""))
    assert second == _event(2, "bert")
    assert sealed.verify(through=head) == head


def test_an_older_copy_of_the_database_opens_nothing_after_an_erasure(open_here: Callable[..., Store], tmp_path: Path) -> None:
    """A backup holds the person's wrapped key; the file that unwraps it must be gone, and only that one."""
    store = open_here()
    store.protect(Everything())
    store.append([_event(1, "anna"), _event(2, "bert")])
    before = store.rows("SELECT id, lookup, wrapped, kek FROM person_key")

    _shred(store, [ANNA])

    ring = Keyring(tmp_path / "keys")
    for id_, _, wrapped, kek in before:
        with pytest.raises(DataRefused, match="missing"):
            ring._cipher(str(id_), str(wrapped), str(kek))
    again = open_here()
    assert [s.event.attributes["mail"] for s in again.read()][1] == ["bert-secret@example.org", 1.5]


def test_a_repeat_is_harmless_before_and_after_an_erasure(sealed: Store) -> None:
    """Whoever does not know whether an append went through repeats it, also after somebody was erased."""
    sealed.append([_event(1, "anna"), _event(1, "anna")])
    sealed.append([_event(1, "anna")])
    with pytest.raises(TerminalError, match="other content"):
        sealed.append([_event(1, "anna", mail="another")])

    _shred(sealed, [ANNA])
    sealed.append([_event(1, "anna")])

    assert sealed.head().seq == 1
    assert not sealed.rows("SELECT 1 FROM person_key")
    with pytest.raises(TerminalError, match="other content"):
        sealed.append([_event(1, "anna", open="another")])


def test_a_person_who_comes_back_gets_a_new_pseudonym(sealed: Store) -> None:
    """What was erased must stay so, and nobody may learn from the log that it is the same person."""
    sealed.append([_event(1, "anna")])
    _shred(sealed, [ANNA])

    sealed.append([_event(2, "anna")])

    first, second = (stored.event for stored in sealed.read())
    assert first.attributes["mail"] is None
    assert second == _event(2, "anna")


def test_a_writer_uses_no_key_that_another_process_shredded(open_here: Callable[..., Store]) -> None:
    """What a long-lived writer remembers must not bring back who was erased elsewhere, and must not make it fail."""
    writer, other = open_here(), open_here()
    writer.protect(Everything())
    writer.append([_event(1, "anna"), _event(2, "bert")])
    writer.append([_event(3, "anna"), _event(4, "bert")])  # now it knows both

    _shred(other, [ANNA])
    writer.append([_event(5, "bert"), _event(6, "anna"), _event(7, "cleo")])
    writer.append([_event(8, "cleo"), _event(9, "bert")])

    other._sealer.keyring.forget()
    assert [s.event.attributes["mail"] is None for s in other.read()] == [n in (1, 3) for n in range(1, 10)]
    assert {str(kek) for (kek,) in other.rows("SELECT kek FROM person_key UNION SELECT kek FROM sealing")} == {
        path.stem.removeprefix("sealing-") for path in writer._sealer.keyring.folder.iterdir()
    }


def test_a_key_made_in_a_transaction_that_failed_is_not_used_later(sealed: Store) -> None:
    """A value sealed with a key that nobody keeps would be lost."""

    def fail(tx: object, batch: object) -> None:
        raise RuntimeError("no")

    sealed.also(fail)
    with pytest.raises(RuntimeError):
        sealed.append([_event(1, "anna")])
    sealed._hooks.clear()

    sealed.append([_event(1, "anna")])

    sealed._sealer.keyring.forget()
    assert next(iter(sealed.read())).event == _event(1, "anna")


def test_a_sealed_value_cannot_be_moved_to_another_event(tmp_path: Path) -> None:
    """A cipher text names its event and its places; a forged log whose chain was made anew must not show it elsewhere."""
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        store.protect(Everything())
        store.append([_event(1, "anna"), _event(2, "anna", open="x")])
    with sqlite3.connect(tmp_path / "store.db") as db:
        (body,) = db.execute("SELECT body FROM event WHERE seq = 1").fetchone()
        db.execute("DROP TRIGGER event_is_never_changed")
        db.execute("UPDATE event SET body = ? WHERE seq = 2", (body.replace('"id":"e1"', '"id":"e2"'),))
    db.close()

    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store, pytest.raises(DataRefused, match="does not open"):
        list(store.read())


def test_a_missing_key_file_is_said_and_nothing_reads_as_erased(tmp_path: Path) -> None:
    """A lost file is an accident to be mended; showing its values as erased would hide it, and a rebuild would make it last."""
    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        store.protect(Everything())
        store.append([_event(1, "anna")])
    (key,) = (tmp_path / "keys").iterdir()
    assert key.stat().st_mode & 0o777 == 0o600
    text = key.read_text()
    key.unlink()

    with open_store(tmp_path / "store.db", segments=tmp_path / "segments") as store:
        with pytest.raises(DataRefused, match="missing"):
            list(store.read())
        key.write_text(text)
        with pytest.raises(DataRefused, match="others may read"):
            list(store.read())
        key.chmod(0o600)
        assert next(iter(store.read())).event == _event(1, "anna")


def test_an_event_with_a_member_called_sealed_is_only_that(sealed: Store) -> None:
    """What people give as values must never be taken for a seal."""
    tricky = replace(_event(1, "anna", sealed=[["x", [["attributes", "open"]], "AAAA"]]), source='"sealed":[')

    sealed.append([tricky])

    assert next(iter(sealed.read())).event == tricky
