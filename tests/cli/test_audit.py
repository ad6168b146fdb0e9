"""The audit trail from the command line, and the verifier that needs only the export."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def logged(small: Any) -> Any:
    """A workspace with some events in its log."""
    assert small.call("sync", str(small.folder))[0] == 0
    return small


def _verifier(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-I", "-S", str(folder / "verify.py"), *more], capture_output=True, text=True, check=False)


def test_an_event_can_be_proven_to_someone_who_has_only_the_public_key(logged: Any, tmp_path: Path) -> None:
    """The document holds the event, so it proves what it shows."""
    proof, key = tmp_path / "proof.json", logged.folder / ".accord" / "keys" / "signing-key.pub"
    assert logged.call("audit", "prove", "2", str(logged.folder), "--to", str(proof))[0] == 0

    code, text, _ = logged.call("audit", "check", str(proof), "--public-key", str(key))
    assert (code, text.startswith("accord inclusion proof holds")) == (0, True)

    changed = json.loads(proof.read_text())
    changed["event"] = changed["event"].replace("attributes", "attr1butes", 1)
    proof.write_text(json.dumps(changed, sort_keys=True, separators=(",", ":")) + "\n")
    code, _, error = logged.call("audit", "check", str(proof), "--public-key", str(key))
    assert (code, "changed after it was signed" in error) == (1, True)


def test_a_log_whose_end_was_cut_off_does_not_extend_the_head_noted_before(logged: Any, tmp_path: Path) -> None:
    """The chain of the shorter log verifies by itself; only the head outside shows what is gone."""
    head, store = tmp_path / "head.json", logged.folder / ".accord" / "store.db"
    assert logged.call("audit", "head", str(logged.folder), "--to", str(head))[0] == 0
    assert logged.call("audit", "verify", str(logged.folder), "--head", str(head))[0] == 0
    with sqlite3.connect(store) as db:
        db.execute("DROP TRIGGER event_is_never_removed")
        db.execute("DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)")
        db.execute("UPDATE log_head SET (seq, hash) = (SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1)")
    db.close()

    assert logged.call("audit", "verify", str(logged.folder))[0] == 0
    code, _, error = logged.call("audit", "verify", str(logged.folder), "--head", str(head))
    assert (code, "when the earlier head was signed" in error) == (1, True)


def test_a_log_that_grew_extends_every_head_noted_before(logged: Any, tmp_path: Path) -> None:
    """Growing is the one thing a log may do."""
    head, proof = tmp_path / "head.json", tmp_path / "consistency.json"
    assert logged.call("audit", "head", str(logged.folder), "--to", str(head))[0] == 0
    logged.sql("a", "INSERT INTO things VALUES ('new', 'New', 1)")
    assert logged.call("sync", str(logged.folder))[0] == 0

    assert logged.call("audit", "consistency", str(head), str(logged.folder), "--to", str(proof))[0] == 0
    key = logged.folder / ".accord" / "keys" / "signing-key.pub"
    assert logged.call("audit", "check", str(proof), "--public-key", str(key))[0] == 0


def test_an_export_is_verified_by_python_alone_and_every_change_is_found(logged: Any, tmp_path: Path) -> None:
    """An auditor has neither Accord nor a reason to trust it."""
    folder = tmp_path / "export"
    assert logged.call("audit", "export", str(folder), str(logged.folder))[0] == 0
    good = _verifier(folder)
    assert (good.returncode, good.stdout.startswith("verified: ")) == (0, True), good.stderr

    for name in ("events.jsonl", "head.json", "signing-key.pub"):
        whole = (folder / name).read_bytes()
        step = max(1, len(whole) // 6)
        for place in range(5, len(whole) - 1, step):
            (folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert _verifier(folder).returncode == 1, (name, place)
        (folder / name).write_bytes(whole)
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    for forged in (lines[:-1], [lines[1], lines[0], *lines[2:]], [*lines, lines[-1]]):
        (folder / "events.jsonl").write_bytes(b"".join(forged))
        assert _verifier(folder).returncode == 1


def test_an_export_overwrites_nothing(logged: Any, tmp_path: Path) -> None:
    """Evidence is not written over evidence."""
    (tmp_path / "x").write_text("mine")
    code, _, error = logged.call("audit", "export", str(tmp_path), str(logged.folder))
    assert (code, "is not empty" in error) == (2, True)
