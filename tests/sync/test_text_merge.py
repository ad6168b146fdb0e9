"""Texts that several people edit at once: what does not overlap is combined, and the order of the systems never matters."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.sync.merge.text_merge import merge_texts

WORDS = st.text(alphabet="ab \n", max_size=12)


@pytest.mark.parametrize(
    ("base", "versions", "merged"),
    [
        ("one\ntwo\nthree\n", ["ONE\ntwo\nthree\n", "one\ntwo\nTHREE\n"], "ONE\ntwo\nTHREE\n"),
        ("one\ntwo\nthree\n", ["one\nthree\n", "one\ntwo\nthree\nfour\n"], "one\nthree\nfour\n"),
        ("one\ntwo\n", ["ONE\ntwo\n", "one\nTWO\n"], "ONE\nTWO\n"),
        ("the quick brown fox", ["the slow brown fox", "the quick brown dog"], "the slow brown dog"),
        ("the quick brown fox", ["quick brown fox", "the quick brown fox jumps"], "quick brown fox jumps"),
        ("due Monday", ["due Tuesday", "due Wednesday"], None),
        ("a\n", ["a\nmine\n", "a\nyours\n"], None),
        ("a\n", ["a\nsame\n", "a\nsame\n"], "a\nsame\n"),
        ("a\nb\n", ["", "a\nB\n"], None),
        ("Total: 10 h\n", ["Total: 12 h\n", "Total: 10 hours\n"], "Total: 12 hours\n"),
        ("a b c", ["A b c", "a B c", "a b C"], "A B C"),
    ],
)
def test_edits_of_different_places_are_combined_and_of_one_place_are_not(base: str, versions: list[str], merged: str | None) -> None:
    """Dropping one person's sentence because another changed a different one is data loss; guessing between two is worse."""
    assert merge_texts(base, versions) == merged


@given(base=WORDS, versions=st.lists(WORDS, max_size=4))
def test_the_order_of_the_versions_does_not_matter(base: str, versions: list[str]) -> None:
    """Three systems that merge in different orders would never agree."""
    found = {merge_texts(base, list(order)) for order in itertools.permutations(versions)}

    assert len(found) == 1


@given(base=WORDS, version=WORDS)
def test_one_edit_is_taken_as_it_is_however_often_it_comes(base: str, version: str) -> None:
    """An echo, or a system that did not change, adds nothing."""
    assert merge_texts(base, [version]) == merge_texts(base, [version, version, base]) == version


@given(base=WORDS, left=WORDS, right=WORDS)
def test_merging_again_with_what_was_merged_changes_nothing(base: str, left: str, right: str) -> None:
    """A cycle that dies after writing one system meets its own result when it starts again."""
    merged = merge_texts(base, [left, right])

    if merged is not None:
        assert merge_texts(merged, [merged, merged]) == merged


@given(
    lines=st.lists(st.uuids(), min_size=1, max_size=8, unique=True),
    data=st.data(),
)
def test_edits_of_distinct_lines_are_all_in_the_result(lines: list[object], data: st.DataObject) -> None:
    """What must come out is known by construction here, whoever edits which line."""
    owner = data.draw(st.lists(st.integers(0, 3), min_size=len(lines), max_size=len(lines)))  # 3: nobody
    deleted = data.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)))

    def edited(by: set[int]) -> str:
        shown = [
            (None if gone else f"{line} by {who}") if who in by else str(line)
            for line, who, gone in zip(lines, owner, deleted, strict=True)
        ]
        return "".join(f"{line}\n" for line in shown if line is not None)

    assert merge_texts(edited(set()), [edited({0}), edited({1}), edited({2})]) == edited({0, 1, 2})


def test_texts_too_long_to_compare_are_left_to_the_rule_instead_of_taking_minutes() -> None:
    """A pasted log must not stop the synchronization of everything else."""
    base, left, right = (" ".join(f"{mark}{n % 7}" for n in range(5000)) for mark in "xyz")

    assert merge_texts(base, [left, right]) is None
