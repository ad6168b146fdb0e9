"""A wire that can fail: a TCP proxy on 127.0.0.1 before a server's socket, with the faults of real networks."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_CHUNK = 65_536
_LOOK_SECONDS = 0.02


class Wire:
    """Forwards every connection to ``target``; the attributes say what goes wrong, for new and open connections alike.

    Attributes:
        cut_after: end every connection when so many bytes came from the server since ``watch`` (``None``: never).
        reset: a cut is a reset (RST) instead of an orderly end (FIN).
        cut_sent: the same for bytes sent to the server: the last of them arrive, their answer does not.
        cut_text: end every connection when this text is sent for the ``cut_nth`` time; the server gets it, the answer does not arrive.
        mute_after: after so many bytes from the server, take and acknowledge everything and forward nothing, also of new connections.
        deaf_after: open connections fall mute after so many bytes, their server side ends, new ones work (half-open).
        delay_seconds: every piece arrives so much later.
        bytes_per_second: no faster than this.
        flip_after: from so many bytes from the server on, every piece has one wrong bit.
    """

    def __init__(self, target: str | tuple[str, int]) -> None:
        self._target = target
        self._cuts = 0
        self._cutting = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.port = 0
        self.clear()
        self.open()

    def clear(self) -> None:
        """No fault from now on."""
        self.cut_after: int | None = None
        self.cut_sent: int | None = None
        self.deaf_after: int | None = None
        self.flip_after: int | None = None
        self.mute_after: int | None = None
        self.cut_text, self.cut_nth, self.told = b"", 1, 0
        self.reset = False
        self.delay_seconds = 0.0
        self.bytes_per_second = 0
        self.received = self.sent = 0
        self.connections = 0

    def open(self) -> None:
        """Listen, on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self._listener.settimeout(_LOOK_SECONDS)
        self.port = self._listener.getsockname()[1]
        self._accepting = self._start(self._accept, self._listener)

    def refuse(self) -> None:
        """Nobody listens any more, and what was open ends."""
        self._listener.close()
        self._accepting.join()  # until it looks again, the kernel takes connections for it
        self.cut()

    def cut(self, cuts: int | None = None) -> None:
        """End all connections now; of those that were open after so many cuts, only if none has come since."""
        with self._cutting:
            self._cuts += cuts is None or cuts == self._cuts

    def close(self) -> None:
        """End everything and wait for it."""
        self.clear()
        self.refuse()
        for thread in self._threads:
            thread.join()

    def _start(self, call: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=call, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """One connection, both ways, until one side ends it or a fault does."""
        server = socket.socket(socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET, socket.SOCK_STREAM)
        cuts, deaf = self._cuts, False
        with client, server, contextlib.suppress(OSError):
            server.connect(self._target)
            while cuts == self._cuts:
                ready, _, _ = select.select([client] if deaf else [client, server], [], [], _LOOK_SECONDS)
                for source in () if self._mute else ready:
                    data = source.recv(_CHUNK)
                    if not data:
                        return
                    if source is server and self.deaf_after is not None and self.received + len(data) > self.deaf_after:
                        server.close()
                        deaf = True
                    if not deaf and not self._pass(data, server if source is client else client, cuts, answer=source is server):
                        break
                if self._mute:
                    time.sleep(_LOOK_SECONDS)
            if self.reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    @property
    def _mute(self) -> bool:
        return self.mute_after is not None and self.received >= self.mute_after

    def _pass(self, data: bytes, sink: socket.socket, cuts: int, *, answer: bool) -> bool:
        """Send on what came, as the faults want it; whether the connection goes on.

        A fault ends the connections it struck, and none that was made after the test had ended them and the fault.
        """
        if self.delay_seconds or self.bytes_per_second:
            time.sleep(self.delay_seconds + (len(data) / self.bytes_per_second if self.bytes_per_second else 0))
        if not answer:
            self.sent += len(data)
            sink.sendall(data)
            if self.cut_sent is not None and self.sent > self.cut_sent:
                time.sleep(0.05)  # the server gets it and acts; only the answer is lost
                self.cut(cuts)
                return False
            if self.cut_text and self.cut_text in data:
                self.told += 1
                if self.told == self.cut_nth:
                    time.sleep(0.05)
                    self.cut(cuts)
                    return False
            return True
        self.received += len(data)
        if self.flip_after is not None and self.received > self.flip_after:
            place = self.received % len(data)
            data = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
        if self.cut_after is not None and self.received > self.cut_after:
            sink.sendall(data[: max(0, len(data) - (self.received - self.cut_after))])
            self.cut(cuts)
            return False
        sink.sendall(data)
        return True


@pytest.fixture
def wire_to() -> Iterator[Callable[[str | tuple[str, int]], Wire]]:
    """Makes wires to a unix socket's path or an address; all end with the test."""
    wires: list[Wire] = []

    def build(target: str | tuple[str, int]) -> Wire:
        wires.append(Wire(target))
        return wires[-1]

    yield build
    for wire in wires:
        wire.close()


@pytest.fixture
def wired(logical_url: str, wire_to: Callable[[str], Wire]) -> tuple[Wire, str]:
    """A wire before the server with a readable log, and the URL of a fresh database behind it."""
    with psycopg.connect(logical_url) as db:
        host, port, name = db.info.host, db.info.port, db.info.dbname
    wire = wire_to(f"{host}/.s.PGSQL.{port}")
    return wire, f"postgresql://postgres@127.0.0.1:{wire.port}/{name}?sslmode=disable&gssencmode=disable"


class TlsEnd(Wire):
    """The server's end of TLS, for a server built without it: PostgreSQL's own greeting, then a handshake, then plain to the server."""

    def __init__(self, target: str, folder: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*_certificate(folder))
        super().__init__(target)

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(5)
        with client, contextlib.suppress(OSError):
            client.recv(8)  # SSLRequest
            client.sendall(b"S")
            with self._context.wrap_socket(client, server_side=True) as secured:
                inner, plain = socket.socketpair()  # a handshake that failed leaves none open
                with inner:
                    self._start(super()._serve, plain)
                    _copy(secured, inner)


def _copy(secured: ssl.SSLSocket, plain: socket.socket) -> None:
    """Both ways until one end is reached."""
    while True:
        if not secured.pending():
            select.select([secured, plain], [], [])
        secured.settimeout(0.0)
        with contextlib.suppress(ssl.SSLWantReadError):
            if not (data := secured.recv(_CHUNK)):
                return
            plain.sendall(data)
        secured.settimeout(5)
        if select.select([plain], [], [], 0)[0]:
            if not (data := plain.recv(_CHUNK)):
                return
            secured.sendall(data)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, made for this test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
    certificate, private = folder / "server.crt", folder / "server.key"
    certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(*pem))
    return certificate, private


@pytest.fixture
def tls_wired(logical_url: str, wire_to: Callable[..., Wire], tmp_path: Path) -> Iterator[tuple[Wire, str]]:
    """As ``wired``, with TLS from the client to behind the wire."""
    with psycopg.connect(logical_url) as db:
        host, port, name = db.info.host, db.info.port, db.info.dbname
    end = TlsEnd(f"{host}/.s.PGSQL.{port}", tmp_path)
    wire = wire_to(("127.0.0.1", end.port))
    yield wire, f"postgresql://postgres@127.0.0.1:{wire.port}/{name}?sslmode=require&gssencmode=disable"
    wire.close()
    end.close()


@pytest.fixture
def as_nobody(tmp_path: Path) -> list[str]:
    """The start of a command that runs it as the user nobody, for whom ``tmp_path`` is made passable."""
    if os.geteuid():
        pytest.skip("another user can only be had as root")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and not folder.stat().st_mode & 0o001 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
