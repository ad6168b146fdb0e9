"""What an answer says in the words and headers that APIs have for it: that its list goes on, that it ends, or that something failed.

A map that follows other words than the API's would read the first page alone, and take every other row for deleted. So it would where
an answer of success holds an error in place of rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import httpx

from accord.connectors import rest_json

NEXT: Final = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')
_NEXT_WORDS: Final = frozenset(
    ("next", "nextcursor", "nextpage", "nextpagetoken", "nexttoken", "nexturl", "nexturi", "nextlink", "odatanextlink", "nextoffset")
)
_FLAG_WORDS: Final = frozenset({"hasmore", "hasnext", "hasnextpage", "morerecords", "moreresults"})
_PLACES: Final = frozenset(
    ("", "paging", "pagination", "page", "pageinfo", "meta", "metadata", "links", "responsemetadata", "cursors", "info")
)


_ERROR_WORDS: Final = frozenset({"error", "errors", "fault", "exception", "errormessage"})
_SUCCESS_WORDS: Final = frozenset({"success", "succeeded", "ok"})
_NO_ERROR: Final = frozenset({"", "0", "none", "null", "false", "ok", "success", "no error"})
_COUNTING: Final = frozenset(
    ("page", "p", "pg", "pageno", "pagenum", "pagenumber", "pageindex", "offset", "pageoffset", "start", "startat", "startindex", "skip")
)


def fails(document: Any) -> str:
    """What an answer names as its error, in words that mean nothing else; empty when it names none."""
    for name, value in document.items() if isinstance(document, Mapping) else ():
        plain = re.sub(r"[^a-z]", "", name.lower())
        if plain in _ERROR_WORDS and (bool(value) if isinstance(value, Mapping | list | bool) else _said(value) not in _NO_ERROR):
            return rest_json.text(value) or name
        if plain in _SUCCESS_WORDS and (value is False or _said(value) == "false"):
            return rest_json.dump(document)
        if plain == "status" and _said(value) in ("error", "fail", "failed", "failure"):
            return rest_json.dump(document)
    return ""


def _said(value: Any) -> str:
    return (rest_json.text(value) or "").strip().lower()


def says_end(document: Any, headers: Mapping[str, str]) -> bool:
    """Whether an answer says by name that no page comes after it."""
    if goes_on(document, headers):
        return False
    return "link" in headers or (isinstance(document, Mapping) and _named(document, ""))


def _named(found: Mapping[str, Any], word: str) -> bool:
    for name, value in found.items() if word in _PLACES else ():
        plain = re.sub(r"[^a-z]", "", name.lower())
        if plain in _NEXT_WORDS | _FLAG_WORDS or (isinstance(value, Mapping) and _named(value, plain)):
            return True
    return False


def counts(url: str, following: str) -> bool:
    """Whether an API tells its pages apart by counting pages or rows: then rows slip between them, whatever the map calls that."""
    before, after = dict(httpx.URL(url).params), dict(httpx.URL(following).params)
    changed = [name for name in after if before.get(name) != after[name]]
    return bool(changed) and all(after[n].isdigit() and re.sub(r"[^a-z]", "", n.lower()) in _COUNTING for n in changed)


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
