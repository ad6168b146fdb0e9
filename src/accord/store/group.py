"""Group commit: decisions that arrive while others are written share the next transaction, and with it one wait for the disk.

The first thread to find nobody at work leads: it takes everything that waits and carries it out in one transaction. A decision that is
refused writes nothing and gets its own error; the others do not notice. Where events are refused only when they are written, the whole
transaction is undone and each decision gets one of its own, so that again only the guilty fails. When the commit itself fails, all of
them failed. Who comes meanwhile waits on a lock of its own, so that the end of a transaction wakes exactly those it concerns: the ones
that are done, and one that leads next.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from accord.model.errors import LeaseHeld, StorageFull, SystemUnreachable
from accord.model.event import Event
from accord.store.database import Rows, Transaction
from accord.store.turn import Ahead, Appender, Turn

T = TypeVar("T")
Decide = Callable[[Rows], tuple[Iterable[Event], T]]
_PATIENCE_SHARE, _PATIENCE_SECONDS = 0.5, 0.002  # of the time the last transaction took, and never longer
MOST = 256  # decisions in one transaction: what a crash may undo at once, and how long the last of them waits for the first
_FOR_ALL = (LeaseHeld, StorageFull, SystemUnreachable)  # what no decision is guilty of


class _Piece:
    __slots__ = ("ahead", "decide", "done", "error", "fresh", "result", "turn")

    def __init__(self, decide: Decide[Any], ahead: Ahead | None, fresh: str = "") -> None:
        self.decide, self.ahead, self.fresh, self.done = decide, ahead, fresh, False
        self.result: Any = None
        self.error: BaseException | None = None
        self.turn = threading.Lock()


class GroupCommit:
    """Carries out decisions of many threads in few transactions.

    Args:
        transaction: opens the one writing transaction of the store.
        append: adds events to the log and the projections.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[Transaction]], append: Appender) -> None:
        self._transaction, self._append = transaction, append
        self._waiting: deque[_Piece] = deque()
        self._leader: _Piece | None = None
        self._guard = threading.Lock()
        self._expected = 1  # threads that had something to decide of late, and may be about to come back with more
        self._patience = 0.0  # seconds to wait for them
        self._gathering: threading.Lock | None = None  # let go of by the last of them

    def run(self, decide: Decide[T], ahead: Ahead | None = None, fresh: str = "") -> T:
        """What ``decide`` gives beside its events, once they are durable; whatever it raises, with nothing of it kept.

        ``decide`` must not call the store's writing methods: it runs inside their transaction, on the thread of whoever leads.
        """
        piece = _Piece(decide, ahead, fresh)
        piece.turn.acquire()
        with self._guard:
            self._waiting.append(piece)
            if leads := self._leader is None:
                self._leader = piece
            if self._gathering is not None and len(self._waiting) >= self._expected:
                self._gathering.release()
                self._gathering = None
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
        return piece.result  # type: ignore[no-any-return] # the piece keeps what its own decision returned

    def _lead(self, own: _Piece) -> None:
        self._gather()
        taken: list[_Piece] = []
        begun = time.monotonic()
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
                self._expected = min(len(taken) + len(self._waiting), MOST)
                self._patience = min(_PATIENCE_SHARE * (time.monotonic() - begun), _PATIENCE_SECONDS)
                self._hand_over()

    def _gather(self) -> None:
        """Wait a moment for the others: threads whose decisions were just carried out come back together, and one transaction for all
        of them costs less than one for the first and one for the rest, who meanwhile would be in the way of the first."""
        with self._guard:
            if len(self._waiting) >= self._expected:
                return
            gathering = self._gathering = threading.Lock()
            gathering.acquire()
        gathering.acquire(timeout=self._patience)
        with self._guard:
            self._gathering = None

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

    def _carry_out(self, pieces: Sequence[_Piece]) -> None:
        try:
            with self._transaction() as tx:
                turn = Turn(tx, self._append, [piece.ahead for piece in pieces if piece.ahead is not None])
                for piece in pieces:
                    _decide(turn, piece)
                turn.write()
        except BaseException as error:  # noqa: BLE001 - not swallowed: each piece raises it on its own thread
            if len(pieces) > 1 and isinstance(error, Exception) and not isinstance(error, _FOR_ALL):
                # Events of one of them were refused; which one shows when each is alone.
                for piece in pieces:
                    piece.result = piece.error = None
                    self._carry_out([piece])
                return
            for piece in pieces:
                if piece.error is None:
                    piece.result, piece.error = None, error


def _decide(turn: Turn, piece: _Piece) -> None:
    try:
        events, piece.result = piece.decide(turn)
        turn.take(list(events), piece.fresh)
    except Exception as error:  # noqa: BLE001 - not swallowed: raised on the thread of whoever gave the piece
        piece.result, piece.error = None, error
    if turn.failed is not None:  # what was decided before could not be written: no decision after it rests on anything
        raise turn.failed
