"""Add imported processes to a map, with a team for each lane it does not know yet; checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from accord.mapfile.additions import Addition, inserted, try_addition
from accord.mapfile.bpmn.words import ImportedProcesses
from accord.mapfile.dump import dump_section
from accord.mapfile.load import ENDINGS, load_map
from accord.mapfile.problems import Problem
from accord.model.errors import Place, UsageError
from accord.model.integration_map import IntegrationMap
from accord.model.organization import Team
from accord.model.process import Process


def processes_text(found: ImportedProcesses) -> str:
    """The teams and processes as sections of a map file."""
    made = IntegrationMap("diagram", teams=dict(found.teams), processes=dict(found.processes))
    return "\n".join(part for part in (dump_section(made, "teams"), dump_section(made, "processes")) if part)


def add_processes(
    map_path: Path, found: ImportedProcesses, variables: Mapping[str, str] | None = None, *, replacing: bool = False
) -> Addition:
    """The file that adds the processes to a map; nothing is written here.

    In a folder it is a new file named after the first process; a map of one file gets them in its section, comments kept. A lane is the
    team of the map with its name or title; one that is not there becomes a new team, which is told.

    Args:
        map_path: a map's folder or its one file.
        found: from ``import_bpmn``.
        variables: as for ``load_map``.
        replacing: a process of that name in the map is replaced where it stands.

    Raises:
        MapProblems: the map has mistakes, or would have them with these processes.
        UsageError: a process of that name stands in the map already, or the new file does.
    """
    map_ = load_map(map_path, variables, as_written=True)
    fitting, notes = _fitted(found, map_)
    standing = [map_.processes[name].place.file for name in fitting.processes if name in map_.processes]
    if standing and not replacing:
        known = next(name for name in fitting.processes if name in map_.processes)
        raise UsageError(
            f"process '{known}' stands in the map already, at {map_.processes[known].place}.", expected="--replace puts this one there."
        )
    if len(set(standing)) > 1:
        raise UsageError("the processes stand in several files of the map.", expected="Import them one file at a time.")
    if standing or not map_path.is_dir():
        file = Path(standing[0]) if standing else map_path
        addition = Addition(file, inserted(file, processes_text(fitting)), notes)
    else:
        addition = Addition(map_path / f"{next(iter(fitting.processes))}{ENDINGS[0]}", processes_text(fitting), notes)
        if addition.file.exists():
            raise UsageError(f"{addition.file} is there already.", expected="Rename it, or give --into another map.")
    try_addition(map_path, addition, variables or {})
    return addition


def _fitted(found: ImportedProcesses, map_: IntegrationMap) -> tuple[ImportedProcesses, tuple[Problem, ...]]:
    """The processes with the teams of the map; only teams it does not have stay."""
    known = {word.casefold(): team.name for team in map_.teams.values() for word in (team.title, team.name) if word}
    same = {name: known.get(name.casefold()) or known.get((team.title or name).casefold()) for name, team in found.teams.items()}
    new: dict[str, Team] = {name: team for name, team in found.teams.items() if same[name] is None}
    notes = tuple(
        Problem(Place(name), f"the lane becomes a new team '{name}'; give it an owner, or name the lane after a team.") for name in new
    )
    processes = {name: _renamed(process, {old: team for old, team in same.items() if team}) for name, process in found.processes.items()}
    return replace(found, processes=processes, teams=new), notes


def _renamed(process: Process, teams: Mapping[str, str]) -> Process:
    steps = {name: replace(step, team=teams.get(step.team, step.team)) for name, step in process.steps.items()}
    return replace(process, steps=steps)
