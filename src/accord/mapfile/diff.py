"""What changes from one map to another, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from accord.mapfile.shapes import Key, ListShape, RecordShape, TableShape, map_shape, word
from accord.model.entity import Field
from accord.model.flow import FieldMapping
from accord.model.integration_map import IntegrationMap

_ENTRY: Final = {
    "authority": "authority of",
    "variables": "variable",
    "codes": "code",
    "options": "option",
    "columns": "type of column",
    "objects": "object",
}


def diff_maps(old: IntegrationMap, new: IntegrationMap) -> list[str]:
    """One sentence for each change of meaning, in the order of the map; empty when both mean the same.

    Load both with ``as_written=True`` so that the folder they lie in makes no difference.
    """
    return list(_record(map_shape(), old, new, ""))


def _record(shape: RecordShape, old: Any, new: Any, holder: str) -> Iterator[str]:
    for key in shape.keys:
        before, after = getattr(old, key.name), getattr(new, key.name)
        if before == after:  # mappings in another order are equal, too
            continue
        if isinstance(key.shape, TableShape):
            yield from _table(key, before, after, holder)
        elif isinstance(key.shape, ListShape):
            yield from _list(key, before, after, holder)
        elif isinstance(key.shape, RecordShape):
            yield from _optional(key.shape, key.name, before, after, holder)
        else:
            yield _changed(_prefix(holder), key.name, before, after, key.default)


def _table(key: Key, old: Mapping[str, Any], new: Mapping[str, Any], holder: str) -> Iterator[str]:
    assert isinstance(key.shape, TableShape)
    item = key.shape.item
    if not isinstance(item, RecordShape):
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                yield _changed(_prefix(holder), f"{_ENTRY.get(key.name, key.name)} {name}", old.get(name), new.get(name), None)
        return
    renamed = _renamed(old, new)
    kind = word(item.cls)
    for name in dict.fromkeys([*old, *new]):
        inner = f"{holder}, {kind} '{name}'" if holder else f"{kind} '{name}'"
        if name in renamed:
            yield f"{inner} is now called '{renamed[name]}'"
        elif name in renamed.values() and name not in old:
            continue
        elif name not in new:
            yield f"{holder} loses {kind} '{name}'" if holder else f"{inner} is removed"
        elif name not in old:
            detail = _detail(new[name])
            yield f"{holder} gains {kind} '{name}'{detail}" if holder else f"{inner} is new{detail}"
        else:
            yield from _record(item, old[name], new[name], inner)


def _renamed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Names that went, with the one new name that stands for exactly the same."""
    gone, come = [n for n in old if n not in new], [n for n in new if n not in old]
    found: dict[str, str] = {}
    for name in gone:
        same = [other for other in come if other not in found.values() and replace(old[name], name=other) == new[other]]
        if len(same) == 1:
            found[name] = same[0]
    return found


def _list(key: Key, old: Sequence[Any], new: Sequence[Any], holder: str) -> Iterator[str]:
    assert isinstance(key.shape, ListShape)
    if isinstance(key.shape.item, RecordShape):
        yield from _records(key.shape.item, old, new, holder)
        return
    before, after = Counter(map(_shown, old)), Counter(map(_shown, new))
    changes = (("gains", sorted((after - before).elements())), ("loses", sorted((before - after).elements())))
    parts = [f"{verb} {', '.join(items)}" for verb, items in changes if items]
    if parts:
        yield f"{_prefix(holder)}{key.name} {' and '.join(parts)}"
    else:
        yield f"{_prefix(holder)}{key.name} is reordered to {', '.join(map(_shown, new))}"


def _records(shape: RecordShape, old: Sequence[Any], new: Sequence[Any], holder: str) -> Iterator[str]:
    """Lists of records are compared by their first key, such as the type of an event."""
    label, kind = shape.keys[0].name, word(shape.cls)
    before, after = ({(getattr(v, label), i): v for v, i in _numbered(values, label)} for values in (old, new))
    for name, number in dict.fromkeys([*before, *after]):
        again = f" ({number + 1})" if number else ""
        if (name, number) not in after:
            yield f"{holder} loses {kind} '{name}'{again}"
        elif (name, number) not in before:
            yield f"{holder} gains {kind} '{name}'{again}"
        else:
            yield from _record(shape, before[name, number], after[name, number], f"{holder}, {kind} '{name}'{again}")
    if before == after:
        yield f"{_prefix(holder)}{kind}s are reordered"


def _numbered(values: Sequence[Any], label: str) -> Iterator[tuple[Any, int]]:
    seen: Counter[Any] = Counter()
    for value in values:
        name = getattr(value, label)
        yield value, seen[name]
        seen[name] += 1


def _optional(shape: RecordShape, name: str, old: Any, new: Any, holder: str) -> Iterator[str]:
    if old is None or new is None:
        yield f"{holder} {'gains' if old is None else 'loses'} {name}"
    else:
        yield from _record(shape, old, new, f"{holder}, {name}")


def _changed(prefix: str, what: str, old: Any, new: Any, default: Any) -> str:
    if new in (None, "") and default in (None, ""):
        return f"{prefix}{what} is no longer given (was {_shown(old)})"
    if old in (None, ""):
        return f"{prefix}{what} is now {_shown(new)}"
    return f"{prefix}{what} changes from {_shown(old)} to {_shown(new)}"


def _prefix(holder: str) -> str:
    return f"{holder}: " if holder else "the map: "


def _detail(value: Any) -> str:
    if isinstance(value, Field):
        return f" ({value.type})"
    if isinstance(value, FieldMapping) and value.column:
        return f" (column {value.column})"
    return ""


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"'{text}'" if not text or text != text.strip() or " " in text or len(text) > 40 else text
