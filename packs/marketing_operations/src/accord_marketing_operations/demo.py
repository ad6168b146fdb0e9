"""Prepares the sample organization in a folder: its systems, and a copy of the map to read and change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from accord.model.errors import UsageError
from accord_marketing_operations.generator import GENERATOR_VERSION, build

_MARKER = "sample.json"


@dataclass(frozen=True, slots=True)
class PreparedDemo:
    """Where the sample organization stands.

    Args:
        map_folder: folder whose sub-folder ``map`` holds the map's files; it is also where state and deliverables belong.
        data: folder with the systems.
        variables: what the map's ``${names}`` are to be filled with where its own values do not do; needed by every command.
        reused: everything was there already and nothing was touched.
    """

    map_folder: Path
    data: Path
    variables: Mapping[str, str]
    reused: bool


def prepare(into: Path, *, seed: int = 7, campaigns: int = 180, tracker_url: str | None = None) -> PreparedDemo:
    """Build the sample organization under ``into``, or leave it as it is when it stands there already.

    ``into`` gets ``data/`` (the systems), ``map/`` (a copy of the pack's map; one that is there already is kept, with its changes) and
    ``truth.json``, the declared defects, which only tests read. A build that was interrupted is begun again.

    Args:
        into: folder to prepare; made when it is not there.
        seed: of the generator.
        campaigns: size of the organization.
        tracker_url: PostgreSQL database for the project tracker; SQLite without it.

    Raises:
        UsageError: the folder holds another sample (its state would not fit), or the database foreign tables of the same names.
        SystemUnreachable: no database answers at ``tracker_url``.
    """
    data, map_folder, marker = into / "data", into / "map", into / _MARKER
    # The URL may hold a password, so the marker says only that there is one.
    wanted = {"version": GENERATOR_VERSION, "seed": seed, "campaigns": campaigns, "tracker": "postgresql" if tracker_url else "sqlite"}
    # The map finds the systems in its own folder; so every later command on it works without being told where they are.
    variables = {"tracker_connector": "postgresql", "tracker_at": tracker_url} if tracker_url else {}
    standing = _read(marker) if data.is_dir() else None
    if standing is not None and standing != wanted:
        # What Accord has recorded in this folder is about that organization; replacing it would look like a year undone.
        raise UsageError(
            f"{into} holds another sample organization ({_words(standing)}).", expected=f"Give another folder for {_words(wanted)}."
        )
    built = standing is None
    if built:
        _build(into, data, marker, wanted, tracker_url)
    copied = not map_folder.is_dir()
    if copied:
        _copy_map(map_folder)
    return PreparedDemo(map_folder=into, data=data, variables=variables, reused=not (built or copied))


def _build(into: Path, data: Path, marker: Path, wanted: Mapping[str, int | str], tracker_url: str | None) -> None:
    marker.unlink(missing_ok=True)
    partial = into / "data.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    truth = build(partial, seed=int(wanted["seed"]), campaigns=int(wanted["campaigns"]), tracker_url=tracker_url)
    truth.write(into / "truth.json")
    if data.exists():  # from a build that ended before its marker was written
        shutil.rmtree(data)
    partial.replace(data)
    # Written last: a folder without the marker is one whose building was interrupted.
    fresh = marker.with_suffix(".partial")
    fresh.write_text(json.dumps(wanted, sort_keys=True) + "\n", encoding="utf-8")
    fresh.replace(marker)


def _copy_map(folder: Path) -> None:
    partial = folder.with_name("map.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for source in sorted(files("accord_marketing_operations").joinpath("map").iterdir(), key=lambda f: f.name):
        if source.name.endswith(".yaml"):
            with as_file(source) as path:
                shutil.copyfile(path, partial / source.name)
    partial.replace(folder)


def _read(marker: Path) -> dict[str, int | str] | None:
    try:
        found: dict[str, int | str] = json.loads(marker.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def _words(sample: Mapping[str, int | str]) -> str:
    return ", ".join(f"{key} {sample[key]}" for key in sorted(sample))
