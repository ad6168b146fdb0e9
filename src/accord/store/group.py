"""Group commit: transactions that arrive while another commits share the next one, and with it one wait for the disk.

The first thread to find nobody at work leads: it takes everything that waits, carries it out in one database transaction, each piece in
a savepoint of its own, and commits once. A piece that fails is rolled back alone and gets its own error; the others do not notice. When
the commit itself fails, all of them failed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from accord.store.database import Transaction

T = TypeVar("T")
MOST = 256  # pieces in one transaction: what a crash may undo at once, and how long the last of them waits for the first


class _Piece:
    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[Transaction], Any]) -> None:
        self.work, self.done = work, False
        self.result: Any = None
        self.error: BaseException | None = None


class GroupCommit:
    """Runs pieces of work of many threads in few transactions.

    Args:
        transaction: opens the one writing transaction of the store.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[Transaction]]) -> None:
        self._transaction = transaction
        self._waiting: deque[_Piece] = deque()
        self._lead = threading.Lock()

    def run(self, work: Callable[[Transaction], T]) -> T:
        """What ``work`` returns, once it is durable; whatever it raises, with nothing of it kept.

        ``work`` must not call the store's writing methods: it runs inside their transaction, on the thread of whoever leads.
        """
        piece = _Piece(work)
        self._waiting.append(piece)
        with self._lead:
            while not piece.done:  # a leader before us may have taken it along
                self._carry_out([self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))])
        if piece.error is not None:
            raise piece.error
        return piece.result  # type: ignore[no-any-return] # the piece keeps what its own work returned

    def _carry_out(self, pieces: list[_Piece]) -> None:
        try:
            with self._transaction() as tx:
                for piece in pieces:
                    _attempt(tx, piece, alone=len(pieces) == 1)
        except BaseException as error:  # noqa: BLE001 - not swallowed: each piece raises it on its own thread
            for piece in pieces:
                if piece.error is None:
                    piece.result, piece.error = None, error
        finally:
            for piece in pieces:
                piece.done = True


def _attempt(tx: Transaction, piece: _Piece, *, alone: bool) -> None:
    if alone:
        piece.result = piece.work(tx)  # its error rolls the whole transaction back, which is it alone
        return
    tx.run("SAVEPOINT piece")
    try:
        piece.result = piece.work(tx)
    except Exception as error:  # noqa: BLE001 - not swallowed: raised on the thread of whoever gave the piece
        tx.run("ROLLBACK TO SAVEPOINT piece")
        piece.error = error
    tx.run("RELEASE SAVEPOINT piece")
