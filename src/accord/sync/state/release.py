"""Segments of a flow that nothing can ask for any more are let go, many at a time.

What a later state replaced, records that are folded, and what settled intents meant to write: each run leaves some, and a flow that runs
each minute would fill a disk with them. The log says what is let go (``segment.released``) and, once the files are gone,
``segment.removed``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import timedelta

from accord.connectors.types import quote
from accord.model.event import ObjectRef
from accord.store.folding import columns_in, parquet
from accord.store.sealing.subjects import personal_entities
from accord.sync.apply.receipts import APPLIED, APPLYING
from accord.sync.cycle import Cycle
from accord.sync.state.record import append

FROM = 256  # segments
MOST = 4096  # in one event
READERS_SECONDS = 1800.0
"""How long a file stays once it is let go: who opened the state before has so much time to read it."""
_SHA = re.compile(r"[0-9a-f]{64}")


def let_go(cycle: Cycle) -> None:
    """Take away the files of what was let go a while ago, and let go what a finished run left behind; most runs find nothing to do."""
    before = cycle.clock() - timedelta(seconds=READERS_SECONDS)
    if through := cycle.store.remove_released(before=before, age_seconds=READERS_SECONDS):
        append(cycle, "segment.removed", through=through)
    spent = cycle.store.spent_segments(cycle.flow.name, at_least=FROM, at_most=MOST)
    if not spent:
        return
    held = _held(cycle)
    # What is missing or damaged is not let go: whoever verifies the store is to be told.
    names = [sha for sha in spent if sha not in held and cycle.store.has_segment(sha)]
    if len(names) >= FROM:
        append(cycle, "segment.released", entity=cycle.entity.name, segments=names, persons=_persons(cycle, names))


def _held(cycle: Cycle) -> set[str]:
    """Segments of intents that no run has taken up yet, and of what is known about them."""
    held: set[str] = set()
    for stored in cycle.store.pending_intents(cycle.flow.name):
        told = cycle.store.read(after=stored.seq, types=[APPLYING, APPLIED], object=ObjectRef("run", str(stored.event.attributes["run"])))
        for event in (stored.event, *(other.event for other in told)):
            held.update(_SHA.findall(json.dumps(event.attributes)))
    return held


def _persons(cycle: Cycle, names: Sequence[str]) -> list[str]:
    """A segment of whom rows were about, and their personal values, as far as no segment of the present state tells it.

    Without it nobody could say, when a person is to be erased, which records and events are about rows that are gone.
    """
    personal = personal_entities(cycle.map).get(cycle.entity.name)
    if personal is None or not personal.person:
        return []
    known = {personal.person, *personal.key}
    columns = list(dict.fromkeys((*personal.key, personal.person, *sorted(personal.fields))))
    state = cycle.store.flow_state(cycle.flow.name)
    now = [sha for role, shas in state.items() if role == "golden" or role.startswith("base:") for sha in shas]
    parts = []
    for shas in (names, now):
        paths = [path for path in map(cycle.store.read_segment, shas) if known <= columns_in(path)]
        held = frozenset().union(*map(columns_in, paths))
        picked = ", ".join(f"CAST({quote(c) if c in held else 'NULL'} AS VARCHAR) AS {quote(c)}" for c in columns)
        parts += [f"SELECT {picked} FROM {parquet(paths)}"] if paths else []
        if not parts:
            return []
    count = cycle.make("let_go", f"SELECT * FROM ({' EXCEPT '.join(parts)}) WHERE {quote(personal.person)} IS NOT NULL")
    return [cycle.store.write_segment_from(cycle.con, "SELECT * FROM let_go ORDER BY ALL").sha] if count else []
