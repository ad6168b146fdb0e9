"""A command that finds the store in use gets its turn, and who keeps the store for long makes room."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from accord.model.errors import LeaseHeld
from accord.store import Store
from accord.store.handover import asking, lease_again, lease_in_turn

OpenStore = Callable[..., Store]


def test_who_asks_gets_the_store_before_the_one_who_made_room_takes_it_again(open_here: OpenStore) -> None:
    """Or whoever makes room would always be the faster one, and a command beside a watch would never run."""
    keeper, asker, order, waited = open_here(), open_here(), [], []

    def ask() -> None:
        with lease_in_turn(asker, "reconcile", wait_seconds=30, tell=waited.append):
            order.append("asker")
            time.sleep(0.3)  # the keeper looks a few times meanwhile
            order.append("asker ends")

    other = threading.Thread(target=ask)
    with keeper.lease("watch"):
        other.start()
        deadline = time.monotonic() + 30
        while not asking(keeper):
            assert time.monotonic() < deadline, "nobody asks"
            time.sleep(0.02)
        assert asking(keeper).startswith("'reconcile' (process")
    with lease_again(keeper, "watch", stop=threading.Event(), meanwhile=lambda: None) as lease:
        order.append("keeper")
        assert lease is not None
        assert not asking(keeper)
    other.join()

    assert order == ["asker", "asker ends", "keeper"]
    assert len(waited) == 1
    assert waited[0].startswith("'watch' (process")


def test_a_wait_has_an_end_and_leaves_no_request(open_here: OpenStore) -> None:
    """A command in a script must not hang for ever, and nobody is to make room for one that has given up."""
    keeper, asker = open_here(), open_here()

    with keeper.lease("a long run"), pytest.raises(LeaseHeld, match="a long run"):  # noqa: SIM117 - the lease outlives the refusal
        with lease_in_turn(asker, "sync", wait_seconds=0.3, tell=lambda _: None):
            pass

    assert not asking(keeper)
    stop = threading.Event()
    stop.set()
    with asker.lease("another"), lease_again(keeper, "watch", stop=stop, meanwhile=lambda: None) as lease:
        assert lease is None
