"""Where changes of large transactions wait until the server says whether they commit."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from typing import IO

from accord.store.room import no_room

MEMORY_BYTES = 8 << 20
_FRAME = struct.Struct(">I4s")


class Spool:
    """The messages of one transaction that is still open at the source; past 8 MiB they lie in an unnamed temporary file.

    A subtransaction can be rolled back later than its changes were sent, so each message keeps the transaction id it came with.
    """

    def __init__(self) -> None:
        self._recent: list[bytes] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._aborted: set[bytes] = set()

    def add(self, xid: bytes, payload: bytes) -> None:
        """Keep one message.

        Raises:
            StorageFull: the folder for temporary files took no more.
        """
        self._recent.append(_FRAME.pack(len(payload), xid))
        self._recent.append(payload)
        self._bytes += len(payload) + _FRAME.size
        if self._bytes >= MEMORY_BYTES:
            self._write()

    def abort(self, xid: bytes) -> None:
        """Forget the rows of a subtransaction."""
        self._aborted.add(xid)

    def messages(self) -> Iterator[bytes]:
        """What remains, in order. Descriptions of tables and types stay even when their subtransaction did not: they are sent only once."""
        if self._file is None:
            frames = iter(self._recent)
            for head in frames:
                payload = next(frames)
                if self._wanted(_FRAME.unpack(head)[1], payload):
                    yield payload
            return
        self._write()
        self._file.seek(0)
        while head := self._file.read(_FRAME.size):
            size, xid = _FRAME.unpack(head)
            payload = self._file.read(size)
            if self._wanted(xid, payload):
                yield payload

    def close(self) -> None:
        """Let go of memory and file."""
        self._recent.clear()
        if self._file is not None:
            self._file.close()

    def _wanted(self, xid: bytes, payload: bytes) -> bool:
        return xid not in self._aborted or payload[:1] in (b"R", b"Y")

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="accord-log-")  # noqa: SIM115 -- closed by close()
            self._file.write(b"".join(self._recent))
            self._file.flush()
        except OSError as error:
            if full := no_room(error, tempfile.gettempdir(), why="a large transaction of a source waits there for its end"):
                raise full from error
            raise
        self._recent.clear()
        self._bytes = 0
