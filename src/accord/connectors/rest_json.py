"""JSON of an API as values that keep every digit, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from accord.connectors.json_lines import value_text
from accord.connectors.unreadable import halves_marked

_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")  # may be half of a character
_BEGUN: Final = re.compile(r"-|\.|(\.\d+)?[eE][+-]?|\\?u?[0-9a-fA-F]{0,4}")  # what stands where a number or an escape is cut off
_EXAMPLES: Final = {"integer": "0", "number": "0", "double": "0", "boolean": "true", "json": "{"}


class BadJson(ValueError):
    """An answer that is not what it claims to be."""


class CutJson(BadJson):
    """An answer that ends in the middle of its document: what cut it off passes, as any other fault of the way."""


class Digits(str):
    """A number as it was written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Path:
    """The way to a value inside a document: names of members and positions in arrays, ``data.items`` or ``result.0.rows``."""

    steps: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Path:
        """Split at dots; the empty text is the document itself."""
        return cls(tuple(step for step in text.split(".") if step))

    def __str__(self) -> str:
        return ".".join(self.steps)

    def find(self, document: Any) -> tuple[bool, Any]:
        """Whether there is such a place, and what stands there."""
        for step in self.steps:
            if isinstance(document, dict) and step in document:
                document = document[step]
            elif isinstance(document, list) and step.isdigit() and int(step) < len(document):
                document = document[int(step)]
            else:
                return False, None
        return True, document


def _no_constant(name: str) -> Any:
    raise BadJson(f"{name} is no JSON")


_decoder = json.JSONDecoder(parse_float=Digits, parse_int=Digits, parse_constant=_no_constant)


def parse(body: bytes) -> Any:
    """The document in the body of an answer; numbers are ``Digits``, and half of a character is marked (``unreadable``).

    Raises:
        BadJson: it is no JSON in UTF-8 (which an answer that was spoiled on its way is not: it is asked for again), or the name of a
            member is no text.
        CutJson: it is the beginning of one. Where a server gives no length, nothing else shows that the rest is missing.
    """
    try:
        document = body.decode("utf-8-sig")
        found = _decoder.decode(document)
        return _marked(found) if _HALF.search(document) else found
    except UnicodeDecodeError as error:
        if error.end == len(body) and error.reason == "unexpected end of data":
            raise CutJson("the answer ends in the middle of a character") from None
        raise BadJson("bytes that are not UTF-8") from None
    except BadJson:
        raise
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and _ends_early(document, error):
            raise CutJson(f"the answer ends in the middle of its JSON, after {len(body):,} bytes") from None
        if body.lstrip()[:1] == b"<":
            raise BadJson("no JSON but HTML or XML, as of a sign-in page or a proxy") from None
        raise BadJson(f"no JSON ({str(error) or 'nested too deeply'})") from None


def _ends_early(document: str, error: json.JSONDecodeError) -> bool:
    """Whether more text could have made it JSON; an answer without any is another mistake."""
    rest = document[error.pos :].strip()
    begun = _BEGUN.fullmatch(rest) or any(word.startswith(rest) for word in ("true", "false", "null"))
    if document.lstrip()[:1] not in ("{", "[") or error.msg == "Extra data":
        return False
    return bool(begun) or error.msg.startswith("Unterminated string")


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        if any(halves_marked(name) != name for name in value):
            raise BadJson("the name of a member is no text in UTF-8")
        return {name: _marked(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_marked(member) for member in value]
    return halves_marked(value) if isinstance(value, str) and not isinstance(value, Digits) else value


def text(value: Any) -> str | None:
    """A value as text: strings as they are, numbers digit by digit, objects and arrays as their JSON, null as ``None``."""
    if value is None or isinstance(value, str):
        return value
    return dump(value)


def dump(value: Any) -> str:
    """JSON text of a parsed value, every number as it was written."""
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {dump(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dump, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def kind_of(value: Any) -> str:
    """An example of the JSON type of a value, as ``json_lines.value_text`` takes it."""
    if isinstance(value, Digits):
        return "0"
    if isinstance(value, bool):
        return "true"
    return '"' if isinstance(value, str) else "{"


def body_of(
    values: Mapping[str, str | None], given: Mapping[str, str], declared: Mapping[str, str], seen: Sequence[Mapping[str, str]]
) -> str:
    """The JSON object of a row to send.

    Args:
        values: column: value as text.
        given: DuckDB type each value came in.
        declared: type of a column in the map, which decides; ``text`` makes it a string whatever it holds.
        seen: examples of the JSON type the API itself uses for a column, best first.
    """
    members = []
    for name, value in values.items():
        example = next((found[name] for found in seen if name in found), None)
        if name in declared:
            example = _EXAMPLES.get(declared[name].partition("(")[0].strip().lower(), '"')
        members.append(f"{json.dumps(name, ensure_ascii=False)}: {value_text(value, given.get(name, 'VARCHAR'), example)}")
    return "{" + ", ".join(members) + "}"
