"""SQL files with a header: the one form of KPIs and mining measures."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from accord.model.errors import MapError, MapSyntaxError, Place, alternatives

_ENTRY = re.compile(r"--\s?(?P<key>[a-z_]+):(?:\s+(?P<value>.*))?\s*")
_CONTINUATION = re.compile(r"--(?:\s{2,}(?P<text>.*))?\s*")


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One ``.sql`` file: the ``-- key: value`` lines at its top, and the query below them.

    ``lines`` says where each key stands and ``query_line`` where the query begins, counted from 1; ``sha`` is over the whole text.
    """

    path: Path
    header: Mapping[str, str]
    lines: Mapping[str, int]
    query: str
    query_line: int
    sha: str

    def place(self, key: str = "") -> Place:
        """Where a key of the header stands; without a key, where the query begins."""
        return Place(str(self.path), self.lines.get(key, 1) if key else self.query_line)

    def text(self, key: str, default: str = "") -> str:
        """The value of a key."""
        return self.header.get(key, default)


def read_sql_file(path: Path, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> SqlFile:
    """Read a file whose header holds ``-- key: value`` lines; a line indented by two spaces or more goes on with the value above.

    Raises:
        MapError: not UTF-8, a key that is unknown, missing or given twice, or no query; with file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise MapSyntaxError(f"this file cannot be read as UTF-8 text: {error}.", place=Place(str(path))) from error
    header: dict[str, str] = {}
    lines: dict[str, int] = {}
    current = ""
    body = text.splitlines()
    number = 0
    for number, line in enumerate(body, start=1):
        if not line.startswith("--"):
            break
        entry = _ENTRY.fullmatch(line)
        more = _CONTINUATION.fullmatch(line)
        if entry:
            current = entry["key"]
            if current in header:
                raise MapError(f"'{current}' stands twice in this header.", place=Place(str(path), number))
            header[current], lines[current] = (entry["value"] or "").strip(), number
        elif more and current:
            header[current] = f"{header[current]}\n{more['text'] or ''}".strip()
        else:
            raise MapError(
                f"'{line}' is no line of a header.",
                place=Place(str(path), number),
                expected="Expected «-- key: value» or an indented line.",
            )
    known = (*required, *optional)
    for key in header:
        if key not in known:
            raise MapError(f"unknown key '{key}'.", place=Place(str(path), lines[key]), expected=alternatives(key, known))
    missing = [key for key in required if not header.get(key)]
    if missing:
        raise MapError(f"the header lacks {', '.join(missing)}.", place=Place(str(path), 1), expected=f"Expected: {', '.join(required)}.")
    query = "\n".join(body[number - 1 :]).strip().removesuffix(";")
    if not query or query.startswith("--"):
        raise MapError("there is no query below the header.", place=Place(str(path), max(number, 1)))
    return SqlFile(path, header, lines, query, number, hashlib.sha256(text.encode()).hexdigest())
