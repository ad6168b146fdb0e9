"""Whether an answer says that its list goes on, in the words and headers that APIs have for it.

A map that follows other words than the API's would read the first page alone, and take every other row for deleted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

NEXT: Final = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')
_NEXT_WORDS: Final = frozenset(
    ("next", "nextcursor", "nextpage", "nextpagetoken", "nexttoken", "nexturl", "nexturi", "nextlink", "odatanextlink", "nextoffset")
)
_FLAG_WORDS: Final = frozenset({"hasmore", "hasnext", "hasnextpage", "morerecords", "moreresults"})
_PLACES: Final = frozenset(
    ("", "paging", "pagination", "page", "pageinfo", "meta", "metadata", "links", "responsemetadata", "cursors", "info")
)


def goes_on(document: Any, headers: Mapping[str, str]) -> str:
    """Name of the member, or the header, by which an answer says that there are more rows; empty when it does not say so."""
    if NEXT.search(headers.get("link", "")):
        return "the header Link with rel=next"
    return _in(document, "", "") if isinstance(document, Mapping) else ""


def _in(found: Mapping[str, Any], path: str, word: str) -> str:
    if word not in _PLACES:
        return ""
    for name, value in found.items():
        plain, where = re.sub(r"[^a-z]", "", name.lower()), f"{path}{name}"
        if (plain in _NEXT_WORDS and _some(value)) or (plain in _FLAG_WORDS and value is True):
            return f"'{where}'"
        if isinstance(value, Mapping) and (inner := _in(value, f"{where}.", plain)):
            return inner
    return ""


def _some(value: Any) -> bool:
    """A place to go on at: a text, a number above zero, or an object with an address."""
    if isinstance(value, Mapping):
        return any(_some(value.get(name)) for name in ("href", "url", "cursor", "after"))
    return isinstance(value, str) and value not in ("", "0")
