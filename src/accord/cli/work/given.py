"""What people give with a command: answers of a form, variables of a process, a message's content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accord.cli.given import given_bytes
from accord.model.entity import Field
from accord.model.errors import UsageError
from accord.model.types import CanonicalType
from accord.work import Work

_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}


def read_answers(work: Work, task: str, given: list[str], file: Path | None) -> dict[str, Any]:
    """The answers to a task's form, each in the type of its field; one given by name wins over the file's.

    Raises:
        UsageError: a text is not of the form name=value, or the file is no JSON object.
        UnknownName: there is no such task.
    """
    found = work.task(task)
    values: dict[str, Any] = {}
    if file is not None:
        values = read_json(given_bytes(file, "Give a JSON file."), str(file))
    row = work.store.rows("SELECT definition FROM work_instance WHERE instance = ?", found.instance)
    step = work.library.get(work.store, row[0][0]).steps[found.step]
    for name, value in _pairs(given, "--answer"):
        values[name] = _typed(step.form[name].type if name in step.form else "", value)
    return values


def read_variables(fields: Mapping[str, Field], given: list[str]) -> dict[str, Any]:
    """The variables of a process, each in the type the process declares.

    Raises:
        UsageError: a text is not of the form name=value.
    """
    return {name: _typed(fields[name].type if name in fields else "", value) for name, value in _pairs(given, "--variable")}


def _pairs(given: list[str], option: str) -> list[tuple[str, str]]:
    pairs = []
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise UsageError(f"{option} '{text}' is not of the form name=value.", expected="For example budget=1200")
        pairs.append((name, value))
    return pairs


def _typed(kind: str, value: str) -> Any:
    """The text as its field wants it; left as text where it is none of that, so that the form says what is wrong."""
    name = CanonicalType.parse(kind).name if kind else ""
    try:
        if name == "integer":
            return int(value)
        if name in ("number", "double"):
            return float(value)
        if name == "json":
            return json.loads(value)
    except ValueError:
        return value
    return _BOOLEANS.get(value.lower(), value) if name == "boolean" else value


def read_json(text: str | bytes, where: str) -> dict[str, Any]:
    """A JSON object; ``where`` is named when it is none.

    Raises:
        UsageError: it is none.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is no JSON: {error}.", expected='Expected an object such as {"paid": true}') from error
    if not isinstance(found, Mapping):
        raise UsageError(f"{where} is no JSON object.", expected='Expected an object such as {"paid": true}')
    return dict(found)
