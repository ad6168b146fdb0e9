"""Values that expressions give are plain JSON, whatever DuckDB holds them as."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accord.mapfile.expression import mistakes
from accord.model.errors import DataRefused
from accord.store import Store
from accord.work import Work
from accord.work.expression import evaluate

MakeWork = Callable[..., Work]
KNOWN = {"plan": {"items": [1, {"a": 2}]}, "name": "x", "rows": [{"a": 1}, {"b": [1]}], "words": ["a", "b"]}


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("json_extract(plan, '$.items')", [1, {"a": 2}]),
        ("{'plan': plan, 'name': name, 'rows': rows}", {"plan": KNOWN["plan"], "name": "x", "rows": KNOWN["rows"]}),
        ("json_object('name', name)", {"name": "x"}),
        ("json_array(name, 1)", ["x", 1]),
        ("list_sort(list_distinct(words))", ["a", "b"]),
        ("list_concat(rows, rows)", [{"a": 1}, {"b": [1]}] * 2),
        ("plan ->> '$.items[0]'", "1"),
        ("'{}'", "{}"),
    ],
)
def test_json_is_what_it_says_and_not_its_text(sql: str, value: object) -> None:
    """An action that is given the text of a list, or a list of texts, sends or counts something else than was meant."""
    assert mistakes(sql, list(KNOWN)) == []
    assert evaluate(sql, KNOWN, holder="here") == value


def test_a_list_inside_a_variable_is_gone_through_and_what_is_none_is_refused(work_with: MakeWork, store: Store) -> None:
    """A step over nothing ends at once: work that nobody was given would look as if it had been done."""
    work = work_with(
        "processes: {p: {owner: studio, steps: {each: {kind: foreach, team: studio, process: one, "
        "each: \"json_extract(plan, '$.items')\"}}}, "
        "one: {owner: studio, steps: {do: {team: studio}}}}"
    )

    work.start("p", case="1", by="Sam", variables={"plan": {"items": ["a", "b"]}})
    with pytest.raises(DataRefused, match="'a, b' is no list"):
        work.start("p", case="2", by="Sam", variables={"plan": {"items": "a, b"}})

    assert len(work.tasks()) == 2
    assert store.rows("SELECT count(*) FROM work_instance") == [(3,)]
