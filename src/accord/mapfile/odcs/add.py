"""Add imported entities to a map: a new file in its folder, or its one file with more in it; checked before anything is written."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from accord.mapfile.dump import dump_section
from accord.mapfile.load import ENDINGS, load_map
from accord.mapfile.problems import MapProblems, Problem
from accord.model.entity import Entity
from accord.model.errors import Place, UsageError
from accord.model.integration_map import IntegrationMap

_SECTION: Final = "entities"


@dataclass(frozen=True, slots=True)
class Addition:
    """What is to be written: ``file`` with ``text``; ``notes`` are parts of the entities the map could not take."""

    file: Path
    text: str
    notes: tuple[Problem, ...] = ()


def add_entities(map_path: Path, entities: Sequence[Entity], variables: Mapping[str, str] | None = None) -> Addition:
    """The file that adds the entities to a map; nothing is written here.

    In a folder it is a new file named after the first entity; a map of one file gets them in its section, comments kept. An owner who is
    no team of the map is left out and told, since contracts of other organizations name people.

    Args:
        map_path: a map's folder or its one file, or a new file of the map whose folder it is in.
        entities: from ``import_contract``.
        variables: as for ``load_map``.

    Raises:
        MapProblems: the map has mistakes, or would have them with these entities.
        UsageError: an entity of that name stands in the map already, or the new file does.
    """
    new = not map_path.exists() and map_path.suffix in ENDINGS and map_path.parent.is_dir()
    if new and not any(p.suffix in ENDINGS for p in map_path.parent.iterdir()):
        return Addition(map_path, entities_text(entities))  # the first file of a map that is being written
    file, map_path = map_path, map_path.parent if new else map_path
    map_ = load_map(map_path, variables, as_written=True)
    for entity in entities:
        standing = map_.entities.get(entity.name)
        if standing is not None:
            raise UsageError(
                f"entity '{entity.name}' stands in the map already, at {standing.place}.",
                expected="Edit it there; `accord contract import` without --into shows what the contract says.",
            )
    fitting = [e if not e.owner or e.owner in map_.teams else replace(e, owner="") for e in entities]
    notes = tuple(
        Problem(e.place, f"entity '{e.name}': the owner '{e.owner}' is left out, since no team of the map is called so.")
        for e, fit in zip(entities, fitting, strict=True)
        if e.owner != fit.owner
    )
    if map_path.is_dir():
        addition = Addition(file if new else map_path / f"{entities[0].name}.yaml", entities_text(fitting), notes)
        if addition.file.exists():
            raise UsageError(f"{addition.file} is there already.", expected="Rename it, or give --into another place.")
    else:
        addition = Addition(map_path, _inserted(map_path, fitting), notes)
    _try(map_path, addition, variables or {})
    return addition


def entities_text(entities: Sequence[Entity]) -> str:
    """The entities as the section ``entities`` of a map file."""
    return dump_section(IntegrationMap("contract", entities={e.name: e for e in entities}), _SECTION)


def _inserted(path: Path, entities: Sequence[Entity]) -> str:
    """The text of a map file with the entities in its section."""
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 1_000_000
    yaml.allow_unicode = True
    document = yaml.load(path.read_text(encoding="utf-8-sig"))
    if document.get(_SECTION) is None:
        document[_SECTION] = CommentedMap()
    document[_SECTION].update(yaml.load(entities_text(entities))[_SECTION])
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _try(map_path: Path, addition: Addition, variables: Mapping[str, str]) -> None:
    """Load the map with the addition, from a file aside; its places are told as those of the file to be."""
    folder = map_path if map_path.is_dir() else map_path.parent
    with tempfile.TemporaryDirectory(prefix="accord-contract-") as aside:
        trial = Path(aside) / addition.file.name
        trial.write_text(addition.text, encoding="utf-8")
        paths = [map_path, trial] if map_path.is_dir() else [trial]
        try:
            load_map(paths, {"map": str(folder.resolve()), **variables})
        except MapProblems as error:
            told = [replace(p, place=_moved(p.place, trial, addition.file)) for p in error.problems]
            raise MapProblems(told) from None


def _moved(place: Place, trial: Path, file: Path) -> Place:
    return Place(str(file), place.line) if place.file == str(trial) else place
