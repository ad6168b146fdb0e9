"""Names are short, printable and safe in a path; entities and fields are identifiers that differ in more than case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.mapfile.shapes import sections
from accord.mapfile.variables import NAME

MAX_LENGTH: Final = 80
_IDENTIFIER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*")


def check(facts: Facts) -> Iterator[Problem]:
    """Names that could not become a table, a file name or a line of a report."""
    if facts.map.name:
        yield from _one(facts, ("name",), "the map", facts.map.name, _NAME, "letters, digits, space, '.', '_' and '-'")
    for section in sections():
        if section in ("entities", "variables"):
            continue
        for name in getattr(facts.map, section):
            yield from _one(facts, (section, name), section, name, _NAME, "letters, digits, space, '.', '_' and '-'")
    for name in facts.map.variables:
        yield from _one(facts, ("variables", name), "variables", name, NAME, "letters, digits, '.', '_' and '-'")
    entities = facts.map.entities
    yield from _identifiers(facts, ("entities",), "entities", entities)
    for entity in entities.values():
        yield from _identifiers(facts, ("entities", entity.name, "fields"), f"entity '{entity.name}', fields", entity.fields)


def _one(facts: Facts, path: tuple[str, ...], holder: str, name: str, allowed: re.Pattern[str], words: str) -> Iterator[Problem]:
    if not allowed.fullmatch(name) or len(name) > MAX_LENGTH:
        yield facts.problem(
            path,
            f"{holder}: '{name[:MAX_LENGTH]}' cannot be a name.",
            f"Expected at most {MAX_LENGTH} of {words}, beginning with a letter or digit.",
        )


def _identifiers(facts: Facts, path: tuple[str, ...], holder: str, names: Iterable[str]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in names:
        where = (*path, name)
        if not _IDENTIFIER.fullmatch(name) or len(name) > MAX_LENGTH:
            yield facts.problem(
                where,
                f"{holder}: '{name[:MAX_LENGTH]}' cannot be a name.",
                f"Expected a letter, then letters, digits and '_', at most {MAX_LENGTH}.",
            )
        if name.casefold() == "rowid" and path[-1] == "fields":
            yield facts.problem(
                where, f"{holder}: '{name}' is what databases call the place of a row.", "Give the field another name, with column: rowid."
            )
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            yield facts.problem(
                where, f"{holder}: '{name}' and '{other}' differ only in case, which SQL does not see.", "Rename one of them."
            )
