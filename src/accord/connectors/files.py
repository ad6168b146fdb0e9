"""Files as stores: a read that is one state of the file, and a replacement that is whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import duckdb

from accord.connectors.protocol import Connector, Placed
from accord.model.errors import SystemChanged, SystemUnreachable
from accord.store.lease import runs
from accord.store.room import no_room

Result = TypeVar("Result")
_TRIES = 3
_CLOCKS_SECONDS = 7200.0  # machines that share a file may differ by so much, an hour of summer time among it
_STEP_SECONDS = 0.02  # two steps of the slowest clock by which file systems of Linux stamp a write


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when somebody writes a file; the time of the last change cannot be set back by a program, that of the last write can."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """The stamp of a file as it is now."""
        status = path.stat()
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    @property
    def time(self) -> datetime:
        """When the file was last written, UTC."""
        return datetime.fromtimestamp(self.modified_ns / 1e9, UTC)


def last_written(*paths: Path) -> str | None:
    """When the newest of some files was written, for ``written_earlier``; ``None`` when none is there."""
    times = [path.stat().st_mtime_ns for path in paths if path.is_file()]
    return str(max(times)) if times else None


def written_earlier(before: str, now: str) -> str:
    """That a file is dated before the state it was in, as backups are when they keep the times of files; empty when it is not."""
    then, is_ = int(before) / 1e9, int(now) / 1e9
    if is_ >= then - _CLOCKS_SECONDS:
        return ""
    at, known = (f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}" for moment in (is_, then))
    return f"its file was last written at {at} UTC, and was known as written at {known} UTC"


def passable(path: Path, system: str) -> Path:
    """The path itself, when this user may pass the folders on the way to it; whether anything is there is not asked.

    Raises:
        SystemUnreachable: a folder on the way may not be passed.
    """
    try:
        path.stat()
    except PermissionError as error:
        todo = "Give this user the right to pass the folders on the way."
        raise SystemUnreachable(system, str(path), "it may not be looked at (Permission denied)", todo) from error
    except OSError:
        return path
    return path


def absent(connector: Connector) -> Path | None:
    """The file or folder of a system that is not there; ``None`` where there is one, may be one, or is none to look for."""
    if not isinstance(connector, Placed):
        return None
    try:
        connector.place.stat()
    except FileNotFoundError:
        return connector.place
    except OSError:
        return None
    return None


def existing_file(path: Path, system: str) -> Path:
    """The path itself when a file is there.

    Raises:
        SystemUnreachable: nothing is there, or a folder, or it may not be read.
    """
    passable(path, system)
    if path.is_dir():
        raise SystemUnreachable(system, str(path), "it is a folder, not a file")
    if not path.exists():
        raise SystemUnreachable(system, str(path), "there is no such file", "Correct 'at:' in the map, or put the file there.")
    if not path.is_file():
        raise SystemUnreachable(system, str(path), "it is no regular file (a pipe or a device, whose reading may never end)")
    if not os.access(path, os.R_OK):
        raise SystemUnreachable(system, str(path), "it may not be read", "Give this user the right to read it.")
    return path


def read_stable(path: Path, system: str, read: Callable[[], Result]) -> tuple[Result, Stamp]:
    """What ``read`` gives when the file stood still meanwhile, and the stamp of that state.

    Raises:
        SystemChanged: the file was written during each of three tries.
    """
    for _ in range(_TRIES):
        before = _settled(existing_file(path, system))
        try:
            result = read()
        except Exception:  # whatever a reader makes of half a file: while it is written it looks broken, and only one that stands still is
            if path.exists() and Stamp.of(path) == before:
                raise
            continue
        if path.exists() and Stamp.of(path) == before:
            return result, before
    raise SystemChanged(system, path.name, f"it was written during each of {_TRIES} readings")


def _settled(path: Path) -> Stamp:
    """The stamp of a file, taken when another write could not bear the same: not within the step of the clock that gave it."""
    age = time.time() - path.stat().st_ctime
    if 0 <= age < _STEP_SECONDS:
        time.sleep(_STEP_SECONDS - age)
    return Stamp.of(path)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold an advisory lock on the folder, so that two of us never replace a file of it at once; leaves nothing behind."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def replace_file(path: Path, system: str, write: Callable[[Path], None], *, expected: Stamp | None) -> None:
    """Write aside in the same folder, synchronize, and rename over the file: durable and whole when this returns.

    Args:
        path: file to replace or make.
        system: name for errors.
        write: fills the file it is given.
        expected: state the new content was made from; ``None`` when there was no file.

    Raises:
        SystemChanged: somebody wrote the file since that state, or has it open to write it; it is left as they made it.
        StorageFull: the disk is full; the file is as before.
        SystemUnreachable: the folder may not be written.
    """
    # What stands in a program's window would be saved over ours, and look like a person's edit of all that came since.
    if mark := next((name for name in (f"~${path.name}", f".~lock.{path.name}#") if path.with_name(name).exists()), None):
        detail = f"somebody has it open, says '{mark}' beside it. Close it there, or delete that file if nobody does"
        raise SystemChanged(system, path.name, detail, in_use=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _clear(path)
        write(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        if expected is not None:
            aside.chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o644)
        now = Stamp.of(path) if path.exists() else None
        if now != expected:
            raise SystemChanged(system, path.name, "another program wrote it while the change was prepared")
        aside.replace(path)
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except Exception as error:  # libraries tell of a full disk in their own errors; whatever is none of these goes on unchanged
        text = str(error)
        if full := no_room(error, path):
            raise full from error
        denied = os.strerror(errno.EACCES) in text or os.strerror(errno.EROFS) in text
        if isinstance(error, OSError) or (denied and isinstance(error, duckdb.IOException)):
            raise SystemUnreachable(system, str(path), text.splitlines()[0], "Give this user the right to write its folder.") from error
        raise
    finally:
        aside.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove what processes that were killed had written beside a file and not yet put in its place."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        number = left.name.removesuffix(".tmp").rpartition(".")[2]
        if number.isdigit() and not runs(int(number)):
            left.unlink(missing_ok=True)
