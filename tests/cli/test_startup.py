"""A command loads what it uses."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

UNUSED = ("httpx", "jinja2", "jsonschema", "openpyxl", "psycopg", "pymysql", "sqlglot")
LOOK = """
import sys
from accord.cli.main import main
assert main(["sync", sys.argv[1]]) == 0
print(*sorted({name for name in sys.argv[2:] if name in sys.modules}))
"""


def test_two_sqlite_files_wait_for_no_driver_of_another_system(small: Any) -> None:
    """Loading every driver and every tool of the other commands took longer than what a short command does."""
    done = subprocess.run([sys.executable, "-c", LOOK, str(small.folder), *UNUSED], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == ""
