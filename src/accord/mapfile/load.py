"""From map files to a checked ``IntegrationMap``, or to everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from accord.mapfile.build import Builder, default_variables
from accord.mapfile.content import content_hash
from accord.mapfile.problems import MapProblems, Problem, tidy
from accord.mapfile.rules import Facts, check_all
from accord.mapfile.rules.facts import OptionsByKind
from accord.mapfile.shapes import sections
from accord.mapfile.source import Scalar, Table, add, read_file
from accord.mapfile.variables import Variables
from accord.model.errors import Place
from accord.model.integration_map import IntegrationMap

ENDINGS: Final = (".yaml", ".yml")


def load_map(
    path: Path | str | Sequence[Path | str],
    variables: Mapping[str, str] | None = None,
    *,
    known_kpis: Collection[str] | None = None,
    known_connectors: Mapping[str, Collection[str]] | None = None,
    known_options: OptionsByKind | None = None,
    as_written: bool = False,
) -> IntegrationMap:
    """The map of a file, a folder (its ``*.yaml`` and those of its ``map/`` sub-folder) or several of both.

    Args:
        path: file or folder, or several that are read as one map.
        variables: values of ``${name}`` that win over the map's own ``variables:``; ``${map}`` is the folder of the (first) path.
        known_kpis: names of KPIs there are; a reference to another one is a problem. ``None``: not checked.
        known_connectors: kinds of connectors there are, and the ways each can capture changes; as above.
        known_options: by kind of connector, the options of a system and those of a resource, each with the values it may have (none:
            any); «header.*» stands for all names that begin so. A kind that is not in it is not checked.
        as_written: leave ``${name}`` in texts as they are, for comparing and writing maps; the checks are the same.

    Returns:
        A map in which every reference resolves. ``content_hash`` is that of the map as written, so it does not change with the place
        of the data; ``${env:NAME}`` stays in the texts until a connector is opened.

    Raises:
        MapProblems: with every mistake in ``problems``.
    """
    read = _read(path, variables or {}, known_kpis, known_connectors, known_options)
    if read.map is None or read.written is None or read.problems:
        raise MapProblems(read.problems)
    return replace(read.written if as_written else read.map, content_hash=content_hash(read.written), files=read.files)


def lint(
    path: Path | str | Sequence[Path | str],
    variables: Mapping[str, str] | None = None,
    *,
    known_kpis: Collection[str] | None = None,
    known_connectors: Mapping[str, Collection[str]] | None = None,
    known_options: OptionsByKind | None = None,
) -> list[Problem]:
    """Every mistake in a map, in the order of the files; empty when ``load_map`` would succeed. Arguments as there."""
    return _read(path, variables or {}, known_kpis, known_connectors, known_options).problems


@dataclass(frozen=True, slots=True)
class _Reading:
    map: IntegrationMap | None
    written: IntegrationMap | None
    files: tuple[str, ...]
    problems: list[Problem]


def _read(
    path: Path | str | Sequence[Path | str],
    given: Mapping[str, str],
    known_kpis: Collection[str] | None,
    known_connectors: Mapping[str, Collection[str]] | None,
    known_options: OptionsByKind | None,
) -> _Reading:
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(p) for p in path]
    problems: list[Problem] = []
    files = _files(paths, problems)
    tables = [read_file(f, str(f), problems) for f in files]
    root = _merged([t for t in tables if t is not None], problems)
    names = tuple(str(f) for f in files)
    if root is None:
        return _Reading(None, None, names, tidy(problems))
    folder = paths[0] if paths[0].is_dir() else paths[0].parent
    variables = Variables({"map": str(folder.resolve()), **given}, default_variables(root))
    partial = None in tables
    builder = Builder(variables, partial=partial)
    built = builder.build(root)
    written = Builder(variables, as_written=True, partial=partial).build(root)
    problems += builder.problems
    if not partial:  # with a file missing, every reference into it would be called a mistake
        unread = frozenset(name for name in sections() if not isinstance(root.items.get(name, root), Table))
        problems += check_all(Facts(built, builder.places, known_kpis, known_connectors, known_options, unread))
    return _Reading(built, written, names, tidy(problems))


def files_of(folder: Path) -> list[Path]:
    """The files of the map a folder holds; empty: it holds none."""
    folders = (inside for inside in (folder, folder / "map") if inside.is_dir())
    return sorted(path for inside in folders for path in inside.iterdir() if path.suffix in ENDINGS and path.is_file())


def _files(paths: Sequence[Path], problems: list[Problem]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = files_of(path)
            if not found:
                problems.append(
                    Problem(Place(str(path)), "holds no map file.", "Expected at least one file that ends in .yaml, here or in map/.")
                )
            files += found
        elif path.is_file():
            files.append(path)
        else:
            problems.append(Problem(Place(str(path)), "does not exist.", "Expected a map file or a folder with map files."))
    if not paths:
        problems.append(Problem(Place("<no path>"), "no map was named.", "Expected a map file or a folder with map files."))
    return list(dict.fromkeys(files))


def _merged(tables: Sequence[Table], problems: list[Problem]) -> Table | None:
    """All files as one top level: names of a section are put together, anything given twice is a problem."""
    if not tables:
        return None
    root = Table(tables[0].place)
    for table in tables:
        for name, node in table.items.items():
            here = root.items.get(name)
            if name in sections() and isinstance(node, Table) and isinstance(here, Table):
                for inner, part in node.items.items():
                    add(here, inner, part, node.name_places[inner], problems, kind=f"{name}:")
            elif name in sections() and isinstance(node, Scalar) and node.is_null:
                continue
            elif name in sections() and isinstance(node, Table):
                copy = Table(node.place, node.size, dict(node.items), dict(node.name_places))
                add(root, name, copy, table.name_places[name], problems)
            else:
                add(root, name, node, table.name_places[name], problems)
    return root
