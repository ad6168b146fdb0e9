"""The rules a map must meet beyond its shape: one file per rule, found by scanning this folder.

A rule is a module with ``check(facts: Facts) -> Iterator[Problem]``; the first line of its docstring is the text of the rule. A new
rule is a new file, nothing else is edited.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts

__all__ = ["Facts", "check_all", "rules"]

Check = Callable[[Facts], Iterator[Problem]]


@cache
def rules() -> tuple[tuple[str, str, Check], ...]:
    """Every rule there is: name of its file, its text, its check."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        if module.name == "facts":
            continue
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        found.append((module.name, (loaded.__doc__ or "").strip().splitlines()[0], loaded.check))
    return tuple(found)


def check_all(facts: Facts) -> Iterator[Problem]:
    """Every problem that any rule finds."""
    for _, _, check in rules():
        yield from check(facts)
