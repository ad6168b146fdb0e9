"""The pause before another try."""

from __future__ import annotations

from accord.model.pause import doubling_pause


def test_a_pause_doubles_up_to_the_longest_however_often_it_failed() -> None:
    """What has failed for a year must neither be tried all the time nor break the arithmetic."""
    pauses = [doubling_pause(10.0, failures, 60.0) for failures in (1, 2, 3, 4, 5, 100_000)]

    assert pauses == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]
    assert doubling_pause(0.0, 100_000, 60.0) == 0.0
    assert doubling_pause(90.0, 1, 60.0) == 60.0
