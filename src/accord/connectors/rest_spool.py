"""The pages of a list that is being read, as files: a reading that broke goes on where it broke.

Where a folder to keep them in is given, a later process finds them as well (``rest_kept``).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from accord.connectors import rest_json
from accord.connectors.rest_order import Way
from accord.store.room import no_room

_WRAP = 2**128


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page with rows, as kept.

    Args:
        file: holds its rows.
        sha: of the file.
        url: it was read at.
        rows: how many.
        order: the same for the same keys in the same order.
        print: the same for equal sets of keys, in any order; those of several pages add up.
        mark: the same for the same rows with the same values.
    """

    file: Path
    sha: str
    url: str
    rows: int
    order: str
    print: int
    mark: str


@dataclass
class Pass:
    """One reading of all pages, as far as it got.

    Args:
        folder: of its files.
        url: of the next page; ``None`` at the end.
        leaves: pages read so far.
        done: it is at its end.
        total: rows there are, as the last page says.
        numbered: the addresses of its pages count pages or rows, whatever the map calls them.
        checked: the next page was read before, and has to show the keys of this leaf again.
        rows: of all pages so far.
        print: the same for equal sets of keys.
        asked: pages asked for, those without a row too.
        ending: the last page said by name that none comes after it.
        way: in which its keys go, where the last key tells the next page.
    """

    folder: Path
    url: str | None
    leaves: list[Leaf] = field(default_factory=list)
    done: bool = False
    total: int | None = None
    numbered: bool = False
    checked: Leaf | None = None
    rows: int = 0
    print: int = 0
    asked: int = 0
    ending: bool = False
    way: Way = field(default_factory=Way)

    @property
    def last(self) -> str:
        """Mark of the page before."""
        return self.leaves[-1].mark if self.leaves else ""

    def keep(self, table: pa.Table, url: str, items: Sequence[Mapping[str, Any]], key: Sequence[str]) -> None:
        """Write a page into a file of its own, whole or not at all, which nobody else may read.

        Raises:
            StorageFull: no room.
        """
        path = self.folder / f"{len(self.leaves):06}.arrow"
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        data = sink.getvalue().to_pybytes()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = path.with_suffix(".new")
        write_private(aside, data)
        aside.replace(path)
        self.add(Leaf(path, digest(data), url, len(items), order_of(items, key), _print(items, key), mark_of(items)))

    def add(self, leaf: Leaf) -> None:
        """Count a page that is kept."""
        self.leaves.append(leaf)
        self.asked = max(self.asked, len(self.leaves))
        self.rows, self.print = self.rows + leaf.rows, (self.print + leaf.print) % _WRAP

    def drop(self) -> Leaf:
        """Take the last page out again."""
        leaf = self.leaves.pop()
        self.rows, self.print, self.url = self.rows - leaf.rows, (self.print - leaf.print) % _WRAP, leaf.url
        return leaf

    def step_back(self) -> None:
        """Read the last page again before going on: what comes after it holds only where it is what it was."""
        if self.leaves and not self.done:
            self.checked, self.way = self.drop(), Way()


class Keeping(Protocol):
    """What makes a reading last longer than its process."""

    def note(self, spool: Spool) -> None:
        """Keep how far it is."""

    def pause(self, seconds: float) -> None:
        """The API asked to wait so long."""

    def release(self) -> None:
        """Let another process go on with it."""


@dataclass
class Spool:
    """Readings of a list that is not read to its end yet.

    Args:
        folder: of its files.
        passes: the one at work, and perhaps the one before.
        begun: how many there were.
        began: when the first page was read, on the clock of ``time.monotonic``.
        touched: when it broke last.
        resumed: something of it was read before it broke.
        keeping: makes it last; ``None``: it ends with the process.
    """

    folder: Path
    passes: list[Pass] = field(default_factory=list)
    begun: int = 0
    began: float = field(default_factory=time.monotonic)
    touched: float = field(default_factory=time.monotonic)
    resumed: bool = False
    keeping: Keeping | None = None

    def another(self, url: str) -> Pass:
        """Begin at the first page."""
        self.passes.append(Pass(self.folder / f"pass-{self.begun}", url))
        self.begun += 1
        return self.passes[-1]

    def newest(self) -> list[Leaf]:
        """The page that was read last, if there is one: it has every column that was seen."""
        for one in reversed(self.passes):
            if leaves := [*one.leaves, *([one.checked] if one.checked else [])]:
                return leaves[-1:]
        return []

    def forget(self) -> None:
        """Throw it away."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.keeping is not None:
            self.keeping.release()


def write_private(path: Path, data: bytes, *, more: bool = False) -> None:
    """Write, or add to, a file that only this user may read.

    Raises:
        StorageFull: no room.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if more else os.O_TRUNC), 0o600)
        with os.fdopen(handle, "ab" if more else "wb") as file:
            file.write(data)
    except OSError as error:
        if full := no_room(error, path):
            raise full from error
        raise


def read_pages(leaves: Sequence[Leaf]) -> list[pa.Table]:
    """The rows of each page."""
    parts = []
    for leaf in leaves:
        with pa.OSFile(str(leaf.file), "rb") as file:
            parts.append(pa.ipc.open_file(file).read_all())
    return parts


def unchanged(leaf: Leaf) -> bool:
    """Whether a file is there as it was written."""
    with contextlib.suppress(FileNotFoundError):
        return digest(leaf.file.read_bytes()) == leaf.sha
    return False


def digest(data: bytes) -> str:
    """A name for these bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def mark_of(items: Sequence[Mapping[str, Any]]) -> str:
    """The same for the same rows with the same values in the same order."""
    return digest(_bytes(rest_json.dump(list(items))))


def order_of(items: Sequence[Mapping[str, Any]], key: Sequence[str]) -> str:
    """The same for the same keys in the same order."""
    return digest(_bytes("\n".join(_identity(item, key) for item in items)))


def _print(items: Sequence[Mapping[str, Any]], key: Sequence[str]) -> int:
    hashes = (hashlib.blake2b(_bytes(_identity(item, key)), digest_size=16).digest() for item in items)
    return sum(map(int.from_bytes, hashes)) % _WRAP


def _identity(item: Mapping[str, Any], key: Sequence[str]) -> str:
    values = [rest_json.text(item.get(name)) for name in key]
    return repr(values) if any(value is not None for value in values) else rest_json.dump(dict(item))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
