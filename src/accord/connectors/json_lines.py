"""Lines of JSON taken apart without rounding a number, and put together again without touching what is not changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from accord.connectors.unreadable import MARK, MARKED, halves_marked
from accord.model.errors import DataRefused

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_SPACE = re.compile(r"[ \t\r\n]*")
EXPECTED: Final = "one JSON object per line"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_texts = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_no_constant)


def records(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank; a byte that is no text is marked (``unreadable``)."""
    # Only a line feed ends a line: JSON allows other line separators inside a text.
    with path.open(encoding="utf-8-sig", errors=MARKED, newline="\n") as file:
        for number, line in enumerate(file, 1):
            if not line.isspace():
                yield number, line


def texts(line: str, where: str) -> dict[str, str | None]:
    """The members of a line's object as text: strings as they are, numbers digit by digit, objects and arrays as their JSON.

    Half of a character (a lone surrogate escape) is marked, too.

    Raises:
        DataRefused: the line is no JSON object, or the name of a member is no text.
    """
    try:
        found = _texts.decode(line)
    except json.JSONDecodeError as error:
        raise DataRefused(f"no JSON ({error.msg} at character {error.pos + 1})", where, EXPECTED) from error
    except (ValueError, RecursionError) as error:
        raise DataRefused(f"no JSON ({error or 'nested too deeply'})", where, EXPECTED) from error
    if not isinstance(found, dict):
        raise DataRefused("JSON, but no object", where, EXPECTED)
    if any(MARK in name for name in found):
        raise DataRefused("the name of a member is not UTF-8", where, EXPECTED + " in UTF-8")
    if "\\u" in line:
        if any(halves_marked(name) != name for name in found):
            raise DataRefused("half of a character (a lone surrogate escape)", where, EXPECTED + " in Unicode")
        found = {name: halves_marked(value) if isinstance(value, str) else value for name, value in found.items()}
    raw: dict[str, str] | None = None
    for name, value in found.items():
        if isinstance(value, str) or value is None:
            continue
        if isinstance(value, bool):
            found[name] = "true" if value else "false"
        else:
            # Its numbers have been taken apart as texts; the line itself still has it as it was written.
            raw = members(line) if raw is None else raw
            found[name] = raw[name]
    return found


def members(line: str) -> dict[str, str]:
    """The members of an object with the JSON text of each value exactly as written."""
    result: dict[str, str] = {}
    at = _skip(line, line.index("{") + 1)
    while line[at] != "}":
        if line[at] == ",":
            at = _skip(line, at + 1)
        name, at = _texts.raw_decode(line, at)
        start = _skip(line, _skip(line, at) + 1)
        _, at = _texts.raw_decode(line, start)
        result[name] = line[start:at]
        at = _skip(line, at)
    return result


def _skip(line: str, at: int) -> int:
    found = _SPACE.match(line, at)
    return found.end() if found else at


def joined(values: Mapping[str, str]) -> str:
    """An object on one line from the JSON text of each member."""
    return "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {value}" for name, value in values.items()) + "}"


def value_text(value: str | None, kind: str, example: str | None) -> str:
    """The JSON text of a value: of the JSON type the file already uses for it, else of its own.

    Args:
        value: as text; ``None`` is null.
        kind: DuckDB type of the value.
        example: JSON text of another value of the same column, where there is one.
    """
    if value is None:
        return "null"
    if example is not None:
        plain = (
            (example[0] in "-0123456789" and _NUMBER.fullmatch(value) is not None)
            or (example in ("true", "false") and value in ("true", "false"))
            or (example[0] in "[{" and value[:1] in ("[", "{") and _is_json(value))
        )
    elif kind == "JSON":
        # A text is read as the document that stands in it, so a document that is a text, or null, has to stand in one.
        plain = value[:1] not in ('"', "n") and _is_json(value)
    elif kind == "BOOLEAN":
        plain = value in ("true", "false")
    else:
        numeric = kind.endswith("INT") or kind.startswith(("INTEGER", "DECIMAL", "DOUBLE", "FLOAT"))
        plain = numeric and _NUMBER.fullmatch(value) is not None
    return value.replace("\n", " ") if plain else json.dumps(value, ensure_ascii=False)


def _is_json(text: str) -> bool:
    try:
        _texts.decode(text)
    except (ValueError, RecursionError):
        return False
    return True
