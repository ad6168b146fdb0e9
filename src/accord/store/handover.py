"""Handing the store over: a command that finds it in use asks for it, and a process that keeps it for long makes room between two runs.

Whoever waits holds a lease of its own beside that of the store, so that asking ends with the process that asks.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from accord.model.errors import LeaseHeld
from accord.store.store import Lease, Store

_ASKING: Final = "asking"
_LOOK_SECONDS: Final = 0.1
_MEANWHILE_SECONDS: Final = 60.0
_GRACE_SECONDS: Final = 10.0  # for a holder on another host, by whose clock the wait of this one ends


@contextlib.contextmanager
def lease_in_turn(store: Store, holder: str, *, wait_seconds: float, tell: Callable[[str], None]) -> Iterator[Lease]:
    """The store's lease, as ``Store.lease`` gives it; while another process has it, ask for it and wait.

    Args:
        store: not held by this process.
        holder: what to call this process to others that find it held.
        wait_seconds: how long to wait; 0: not at all.
        tell: told once who is waited for.

    Raises:
        LeaseHeld: it was not given back within that time.
    """
    with contextlib.ExitStack() as held:
        try:
            lease = held.enter_context(store.lease(holder))
        except LeaseHeld as other:
            if wait_seconds <= 0:
                raise
            tell(other.holder)
            lease = _waited_for(store, holder, time.monotonic() + wait_seconds, held)
        yield lease


def _waited_for(store: Store, holder: str, deadline: float, held: contextlib.ExitStack) -> Lease:
    with contextlib.ExitStack() as request:
        asked = False
        while True:
            if not asked:
                with contextlib.suppress(LeaseHeld):  # another one asks already: the room made for it is there for this one next
                    seconds = deadline - time.monotonic() + _GRACE_SECONDS
                    request.enter_context(store.lease_named(_ASKING, holder, seconds=seconds))
                    asked = True
            while store.holder() and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)
            try:
                return held.enter_context(store.lease(holder))
            except LeaseHeld:
                if time.monotonic() >= deadline:
                    raise


def asking(store: Store) -> str:
    """Which living process waits for the store, for a sentence; ``""`` when none does."""
    return store.holder(_ASKING)


@contextlib.contextmanager
def lease_again(store: Store, holder: str, *, stop: threading.Event, meanwhile: Callable[[], None]) -> Iterator[Lease | None]:
    """The store's lease after those who ask for it had it; ``None`` when ``stop`` was set before.

    Args:
        store: not held by this process.
        holder: what to call this process to others.
        stop: ends the wait.
        meanwhile: called once a minute; it may write to the store, which somebody else is using.
    """
    called = time.monotonic()
    with contextlib.ExitStack() as held:
        lease = None
        while lease is None and not stop.is_set():
            if asking(store) or store.holder():
                if time.monotonic() - called >= _MEANWHILE_SECONDS:
                    called = time.monotonic()
                    meanwhile()
                stop.wait(_LOOK_SECONDS)
                continue
            with contextlib.suppress(LeaseHeld):  # somebody was faster
                lease = held.enter_context(store.lease(holder))
        yield lease
