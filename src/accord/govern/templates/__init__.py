"""The templates of documents, each with its version in its file name: ``<name>.v<version>.html.j2``.

A change that readers can see is a new file with the next version; the old one stays, so an old document can be made again as it was.
A pack adds templates by naming its own folder.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accord.model.errors import DataRefused, UnknownName

_FILE = re.compile(r"(?P<name>[a-z][a-z0-9-]*)\.v(?P<version>[1-9][0-9]*)\.html\.j2")
_OWN = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Template:
    """The text of a template with its name, version and SHA-256 in hexadecimal."""

    name: str
    version: int
    text: str
    sha: str

    @property
    def label(self) -> str:
        """What a stamp says of it, such as ``step v1 (3f5e0a1b)``."""
        return f"{self.name} v{self.version} ({self.sha[:8]})"


def load_template(name: str, version: int | None = None, *, folders: Sequence[Path] = ()) -> Template:
    """The template of that name, in its newest version or the one asked for.

    Args:
        name: such as ``step``.
        version: counted from 1; ``None`` for the newest.
        folders: searched before the templates that come with Accord; the first folder that has the version wins.

    Raises:
        UnknownName: there is no such template or version; the message lists those there are.
        DataRefused: the file is not UTF-8 text.
    """
    found = _files(folders)
    names = {known for known, _ in found}
    if name not in names:
        raise UnknownName("template", name, names)
    versions = sorted(known_version for known, known_version in found if known == name)
    wanted = versions[-1] if version is None else version
    if wanted not in versions:
        raise UnknownName("template", f"{name} v{wanted}", [f"{name} v{known}" for known in versions])
    path = found[name, wanted]
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise DataRefused(str(problem), str(path), "UTF-8 text") from problem
    return Template(name, wanted, text, hashlib.sha256(text.encode()).hexdigest())


def list_templates(*, folders: Sequence[Path] = ()) -> tuple[Template, ...]:
    """Every template in every version, by name and version."""
    return tuple(load_template(name, version, folders=folders) for name, version in sorted(_files(folders)))


def _files(folders: Sequence[Path]) -> dict[tuple[str, int], Path]:
    found: dict[tuple[str, int], Path] = {}
    for folder in (*folders, _OWN):
        for path in sorted(folder.glob("*.html.j2")):
            named = _FILE.fullmatch(path.name)
            if named:
                found.setdefault((named["name"], int(named["version"])), path)
    return found
