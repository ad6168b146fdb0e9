"""Add what was imported to a map: a new file in its folder, or one of its files with more in it; checked before anything is written."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from accord.mapfile.load import load_map
from accord.mapfile.problems import MapProblems, Problem
from accord.model.errors import Place


@dataclass(frozen=True, slots=True)
class Addition:
    """What is to be written: ``file`` with ``text``; ``notes`` are parts of what was imported that the map could not take."""

    file: Path
    text: str
    notes: tuple[Problem, ...] = ()


def inserted(path: Path, added: str) -> str:
    """The text of a map file with the names of the sections of another text in it, comments kept; a name that stands there is replaced."""
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 1_000_000
    yaml.allow_unicode = True
    document = yaml.load(path.read_text(encoding="utf-8-sig"))
    for section, names in yaml.load(added).items():
        if document.get(section) is None:
            document[section] = CommentedMap()
        document[section].update(names)
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def try_addition(map_path: Path, addition: Addition, variables: Mapping[str, str]) -> None:
    """Load the map with the addition, from a file aside; its places are told as those of the file to be.

    Raises:
        MapProblems: the map would have mistakes.
    """
    folder = map_path if map_path.is_dir() else map_path.parent
    with tempfile.TemporaryDirectory(prefix="accord-addition-") as aside:
        trial = Path(aside) / addition.file.name
        trial.write_text(addition.text, encoding="utf-8")
        standing: list[Path] = [map_path] if map_path.is_dir() else []
        if map_path.is_dir() and addition.file.exists():
            files = load_map(map_path, variables, as_written=True).files
            standing = [Path(file) for file in files if Path(file).resolve() != addition.file.resolve()]
        try:
            load_map([*standing, trial], {"map": str(folder.resolve()), **variables})
        except MapProblems as error:
            told = [replace(p, place=_moved(p.place, trial, addition.file)) for p in error.problems]
            raise MapProblems(told) from None


def _moved(place: Place, trial: Path, file: Path) -> Place:
    return Place(str(file), place.line) if place.file == str(trial) else place
