"""Finds the installed packs by their entry point; the engine never imports one by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from accord.model.errors import UnknownName, UsageError


@dataclass(frozen=True)
class Pack:
    """An installed pack: its name, the module it is, and the folder its files lie in."""

    name: str
    module: str
    folder: Path

    @property
    def demo(self) -> Callable[..., Any]:
        """``demo(into, *, seed, tracker_url)`` prepares the sample organization and says where its map is.

        Raises:
            UsageError: the pack has no sample organization.
        """
        try:
            prepare: Callable[..., Any] = import_module(f"{self.module}.demo").prepare
        except ModuleNotFoundError as error:
            if error.name != f"{self.module}.demo":
                raise
            raise UsageError(f"pack '{self.name}' has no sample organization.", expected="Run `accord run` on a map of it.") from error
        return prepare

    @property
    def simulate(self) -> Callable[..., Any] | None:
        """``simulate_work(map, store, functions, *, seed)`` lets simulated people carry out the pack's processes; ``None`` without any."""
        try:
            found: Callable[..., Any] = import_module(f"{self.module}.simulate").simulate_work
        except ModuleNotFoundError as error:
            if error.name != f"{self.module}.simulate":
                raise
            return None
        return found

    def specification(self) -> Mapping[str, str]:
        """The ids of the specification the pack answers, with a short title each.

        Raises:
            UsageError: the pack answers none.
        """
        path = self.folder / "specification.yaml"
        if not path.is_file():
            raise UsageError(f"pack '{self.name}' has no specification.yaml.", expected="A pack lists the ids it answers there, id: title.")
        return {str(k): str(v) for k, v in YAML(typ="safe", pure=True).load(path).items()}


def installed_packs() -> dict[str, Pack]:
    """The packs installed beside the engine, by name."""
    return {
        point.name: Pack(point.name, point.value, Path(str(files(point.value))))
        for point in sorted(entry_points(group="accord.packs"), key=lambda p: p.name)
    }


def find_pack(name: str) -> Pack:
    """The pack of that name.

    Raises:
        UnknownName: it is not installed; the error lists those that are.
    """
    packs = installed_packs()
    if name not in packs:
        raise UnknownName("pack", name, packs)
    return packs[name]
