"""Files are written whole, and what a killed writer left does not stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from accord.lifecycle.files import write_whole
from accord.store.aside import aside


def test_what_a_killed_writer_left_is_gone_after_the_next_and_what_others_write_stays(tmp_path: Path) -> None:
    """A plan or a proof goes into a folder of the user's, where another command may be writing at the same moment."""
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nimport accord.lifecycle.files as files\n"
        "files.os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_whole(Path(sys.argv[1]), 'half')\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path / "plan.json")], check=False)
    left = list(tmp_path.iterdir())
    others = tmp_path / f"{aside()}other.json"
    others.write_text("being written")

    write_whole(tmp_path / "proof.md", "whole")

    assert (killed.returncode, len(left), left[0].name.startswith(".writing-")) == (-9, 1, True)
    assert sorted(p.name for p in tmp_path.iterdir()) == [others.name, "proof.md"]
