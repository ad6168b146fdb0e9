"""Tools that are no dependency of ours, each in an environment under ``.cache`` made from a hash-locked file."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache"


def python_of(peer: str) -> str:
    """The interpreter of an environment with ``peers/<peer>.txt`` installed; made when it is not there.

    Raises:
        subprocess.CalledProcessError: it could not be installed.
    """
    wanted = HERE / f"{peer}.txt"
    folder = CACHE / f"peer-{peer}-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(wanted)], check=True)
        (folder / "ready").touch()
    return str(python)
