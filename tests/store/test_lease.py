"""One process works on a store at a time; the dead do not hold it, and who lost it cannot write."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from accord.model.errors import LeaseHeld
from accord.model.event import Event
from accord.store import Store
from accord.store.lease import ProcessId, take

MakeEvent = Callable[..., Event]
OpenStore = Callable[..., Store]
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


PASSED = """UPDATE lease SET expires_at = to_char((CAST(expires_at AS TIMESTAMPTZ) - make_interval(secs => ?)) AT TIME ZONE 'UTC',
  'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float, store: Store) -> None:
        """Let time pass; a server's clock does not move when told, so all that was written by it grows older instead."""
        self.now += timedelta(seconds=seconds)
        if store.dialect == "postgresql":
            store._database.run(PASSED, seconds)


@contextmanager
def as_process(monkeypatch: pytest.MonkeyPatch, **other: str | int) -> Iterator[None]:
    """Take leases in the name of another process, one this host cannot or can no longer see."""
    own = ProcessId.own()
    with monkeypatch.context() as patch:
        patch.setattr(ProcessId, "own", classmethod(lambda cls: replace(own, **other)))
        yield


def test_a_second_process_is_refused_by_name(open_here: OpenStore) -> None:
    """Two runs over the same systems would undo each other's work."""
    with open_here().lease("sync"), pytest.raises(LeaseHeld, match=r"'sync' \(process \d+ on") as caught, open_here().lease("reconcile"):
        pass

    assert caught.value.exit_code == 3


def test_a_released_lease_is_free_and_its_token_grows(open_here: OpenStore) -> None:
    """The token orders all holders there ever were."""
    tokens = []
    for store in (open_here(), open_here(), open_here()):
        with store.lease("run") as lease:
            tokens.append(lease.token)

    assert tokens == [1, 2, 3]


def test_the_lease_is_given_back_when_the_work_fails(open_here: OpenStore) -> None:
    """The next run must not wait for an expiry."""
    with pytest.raises(ZeroDivisionError), open_here().lease("run"):
        raise ZeroDivisionError

    with open_here().lease("run") as lease:
        assert lease.token == 2


def test_a_lease_inside_a_lease_is_the_same(store: Store, open_here: OpenStore) -> None:
    """A run of eight steps takes it once; each step alone takes it, too."""
    with store.lease("run") as outer:
        with store.lease("assess") as inner:
            assert inner is outer
        with pytest.raises(LeaseHeld), open_here().lease("other"):
            pass

    with open_here().lease("other"):
        pass


def test_the_lease_of_a_killed_process_is_taken_over(store: Store, store_url: str, tmp_path: Path) -> None:
    """After a kill -9 the next run starts at once; while the process lives, it does not start at all."""
    script = Path(__file__).with_name("holder.py")
    process = subprocess.Popen([sys.executable, str(script), store_url, str(tmp_path / "segments")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "1\n"
        with pytest.raises(LeaseHeld, match=f"'the other process' .process {process.pid} on"), store.lease("run"):
            pass

        process.kill()
        process.wait()

    with store.lease("run") as lease:
        assert lease.token == 2


def test_a_reused_process_number_is_not_taken_for_the_holder(open_here: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container every run is process 1; after a crash the number lives, its holder does not."""
    with as_process(monkeypatch, process="an earlier boot"), open_here().lease("run"), open_here().lease("next") as lease:
        assert lease.token == 2


def test_a_holder_elsewhere_keeps_it_until_it_expires(open_here: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a process on another machine lives cannot be seen, only that it has been silent for long."""
    clock = Clock()
    with as_process(monkeypatch, host="elsewhere", pid=1):
        far = open_here(clock=clock)
        held = far.lease("far", seconds=60)
        held.__enter__()

    clock.pass_seconds(30, far)
    with pytest.raises(LeaseHeld, match=r"'far' \(process 1 on elsewhere"), open_here(clock=clock).lease("near"):
        pass
    clock.pass_seconds(30, far)
    with open_here(clock=clock).lease("near") as lease:
        assert lease.token == 2
    held.__exit__(None, None, None)


@pytest.mark.parametrize("how", ["append", "renew"])
def test_a_holder_that_writes_or_renews_stays(open_here: OpenStore, event: MakeEvent, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Long work is no reason to lose the lease as long as it shows signs of life."""
    clock = Clock()
    with as_process(monkeypatch, host="elsewhere", pid=1):
        far = open_here(clock=clock)
        held = far.lease("far", seconds=60)
        lease = held.__enter__()

    clock.pass_seconds(50, far)
    far.append([event()]) if how == "append" else lease.renew()
    clock.pass_seconds(50, far)

    with pytest.raises(LeaseHeld), open_here(clock=clock).lease("near"):
        pass
    held.__exit__(None, None, None)


def test_who_lost_the_lease_cannot_write(open_here: OpenStore, event: MakeEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that hung, was taken over and wakes up must not mix its events into the other's."""
    clock = Clock()
    with as_process(monkeypatch, host="elsewhere", pid=1):
        slept = open_here(clock=clock)
        held = slept.lease("slept", seconds=60)
        lease = held.__enter__()
    clock.pass_seconds(3600, slept)

    with open_here(clock=clock).lease("awake"):
        for write in (lambda: slept.append([event()]), slept.rebuild, lease.renew):
            with pytest.raises(LeaseHeld, match=r"in use by 'awake' \(process \d+ on .*took the lease over"):
                write()
    with pytest.raises(LeaseHeld, match=rf"taken over .* by process {os.getpid()} on \S+, which has ended since\. Run again"):
        lease.renew()
    with open_here(clock=clock).lease("awake"):
        held.__exit__(None, None, None)
        with pytest.raises(LeaseHeld, match="'awake'"), slept.lease("again"):
            pass

    assert slept.head().seq == 0


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("hours", [-1, 1], ids=["an hour behind", "an hour ahead"])
def test_hosts_with_other_clocks_agree_on_whose_lease_it_is(open_here: OpenStore, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """By the hosts' own clocks one would take a store away from a process that works, or wait an hour for a dead one."""
    with as_process(monkeypatch, host="elsewhere", pid=1):
        far = open_here(clock=lambda: datetime.now(UTC) + timedelta(hours=hours))
        held = far.lease("far", seconds=60)
        lease = held.__enter__()
    near = open_here()

    for sign_of_life in (lambda: None, lease.renew):
        sign_of_life()
        assert "'far'" in near.holder()
        with pytest.raises(LeaseHeld, match="'far'"), near.lease("near"):
            pass
    Clock().pass_seconds(60, far)
    with near.lease("near") as taken:
        assert taken.token == lease.token + 1
    held.__exit__(None, None, None)


def test_reading_needs_no_lease(open_here: OpenStore, event: MakeEvent) -> None:
    """Status and reports are looked at while a run is going on."""
    writer, reader = open_here(), open_here()
    with writer.lease("run"):
        writer.append([event("run.started", run="r")])

        assert [stored.seq for stored in reader.read()] == [1]
        assert reader.table("run").num_rows == 1
        assert reader.verify().seq == 1


def test_a_lease_whose_taking_was_never_answered_does_not_lock_its_own_process_out(open_here: OpenStore) -> None:
    """The commit came through and its answer did not: a watch or a worker, which live on, could never work on their store again."""
    store = open_here()
    with store._database.write() as tx:
        take(tx, "watch", ProcessId.own(), clock=store._clock, seconds=300, where=store.where)

    with store.lease("watch again"), pytest.raises(LeaseHeld), open_here().lease("beside it"):
        pass
    with store.lease_named("mail", "watch"), pytest.raises(LeaseHeld), open_here().lease_named("mail", "beside it"):
        pass
