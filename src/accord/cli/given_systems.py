"""The systems a first map is to name: as given with ``--system``, or the data files that lie in a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from accord.lifecycle.design.proposed_map import identifier
from accord.model.errors import UsageError
from accord.model.system import System

_SCHEMES: Final = {
    "postgresql": "postgresql", "postgres": "postgresql", "embedded": "postgresql",
    "mysql": "mysql", "mariadb": "mysql", "http": "rest", "https": "rest",
}  # fmt: skip
_FILES: Final = {".db": "sqlite", ".sqlite": "sqlite", ".sqlite3": "sqlite", ".duckdb": "duckdb", ".xlsx": "xlsx"}
_FOLDERS: Final = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
_GIVEN: Final = re.compile(r"([A-Za-z]\w*)=(.+)", re.DOTALL)
_SQLITE: Final = b"SQLite format 3\0"
_FORM: Final = "Expected NAME=ADDRESS, such as crm=postgresql://me@db.example.org/crm, shop=shop.db or lists=csv:exports."


@dataclass
class GivenSystems:
    """Systems by name: as the map is to name them, and as they are opened now; they differ by the passwords, which no map may hold.

    Args:
        named: with ``${env:…}`` in the place of a password.
        opened: as given.
        secrets: the environment variables that the map asks for.
    """

    named: dict[str, System] = field(default_factory=dict)
    opened: dict[str, System] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)

    def add(self, system: System, variable: str = "", password: str = "") -> None:
        """One more; ``password`` stands in its address."""
        self.opened[system.name] = self.named[system.name] = system
        if password:
            self.secrets.append(variable)
            self.named[system.name] = replace(system, at=system.at.replace(f":{password}@", f":${{env:{variable}}}@", 1))


def systems_given(given: Sequence[str], kinds: Collection[str], folder: Path) -> GivenSystems:
    """The systems of ``--system``.

    Args:
        given: each ``NAME=ADDRESS``: a URL, a file, a folder of files, or ``KIND:`` with what is to stand in ``at:``.
        kinds: of systems there are.
        folder: where the map will be.

    Raises:
        UsageError: one of them cannot be understood.
    """
    found = GivenSystems()
    for text in given:
        parts = _GIVEN.fullmatch(text)
        if parts is None:
            raise UsageError(f"--system '{_hidden(text)}' names no system.", expected=_FORM)
        name, where = parts.groups()
        if name in found.named:
            raise UsageError(f"--system {name} is given twice.", expected="Give each system a name of its own.")
        prefix = where.split(":", 1)[0].lower()
        if prefix in _SCHEMES:
            found.add(System(name, _SCHEMES[prefix], where), f"{name.upper()}_PASSWORD", _password(name, where))
        elif prefix in kinds and ":" in where:
            found.add(System(name, prefix, _beside(Path(where.split(":", 1)[1]), folder)))
        else:
            found.add(System(name, _kind_of(name, Path(where)), _beside(Path(where), folder)))
    return found


def systems_in(folder: Path) -> GivenSystems:
    """The databases, workbooks and folders of data files that lie in a folder or one below it, by the names of their files."""
    found = GivenSystems()
    below = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")) if folder.is_dir() else []
    for place in (folder, *below):
        files = sorted(p for p in place.iterdir() if p.is_file() and not p.name.startswith((".", "~$")))
        for file in files:
            if kind := _file_kind(file):
                _add(found, file.stem, kind, _beside(file, folder))
        for ending, kind in _FOLDERS.items():
            if any(file.suffix.lower() == ending for file in files):
                _add(found, kind if place == folder else place.name, kind, _beside(place, folder))
    return found


def _add(found: GivenSystems, called: str, kind: str, at: str) -> None:
    name = identifier(called)
    name = name if name not in found.named else f"{name}_{kind}"
    if name not in found.named:
        found.add(System(name, kind, at))


def _file_kind(file: Path) -> str:
    kind = _FILES.get(file.suffix.lower(), "")
    if kind != "sqlite":
        return kind
    with file.open("rb") as opened:
        return kind if opened.read(len(_SQLITE)) == _SQLITE else ""


def _kind_of(name: str, path: Path) -> str:
    if path.is_dir():
        kinds = sorted({_FOLDERS[p.suffix.lower()] for p in path.iterdir() if p.suffix.lower() in _FOLDERS})
        if len(kinds) == 1:
            return kinds[0]
        what = f"holds {' and '.join(kinds)} files" if kinds else f"holds no {', '.join(_FOLDERS)} file"
        raise UsageError(f"--system {name}: the folder {path} {what}.", expected=f"Say which: {name}=csv:{path}")
    kind = _FILES.get(path.suffix.lower())
    if kind is None:
        known = ", ".join((*_FILES, *_FOLDERS))
        raise UsageError(f"--system {name}: '{path}' is no address whose kind shows.", expected=f"{_FORM} Endings known: {known}.")
    if not path.is_file():
        raise UsageError(f"--system {name}: there is no file {path}.", expected="Give the path as seen from here.")
    return kind


def _beside(path: Path, folder: Path) -> str:
    """As the map says it, which counts from its own folder."""
    whole = path.expanduser().absolute()
    return str(whole.relative_to(folder.absolute())) if whole.is_relative_to(folder.absolute()) else os.path.normpath(whole)


def _password(name: str, address: str) -> str:
    """The one that stands in a URL; empty for none, and for one that the environment is asked for already."""
    try:
        password = urlsplit(address).password or ""
    except ValueError as error:
        raise UsageError(f"--system {name}: the address is no URL: {error}.", expected=_FORM) from error
    return "" if password.startswith("${env:") else password


def _hidden(text: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", text)
