"""Whom personal values are about, as a map declares it."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.mapfile import lint

MAP = """
name: t
teams: {a: {}}
entities:
  customer: {key: [id], %s fields: {id: text, name: {type: text, personal: true}}}
processes:
  call: {%s variables: {who: text}, steps: {ring: {team: a, form: {phone: text}}}}
"""


@pytest.mark.parametrize(
    ("entity", "process", "said"),
    [
        ("", "", ""),
        ("person: id,", "person: who,", ""),
        ("", "person: phone,", ""),
        ("person: idd,", "", "field 'idd' does not exist"),
        ("", "person: whom,", "Did you mean 'who'"),
    ],
)
def test_whom_values_are_about_is_looked_up_when_the_map_is_read(tmp_path: Path, entity: str, process: str, said: str) -> None:
    """A misspelled person would seal values for nobody, and an erasure would not find them."""
    path = tmp_path / "map.yaml"
    path.write_text(MAP % (entity, process), encoding="utf-8")

    found = [str(problem) for problem in lint(path)]

    assert (found == []) if not said else (len(found) == 1 and said in found[0]), found
