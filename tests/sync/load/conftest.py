"""First loads of any size, and whether they went in one pass."""

from __future__ import annotations

from typing import Any

import pytest

from accord.sync.load import first


@pytest.fixture(autouse=True)
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are small."""
    monkeypatch.setattr(first, "SMALLEST_ROWS", 1)
    monkeypatch.setattr(first, "BATCH_ROWS", 64)


@pytest.fixture
def went_directly(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each direct load was carried out to its end."""
    seen: list[bool] = []
    load = first._load

    def watched(*arguments: Any) -> Any:
        seen.append(False)
        loaded = load(*arguments)
        seen[-1] = True
        return loaded

    monkeypatch.setattr(first, "_load", watched)
    return seen
