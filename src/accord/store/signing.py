"""Ed25519 signatures under what Accord hands out: reports, plans, and heads of the log.

A workspace makes its key pair on first use. A signed document is canonical JSON with its signature inside, and its bytes are the only
spelling of it that verifies: a changed blank is found like a changed figure.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from accord.model.errors import DataRefused, UsageError

PRIVATE = "signing-key.pem"
PUBLIC = "signing-key.pub"
ALGORITHM = "Ed25519"
_DOCUMENT = b"accord document 1\n"  # what is signed says what it is, so that no signature passes for one of another purpose


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies; ``key_id`` is the first half of the SHA-256 of its 32 bytes, in hexadecimal."""

    key_id: str
    _key: Ed25519PublicKey = field(repr=False, compare=False)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` was made over exactly these bytes with the private half."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair that signs."""

    public: PublicKey
    _key: Ed25519PrivateKey = field(repr=False, compare=False)

    def sign(self, data: bytes) -> bytes:
        """The signature over these bytes, 64 bytes long."""
        return self._key.sign(data)


def load_or_create_key(folder: Path) -> SigningKey:
    """The key pair kept in ``folder``, made there on first use: the private half readable by its owner only.

    Raises:
        DataRefused: the file is no Ed25519 key, or others may read it.
        UsageError: the folder cannot be written.
    """
    private = folder / PRIVATE
    try:
        if not private.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create(private)
        if stat.S_IMODE(private.stat().st_mode) & 0o077:
            raise DataRefused("others may read this private key", str(private), f"mode 0600 (chmod 600 {private})")
        key = _read_private(private)
        public = _public(key.public_key())
        if not (folder / PUBLIC).exists():
            text = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            _whole(folder / PUBLIC, text, 0o644)
    except OSError as error:
        raise UsageError(
            f"no signing key can be kept in {folder}: {error.strerror}.", expected="Name a folder that can be written."
        ) from error
    return SigningKey(public, key)


def load_public_key(path: Path) -> PublicKey:
    """The key of a public key file (PEM).

    Raises:
        UsageError: there is no such file.
        DataRefused: it holds no Ed25519 public key.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", expected=f"Give the file {PUBLIC} of the workspace that signed."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DataRefused("this is no public key", str(path), "an Ed25519 public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise DataRefused("this is a key of another kind", str(path), "an Ed25519 public key in PEM")
    return _public(key)


def canonical(body: Mapping[str, Any]) -> bytes:
    """The one spelling of a JSON object: sorted keys, no blanks, UTF-8."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sign_document(body: Mapping[str, Any], key: SigningKey) -> bytes:
    """The document as bytes: ``body`` in canonical JSON with ``signature`` added."""
    plain = canonical(body)
    signature = _signature(key.public.key_id, plain, key.sign(_DOCUMENT + plain))
    return canonical({**body, "signature": signature}) + b"\n"


def verify_document(data: bytes, key: PublicKey, *, where: str) -> dict[str, Any]:
    """The body of a signed document, once every byte of it is proven to be as it was signed.

    Args:
        data: the bytes of the file.
        key: the public key of the signer.
        where: the file, for messages.

    Raises:
        DataRefused: a byte was changed, or another key signed it.
    """
    try:
        document = json.loads(data)
        signature = document.pop("signature")
        value = bytes.fromhex(signature["value"])
        plain = canonical(document)
        spelled = canonical({**document, "signature": _signature(str(signature["key"]), plain, value)}) + b"\n"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataRefused("this is no signed document", where, "canonical JSON with a signature, as Accord wrote it") from error
    if signature["key"] != key.key_id:
        found = str(signature["key"])[:32]
        raise DataRefused(f"it is signed with key {found}, not with {key.key_id}", where, "the public key of the workspace that wrote it")
    if spelled != data or not key.verify(value, _DOCUMENT + plain):
        raise DataRefused("it was changed after it was signed", where, "the file as it was written")
    return dict(document)


def _signature(key_id: str, plain: bytes, value: bytes) -> dict[str, str]:
    return {"algorithm": ALGORITHM, "key": key_id, "sha256": hashlib.sha256(plain).hexdigest(), "value": value.hex()}


def _public(key: Ed25519PublicKey) -> PublicKey:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return PublicKey(hashlib.sha256(raw).hexdigest()[:32], key)


def _read_private(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise DataRefused("this is no private key", str(path), "an Ed25519 key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise DataRefused("this is a key of another kind", str(path), "an Ed25519 key in PEM")
    return key


def _create(path: Path) -> None:
    text = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    aside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        _write_new(aside, text, 0o600)
        # A link, not a rename: of two processes that make a key at once, the second must find and use the first one's.
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _whole(path: Path, data: bytes, mode: int) -> None:
    aside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        _write_new(aside, data, mode)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
