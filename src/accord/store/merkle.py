"""The Merkle tree over the events of the log, as in RFC 9162: roots, and proofs that an event is in it or that one log extends another.

A chain of hashes shows that nothing in between was changed; only a root noted outside shows that the end was not cut off or the whole
written anew, and only a tree shows it for one event without all the others. The tree is computed from the log when it is asked for, so
appending pays nothing for it.

Source:
    RFC 9162, sections 2.1.1 to 2.1.4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

_sha256 = hashlib.sha256
EMPTY = _sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """The hash of an entry; the first byte keeps it apart from every inner node."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A tree over leaf hashes in the order of the log; entry 0 is the event with sequence number 1."""

    def __init__(self, leaves: Iterable[bytes]) -> None:
        # Level n holds the hashes of all complete subtrees of 2^n leaves.
        self._levels: list[list[bytes]] = [list(leaves)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            # As ``node_hash``; a call for each of a million nodes would cost more than their hashes.
            self._levels.append([_sha256(b"\x01" + left + right).digest() for left, right in zip(below[::2], below[1::2], strict=False)])

    @property
    def size(self) -> int:
        """Number of entries."""
        return len(self._levels[0])

    def root(self, size: int | None = None) -> bytes:
        """The root over the first ``size`` entries, by default all.

        Raises:
            ValueError: there are not so many.
        """
        return self._subtree(0, self._within(size)) if self._within(size) else EMPTY

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The audit path of entry ``index`` in the tree of the first ``size`` entries.

        Raises:
            ValueError: there is no such entry in it.
        """
        whole = self._within(size)
        if not 0 <= index < whole:
            raise ValueError(f"entry {index} is not among the first {whole}")
        path: list[bytes] = []
        start, end = 0, whole
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._subtree(middle, end))
                end = middle
            else:
                path.append(self._subtree(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """The proof that the tree of the first ``old`` entries is the beginning of that of the first ``new``.

        Raises:
            ValueError: ``old`` is not between 1 and ``new``.
        """
        whole = self._within(new)
        if not 1 <= old <= whole:
            raise ValueError(f"a log of {whole} entries does not extend one of {old}")
        path: list[bytes] = []
        start, end, known = 0, whole, True
        while old != end:
            middle = start + _split(end - start)
            if old <= middle:
                path.append(self._subtree(middle, end))
                end = middle
            else:
                path.append(self._subtree(start, middle))
                start, known = middle, False
        if not known:
            path.append(self._subtree(start, end))
        return path[::-1]

    def _within(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise ValueError(f"the log has {self.size} entries, not {size}")
        return size

    def _subtree(self, start: int, end: int) -> bytes:
        length = end - start
        level = length.bit_length() - 1
        if length == 1 << level and start % length == 0:
            return self._levels[level][start >> level]
        middle = start + _split(length)
        return node_hash(self._subtree(start, middle), self._subtree(middle, end))


def verify_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Whether ``path`` proves that ``leaf`` is entry ``index`` of the tree of ``size`` entries with this root."""
    if not 0 <= index < size:
        return False
    node, place, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = node_hash(sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether ``path`` proves that the log of ``new`` entries begins with the one of ``old`` entries."""
    if not 1 <= old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    nodes = list(path)
    if old & (old - 1) == 0:
        nodes.insert(0, old_root)
    if not nodes:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(node, first), node_hash(node, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, node)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _split(length: int) -> int:
    """The largest power of two below ``length``."""
    return 1 << ((length - 1).bit_length() - 1)
