"""Pages that outlive their process: a list of many hours, killed at page 900, goes on from there.

A reading is gone on with only while nothing that gives it its meaning has moved: the mark of the caller (what it had agreed on when the
first page was read, and how it understands rows), the address, the options of the list, who we are to the API. Rows read before a caller
moved on would look like edits that take back its own. The files are private, hold no secret of the connection, and are gone once the list
is read.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

from accord.connectors.rest_options import RestResource, RestSystem
from accord.connectors.rest_spool import Leaf, Pass, Spool, digest, unchanged, write_private

_FORM: Final = 1
_JOURNAL: Final = "reading.jsonl"
_LOCK: Final = ".lock"
_HIDDEN: Final = "\ufdd0"  # no text means it
_COST: Final = 2**10  # of guessing a secret of the connection by the print of a reading


@dataclass(frozen=True, slots=True)
class Keep:
    """Where a reading may be kept.

    Args:
        place: folder for readings, of this workspace alone.
        holder: for whom it is read; each has one reading of a list.
        mark: differs whenever pages read under another one must not be used.
    """

    place: Path
    holder: str
    mark: str


def kept_spool(
    keep: Keep, system: RestSystem, resource: RestResource, params: Sequence[tuple[str, str]], kinds: dict[str, str]
) -> Spool | None:
    """The reading that was begun here, or a new one.

    Args:
        keep: where, for whom, under what mark.
        system: options of the API.
        resource: the list.
        params: more for its query.
        kinds: filled with the JSON type of each column that was seen.

    Returns:
        ``None`` when another process is at it, or nothing can be kept there.
    """
    folder = _folder(keep, system, resource, [name for name, _ in params])
    journal = _Journal(folder, system, repr((keep.mark, system.base, resource, tuple(params))), kinds)
    try:
        keep.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not journal.take():
            return None
        return journal.resume() or Spool(journal.folder, keeping=journal)
    except OSError:  # a place that cannot be written costs the checkpoint, not the reading
        journal.release()
        return None


def drop_kept(keep: Keep, system: RestSystem, resource: RestResource) -> None:
    """Throw away what is kept of a list for a holder; not what another process is at."""
    for names in ([], [resource.updated_since]):
        folder = _folder(keep, system, resource, names)
        if folder.exists():
            with _locked(folder) as taken:
                if taken:
                    shutil.rmtree(folder, ignore_errors=True)


def _folder(keep: Keep, system: RestSystem, resource: RestResource, names: Sequence[str]) -> Path:
    return keep.place / digest(repr((system.name, resource.name, list(names), keep.holder)).encode())


class Passing:
    """A folder for what this process reads for itself; what a killed one left there is cleared by the next."""

    def __init__(self, place: Path | None) -> None:
        self._lock: int | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="accord-rest-")) if place is None else self._within(place)

    def _within(self, place: Path) -> Path:
        folder = place / f"own-{os.getpid()}-{time.monotonic_ns()}"
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _try_lock(folder)
            folder.mkdir(mode=0o700)
        except OSError:  # a workspace that may only be read
            return Path(tempfile.mkdtemp(prefix="accord-rest-"))
        return folder

    def remove(self) -> None:
        """Throw all of it away."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            _unlock(self.folder, self._lock)
            self._lock = None


def clear_old(place: Path) -> None:
    """Remove readings that nobody goes on with any more: they hold rows of a time ago."""
    for folder in sorted(place.iterdir()) if place.is_dir() else ():
        # One that another process has just removed, or that belongs to another user, is not ours to clear.
        with contextlib.suppress(OSError):
            if folder.is_dir():
                with _locked(folder) as taken:
                    if taken and not _lasting(_lines(folder / _JOURNAL)):
                        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Journal:
    """How far a reading is: a line on the whole, then one for each page; the last line on a page holds."""

    folder: Path
    system: RestSystem
    meaning: str
    kinds: dict[str, str]
    _lock: int | None = None
    _told: dict[int, list[Leaf]] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)
    _kinds_told: int = 0

    def take(self) -> bool:
        """Be the only one at it; false when another process is."""
        self._lock = _try_lock(self.folder)
        return self._lock is not None

    def release(self) -> None:
        """Let go of it; an empty place leaves nothing behind."""
        if self._lock is not None:
            _unlock(self.folder, self._lock)
            self._lock = None

    def resume(self) -> Spool | None:
        """What is kept, with its last page to be read again; ``None``, and nothing any more, when it cannot be gone on with."""
        lines = list(_lines(self.folder / _JOURNAL))
        if not (_lasting(lines) and self._print(lines[0]["salt"]) == lines[0]["print"]):
            shutil.rmtree(self.folder, ignore_errors=True)
            return None
        passes = self._passes(lines[1:])
        if not passes:
            return None
        number, current = max(passes.items())
        self._told = {n: list(one.leaves) for n, one in passes.items()}
        self._ended = {n for n, one in passes.items() if one.done}
        self._kinds_told = len(self.kinds)
        current.step_back()
        before = [passes[number - 1]] if number - 1 in passes else []
        now = time.time()
        began = time.monotonic() - max(0.0, now - float(lines[0]["began"]))
        return Spool(self.folder, [*before, current], number + 1, began, resumed=True, keeping=self)

    def note(self, spool: Spool) -> None:
        """Add what was read since the last time; the very first page alone is not worth a line."""
        lines: list[dict[str, Any]] = []
        for number, one in enumerate(spool.passes, spool.begun - len(spool.passes)):
            lines += self._since(number, one)
        if not lines:
            return
        lines[-1]["at"] = time.time()
        if len(self.kinds) > self._kinds_told:
            lines[-1]["kinds"] = dict(list(self.kinds.items())[self._kinds_told :])
            self._kinds_told = len(self.kinds)
        if not (self.folder / _JOURNAL).exists():
            salt, began = secrets.token_hex(16), time.time() - (time.monotonic() - spool.began)
            whole = {"form": _FORM, "print": self._print(salt), "salt": salt, "began": began, "lasts": self.system.resume_seconds}
            lines.insert(0, whole)
        self._write(lines)

    def pause(self, seconds: float) -> None:
        """It lasts as long after the pause that was asked for as it would without one."""
        if (self.folder / _JOURNAL).exists():
            self._write([{"at": time.time() + seconds}])

    def _write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        write_private(self.folder / _JOURNAL, "".join(f"{json.dumps(line)}\n" for line in lines).encode(), more=True)

    def _since(self, number: int, one: Pass) -> list[dict[str, Any]]:
        """What there is to tell of a reading since the last time; of the pages told before, only the last is ever read again."""
        told, lines = self._told.setdefault(number, []), []
        for page in range(max(0, min(len(told), len(one.leaves)) - 1), len(one.leaves)):
            leaf = one.leaves[page]
            if page >= len(told) or told[page] is not leaf:
                following = one.leaves[page + 1].url if page + 1 < len(one.leaves) else one.url
                lines.append(self._line(number, page, leaf, following, one))
                told[page:] = [leaf]
        if one.done and number not in self._ended:
            lines.append({"pass": number, "done": True, "total": one.total})
            self._ended.add(number)
        return lines

    def _line(self, number: int, page: int, leaf: Leaf, following: str | None, one: Pass) -> dict[str, Any]:
        addresses = {"url": self._hidden(leaf.url), "next": None if following is None else self._hidden(following)}
        figures = {"sha": leaf.sha, "rows": leaf.rows, "order": leaf.order, "print": f"{leaf.print:x}", "mark": leaf.mark}
        return {"pass": number, "page": page, **addresses, **figures, "total": one.total, "numbered": one.numbered}

    def _passes(self, lines: Sequence[Mapping[str, Any]]) -> dict[int, Pass]:
        """Each reading up to its first page that is not there as it was; those before the last are whole, or not there."""
        passes: dict[int, Pass] = {}
        for line in lines:
            self.kinds.update({name: kind for name, kind in line.get("kinds", {}).items() if name not in self.kinds})
            if "pass" not in line:
                continue
            number = line["pass"]
            one = passes.setdefault(number, Pass(self.folder / f"pass-{number}", None))
            one.total = line["total"]
            if line.get("done"):
                one.url, one.done = None, True
                continue
            figures = (line["sha"], self._shown(line["url"]), line["rows"], line["order"], int(line["print"], 16), line["mark"])
            while len(one.leaves) > line["page"]:
                one.drop()
            one.add(Leaf(one.folder / f"{line['page']:06}.arrow", *figures))
            one.url, one.numbered = None if line["next"] is None else self._shown(line["next"]), line["numbered"]
        if not passes:
            return {}
        last = max(passes)
        whole = {n: p for n, p in passes.items() if n >= last - 1 and p.done and all(map(unchanged, p.leaves))}
        if last in whole:
            return whole
        current = passes[last]
        good = next((n for n, leaf in enumerate(current.leaves) if not unchanged(leaf)), len(current.leaves))
        while len(current.leaves) > good:
            current.done = False
            current.drop()
        return {n: p for n, p in whole.items() if n < last} | {last: current} if current.leaves else {}

    def _print(self, salt: str) -> str:
        """The same for the same meaning and the same rights at the API; a secret is not guessed from it."""
        known = repr((sorted(self.system.headers.items()), self.system.params)).encode()
        signed = hashlib.scrypt(known, salt=bytes.fromhex(salt), n=_COST, r=8, p=1, dklen=16).hex()
        return digest(f"{signed} {self.meaning}".encode("utf-8", "surrogatepass"))

    def _spellings(self) -> Iterator[tuple[str, str]]:
        for number, secret in enumerate(self.system.secrets):
            for way, spelled in enumerate(dict.fromkeys((secret, quote(secret, safe=""), quote_plus(secret)))):
                yield spelled, f"{_HIDDEN}{number}.{way}{_HIDDEN}"

    def _hidden(self, url: str) -> str:
        for spelled, sign in self._spellings():
            url = url.replace(spelled, sign)
        return url

    def _shown(self, url: str) -> str:
        for spelled, sign in reversed(list(self._spellings())):  # one secret may stand in the sign of another
            url = url.replace(sign, spelled)
        return url


def _lines(journal: Path) -> Iterator[dict[str, Any]]:
    """Line by line, up to one that was cut off."""
    if not journal.is_file():
        return
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def _lasting(lines: Iterator[dict[str, Any]] | Sequence[dict[str, Any]]) -> bool:
    """Whether a reading is of this program and young enough."""
    found = list(lines)
    if not found or found[0].get("form") != _FORM:
        return False
    moments = [float(line["at"]) for line in found if "at" in line]
    now = time.time()
    # A beginning that lies ahead was noted by a clock that has been set back since, and says nothing.
    return bool(moments) and float(found[0]["began"]) <= now <= max(moments) + float(found[0]["lasts"])


def _lock_of(folder: Path) -> Path:
    return folder.with_suffix(_LOCK)


def _try_lock(folder: Path) -> int | None:
    path = _lock_of(folder)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.fstat(handle).st_ino == path.stat().st_ino:
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:
            os.close(handle)
            raise
        os.close(handle)  # whoever held it has just removed it


def _unlock(folder: Path, handle: int) -> None:
    if not folder.exists():
        _lock_of(folder).unlink(missing_ok=True)
    os.close(handle)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    handle = _try_lock(folder)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            _unlock(folder, handle)
