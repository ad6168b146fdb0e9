"""Preparing the sample organization is harmless when repeated and never leaves a half-built one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from accord.mapfile import load_map
from accord.model.errors import UsageError
from accord_marketing_operations.demo import prepare

SMALL = 12


def _state(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in sorted(folder.rglob("*")) if p.is_file()}


def test_second_time_changes_nothing(tmp_path: Path) -> None:
    """«No change» is what a person who runs the demo twice must see, and what their systems must show."""
    first = prepare(tmp_path, campaigns=SMALL)
    before = _state(tmp_path)

    second = prepare(tmp_path, campaigns=SMALL)

    assert (first.reused, second.reused) == (False, True)
    assert _state(tmp_path) == before
    assert second.variables == first.variables


def test_map_finds_its_systems_without_being_told(tmp_path: Path) -> None:
    """Every later command is then «accord step folder», and gives the map the same hash as the demo did."""
    prepared = prepare(tmp_path, campaigns=SMALL)

    loaded = load_map(prepared.map_folder)

    assert prepared.variables == {}

    assert Path(loaded.systems["tracker"].at).is_file()
    assert Path(loaded.systems["content"].at).is_dir()


def test_answers_lie_outside_the_systems(tmp_path: Path) -> None:
    """Nothing that reads the systems may come upon what is wrong with them."""
    prepared = prepare(tmp_path, campaigns=SMALL)

    assert (tmp_path / "truth.json").is_file()
    assert not list(prepared.data.rglob("*truth*"))


def test_changed_map_is_kept(tmp_path: Path) -> None:
    """People are told to change the map and run again; their change must not be overwritten."""
    prepared = prepare(tmp_path, campaigns=SMALL)
    goals = prepared.map_folder / "map" / "goals.yaml"
    goals.write_text(goals.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")

    prepare(tmp_path, campaigns=SMALL)

    assert goals.read_text(encoding="utf-8").endswith("# mine\n")


def test_another_sample_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    """The state kept in the folder is about the first; with other systems under it every row would look changed or deleted."""
    prepare(tmp_path, campaigns=SMALL)
    before = _state(tmp_path)

    with pytest.raises(UsageError, match="seed 7"):
        prepare(tmp_path, seed=8, campaigns=SMALL)

    assert _state(tmp_path) == before


@pytest.mark.parametrize("left", ["data.partial", "data"])
def test_interrupted_build_is_begun_again(tmp_path: Path, left: str) -> None:
    """A half-built organization would look like one full of defects: without the marker, written last, nothing counts."""
    (tmp_path / left).mkdir()
    (tmp_path / left / "planner.db").write_bytes(b"half")

    prepared = prepare(tmp_path, campaigns=SMALL)

    assert not prepared.reused
    assert (prepared.data / "planner.db").stat().st_size > 4
    assert not (tmp_path / "data.partial").exists()
    assert prepare(tmp_path, campaigns=SMALL).reused


def test_password_of_the_tracker_is_not_written_down(tmp_path: Path, postgres_url: str) -> None:
    """The folder may be shared; the URL may hold a secret."""
    prepared = prepare(tmp_path, campaigns=SMALL, tracker_url=postgres_url)

    assert prepared.variables["tracker_at"] == postgres_url
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".yaml"):
            assert postgres_url not in path.read_text(encoding="utf-8"), os.fspath(path)
