"""Canonical types and the pairs of logical and physical type that stand for them in ODCS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from accord.model.types import CanonicalType

LOGICAL: Final = ("string", "date", "timestamp", "time", "number", "integer", "object", "array", "map", "boolean")
INSTANT: Final = "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"


@dataclass(frozen=True, slots=True)
class OdcsType:
    """How a canonical type is written: ``logicalType``, ``physicalType`` (DuckDB's, since that is the dialect of the rules), ``format``."""

    logical: str
    physical: str
    format: str = ""


# ODCS 3.0 has no logical timestamp, uuid, json or binary; format and physical type tell them apart.
_WRITTEN: Final = {
    "text": OdcsType("string", "varchar"),
    "integer": OdcsType("integer", "bigint", "i64"),
    "double": OdcsType("number", "double", "f64"),
    "boolean": OdcsType("boolean", "boolean"),
    "date": OdcsType("date", "date", "yyyy-MM-dd"),
    "timestamp": OdcsType("date", "timestamp with time zone", INSTANT),
    "uuid": OdcsType("string", "uuid", "uuid"),
    "json": OdcsType("string", "json", "json"),
    "binary": OdcsType("string", "blob", "binary"),
}

_PHYSICAL_TEXT: Final = {
    "text": "text varchar varchar2 nvarchar nvarchar2 char nchar bpchar character string str clob nclob ntext tinytext mediumtext longtext"
    " citext enum name keyword",
    "integer": "int integer bigint smallint tinyint mediumint byteint int2 int4 int8 int16 int32 int64 long short serial bigserial"
    " smallserial uint8 uint16 uint32 usmallint utinyint uinteger",
    "number": "decimal dec numeric number bignumeric bigdecimal uint64 ubigint hugeint uhugeint",
    "double": "double float real float4 float8 float32 float64 binary_float binary_double",
    "boolean": "bool boolean bit logical",
    "date": "date date32",
    "timestamp": "timestamp timestamptz timestamp_tz timestamp_ltz timestamp_ntz datetime datetime2 datetimeoffset smalldatetime"
    " timestamp_ms timestamp_us timestamp_ns timestamp_s",
    "time": "time timetz time64",
    "uuid": "uuid uniqueidentifier guid",
    "json": "json jsonb variant struct record map array list object super",
    "binary": "binary varbinary blob tinyblob mediumblob longblob bytea bytes raw image",
}
_PHYSICAL: Final = {word: kind for kind, words in _PHYSICAL_TEXT.items() for word in words.split()}
_LARGE: Final = frozenset({"uint64", "ubigint", "hugeint", "uhugeint"})
_TYPE: Final = re.compile(
    r"([a-z_][a-z0-9_]*)(?: (?:varying|precision|large object))?\s*(?:\(([^()]*)\))?(?: with(?:out)?(?: local)? time zone)?"
)


def written(type_: CanonicalType) -> OdcsType:
    """How a canonical type stands in a contract."""
    if type_.name == "number":
        return OdcsType("number", f"decimal({type_.precision},{type_.scale})")
    return _WRITTEN[type_.name]


@dataclass(frozen=True, slots=True)
class ReadType:
    """The canonical type of a property as the map writes it («» when there is none), and what of its declaration that leaves out."""

    type: str
    left: str = ""


def read_type(logical: str, physical: str, format_: str) -> ReadType:
    """The canonical type a property stands for: its logical type says the family, physical type and format narrow it.

    Where the logical type is missing the physical one decides; where both are, nothing does.
    """
    kind, arguments = _physical(physical)
    if not logical:
        return _by_physical(kind, arguments, physical)
    if logical == "string":
        if format_ in ("uuid", "json"):
            return ReadType(format_)
        if format_ in ("binary", "byte"):
            return ReadType("binary")
        return ReadType(kind if kind in ("uuid", "json", "binary") else "text", _length(kind, arguments))
    if logical == "number":
        if kind in ("number", "integer", "double"):
            return _by_physical(kind, arguments, physical)
        return ReadType("double" if format_ in ("f32", "f64") else "number")
    if logical == "integer":
        return ReadType("number(38,0)" if format_ in ("u64", "i128", "u128") or _base(physical) in _LARGE else "integer")
    if logical == "date":
        return _date(kind, format_)
    if logical == "time":
        return ReadType("text", "that it is a time of day")
    return ReadType({"boolean": "boolean", "timestamp": "timestamp", "object": "json", "array": "json", "map": "json"}.get(logical, ""))


def _by_physical(kind: str, arguments: str, physical: str) -> ReadType:
    if kind == "number":
        if _base(physical) in _LARGE:
            return ReadType("number(38,0)")
        if not arguments:
            return ReadType("number")
        return ReadType(f"number({arguments})" if "," in arguments else f"number({arguments},0)")
    if kind == "time":
        return ReadType("text", "that it is a time of day")
    return ReadType(kind, _length(kind, arguments))


def _date(kind: str, format_: str) -> ReadType:
    day = any(letter in format_ for letter in "yuMdD")
    clock = any(letter in format_ for letter in "HhKkmsS")
    if kind == "time" or (clock and not day):
        return ReadType("text", "that it is a time of day")
    if kind == "timestamp" or clock:
        return ReadType("timestamp", "" if format_ in ("", INSTANT) else "how its text is formatted")
    return ReadType("date", "" if format_ in ("", "yyyy-MM-dd") else "how its text is formatted")


def _physical(text: str) -> tuple[str, str]:
    """Kind and arguments of a physical type; («», «») when it is not known."""
    found = _TYPE.fullmatch(" ".join(text.lower().replace(" unsigned", "").split()))
    if found is None:
        word = re.match(r"[a-z_]+", text.strip().lower())  # array<struct<…>> and the like
        return (_PHYSICAL.get(word[0], ""), "") if word and "<" in text else ("", "")
    return _PHYSICAL.get(found[1], ""), (found[2] or "").replace(" ", "")


def _base(text: str) -> str:
    lowered = text.strip().lower()
    return "ubigint" if re.fullmatch(r"(bigint|int8) unsigned", lowered) else lowered.partition("(")[0].strip()


def _length(kind: str, arguments: str) -> str:
    return "the length of its physical type" if arguments and kind in ("text", "binary") else ""


def physical_names() -> tuple[str, ...]:
    """Every physical type that is understood."""
    return tuple(sorted(_PHYSICAL))
