"""Forms: what has to be filled in to finish a step, as JSON Schema (2020-12), and the check of an answer against it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from accord.model.entity import Field
from accord.model.errors import UsageError
from accord.model.types import CanonicalType
from accord.work.definition import Definition
from accord.work.mistakes import Mistake, mistakes_of

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_TYPES: Mapping[str, Mapping[str, Any]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "double": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
    "json": {},
    "binary": {"type": "string", "contentEncoding": "base64"},
}


class FormRefused(UsageError):
    """An answer that does not fit.

    ``fields`` are the names with the rule each breaks, without what was filled in, for the log; ``mistakes`` say it to who filled it in.
    """

    def __init__(self, what: str, *, expected: str, fields: Mapping[str, str], mistakes: tuple[Mistake, ...] = ()) -> None:
        self.fields, self.mistakes = dict(fields), mistakes
        super().__init__(what, expected=expected)


def form_schema(fields: Mapping[str, Field]) -> dict[str, Any]:
    """The JSON Schema of a form; unknown names are refused."""
    properties: dict[str, Any] = {}
    for name, field in fields.items():
        kind = CanonicalType.parse(field.type).name
        rules: dict[str, Any] = dict(_TYPES[kind])
        if field.values:
            rules["enum"] = list(field.values)
        if field.pattern:
            rules["pattern"] = f"^(?:{field.pattern})$"
        if kind in ("integer", "number", "double"):
            rules |= {key: float(bound) for key, bound in (("minimum", field.minimum), ("maximum", field.maximum)) if bound}
        if kind == "text" and field.required:
            rules["minLength"] = 1
        if field.description:
            rules["description"] = field.description
        properties[name] = rules
    required = [name for name, field in fields.items() if field.required]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def check_answer(definition: Definition, step: str, answer: Mapping[str, Any]) -> None:
    """Return when an answer fits the form of a step; a step without a form takes any names.

    Raises:
        FormRefused: naming every field that does not fit and what was expected there.
    """
    validator = _validator(definition.hash, step) or _remember(definition, step)
    if validator is not None:
        _refuse(validator, answer, f"the form of step '{step}'")


def check_variables(fields: Mapping[str, Field], values: Mapping[str, Any], *, holder: str) -> None:
    """Return when the variables an instance starts with fit; names that are not declared pass.

    Raises:
        UsageError: naming every value that does not fit.
    """
    if fields:
        schema = form_schema(fields) | {"additionalProperties": True}
        _refuse(_compiled(schema), values, holder)


_compiled_forms: dict[tuple[str, str], Validator | None] = {}


def _validator(definition: str, step: str) -> Validator | None:
    return _compiled_forms.get((definition, step))


def _remember(definition: Definition, step: str) -> Validator | None:
    key = (definition.hash, step)
    if key not in _compiled_forms:
        if len(_compiled_forms) > 4096:  # definitions come and go; what is needed is compiled again
            _compiled_forms.clear()
        schema = definition.schemas.get(step) or (form_schema(definition.steps[step].form) if definition.steps[step].form else None)
        _compiled_forms[key] = None if schema is None else _compiled(schema, times=True)
    return _compiled_forms[key]


def _compiled(schema: Mapping[str, Any], *, times: bool = False) -> Validator:
    """A schema to check with; ``times``: a point in time has to be one. Of what an instance starts with, the step that needs it says so."""
    import jsonschema  # takes a tenth of a second, which only those who fill in a form should wait

    checker = jsonschema.FormatChecker()
    if times:
        checker.checks("date-time", raises=ValueError)(_is_time)  # which the library leaves unchecked without further packages
    return jsonschema.Draft202012Validator(dict(schema), format_checker=checker)


def _is_time(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


def _refuse(validator: Validator, answer: Mapping[str, Any], holder: str) -> None:
    errors = sorted(validator.iter_errors(dict(answer)), key=lambda e: [str(p) for p in e.absolute_path])
    if errors:
        said = "; ".join(f"{'.'.join(map(str, e.absolute_path)) or 'the answer'}: {e.message}" for e in errors[:8])
        more = f" and {len(errors) - 8} more" if len(errors) > 8 else ""
        known = ", ".join(sorted(dict(validator.schema).get("properties", {}))) if isinstance(validator.schema, Mapping) else ""
        raise FormRefused(
            f"{holder} is not filled in right: {said}{more}.",
            expected=f"Fields: {known or 'any'}.",
            fields={".".join(map(str, e.absolute_path))[:80]: str(e.validator) for e in errors[:50]},
            mistakes=mistakes_of(errors[:50]),
        )
