"""What is wrong with an answer to a form, field by field, in words for whoever filled it in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_TYPES: Mapping[str, str] = {
    "integer": "a whole number",
    "number": "a number, such as 1200.50",
    "boolean": "yes or no",
    "string": "text",
    "array": "a list",
    "object": "an object",
    "null": "nothing",
}
_FORMATS: Mapping[str, str] = {
    "date": "a date, such as 2026-03-02",
    "date-time": "a time with its zone, such as 2026-03-02T09:00:00+01:00",
    "uuid": "an id, such as 7f4df1a6-3f0d-4ad7-9d42-0d1a0f6a2a55",
    "email": "an address, such as mia@example.org",
}
_BOUNDS: Mapping[str, str] = {
    "minimum": "at least {:g}",
    "maximum": "at most {:g}",
    "exclusiveMinimum": "more than {:g}",
    "exclusiveMaximum": "less than {:g}",
    "multipleOf": "a multiple of {:g}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
}
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that does not fit.

    Args:
        field: its name, dots leading into what is nested; empty: the answer as a whole.
        rule: the keyword of JSON Schema it breaks.
        said: what was expected there.
    """

    field: str
    rule: str
    said: str


def mistakes_of(errors: Iterable[ValidationError]) -> tuple[Mistake, ...]:
    """What the errors of a form say, each once, at the field that is missing, unknown or wrong."""
    return tuple(dict.fromkeys(mistake for error in errors for mistake in _mistakes(error)))


def _mistakes(error: ValidationError) -> Iterator[Mistake]:
    path, rule = tuple(map(str, error.absolute_path)), str(error.validator)
    if rule == "required":
        given: Any = error.instance
        needed: Any = error.validator_value
        for name in needed:
            if name not in given:
                yield _mistake((*path, name), rule, "This is needed.")
    elif rule == "additionalProperties" and isinstance(error.schema, Mapping):
        given = error.instance
        for name in given:
            if name not in error.schema.get("properties", {}):
                yield _mistake((*path, name), rule, "There is no such field.")
    else:
        yield _mistake(path, rule, _expected(rule, error.validator_value, error.message))


def _mistake(path: Iterable[str], rule: str, said: str) -> Mistake:
    return Mistake(".".join(path)[:80], rule, said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…")


def _expected(rule: str, value: Any, message: str) -> str:
    if rule == "minLength" and value == 1:
        return "This is needed."
    if rule == "type":
        kinds = [value] if isinstance(value, str) else list(value)
        return f"Expected {' or '.join(_TYPES.get(kind, kind) for kind in kinds)}."
    if rule in ("enum", "const"):
        return f"Expected {'one of: ' if rule == 'enum' else ''}{', '.join(map(str, value)) if rule == 'enum' else value}."
    if rule == "format":
        return f"Expected {_FORMATS.get(value, value)}."
    if rule == "pattern":
        return f"Expected the form {str(value).removeprefix('^(?:').removesuffix(')$')}."
    if rule in _BOUNDS:
        return f"Expected {_BOUNDS[rule].format(value)}."
    return message
