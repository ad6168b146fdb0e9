"""Segments that a flow let go are taken away, and nothing else is; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa

from accord.model.event import Event
from accord.store import Store

MakeEvent = Callable[..., Event]
ROWS = pa.table({"id": [1, 2, 3, 4]})


def test_a_segment_that_was_let_go_is_taken_away_with_what_stands_for_it(store: Store, event: MakeEvent) -> None:
    """Of a person's rows taken out of a state, too; but not while another name is still read from the same file."""
    first, second, rest, last = (store.write_segment(ROWS.slice(n)) for n in range(4))
    for number, golden in enumerate((first, second, last)):
        store.append([event("flow.run_finished", flow="f", run=str(number), rows_kept=True, state={"golden": [golden.sha]})])
    store.append([event("flow.reconciled", flow="f", differences=second.sha)])
    erased = {one.sha: (rest.sha, 1) for one in (first, second)}
    store.replace_segments(erased, event("segment.erased", segments=[[sha, *more] for sha, more in erased.items()]))
    assert store.spent_segments("f", at_least=3, at_most=9) == []
    assert store.spent_segments("f", at_least=1, at_most=9) == [first.sha], "the proof names the other for good"
    store.append([event("segment.released", flow="f", segments=[first.sha])])
    later = datetime(2100, 1, 1, tzinfo=UTC)

    assert store.remove_released(before=later, age_seconds=3600) == store.head().seq
    assert store.read_segment(second.sha) == store.read_segment(rest.sha)
    store.append([event("segment.removed", through=store.head().seq), event("flow.reconciled", flow="f", differences=last.sha)])
    store.append([event("segment.released", flow="g", segments=[second.sha]), event("segment.released", flow="f", segments=[second.sha])])
    assert store.verify_segments() == ()
    store.rebuild()
    assert store.remove_released(before=datetime(2000, 1, 1, tzinfo=UTC), age_seconds=0) == 0
    assert store.remove_released(before=later, age_seconds=3600) == 0, "it was written a moment ago"
    assert store.remove_released(before=later, age_seconds=0) == store.head().seq
    assert store.segment_names() == {last.sha}
    assert store.verify_segments() == ()
