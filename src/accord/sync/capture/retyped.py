"""Whether a column whose declared type is another one may hold less than before.

Databases say ``varchar(20)`` and ``numeric(12,2)``. Files that Arrow or pandas wrote say ``decimal128(12, 2)``, with as many digits as the
values have, and ``dictionary<values=string, …>`` for strings of which each is kept once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

_TYPE: Final = re.compile(r"([a-z_][a-z0-9_ ]*)(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)([a-z\[\] ]*))?")
# Within a group every type holds all values of those before it.
_INTEGERS: Final = ("tinyint", "smallint", "mediumint", "integer", "bigint", "hugeint")
_UNSIGNED: Final = tuple(f"{name} unsigned" for name in _INTEGERS)
_WIDER: Final = (_INTEGERS, _UNSIGNED, ("real", "double"), ("tinytext", "char", "varchar", "mediumtext", "longtext"))
_ALIAS: Final = {
    "int2": "smallint", "int": "integer", "int4": "integer", "int8": "bigint", "float4": "real", "float": "real", "float8": "double",
    "int16": "smallint", "int32": "integer", "int64": "bigint", "decimal128": "numeric", "decimal256": "numeric",
    "string": "varchar", "large_string": "varchar", "text": "varchar",
    "double precision": "double", "character varying": "varchar", "character": "char",
    "decimal": "numeric", "bool": "boolean",
    "timestamptz": "timestamp with time zone", "timestamp without time zone": "timestamp",
}  # fmt: skip
_OF_VALUES: Final = ("decimal128(", "decimal256(")
_DICTIONARY: Final = re.compile(r"dictionary<values=(\w+),.*>")
_MOMENT: Final = re.compile(r"timestamp\[(s|ms|us|ns)(, tz=.+)?\]")
_ONE_OF: Final = re.compile(r"(enum|set)\((.*)\)", re.IGNORECASE | re.DOTALL)
_QUOTED: Final = re.compile(r"'((?:[^']|'')*)'")
_DIGITS: Final = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def changed_types(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    """Columns declared otherwise than before: name, old type, new type, and whether it was widened, narrowed or retyped."""
    for column, was in old.items():
        is_ = new.get(column, "")
        if was and is_ and was.lower() != is_.lower() and (kind := _how(was, is_)):
            yield column, was, is_, kind


def _how(was: str, is_: str) -> str:
    if was == "null":
        return "widened"  # a column of a file that held no value
    if (few := _members(was)) is not None and (many := _members(is_)) is not None:
        return "widened" if few <= many else "narrowed"
    was, is_ = _plain(was), _plain(is_)
    left, right = _parsed(was), _parsed(is_)
    if left is None or right is None:
        return "retyped"
    if left == right:
        return ""
    if was.startswith(_OF_VALUES) and is_.startswith(_OF_VALUES) and len(left[1]) == len(right[1]) == 2:
        return "" if right[1][1] >= left[1][1] else "narrowed"  # the digits are as many as the longest value had
    (base, size), (other, wanted) = left, right
    if base == other:
        return "widened" if _holds(wanted, size) else "narrowed"
    for group in _WIDER:
        if base in group and other in group:
            up = group.index(other) > group.index(base)
            if not up:
                return "narrowed"
            return "widened" if _holds(wanted, size) else "narrowed"
    return "retyped"


def _holds(wider: tuple[int, ...], narrower: tuple[int, ...]) -> bool:
    """Whether a type of this length, or precision and scale, holds all of another; without any there is no limit."""
    if not wider:
        return True
    if not narrower:
        return False
    scale, other = (wider[1:] or (0,))[0], (narrower[1:] or (0,))[0]
    return scale >= other and wider[0] - scale >= narrower[0] - other


def _parsed(text: str) -> tuple[str, tuple[int, ...]] | None:
    """A declared type as its plain name and its numbers."""
    found = _TYPE.fullmatch(text.lower().strip())
    if found is None:
        return None
    name = f"{found[1].strip()} {(found[4] or '').strip()}".strip()
    if name == "datetime" and not found[2]:
        return name, (0,)  # as MySQL takes it
    plain = name.removesuffix(" unsigned")
    name = _ALIAS.get(plain, plain) + name[len(plain) :]
    return _ALIAS.get(name, name), tuple(int(n) for n in (found[2], found[3]) if n)


def _members(text: str) -> frozenset[str] | None:
    """The values of MySQL's enum and set, as it writes them; ``None`` of any other type."""
    found = _ONE_OF.fullmatch(text.strip())
    return frozenset({found[1].lower(), *_QUOTED.findall(found[2])}) if found else None


def _plain(text: str) -> str:
    """An Arrow type as one of the words above: of what it is a dictionary, and moments with their unit as digits of a second."""
    text = text.lower().strip()
    if found := _DICTIONARY.fullmatch(text):
        text = found[1]
    if found := _MOMENT.fullmatch(text):
        return f"timestamp({_DIGITS[found[1]]}) {'with time zone' if found[2] else ''}".strip()
    return text
