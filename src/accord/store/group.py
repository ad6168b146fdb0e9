"""Group commit: transactions that arrive while another commits share the next one, and with it one wait for the disk.

The first thread to find nobody at work leads: it takes everything that waits, carries it out in one database transaction, each piece in
a savepoint of its own, and commits once. A piece that fails is rolled back alone and gets its own error; the others do not notice. When
the commit itself fails, all of them failed. Who comes meanwhile waits on a lock of its own, so that the end of a transaction wakes
exactly those it concerns: the ones that are done, and one that leads next.
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
    __slots__ = ("done", "error", "result", "turn", "work")

    def __init__(self, work: Callable[[Transaction], Any]) -> None:
        self.work, self.done = work, False
        self.result: Any = None
        self.error: BaseException | None = None
        self.turn = threading.Lock()


class GroupCommit:
    """Runs pieces of work of many threads in few transactions.

    Args:
        transaction: opens the one writing transaction of the store.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[Transaction]]) -> None:
        self._transaction = transaction
        self._waiting: deque[_Piece] = deque()
        self._leader: _Piece | None = None
        self._guard = threading.Lock()

    def run(self, work: Callable[[Transaction], T]) -> T:
        """What ``work`` returns, once it is durable; whatever it raises, with nothing of it kept.

        ``work`` must not call the store's writing methods: it runs inside their transaction, on the thread of whoever leads.
        """
        piece = _Piece(work)
        piece.turn.acquire()
        with self._guard:
            self._waiting.append(piece)
            if leads := self._leader is None:
                self._leader = piece
        try:
            if not leads:
                piece.turn.acquire()  # until it is done, or this thread's turn to lead
            if not piece.done:
                self._lead(piece)
        except BaseException:  # a Ctrl-C while it waited: nobody may count on this thread
            self._withdraw(piece)
            raise
        if piece.error is not None:
            raise piece.error
        return piece.result  # type: ignore[no-any-return] # the piece keeps what its own work returned

    def _lead(self, own: _Piece) -> None:
        taken: list[_Piece] = []
        try:
            with self._guard:
                taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))]
            self._carry_out(taken)
        finally:
            for piece in taken:
                piece.done = True
                if piece is not own:
                    piece.turn.release()
            with self._guard:
                self._hand_over()

    def _withdraw(self, piece: _Piece) -> None:
        with self._guard:
            if piece in self._waiting:
                self._waiting.remove(piece)
            if self._leader is piece:
                self._hand_over()

    def _hand_over(self) -> None:
        self._leader = self._waiting[0] if self._waiting else None
        if self._leader is not None:
            self._leader.turn.release()

    def _carry_out(self, pieces: list[_Piece]) -> None:
        try:
            with self._transaction() as tx:
                for piece in pieces:
                    _attempt(tx, piece, alone=len(pieces) == 1)
        except BaseException as error:  # noqa: BLE001 - not swallowed: each piece raises it on its own thread
            for piece in pieces:
                if piece.error is None:
                    piece.result, piece.error = None, error


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
