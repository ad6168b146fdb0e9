"""Three-way merge of texts: edits that do not overlap are combined, those that do are for somebody to decide.

Every version is compared with the same base, so the order in which versions are given cannot matter. Lines are compared first; where edits
of lines meet, the words of those lines are compared.

Source: diff3 (Khanna, Kunal, Pierce: A Formal Investigation of Diff3, 2007), for any number of versions.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_WORDS = re.compile(r"\s+|[^\W_]+|[\W_]", re.UNICODE)
_MOST_PAIRS = 1_000_000  # tokens of one text times tokens of the other: beyond, comparing takes seconds and nobody waits for it
_Cut = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Tokens ``start`` to ``end`` (not included) of the base become ``tokens``; an insertion has ``start == end``."""

    start: int
    end: int
    tokens: tuple[str, ...]


def merge_texts(base: str, versions: Sequence[str]) -> str | None:
    """The base with the edits of every version, or ``None`` when two of them change the same place differently.

    Two insertions at one place, and an insertion beside a change of the same line, are the same place unless the words tell them apart.

    Args:
        base: what all versions started from.
        versions: in any order; equal ones count once, and one equal to the base changes nothing.
    """
    changed = sorted({v for v in versions if v != base})
    if len(changed) < 2:
        return changed[0] if changed else base
    return _merge(base, changed, _lines, lambda part, parts: _merge(part, parts, _words, lambda _, __: None))


def _merge(base: str, versions: Sequence[str], cut: _Cut, settle: Callable[[str, Sequence[str]], str | None]) -> str | None:
    tokens = cut(base)
    edits = [_edits(tokens, cut(version)) for version in versions]
    if any(found is None for found in edits):
        return None
    of = [(edit, number) for number, found in enumerate(edits) for edit in found or ()]
    merged, at = [], 0
    for group in _groups(of):
        start, end = min(e.start for e, _ in group), max(e.end for e, _ in group)
        merged += tokens[at:start]
        at = end
        parts = {_applied(tokens, start, end, [e for e, n in group if n == number]) for number in {n for _, n in group}}
        settled = parts.pop() if len(parts) == 1 else settle("".join(tokens[start:end]), sorted(parts))
        if settled is None:
            return None
        merged.append(settled)
    return "".join([*merged, *tokens[at:]])


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _words(text: str) -> list[str]:
    return _WORDS.findall(text)


def _edits(base: list[str], version: list[str]) -> list[Edit] | None:
    """What turns the base into the version; ``None`` when they are too long and too different to compare."""
    head = 0
    while head < min(len(base), len(version)) and base[head] == version[head]:
        head += 1
    tail = 0
    while tail < min(len(base), len(version)) - head and base[-1 - tail] == version[-1 - tail]:
        tail += 1
    old, new = base[head : len(base) - tail], version[head : len(version) - tail]
    if len(old) * len(new) > _MOST_PAIRS:
        return None
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return [Edit(head + a, head + b, tuple(new[c:d])) for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal"]


def _groups(edits: list[tuple[Edit, int]]) -> list[list[tuple[Edit, int]]]:
    """Edits in the order of the base, those that meet together.

    Changes of neighbouring tokens do not meet; an insertion meets what it touches, because which comes first is nowhere said.
    """
    groups: list[list[tuple[Edit, int]]] = []
    end, open_end = -1, False  # where the last group ends, and whether an insertion stands at that very place
    for edit, number in sorted(edits):
        inserts = edit.start == edit.end
        meets = edit.start < end or (edit.start == end and (inserts or open_end))
        if groups and meets:
            groups[-1].append((edit, number))
        else:
            groups.append([(edit, number)])
            open_end = False
        if edit.end > end:
            end, open_end = edit.end, False
        if inserts and edit.end == end:
            open_end = True
    return groups


def _applied(tokens: list[str], start: int, end: int, edits: list[Edit]) -> str:
    parts, at = [], start
    for edit in sorted(edits):
        parts += [*tokens[at : edit.start], *edit.tokens]
        at = edit.end
    return "".join([*parts, *tokens[at:end]])
