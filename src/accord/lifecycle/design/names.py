"""How alike two column names are: words, abbreviations, synonyms, letters."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# Each group is one meaning; the first word stands for all. Only words that mean the same in nearly every business system.
_SYNONYMS = (
    ("id", "identifier", "key", "code", "no", "nr", "num", "ref", "reference"),
    ("name", "title", "label", "caption", "subject"),
    ("description", "desc", "details", "notes", "comment", "message", "text", "body"),
    ("start", "begin", "began", "started", "starts", "from"),
    ("end", "finish", "finished", "ends", "until", "to", "close"),
    ("due", "deadline"),
    ("create", "created", "opened", "open", "raised", "inserted", "creation"),
    ("update", "updated", "changed", "modified", "change"),
    ("complete", "completed", "done", "resolved", "closed"),
    ("status", "state", "stage", "phase"),
    ("amount", "value", "sum", "total"),
    ("cost", "expense", "expenditure", "spend", "spent"),
    ("plan", "planned", "scheduled", "target"),
    ("actual", "real", "realised", "realized"),
    ("hour", "hours", "hrs", "hr", "h"),
    ("minute", "minutes", "mins", "min"),
    ("estimate", "estimated", "est", "effort"),
    ("quantity", "qty", "count"),
    ("number", "sequence", "sequential", "seq", "position"),
    ("category", "type", "kind", "class"),
    ("team", "group", "department", "dept", "unit", "workgroup"),
    ("owner", "responsible", "lead", "manager"),
    ("person", "assignee", "assigned", "user", "resource", "employee", "staff", "worker"),
    ("customer", "client", "account"),
    ("mail", "email"),
    ("phone", "telephone", "tel", "mobile"),
    ("score", "rating", "grade"),
    ("publish", "published", "live", "release", "released", "launch", "launched"),
    ("channel", "medium"),
    ("currency", "ccy", "cur"),
    ("campaign", "project", "initiative", "cmp"),
    ("task", "job", "activity", "workitem"),
    ("deliverable", "item", "asset", "content"),
)
# Words that say how a value is held rather than what it is.
_WEAK = frozenset(
    {
        "at",
        "on",
        "ts",
        "time",
        "date",
        "datetime",
        "timestamp",
        "day",
        "utc",
        "local",
        "of",
        "the",
        "is",
        "cent",
        "cents",
        "minute",
        "hour",
        "eur",
    }
)
_MEANING = {word: group[0] for group in _SYNONYMS for word in group}


@lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    """The words of a column name in lower case: ``plannedStart_TS`` gives planned, start, ts."""
    return tuple(w.lower() for w in _WORD.findall(name))


def _meaning(word: str) -> str:
    """The word that stands for all that mean the same; other words without their ending: purchased and purchase are one."""
    if word in _MEANING:
        return _MEANING[word]
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


def _meanings(name: str) -> tuple[frozenset[str], frozenset[str]]:
    found = [w if w in _WEAK else _meaning(w) for w in words(name)]
    return frozenset(w for w in found if w not in _WEAK), frozenset(w for w in found if w in _WEAK)


@lru_cache(maxsize=65_536)
def name_similarity(left: str, right: str, holder: str = "") -> float:
    """How likely two names mean the same, 0..1; 1 for the same words in any writing.

    Args:
        left: a canonical field name.
        right: a column name.
        holder: name of the entity or table; ``campaign_id`` in the table campaign is its ``id``.
    """
    if words(left) == words(right):
        return 1.0
    own = frozenset(_meaning(w) for w in words(holder))
    (strong_l, weak_l), (strong_r, weak_r) = _meanings(left), _meanings(right)
    bare_l, bare_r = strong_l - own or strong_l, strong_r - own or strong_r
    union = bare_l | bare_r
    shared = len(bare_l & bare_r) / len(union) if union else 0.0
    if bare_l and bare_l == bare_r:
        shared = 0.95 if weak_l == weak_r else 0.9
    letters = SequenceMatcher(None, "".join(words(left)), "".join(words(right))).ratio()
    return round(max(shared, letters * 0.85), 4)
