"""A form as fields of a page, and what was filled in as the answer its JSON Schema is asked about.

Nothing is judged here: what does not look like its field is passed on as text, and the form says what is wrong with it. Only of JSON a
form cannot: any text would do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from accord.work.plain_json import read_json

Kind = Literal["text", "area", "number", "date", "moment", "choice", "several", "yes or no", "json"]
Posted = Mapping[str, Sequence[str]]
PREFIX = "answer."  # so that no field of a form takes the place of one of the page
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})([eE][+-]?[0-9]{1,2})?")
_YES_NO = {"true": True, "false": False}
_SHORT = 120  # characters that still read well on one line


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Args:
        name: as it is posted.
        label: for people.
        kind: how it is filled in.
        needed: it has to be.
        help: what it means, its unit and bounds.
        options: values to choose from.
        given: what stands in it.
        wrong: what was wrong with it.
    """

    name: str
    label: str
    kind: Kind
    needed: bool = False
    help: str = ""
    options: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    @property
    def value(self) -> str:
        """What stands in a field of one value."""
        return self.given[0] if self.given else ""

    @property
    def anchor(self) -> str:
        """Its id on the page."""
        return f"f-{self.name}"


def fields_of(schema: Mapping[str, Any] | None, *, units: Mapping[str, str], zone: ZoneInfo) -> tuple[Field, ...]:
    """The fields of a form.

    Args:
        schema: JSON Schema of an object; ``None``: nothing is asked.
        units: of fields that are numbers.
        zone: points in time are filled in as the clock shows them there.
    """
    if schema is None:
        return ()
    needed = schema.get("required", ())
    return tuple(_field(name, rules, name in needed, units.get(name, ""), zone) for name, rules in _rules(schema).items())


def _rules(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    properties = schema.get("properties", {})
    return {str(name): rules if isinstance(rules, Mapping) else {} for name, rules in properties.items()}


def _field(name: str, rules: Mapping[str, Any], needed: bool, unit: str, zone: ZoneInfo) -> Field:
    kind, options = _kind(rules), _options(rules)
    label = str(rules.get("title") or name.replace("_", " ").capitalize())
    bounds = [f"{word} {rules[key]:g}" for word, key in (("at least", "minimum"), ("at most", "maximum")) if _is_number(rules.get(key))]
    notes = [str(rules.get("description", "")), f"In {unit}." if unit else "", f"{', '.join(bounds).capitalize()}." if bounds else ""]
    if kind == "moment":
        notes.append(f"As the clock shows it in {zone.key}.")
    elif kind == "json":
        notes.append("As JSON; a text in quotes.")
    default = rules.get("default")
    given = () if default is None else (str(default).lower() if isinstance(default, bool) else str(default),)
    return Field(PREFIX + name, label, kind, needed, " ".join(filter(None, notes)), options, given)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _type(rules: Mapping[str, Any]) -> str:
    found = rules.get("type", "")
    return next((str(kind) for kind in found if kind != "null"), "") if isinstance(found, list) else str(found)


def _kind(rules: Mapping[str, Any]) -> Kind:
    type_, format_ = _type(rules), rules.get("format")
    if _options(rules):
        return "several" if type_ == "array" else "choice"
    if type_ == "string":
        if format_ in ("date", "date-time"):
            return "date" if format_ == "date" else "moment"
        return "text" if format_ or "pattern" in rules or rules.get("maxLength", _SHORT + 1) <= _SHORT else "area"
    simple: Mapping[str, Kind] = {"integer": "number", "number": "number", "boolean": "yes or no"}
    return simple.get(type_, "json")


def _options(rules: Mapping[str, Any]) -> tuple[str, ...]:
    items = rules.get("items")
    held = items.get("enum") if _type(rules) == "array" and isinstance(items, Mapping) else rules.get("enum")
    return tuple(held) if isinstance(held, list) and all(isinstance(value, str) for value in held) else ()


def filled(fields: Sequence[Field], posted: Posted) -> tuple[Field, ...]:
    """The fields with what was filled in."""
    return tuple(replace(field, given=tuple(posted.get(field.name, ()))) for field in fields)


def known(fields: Sequence[Field], values: Mapping[str, Any], *, zone: ZoneInfo) -> tuple[Field, ...]:
    """The fields with what is known of them, such as what was filled in before the work came back."""
    texts = {f"{PREFIX}{name}": value for name, value in values.items() if value is not None}
    return tuple(replace(field, given=_texts(field, texts[field.name], zone)) if field.name in texts else field for field in fields)


def _texts(field: Field, value: Any, zone: ZoneInfo) -> tuple[str, ...]:
    if field.kind == "several":
        return tuple(map(str, value)) if isinstance(value, list) else ()
    if field.kind == "json" or isinstance(value, bool | list | dict):
        return (json.dumps(value, ensure_ascii=False),)
    if field.kind == "moment":
        try:
            return (f"{datetime.fromisoformat(str(value)).astimezone(zone):%Y-%m-%dT%H:%M}",)
        except (ValueError, OverflowError):
            return ()
    return (str(value),)


def marked(fields: Sequence[Field], wrong: Sequence[tuple[str, str]]) -> tuple[tuple[Field, ...], tuple[str, ...]]:
    """The fields with what is wrong at each, and what is wrong with none of them.

    Args:
        fields: of the page.
        wrong: name in the form (dots lead into what is nested) and what was expected there.
    """
    names = {field.name for field in fields}
    said: dict[str, list[str]] = {name: [] for name in names}
    others = []
    for path, text in wrong:
        name = next((f"{PREFIX}{part}" for part in (path, path.partition(".")[0]) if f"{PREFIX}{part}" in names), "")
        if name:
            said[name].append(text)
        else:
            others.append(f"{path}: {text}" if path else text)
    return tuple(replace(field, wrong=tuple(said[field.name])) for field in fields), tuple(others)


def answer_of(schema: Mapping[str, Any], posted: Posted, *, zone: ZoneInfo) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What was filled in, by the names of the form, and the names of what is to be JSON and is none.

    What was left empty is not there. A name that the form does not know stays, so that the form can refuse it.
    """
    rules = _rules(schema)
    answer: dict[str, Any] = {}
    unread = []
    for posted_name, texts in posted.items():
        if not posted_name.startswith(PREFIX):
            continue
        name, given = posted_name.removeprefix(PREFIX), [text for text in texts if text.strip()]
        if given:
            try:
                answer[name] = _value(rules.get(name, {"type": "string"}), given, zone)
            except ValueError:
                answer[name] = given[0]
                unread.append(name)
    return answer, tuple(unread)


def _value(rules: Mapping[str, Any], texts: Sequence[str], zone: ZoneInfo) -> Any:
    """What a field stands for; only JSON that is none raises ``ValueError``, the form says what is wrong with anything else."""
    kind, text = _kind(rules), texts[0].replace("\r\n", "\n")
    if kind == "several":
        return list(texts)
    if kind == "number":
        return _number(text.strip())
    if kind == "yes or no":
        return _YES_NO.get(text, text)
    if kind == "moment":
        return _moment(text.strip(), zone)
    if kind == "json":
        return read_json(text)
    return text.strip() if kind == "date" else text


def _number(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _moment(text: str, zone: ZoneInfo) -> str:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=zone)).isoformat()
    except (ValueError, OverflowError):
        return text
