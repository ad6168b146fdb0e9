"""Finding connector kinds by scanning folders, and opening systems with them."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import accord.connectors
from accord.connectors.protocol import Connector
from accord.model.errors import Place, UnknownName, UsageError
from accord.model.system import System

_ENVIRONMENT = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_KIND = re.compile(rb"""^ +kind(?:: *[^=\n]+)? = ["']([^"'\n]+)["']""", re.MULTILINE)


def connector_kinds() -> dict[str, type[Connector]]:
    """Every kind of system there is a connector for: those of this folder and those of installed packs.

    A kind is any class with a ``kind`` that is defined in a file of such a folder; a new one needs no other edit.

    Raises:
        UsageError: two files claim the same kind.
    """
    kinds: dict[str, type[Connector]] = {}
    for module in _modules():
        for found in _defined(module):
            if found.kind in kinds:
                raise UsageError(f"connector kind '{found.kind}' is defined twice: {kinds[found.kind].__module__} and {module.__name__}.")
            kinds[found.kind] = found
    return dict(sorted(kinds.items()))


def connector_kind(name: str) -> type[Connector] | None:
    """The class of one kind, ``None`` where there is no such kind.

    Only files that say so (``kind = "…"`` in a class) are loaded for it, so that a map of two SQLite files waits for no driver of
    PostgreSQL; the rest is looked through only when no file says it.

    Raises:
        UsageError: two files claim the kind.
    """
    found = [kind for module in _modules(name) for kind in _defined(module) if kind.kind == name]
    return found[0] if len(found) == 1 else connector_kinds().get(name)


def _defined(module: ModuleType) -> Iterator[type[Connector]]:
    for thing in vars(module).values():
        if isinstance(thing, type) and thing.__module__ == module.__name__ and isinstance(getattr(thing, "kind", None), str):
            yield thing


def open_connector(system: System, *, base: Path) -> Connector:
    """The connector for a system of the map; nothing is read yet.

    ``${env:NAME}`` in ``system.at`` and its options is filled in from the environment here and nowhere else, so secrets never stand in
    a map, a hash or a report.

    Args:
        system: as the map declares it.
        base: folder at which relative paths of ``system.at`` start.

    Raises:
        UnknownName: no connector of that kind; the error lists those there are.
        UsageError: an environment variable that the map names is not set.
    """
    kind = connector_kind(system.connector)
    if kind is None:
        raise UnknownName("connector", system.connector, connector_kinds(), place=system.place, holder=f"system '{system.name}'")
    resolved = replace(
        system,
        at=from_environment(system.at, f"system '{system.name}'", system.place),
        options={name: from_environment(value, f"system '{system.name}'", system.place) for name, value in system.options.items()},
    )
    return kind(resolved, base=base)


def open_connectors(systems: Mapping[str, System], *, base: Path) -> dict[str, Connector]:
    """A connector for each system of a map, by name."""
    return {name: open_connector(system, base=base) for name, system in systems.items()}


def from_environment(text: str, holder: str, place: Place) -> str:
    """A text of the map with ``${env:NAME}`` filled in; for use at once, never to be kept.

    Raises:
        UsageError: an environment variable is not set.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name not in os.environ:
            raise UsageError(
                f"{holder} needs the environment variable {name}, which is not set.",
                place=place,
                expected=f"Set it, for example: export {name}=…",
            )
        return os.environ[name]

    return _ENVIRONMENT.sub(value, text)


def _modules(kind: str | None = None) -> Iterator[ModuleType]:
    """Every file of the folders; with a kind, those whose text names it and those whose text is not at hand."""
    for package in (accord.connectors, *_packs()):
        folders = tuple(package.__path__)
        for name, said in _files(folders, tuple(Path(f).stat().st_mtime_ns if Path(f).is_dir() else 0 for f in folders)):
            if kind is None or said is None or kind in said:
                yield importlib.import_module(f"{package.__name__}.{name}")


@cache
def _packs() -> tuple[ModuleType, ...]:
    """The folders of connectors of the packs that were installed when the process began."""
    found = []
    for entry in entry_points(group="accord.packs"):
        name = f"{entry.module}.connectors"
        try:
            found.append(importlib.import_module(name))
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    return tuple(found)


@lru_cache(maxsize=64)
def _files(folders: tuple[str, ...], changed: tuple[int, ...]) -> tuple[tuple[str, frozenset[str] | None], ...]:
    """Each file of the folders with the kinds its text names; looked at again when a folder has changed."""
    found = sorted(pkgutil.iter_modules(folders), key=lambda m: m.name)
    return tuple((module.name, _said(module)) for module in found if module.name != "registry")


def _said(module: pkgutil.ModuleInfo) -> frozenset[str] | None:
    folder = Path(getattr(module.module_finder, "path", ""))
    try:
        text = (folder / module.name / "__init__.py" if module.ispkg else folder / f"{module.name}.py").read_bytes()
    except FileNotFoundError:
        return None  # an archive, or compiled only
    return frozenset(said.decode() for said in _KIND.findall(text))
