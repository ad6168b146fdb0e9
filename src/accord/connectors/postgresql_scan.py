"""Ends a read of DuckDB's scanner from which nothing can come any more: its socket is not ours, and it waits without end."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg

from accord.store.alive import Doubt

Peer = tuple[str, int] | str


def peer_of(db: psycopg.Connection[object]) -> Peer:
    """Where a connection leads: address and port, or the path of a unix socket."""
    info = db.info
    return f"{info.host}/.s.PGSQL.{info.port}" if info.host.startswith("/") else (info.hostaddr, info.port)


@contextlib.contextmanager
def listening(doubt: Doubt, peer: Peer) -> Iterator[None]:
    """Look after the server while something is read from it; a dead read fails like one whose connection broke.

    Args:
        doubt: asks the server.
        peer: where the connections to end lead. All of this process to that server end: which one is silent cannot be seen
            from here, and each of them is made anew when it is needed.
    """
    done = threading.Event()

    def look() -> None:
        while not done.wait(doubt.next_seconds):
            if doubt.look() and not done.is_set():
                _end_connections(peer)

    thread = threading.Thread(target=look, name="accord-listening", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()


def _end_connections(peer: Peer) -> None:
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not files
        with contextlib.suppress(OSError):  # no socket, or closed in between
            copy = os.dup(int(name))
            try:
                if not Path(f"/dev/fd/{name}").is_socket():
                    continue
                with socket.socket(fileno=os.dup(copy)) as found:
                    there = found.getpeername()
                    if (there if isinstance(there, str) else there[:2]) == peer:
                        found.shutdown(socket.SHUT_RDWR)
            finally:
                os.close(copy)
