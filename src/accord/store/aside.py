"""Names of files, and folders of them, while they are being written: they tell by whom, so that what a dead writer left is not taken for
a living one's."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Final

from accord.store.lease import ProcessId, runs

ASIDE: Final = ".writing-"


def aside() -> str:
    """What the name of a file begins with that this process is writing."""
    own = ProcessId.own()
    return f"{_here(own)}{own.pid}-"


def clear_dead(folder: Path) -> None:
    """Remove what processes of this machine that are no more had begun to write in a folder, and not put in its place."""
    here = _here(ProcessId.own())
    for left in sorted(folder.glob(f"{here}*")):
        number = left.name.removeprefix(here).partition("-")[0]
        if number.isdigit() and not runs(int(number)):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _here(own: ProcessId) -> str:
    # Numbers of processes say nothing between machines, or containers, that share a folder.
    return f"{ASIDE}{hashlib.sha256(own.host.encode()).hexdigest()[:8]}-"
