"""One silence is waited for, not one for each connection, and never at the price of a server that is there."""

from __future__ import annotations

import pytest

from accord.store import suspicion


def test_a_new_connection_has_less_time_the_fresher_the_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Just after a silence a new connection was tried in vain for long; a later one may have to reach a server that is slow to answer."""
    now = [1000.0]
    monkeypatch.setattr(suspicion.time, "monotonic", lambda: now[0])
    place = "somewhere:5432"

    given = [suspicion.connecting(place, 10.0)]
    suspicion.fell_silent(place)
    for now[0] in (1001.0, 1006.0):
        given.append(suspicion.connecting(place, 10.0))
    suspicion.connected(place)
    given.append(suspicion.connecting(place, 10.0))
    suspicion.fell_silent(place)
    now[0] = 1100.0
    given.append(suspicion.connecting(place, 10.0))

    assert given == [10.0, 2.0, 5.0, 10.0, 10.0]


def test_a_connection_to_try_again_at_once_is_doubted_soon_and_a_later_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two full silences in a row are more than a command may take; but a server that is back has its time."""
    now = [1000.0]
    monkeypatch.setattr(suspicion.time, "monotonic", lambda: now[0])
    place = "elsewhere:5432"
    before = suspicion.silence(place, 10.0, 990.0)

    suspicion.fell_silent(place)
    now[0] = 1030.0

    assert before == 10.0
    assert [suspicion.silence(place, 10.0, since) for since in (990.0, 1001.0, 1020.0)] == [2.0, 2.0, 10.0]
