"""Row messages of one relation, decoded together: column by column over all of them, never value by value.

The messages are laid end to end. A value's length says where the next one starts, so the only thing that has to be walked is the columns;
for each of them one NumPy expression reads kind and length of that column in *all* rows. Arrow then needs no copying loop either: the
starts and ends of the values are already ascending offsets into the joined messages, with the bytes between two values as a second,
unwanted value, which ``take`` leaves out.

All of that has a price of its own, which a handful of messages never earns back: those are walked one by one.

Source: PostgreSQL documentation, Logical Replication Message Formats, TupleData.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from accord.connectors.pglog.changes import Relation
from accord.connectors.unreadable import MARKED
from accord.model.errors import DataRefused

Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Texts: TypeAlias = dict[str, str | None]
RowOp: TypeAlias = Literal["insert", "update", "delete"]
Walked: TypeAlias = tuple[RowOp, Texts, Texts | None, Texts | None, list[str]]
"""Operation, key, old row, new row, and the columns of the new row whose value the log does not hold."""
_INSERT, _UPDATE, _DELETE = b"IUD"
_NEW, _KEY, _OLD = b"NKO"
_NULL, _TEXT, _TOAST = b"ntu"
_HEAD = 5  # kind of message and id of the relation
FEW = 24
"""Messages; from about here on the expressions are quicker."""
_LENGTH = struct.Struct(">i")
_WIDTH = struct.Struct(">H")
_PADDING = b"\0" * 8  # so that a length may be looked for behind the last value
_OPS = pa.array(["insert", "update", "delete"])


@dataclass(frozen=True, slots=True)
class Rows:
    """Decoded messages: ``op``, the structs ``key``, ``old``, ``new``, and the list ``unchanged``."""

    op: pa.Array
    key: pa.Array
    old: pa.Array
    new: pa.Array
    unchanged: pa.Array


@dataclass(frozen=True, slots=True)
class _Tuples:
    """One tuple of each of some messages: ``row`` says which, ``starts`` and ``ends`` have a line per column."""

    row: Ints
    starts: Ints
    ends: Ints
    kinds: npt.NDArray[np.uint8]
    after: Ints


def decode_rows(relation: Relation, messages: Sequence[bytes], where: str) -> Rows:
    """Insert, update and delete messages of one relation as Arrow; bytes that are no text are marked (``unreadable``).

    Args:
        relation: as described before these messages.
        messages: at least one, without the transaction id that streamed transactions add.
        where: names the system in errors.

    Raises:
        DataRefused: a message is not what the protocol says.
    """
    place = f"{where}, table {relation}"
    joined = b"".join([*messages, _PADDING])
    buf = np.frombuffer(joined, np.uint8)
    ends = np.cumsum(np.fromiter(map(len, messages), np.int64, len(messages)))
    heads = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
    try:
        return _decode(relation, joined, buf, heads, ends, place)
    except IndexError:
        # Only lengths that point past the messages lead here.
        raise _malformed(place, "a row message that ends too early") from None


def _decode(relation: Relation, joined: bytes, buf: npt.NDArray[np.uint8], heads: Ints, ends: Ints, place: str) -> Rows:
    total, width = len(heads), len(relation.columns)
    kinds = buf[heads]
    marks = buf[heads + _HEAD]
    has_old = (marks == _KEY) | (marks == _OLD)
    at = heads + _HEAD
    old = _tuples(buf, np.flatnonzero(has_old), at[has_old], width, place)
    at[has_old] = old.after
    has_new = kinds != _DELETE
    if not (buf[at[has_new]] == _NEW).all() or not has_old[~has_new].all():
        raise _malformed(place, "a row message without its row")
    new = _tuples(buf, np.flatnonzero(has_new), at[has_new], width, place)
    at[has_new] = new.after
    if not (at == ends).all():
        raise _malformed(place, "a row message of another length than its values")

    olds = _columns(relation, joined, old, total)
    news = _columns(relation, joined, new, total)
    names = [c.name for c in relation.columns]
    toast = np.zeros((total, width), np.bool_)
    toast[new.row] = (new.kinds == _TOAST).T
    if relation.identity == "f" and toast.any():
        # The full old row holds what the new one leaves out because it did not change.
        for index in np.flatnonzero(toast.any(axis=0)):
            news[index] = pc.if_else(pa.array(toast[:, index]), olds[index], news[index])
        toast[has_old] = False
    schema = relation.arrow_schema()
    identity = [i for i, c in enumerate(relation.columns) if c.identity]
    keys = [names.index(name) for name in relation.key]
    old_rows = pa.array(has_old)
    key = [pc.if_else(old_rows, olds[i], news[i]) for i in keys]
    return Rows(
        op=_OPS.take(pa.array(_operation(kinds, place))),
        key=_struct(key, schema.field("key").type, None, total),
        old=_struct([olds[i] for i in identity], schema.field("old").type, ~has_old, total),
        new=_struct(news, schema.field("new").type, ~has_new, total),
        unchanged=_listed(toast, names),
    )


def walk(relation: Relation, messages: Sequence[bytes], place: str) -> list[Walked]:
    """As ``decode_rows``, message by message, and without Arrow: of a few rows its arrays cost more than the rows.

    Raises:
        DataRefused: a message is not what the protocol says.
    """
    try:
        return _walk(relation, messages, place)
    except (IndexError, struct.error):
        raise _malformed(place, "a row message that ends too early") from None


def _walk(relation: Relation, messages: Sequence[bytes], place: str) -> list[Walked]:
    names = [c.name for c in relation.columns]
    identity = [c.name for c in relation.columns if c.identity]
    found: list[Walked] = []
    for message in messages:
        op = _OP_OF.get(message[0])
        if op is None:
            raise _malformed(place, "a message that is no row")
        at, old, new = _HEAD, None, None
        toast: list[str] = []
        if message[at] in (_KEY, _OLD):
            old, _, at = _values(message, at + 1, names, place)
        if op != "delete":
            if message[at] != _NEW:
                raise _malformed(place, "a row message without its row")
            new, toast, at = _values(message, at + 1, names, place)
        elif old is None:
            raise _malformed(place, "a row message without its row")
        if at != len(message):
            raise _malformed(place, "a row message of another length than its values")
        if relation.identity == "f" and old is not None and new is not None:
            new.update((name, old[name]) for name in toast)
            toast = []
        known = new if old is None else old
        assert known is not None
        key = {name: known[name] for name in relation.key}
        found.append((op, key, None if old is None else {name: old[name] for name in identity}, new, toast))
    return found


_OP_OF: dict[int, RowOp] = {_INSERT: "insert", _UPDATE: "update", _DELETE: "delete"}


def _values(message: bytes, at: int, names: Sequence[str], place: str) -> tuple[dict[str, str | None], list[str], int]:
    """The texts of a tuple by column, the columns it does not hold, and where it ends."""
    if _WIDTH.unpack_from(message, at)[0] != len(names):
        raise _malformed(place, f"a row whose number of columns is not the {len(names)} described before")
    at += 2
    values: dict[str, str | None] = {}
    left_out = []
    for name in names:
        kind = message[at]
        at += 1
        values[name] = None
        if kind == _TEXT:
            start = at + 4
            at = start + _LENGTH.unpack_from(message, at)[0]
            if not start <= at <= len(message):
                raise _malformed(place, "a row message that ends too early")
            values[name] = message[start:at].decode(errors=MARKED)
        elif kind == _TOAST:
            left_out.append(name)
        elif kind != _NULL:
            raise _malformed(place, "a value that is neither text, null nor unchanged")
    return values, left_out, at


def _operation(kinds: npt.NDArray[np.uint8], place: str) -> npt.NDArray[np.int8]:
    op = np.full(len(kinds), -1, np.int8)
    for number, kind in enumerate((_INSERT, _UPDATE, _DELETE)):
        op[kinds == kind] = number
    if (op < 0).any():
        raise _malformed(place, "a message that is no row")
    return op


def _tuples(buf: npt.NDArray[np.uint8], row: Ints, at: Ints, width: int, place: str) -> _Tuples:
    """The tuples that start with their marker at ``at``."""
    starts, ends = np.empty((width, len(row)), np.int64), np.empty((width, len(row)), np.int64)
    kinds = np.empty((width, len(row)), np.uint8)
    at = at + 1
    if (((buf[at].astype(np.int64) << 8) | buf[at + 1]) != width).any():
        raise _malformed(place, f"a row whose number of columns is not the {width} described before")
    at = at + 2
    for column in range(width):
        kind = buf[at]
        text = kind == _TEXT
        if not text.all() and not (text | (kind == _NULL) | (kind == _TOAST)).all():
            raise _malformed(place, "a value that is neither text, null nor unchanged")
        # Big-endian, four bytes; whatever stands there for a value without length is not counted.
        length = (
            (buf[at + 1].astype(np.int64) << 24) | (buf[at + 2].astype(np.int64) << 16) | (buf[at + 3].astype(np.int64) << 8) | buf[at + 4]
        )
        kinds[column] = kind
        starts[column] = np.where(text, at + 5, at + 1)
        at = np.where(text, at + 5 + length, at + 1)
        ends[column] = at
    return _Tuples(row, starts, ends, kinds, at)


def _columns(relation: Relation, joined: bytes, found: _Tuples, total: int) -> list[pa.Array]:
    """The text of every column over all messages; null where a message has no such tuple or the value is null or unchanged."""
    count = len(found.row)
    if not count:
        return [pa.nulls(total, pa.string()) for _ in relation.columns]
    wide = len(joined) > np.iinfo(np.int32).max
    offset_type, binary = (np.int64, pa.large_binary()) if wide else (np.int32, pa.binary())
    data = pa.py_buffer(joined)
    columns = []
    for index in range(len(relation.columns)):
        offsets = np.empty(2 * count, offset_type)
        offsets[0::2], offsets[1::2] = found.starts[index], found.ends[index]
        values = pa.Array.from_buffers(binary, 2 * count - 1, [None, pa.py_buffer(offsets), data])
        pick, absent = np.zeros(total, np.int64), np.ones(total, np.bool_)
        pick[found.row] = np.arange(0, 2 * count, 2)
        absent[found.row] = found.kinds[index] != _TEXT
        picked = values.take(pa.array(pick, mask=absent))
        try:
            columns.append(picked.cast(pa.string()))
        except pa.ArrowInvalid:
            texts = [None if value is None else value.decode(errors=MARKED) for value in picked.to_pylist()]
            columns.append(pa.array(texts, pa.string()))
    return columns


def _struct(columns: list[pa.Array], type_: pa.StructType, absent: Flags | None, total: int) -> pa.Array:
    mask = None if absent is None or not absent.any() else pa.array(absent)
    if not columns:
        present: Any = [{}] * total
        return pa.array(present if mask is None else [None if gone else {} for gone in mask.to_pylist()], type_)
    return pa.StructArray.from_arrays(columns, fields=list(type_), mask=mask)


def _listed(toast: Flags, names: list[str]) -> pa.Array:
    """Names of the columns that are marked, per row; null for none."""
    if not toast.any():
        return pa.nulls(len(toast), pa.list_(pa.string()))
    marked = toast.sum(axis=1)
    offsets = np.concatenate((np.zeros(1, np.int32), np.cumsum(marked, dtype=np.int32)))
    values = pa.array(names, pa.string()).take(pa.array(np.nonzero(toast)[1]))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=pa.array(marked == 0))


def _malformed(place: str, what: str) -> DataRefused:
    return DataRefused(what, place, "messages of pgoutput as PostgreSQL 14 to 18 write them")
