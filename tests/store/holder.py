"""Run by test_lease.py in a process of its own: take the lease, say so, and wait to be killed."""

import sys
import time
from pathlib import Path

from accord.store import open_store

if __name__ == "__main__":
    with open_store(sys.argv[1], segments=Path(sys.argv[2])) as store, store.lease("the other process") as lease:
        sys.stdout.write(f"{lease.token}\n")
        sys.stdout.flush()
        time.sleep(600)
