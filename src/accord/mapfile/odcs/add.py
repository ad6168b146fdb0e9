"""Add imported entities to a map: a new file in its folder, or its one file with more in it; checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from accord.mapfile.additions import Addition, inserted, try_addition
from accord.mapfile.dump import dump_section
from accord.mapfile.load import ENDINGS, load_map
from accord.mapfile.problems import MapProblems, Problem
from accord.model.entity import Entity
from accord.model.errors import UsageError
from accord.model.integration_map import IntegrationMap
from accord.model.organization import Team

_SECTION: Final = "entities"


def add_entities(map_path: Path, entities: Sequence[Entity], variables: Mapping[str, str] | None = None) -> Addition:
    """The file that adds the entities to a map; nothing is written here.

    In a folder it is a new file named after the first entity; a map of one file gets them in its section, comments kept. An owner who is
    no team of the map is left out and told, since contracts of other organizations name people. A map may name the entities already, in a
    flow that waits for its contract: then it is judged together with them.

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
    try:
        map_ = load_map(map_path, variables, as_written=True)
    except MapProblems:  # whatever they do not mend is told below, of both together
        owners = {e.owner: Team(e.owner) for e in entities if e.owner}
        map_ = IntegrationMap("", teams=owners)
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
        addition = Addition(map_path, inserted(map_path, entities_text(fitting)), notes)
    try_addition(map_path, addition, variables or {})
    return addition


def entities_text(entities: Sequence[Entity]) -> str:
    """The entities as the section ``entities`` of a map file."""
    return dump_section(IntegrationMap("contract", entities={e.name: e for e in entities}), _SECTION)
