"""People who claim tasks, many on one process: ``claimer.py STORE MAP PEOPLE FIRST``; prints the tasks each of them got."""

from __future__ import annotations

import json
import random
import sys
import threading
from pathlib import Path

from accord.mapfile import load_map
from accord.model.errors import TerminalError
from accord.store import Store, open_store
from accord.work import Work, open_work

_READY = "SELECT task FROM work_task WHERE state = 'ready' ORDER BY seq LIMIT 5 OFFSET ?"
LOOKED_AT = 400  # a person picks from so many lines of the inbox, so that many pick the same


def claim_all(work: Work, person: str, seed: int, got: list[str]) -> None:
    """Take tasks until none is left, as somebody who reads the inbox and takes one of the first."""
    chance, ahead = random.Random(seed), LOOKED_AT
    while True:
        tasks = work.store.rows(_READY, chance.randrange(ahead))
        if not tasks:
            if ahead == 1:
                return
            ahead = max(1, ahead // 4)
        for (task,) in tasks:
            try:
                work.claim(task, by=person)
            except TerminalError:
                continue
            got.append(task)
            break


def claim_together(store: Store, map_path: Path, people: int, first: int) -> dict[str, list[str]]:
    """So many people at once, each on a thread; what each got."""
    work = open_work(load_map(map_path), store)
    got: dict[str, list[str]] = {f"person {first + number}": [] for number in range(people)}
    threads = [threading.Thread(target=claim_all, args=(work, person, n, held)) for n, (person, held) in enumerate(got.items())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


if __name__ == "__main__":
    url, path, count, start = sys.argv[1:]
    threading.stack_size(512 * 1024)
    with open_store(url, segments=Path(path).parent / "segments") as opened:
        print(json.dumps(claim_together(opened, Path(path), int(count), int(start))))
