"""A small complete map to start from, and a way to write variants of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

DEMO = Path(__file__).parent / "demo.yaml"


@pytest.fixture(scope="session")
def demo_path() -> Path:
    """The file of a map that uses every section and has no mistake."""
    return DEMO


@pytest.fixture(scope="session")
def demo_text(demo_path: Path) -> str:
    """The text of that map."""
    return demo_path.read_text(encoding="utf-8")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write files of a map, ``write(text)`` or ``write(a=text, b=text)``, and return their folder."""

    def files(text: str = "", **parts: str) -> Path:
        for name, content in ({"map": text} if text else parts).items():
            (tmp_path / f"{name}.yaml").write_text(content, encoding="utf-8")
        return tmp_path

    return files


@pytest.fixture
def changed(demo_text: str, tmp_path: Path) -> Callable[[str, str], Path]:
    """The demo map with one piece of text replaced by another; the piece must occur."""

    def file(old: str, new: str) -> Path:
        assert old in demo_text, f"the demo map has no text {old!r}"
        path = tmp_path / "map.yaml"
        path.write_text(demo_text.replace(old, new, 1), encoding="utf-8")
        return path

    return file
