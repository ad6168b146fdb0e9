"""What Accord signs can be checked by others, and no changed byte passes."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from accord.model.errors import DataRefused
from accord.store.signing import PRIVATE, PUBLIC, SigningKey, load_or_create_key, load_public_key, sign_document, verify_document

BODY = {"kind": "report", "rows": 3, "names": ["Ä", "b"], "deep": {"z": None, "a": True}}


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return load_or_create_key(tmp_path / "keys")


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path, key: SigningKey) -> None:
    """Whoever reads the private half can sign in our name."""
    again = load_or_create_key(tmp_path / "keys")

    assert again.public == key.public
    assert stat.S_IMODE((tmp_path / "keys" / PRIVATE).stat().st_mode) == 0o600
    assert load_public_key(tmp_path / "keys" / PUBLIC) == key.public


def test_a_private_key_others_may_read_is_refused(tmp_path: Path, key: SigningKey) -> None:
    """A copied folder often loses its modes."""
    (tmp_path / "keys" / PRIVATE).chmod(0o644)

    with pytest.raises(DataRefused, match="others may read"):
        load_or_create_key(tmp_path / "keys")


def test_many_that_come_first_at_once_get_the_same_key(tmp_path: Path) -> None:
    """Two keys for one workspace would make half of its reports unverifiable."""
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(load_or_create_key(tmp_path / "k").public.key_id)) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_signed_document_gives_its_body_back(key: SigningKey) -> None:
    """What was signed is what is read."""
    assert verify_document(sign_document(BODY, key), key.public, where="x") == BODY


def test_every_changed_removed_or_added_byte_is_found(key: SigningKey) -> None:
    """A signature that lets one byte pass, in the figures or in itself, proves nothing."""
    data = sign_document(BODY, key)
    changed = [data[:i] + bytes([data[i] ^ bit]) + data[i + 1 :] for i in range(len(data)) for bit in (1, 0x20)]
    changed += [data[:i] + data[i + 1 :] for i in range(len(data))] + [data[:i] + b" " + data[i:] for i in range(len(data) + 1)]

    passed = []
    for mutant in changed:
        try:
            verify_document(mutant, key.public, where="x")
        except DataRefused:
            continue
        passed.append(mutant)

    assert passed == []


def test_a_document_of_another_key_is_refused_by_name(tmp_path: Path, key: SigningKey) -> None:
    """A report of a workspace nobody trusts is not made true by a valid signature."""
    other = load_or_create_key(tmp_path / "other")

    with pytest.raises(DataRefused, match=other.public.key_id):
        verify_document(sign_document(BODY, other), key.public, where="x")
