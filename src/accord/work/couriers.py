"""Outboxes that follow the log: mail and webhooks, carried out once or beside everything else until told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from accord.model.errors import AccordError

LOOK_SECONDS = 0.2  # how often an outbox is looked at; nothing to do is two small reads
PAUSE_SECONDS = 5.0  # after the other side did not answer


class Courier(Protocol):
    """An outbox."""

    def turn(self) -> int:
        """Bring what is due to whoever it is for; returns how much that was.

        Raises:
            TransientError: the other side, or the store, does not answer; nothing is lost.
        """
        ...


def carry_out_once(couriers: Iterable[Courier], failed: Callable[[AccordError], None]) -> int:
    """Bring all that is due, each outbox beside the others, so that none waits for another; returns how much that was."""
    done: list[int] = []

    def one(courier: Courier) -> None:
        try:
            while brought := courier.turn():
                done.append(brought)
        except AccordError as error:  # told; the others go on meanwhile
            failed(error)

    threads = [threading.Thread(target=one, args=(courier,), name="courier", daemon=True) for courier in couriers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done)


@contextmanager
def carrying(couriers: Iterable[Courier], stop: threading.Event, failed: Callable[[AccordError], None]) -> Iterator[None]:
    """While the block runs, each outbox works on a thread of its own until ``stop`` is set; a fault sets it and is raised."""
    faults: list[BaseException] = []
    threads = [threading.Thread(target=_keep, args=(courier, stop, failed, faults), name="courier", daemon=True) for courier in couriers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if faults:
        raise faults[0]


def _keep(courier: Courier, stop: threading.Event, failed: Callable[[AccordError], None], faults: list[BaseException]) -> None:
    while not stop.is_set():
        try:
            pause = 0.0 if courier.turn() else LOOK_SECONDS
        except AccordError as error:  # told, and tried again later: the others go on meanwhile
            failed(error)
            pause = PAUSE_SECONDS
        except BaseException as fault:  # noqa: BLE001 - not swallowed: an outbox that died must not look as if it had nothing to do
            faults.append(fault)
            stop.set()
            return
        stop.wait(pause)
