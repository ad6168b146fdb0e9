"""Many generated histories at once, against an oracle in plain Python that shares no code with the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Live = Callable[..., None]
MERGED = ("hits", "tags", "note")


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.prove) for seed in range(3, 6))])
def test_generated_histories_end_as_the_oracle_says_and_rest(histories: Live, tmp_path: Path, seed: int) -> None:
    """Sync that is right only in the cases one thought of is wrong; 3 worlds of 60 keys are 180 histories."""
    histories(tmp_path, seed, keys=60, turns=3)


@pytest.fixture
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is meant for large tables, on small ones."""
    monkeypatch.setattr("accord.sync.capture.moved.DIGEST_FROM", 1)
    monkeypatch.setattr("accord.sync.state.segments.CHANGES_FROM", 1)
    monkeypatch.setattr("accord.sync.state.segments.CHANGES_MOST", 3)
    monkeypatch.setattr("accord.sync.state.segments.CHANGES_SHARE", 1000)


@pytest.mark.usefixtures("small_is_large")
@pytest.mark.parametrize("seed", [102, 107])
def test_histories_of_which_only_what_moved_is_looked_at_end_as_the_oracle_says(histories: Live, tmp_path: Path, seed: int) -> None:
    """Logs, cursors and digests on some systems, full reads on others: the outcome is that of looking at everything."""
    histories(tmp_path, seed, keys=60, turns=4, told=True)


@pytest.mark.usefixtures("small_is_large")
@pytest.mark.parametrize("seed", [301])
def test_histories_of_counters_and_sets_end_as_the_oracle_says(histories: Live, tmp_path: Path, seed: int) -> None:
    """Every addition and every item is in the outcome, once, whatever crashes between them."""
    histories(tmp_path, seed, keys=30, turns=3, told=seed % 2 == 0, merged=MERGED)


@pytest.mark.prove
@pytest.mark.usefixtures("small_is_large")
@pytest.mark.parametrize("seed", range(3000, 3060))
def test_ten_thousand_histories_of_counters_and_sets(histories: Live, tmp_path: Path, seed: int) -> None:
    """The long form: 60 worlds of 200 keys, half of them told what moved."""
    histories(tmp_path, seed, keys=200, turns=5, told=seed % 2 == 0, merged=MERGED)


@pytest.mark.prove
@pytest.mark.usefixtures("small_is_large")
@pytest.mark.parametrize("seed", range(2000, 2060))
def test_ten_thousand_histories_of_which_only_what_moved_is_looked_at(histories: Live, tmp_path: Path, seed: int) -> None:
    """The long form: 60 worlds of 200 keys."""
    histories(tmp_path, seed, keys=200, turns=5, told=True)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(1000, 1060))
def test_ten_thousand_histories_end_as_the_oracle_says_and_rest(histories: Live, tmp_path: Path, seed: int) -> None:
    """The long form: 60 worlds of 200 keys."""
    histories(tmp_path, seed, keys=200, turns=5)
