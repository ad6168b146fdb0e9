"""What only two sides together can answer: do they hold the same records, with the same values."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from accord.connectors.types import literal
from accord.sync.cycle import Side
from accord.sync.merge.merge import authority_of
from accord.sync.proof.compared import compare_sides, compared_fields, make_differences
from accord.sync.quality.notes import Notes
from accord.sync.result import PairResult


def judge_pairs(notes: Notes, quarantined: Mapping[str, int]) -> None:
    """Compare every pair of sides; rows that break the contract take no part, they are counted there.

    A difference is a matter of consistency for the pair, of accuracy for the side that does not hold what the field's authority holds,
    and of completeness for a side that lacks a record another may create.
    """
    make_differences(notes.cycle)
    for left, right in combinations(notes.cycle.sides, 2):
        pair = compare_sides(notes.cycle, left, right, quarantined)
        _same(notes, pair)
        _records(notes, pair, left, right)
        for field in compared_fields(notes.cycle, left, right):
            _as_authority(notes, pair, left, right, field)


def _of(pair: PairResult) -> str:
    return f'"left" = {literal(pair.left)} AND "right" = {literal(pair.right)}'


def _shown(value: str) -> str:
    return f"coalesce(''''' || {value} || ''''', 'nothing')"


def _same(notes: Notes, pair: PairResult) -> None:
    place = f"{pair.left} ~ {pair.right}"
    bad = pair.missing + pair.extra + pair.different
    number = notes.add("consistency", "same in both", pair.keys + pair.missing + pair.extra, bad, place=place)
    if bad:
        values = (
            "field || ': ' || coalesce('''' || left_value || '''', 'nothing') || ' ≠ ' || coalesce('''' || right_value || '''', 'nothing')"
        )
        said = (
            f"CASE kind WHEN 'missing' THEN {literal(f'only in {pair.left}')} WHEN 'extra' THEN {literal(f'only in {pair.right}')} "
            f"ELSE field || ': ' || {values} END"
        )
        notes.gaps(f"SELECT {number}, key, string_agg({said}, '; ' ORDER BY field) FROM differences WHERE {_of(pair)} GROUP BY key")


def _records(notes: Notes, pair: PairResult, left: Side, right: Side) -> None:
    for holder, lacking, kind, bad in ((left, right, "missing", pair.missing), (right, left, "extra", pair.extra)):
        if not holder.may_exist:
            continue
        number = notes.add("completeness", f"records of {holder.name}", pair.keys + bad, bad, lacking)
        if bad:
            said = literal(f"is in {holder.name} and not here")
            notes.gaps(f"SELECT {number}, key, {said} FROM differences WHERE {_of(pair)} AND kind = {literal(kind)}")


def _as_authority(notes: Notes, pair: PairResult, left: Side, right: Side, field: str) -> None:
    """Cells of a field that are as the system with authority over it holds them."""
    named = authority_of(notes.cycle, field)
    if named not in (left.name, right.name):
        return
    here, theirs, ours = (right, "left_value", "right_value") if named == left.name else (left, "right_value", "left_value")
    where = f"{_of(pair)} AND kind = 'different' AND field = {literal(field)}"
    bad = notes.cycle.count(f"SELECT count(*) FROM differences WHERE {where}")
    number = notes.add("accuracy", f"as {named} has it", pair.keys, bad, here, field=field)
    if bad:
        shown = [f"coalesce('''' || {value} || '''', 'nothing')" for value in (ours, theirs)]
        said = f"{literal(field + ': ')} || {shown[0]} || {literal(f', in {named} ')} || {shown[1]}"
        notes.gaps(f"SELECT {number}, key, {said} FROM differences WHERE {where}")
