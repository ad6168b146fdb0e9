"""The Merkle tree against known vectors and against a definition written down once more, straight from the standard."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.store.merkle import EMPTY, MerkleTree, leaf_hash, verify_consistency, verify_inclusion

# The inputs and roots that the Certificate Transparency project publishes for trees of 1 to 8 entries.
ENTRIES = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def _root(entries: list[bytes]) -> bytes:
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\1" + _root(entries[:k]) + _root(entries[k:])).digest()


def test_roots_are_the_published_ones() -> None:
    """Anybody else's verifier must come to the same."""
    tree = MerkleTree(map(leaf_hash, ENTRIES))

    assert [tree.root(n).hex() for n in range(1, 9)] == list(ROOTS)
    assert tree.root(0) == EMPTY


@given(st.integers(1, 70), st.data())
def test_every_entry_and_every_earlier_log_can_be_proven(size: int, data: st.DataObject) -> None:
    """Whatever the size, and only for the entry, the place and the roots it was made for."""
    entries = [bytes([n]) for n in range(size)]
    tree = MerkleTree(map(leaf_hash, entries))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path, proof = tree.inclusion(index), tree.consistency(old)

    assert tree.root() == _root(entries)
    assert verify_inclusion(index, size, leaf_hash(entries[index]), path, tree.root())
    assert not verify_inclusion(index, size, leaf_hash(b"other"), path, tree.root())
    assert not verify_inclusion((index + 1) % (size + 1), size, leaf_hash(entries[index]), path, tree.root())
    assert verify_consistency(old, size, _root(entries[:old]), tree.root(), proof)
    assert old == size or not verify_consistency(old, size, _root([b"x", *entries[1:old]]), tree.root(), proof)
    assert not verify_consistency(old, size, _root(entries[:old]), leaf_hash(b"other"), proof)


@given(st.integers(2, 40), st.data())
def test_a_changed_proof_proves_nothing(size: int, data: st.DataObject) -> None:
    """A forger has the proof of another entry and may change, drop or add what he likes."""
    tree = MerkleTree(leaf_hash(bytes([n])) for n in range(size))
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion(index)
    place = data.draw(st.integers(0, len(path) - 1))
    flipped = [*path[:place], bytes([path[place][0] ^ 1]) + path[place][1:], *path[place + 1 :]]

    for forged in (flipped, path[:-1], [*path, path[-1]]):
        assert not verify_inclusion(index, size, leaf_hash(bytes([index])), forged, tree.root())


@pytest.mark.parametrize("ask", [lambda t: t.root(4), lambda t: t.inclusion(3), lambda t: t.inclusion(0, 0), lambda t: t.consistency(0)])
def test_what_is_not_there_cannot_be_proven(ask: object) -> None:
    """An error, never a proof of something else."""
    with pytest.raises(ValueError, match="entr"):
        ask(MerkleTree(map(leaf_hash, ENTRIES[:3])))  # type: ignore[operator]
