"""The audit trail as something others can check: signed heads, proofs for single events, exports with their own verifier.

A signed head fixes the log up to a moment: with it in other hands nobody can cut the end off, change or insert an event, or write the log
anew, without a proof of consistency failing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accord.govern import offline_verifier
from accord.model.errors import DataRefused, LogTampered, UnknownName, UsageError
from accord.model.event import GENESIS, chain_hash
from accord.store import Store
from accord.store.merkle import EMPTY, MerkleTree, leaf_hash, verify_consistency, verify_inclusion
from accord.store.signing import PUBLIC, PublicKey, SigningKey, sign_document, verify_document

HEAD, INCLUSION, CONSISTENCY = "accord log head", "accord inclusion proof", "accord consistency proof"


def signed_head(store: Store, key: SigningKey, *, now: datetime) -> bytes:
    """The present end of the log, signed: number of events, Merkle root and hash of the chain.

    Raises:
        LogTampered: the log does not verify; a broken log is not signed.
    """
    head = store.verify()
    tree = _tree(store, head.seq)
    return sign_document(_head(store, tree, head.hash, now), key)


def prove_event(store: Store, event: str, key: SigningKey, *, now: datetime) -> bytes:
    """That an event is in the log: its bytes, its audit path and a signed head, in one signed document.

    Args:
        store: the log.
        event: id of the event, or its sequence number.
        key: signs.
        now: the time.

    Raises:
        UnknownName: there is no such event.
        LogTampered: the log does not verify.
    """
    head = store.verify()
    found = store.rows("SELECT seq, body FROM event WHERE id = ?", event)
    if not found and event.isdigit():
        found = store.rows("SELECT seq, body FROM event WHERE seq = ?", int(event))
    if not found:
        raise UnknownName("event", event, [row[0] for row in store.rows("SELECT id FROM event ORDER BY seq DESC LIMIT 12")])
    seq, body = found[0]
    tree = _tree(store, head.seq)
    path = [node.hex() for node in tree.inclusion(seq - 1)]
    return sign_document({"kind": INCLUSION, "seq": seq, "event": body, "path": path, "head": _head(store, tree, head.hash, now)}, key)


def prove_consistency(store: Store, old: Mapping[str, Any], key: SigningKey, *, now: datetime) -> bytes:
    """That the log still begins with all that an earlier head was signed for.

    Args:
        store: the log.
        old: the body of the earlier signed head.
        key: signs.
        now: the time.

    Raises:
        LogTampered: it does not: events were cut off or changed since.
    """
    head = store.verify()
    size, root = _of_head(old)
    tree = _tree(store, head.seq)
    if size > tree.size:
        raise LogTampered(tree.size + 1, f"the log ends at {tree.size} and reached {size} when the earlier head was signed")
    if tree.root(size).hex() != root:
        raise LogTampered(1, f"the first {size} events are not those the earlier head was signed for")
    path = [node.hex() for node in tree.consistency(size)] if size else []
    return sign_document({"kind": CONSISTENCY, "old": dict(old), "path": path, "head": _head(store, tree, head.hash, now)}, key)


def check_document(data: bytes, key: PublicKey, *, where: str) -> dict[str, Any]:
    """What a head or a proof says, once its signature and its hashes hold; needs no store.

    Raises:
        DataRefused: it was changed, another key signed it, or its path does not lead to its root.
    """
    body = verify_document(data, key, where=where)
    try:
        good = _holds(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataRefused("this is no head and no proof", where, "a document that accord audit wrote") from error
    if not good:
        raise DataRefused("its path does not lead to the root of its head", where, "the document as it was written")
    return body


def export_log(store: Store, folder: Path, key: SigningKey, public_key_file: Path, *, now: datetime) -> int:
    """Write the log so that it can be verified without Accord; returns the number of events.

    The folder gets ``events.jsonl`` (the very bytes that are hashed, one event a line), ``head.json`` (signed), the public key and
    ``verify.py``, which needs Python and nothing else.

    Raises:
        UsageError: the folder is there and not empty, or cannot be written.
        LogTampered: the log does not verify.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty.", expected="Name a new folder, so that nothing is overwritten.")
    head = store.verify()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "events.jsonl").open("wb") as file:
            leaves, chain = [], GENESIS
            for body in _bodies(store, head.seq):
                file.write(body + b"\n")
                leaves.append(leaf_hash(body))
                chain = chain_hash(chain, body)
        (folder / "head.json").write_bytes(sign_document(_head(store, MerkleTree(leaves), chain, now), key))
        shutil.copyfile(public_key_file, folder / PUBLIC)
        shutil.copyfile(str(offline_verifier.__file__), folder / "verify.py")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}.", expected="Name a folder that can be written.") from error
    return len(leaves)


def _holds(body: Mapping[str, Any]) -> bool:
    kind = body["kind"]
    if kind == HEAD:
        size, _ = _of_head(body)
        return size >= 0
    size, root = _of_head(body["head"])
    path = [bytes.fromhex(node) for node in body["path"]]
    if kind == INCLUSION:
        return verify_inclusion(body["seq"] - 1, size, leaf_hash(body["event"].encode()), path, bytes.fromhex(root))
    old_size, old_root = _of_head(body["old"])
    if kind != CONSISTENCY:
        raise ValueError(kind)
    if old_size == 0:
        return old_root == EMPTY.hex() and not path
    return verify_consistency(old_size, size, bytes.fromhex(old_root), bytes.fromhex(root), path)


def _of_head(body: Mapping[str, Any]) -> tuple[int, str]:
    try:
        size, root = body["size"], body["root"]
        if body["kind"] != HEAD or not isinstance(size, int) or len(bytes.fromhex(root)) != 32:
            raise ValueError(body["kind"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataRefused("this is no head of a log", "the document", "one that accord audit head wrote") from error
    return size, root


def _head(store: Store, tree: MerkleTree, chain: str, now: datetime) -> dict[str, Any]:
    first = store.rows("SELECT hash FROM event WHERE seq = 1")
    at = now.astimezone(UTC).isoformat(timespec="seconds")
    return {"kind": HEAD, "log": first[0][0] if first else "", "size": tree.size, "root": tree.root().hex(), "chain": chain, "at": at}


def _tree(store: Store, size: int) -> MerkleTree:
    return MerkleTree(leaf_hash(body) for body in _bodies(store, size))


def _bodies(store: Store, size: int) -> Iterator[bytes]:
    step = 5000
    for after in range(0, size, step):
        rows = store.rows("SELECT body FROM event WHERE seq > ? AND seq <= ? ORDER BY seq", after, min(after + step, size))
        yield from (body.encode() for (body,) in rows)
