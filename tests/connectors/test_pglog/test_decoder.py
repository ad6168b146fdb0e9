"""The decoder alone: any history of any values comes out as it went in, and no bytes make it do anything else than refuse."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.connectors.pglog import START, UNCHANGED, Decoder, Position
from accord.connectors.pglog.changes import Relation, RelationColumn, RowChange, TableChanges
from accord.connectors.pglog.spool import MEMORY_BYTES, Spool
from accord.connectors.pglog.tuples import decode_rows, walk
from accord.connectors.unreadable import MARK
from accord.model.errors import DataRefused

Row = list[Any]
VALUE = st.one_of(st.none(), st.just(UNCHANGED), st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
WIDTH = 3


def _tuple(mark: bytes, row: Row) -> bytes:
    out = mark + struct.pack(">H", len(row))
    for value in row:
        if value is None:
            out += b"n"
        elif value is UNCHANGED:
            out += b"u"
        else:
            out += b"t" + struct.pack(">I", len(value.encode())) + value.encode()
    return out


def _relation(oid: int, *, name: str = "item", identity: bytes = b"d", logged: bool = True) -> bytes:
    out = b"R" + struct.pack(">I", oid) + b"public\0" + name.encode() + b"\0" + identity + struct.pack(">H", WIDTH)
    for column in range(WIDTH):
        out += bytes([logged and column == 0]) + f"c{column}".encode() + b"\0" + struct.pack(">Ii", 25, -1)
    return out


def _begin(lsn: int, xid: int = 7) -> bytes:
    return b"B" + struct.pack(">qqI", lsn, 1_000_000, xid)


def _commit(lsn: int) -> bytes:
    return b"C" + struct.pack(">bqqq", 0, lsn, lsn + 8, 1_000_000)


def _row(op: str, oid: int, key: str, old_key: str | None, rest: Row) -> bytes:
    head = op[0].upper().encode() + struct.pack(">I", oid)
    if op == "delete":
        return head + _tuple(b"K", [key, None, None])
    before = _tuple(b"K", [old_key, None, None]) if op == "update" and old_key is not None else b""
    return head + before + _tuple(b"N", [key, *rest])


CHANGE = st.tuples(
    st.sampled_from(["insert", "update", "delete"]),
    st.integers(1, 3),
    st.text("ab", max_size=2),
    st.one_of(st.none(), st.text("ab", max_size=2)),
    st.lists(VALUE, min_size=WIDTH - 1, max_size=WIDTH - 1),
)


def _expected(op: str, key: str, old_key: str | None, rest: Row) -> tuple[Any, ...]:
    if op == "delete":
        return op, {"c0": key}, {"c0": key}, None
    new = {"c0": key, "c1": rest[0], "c2": rest[1]}
    if op == "update" and old_key is not None:
        return op, {"c0": old_key}, {"c0": old_key}, new
    return op, {"c0": key}, None, new


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(CHANGE, max_size=6), max_size=6),
    st.integers(1, 7),
    st.booleans(),
    st.integers(0, 40),
)
def test_any_history_comes_out_as_it_went_in_from_any_position(
    history: list[list[tuple[Any, ...]]], size: int, streamed: bool, skipped: int
) -> None:
    """Whatever the batches, the way a transaction is sent, and where reading starts again: the same changes at the same positions."""
    messages = [_relation(oid, name=f"t{oid}") for oid in (1, 2, 3)]
    expected: list[tuple[Any, ...]] = []
    for number, changes in enumerate(history):
        lsn, xid = 1000 + number * 10, struct.pack(">I", number + 1)
        rows = [_row(op, oid, key, old, rest) for op, oid, key, old, rest in changes]
        if streamed:
            gone = struct.pack(">I", 900)  # a subtransaction that is rolled back
            messages += [b"S" + xid + b"\1", *(r[:1] + xid + r[1:] for r in rows[: len(rows) // 2]), b"E"]
            messages += [b"S" + xid + b"\0", *(r[:1] + gone + r[1:] for r in rows), b"E", b"A" + xid + gone]
            messages += [b"S" + xid + b"\0", *(r[:1] + xid + r[1:] for r in rows[len(rows) // 2 :]), b"E"]
            messages.append(b"c" + xid + struct.pack(">bqqq", 0, lsn, lsn + 8, 1_000_000))
        else:
            messages += [_begin(lsn), *rows, _commit(lsn)]
        for index, (op, oid, key, old, rest) in enumerate(changes, 1):
            expected.append((f"t{oid}", Position(lsn, index), *_expected(op, key, old, rest)))
    after = expected[skipped % len(expected)][1] if expected else START

    for start in (START, after):
        decoder, found, ends = Decoder(after=start), [], []
        for message in messages:
            decoder.feed(message)
            while decoder.rows >= size or decoder.replaying:
                decoder.advance(size, 1 << 30)
                if decoder.rows >= size or not decoder.replaying:
                    batch = decoder.take()
                    found += list(batch.changes())
                    ends.append(batch.end)
        batch = decoder.take()
        found += list(batch.changes())
        ends.append(batch.end)

        wanted = [e for e in expected if e[1] > start]
        assert [(c.relation.name, c.position, c.op, c.key, c.old, c.new) for c in found] == wanted
        assert ends == sorted(ends)
        assert all(end >= change.position for change in found for end in ends[-1:])
        decoder.close()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([_relation(1), _begin(5), _commit(5)])), max_size=8), st.integers(0, 99))
def test_hostile_bytes_are_refused_and_nothing_else_happens(garbage: list[bytes], cut: int) -> None:
    """The other end may be no PostgreSQL at all; a crash or a silent misreading would be worse than a stop."""
    whole = _row("update", 1, "key", "old", ["value", None])
    decoder = Decoder()
    with suppress(DataRefused):
        for message in (_relation(1), _begin(5), whole[: max(1, cut % len(whole))], *garbage):
            if not decoder.replaying:
                decoder.feed(message)
        decoder.take()
    decoder.close()


def test_a_count_that_promises_more_than_the_message_holds_is_refused() -> None:
    """Believed, it would fill the memory with four thousand million empty names."""
    decoder = Decoder()
    for message in (_relation(1), _begin(5)):
        decoder.feed(message)

    with pytest.raises(DataRefused, match="ends too early"):
        decoder.feed(b"T" + struct.pack(">IbI", 0xFFFFFFFF, 0, 1))


@pytest.mark.parametrize("broken", [b"I" + struct.pack(">I", 1) + _tuple(b"N", ["a", "b"]), _row("insert", 1, "a", None, ["b", "c"])[:-1]])
def test_a_row_of_another_shape_than_described_is_refused(broken: bytes) -> None:
    """Read with the wrong columns, a value would land in a neighbour's field."""
    decoder = Decoder(where="system 'shop'")
    for message in (_relation(1), _begin(5), broken):
        decoder.feed(message)

    with pytest.raises(DataRefused, match=r"system 'shop', table public\.item"):
        decoder.take()


def test_a_value_that_is_no_text_is_marked_in_its_row() -> None:
    """A database of encoding SQL_ASCII may hold anything; that is the matter of one row and must not stop the log."""
    columns = tuple(RelationColumn(f"c{n}", 25, -1, n == 0) for n in range(WIDTH))
    relation = Relation(1, "public", "item", "d", columns, ("c0",))
    message = _row("insert", 1, "a", None, ["b", "c"])[:-1] + b"\xff"

    rows = decode_rows(relation, [message], "here").new.to_pylist()
    ((_, _, _, walked, _),) = walk(relation, [message], "here")

    assert rows == [walked] == [{"c0": "a", "c1": "b", "c2": f"{MARK}xFF"}]


def test_a_table_without_any_logged_key_is_refused() -> None:
    """Deletes would come without it and could not be carried out anywhere."""
    decoder = Decoder(keys={("public", "item"): ("c1",)})

    with pytest.raises(DataRefused, match="key column c1 is not part of the replica identity"):
        decoder.feed(_relation(1, logged=False))


def test_a_transaction_larger_than_memory_waits_in_a_file_and_keeps_its_order() -> None:
    """One bulk load at the source must not take the memory of the machine that syncs."""
    spool, part = Spool(), b"x" * 100_000
    kept = [b"I%06d" % number + part for number in range(3 * MEMORY_BYTES // len(part))]
    for number, message in enumerate(kept):
        spool.add(b"gone" if number % 5 == 0 else b"stay", message)
    spool.add(b"gone", b"R described only once")
    spool.abort(b"gone")

    found = list(spool.messages())
    spool.close()

    assert found == [m for n, m in enumerate(kept) if n % 5] + [b"R described only once"]


def test_positions_are_ordered_and_survive_as_text() -> None:
    """They are stored beside the data and compared after a restart, where text would sort 0/9 behind 0/10."""
    ordered = [START, Position(0x9), Position(0x9, 1), Position(0x10), Position(1 << 33, 4_000_000_000)]

    assert sorted(ordered, reverse=True)[::-1] == ordered
    assert [Position.parse(str(p)) for p in ordered] == ordered
    assert str(Position((1 << 32) + 255, 2)) == "1/FF#2"
    with pytest.raises(ValueError, match="no position"):
        Position.parse("0/16B3748#")


@settings(max_examples=60, deadline=None)
@given(st.lists(CHANGE, min_size=1, max_size=8), st.sampled_from(["d", "f"]))
def test_a_few_messages_walked_one_by_one_are_what_the_expressions_make_of_many(changes: list[Any], identity: str) -> None:
    """A batch is read one way or the other by its size alone; whoever gets it must not be able to tell."""
    columns = tuple(RelationColumn(f"c{n}", 25, -1, identity=identity == "f" or n == 0) for n in range(WIDTH))
    relation = Relation(1, "public", "item", identity, columns, ("c0",))  # type: ignore[arg-type] # one of the letters, as drawn
    messages = [_row(op, 1, key, old, rest) for op, _, key, old, rest in ((c[0], c[1], c[2], c[3], c[4]) for c in changes)]
    many = decode_rows(relation, messages * 25, "here")
    walked = [RowChange(*row, Position(1, n), 0, 1, None) for n, row in enumerate(walk(relation, messages, "here"))]
    few = TableChanges(relation, few=walked).rows

    for name in ("op", "key", "old", "new", "unchanged"):
        whole = getattr(many, name)
        assert whole.type == few[name].type
        assert whole[: len(messages)].to_pylist() == few[name].to_pylist()
