"""Reading a collection page by page into a spool on disk, so that a broken reading goes on where it broke."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

import httpx
import pyarrow as pa
import pyarrow.compute as pc

from accord.connectors import rest_json
from accord.connectors.column_names import checked
from accord.connectors.rest_client import Answer, Client
from accord.connectors.rest_json import BadJson, Digits
from accord.connectors.rest_kept import Keep, kept_spool
from accord.connectors.rest_more import NEXT, counts, fails, goes_on, says_end
from accord.connectors.rest_options import RestResource
from accord.connectors.rest_spool import Pass, Spool, mark_of, order_of, read_pages
from accord.model.errors import DataRefused, SystemChanged, SystemUnreachable

PASSES: Final = 6
SOON_SECONDS: Final = 900.0
"""After so long nobody goes on with what a process read only for itself: what it knew then is not told with it."""
_SHIFTING: Final = ("page", "offset")


@dataclass
class Page:
    """One page as read: its rows, where the next one is, how many rows the API says there are, how it says that there are more, or none."""

    items: list[dict[str, Any]]
    total: int | None
    following: str | None
    more: str = ""
    ending: bool = False


class _MovedError(Exception):
    """The page at which a reading broke shows other rows now, so what was read before it does not fit what comes after it."""


class Reader:
    """Reads collections of one system; remembers the columns it saw and the JSON type of each."""

    def __init__(self, client: Client, columns: dict[str, dict[str, None]], kinds: dict[str, dict[str, str]]) -> None:
        self.client, self.columns, self.kinds = client, columns, kinds
        self.took: dict[str, float] = {}  # seconds the last reading of a collection took, pauses included
        self.older: dict[str, float] = {}  # seconds by which the oldest reading of a collection was begun before it was asked for
        self._spools: dict[tuple[str, tuple[tuple[str, str], ...]], Spool] = {}  # of lists that are not kept for another process

    def read(
        self, resource: RestResource, folder: Callable[[], FilePath], params: Sequence[tuple[str, str]] = (), keep: Keep | None = None
    ) -> pa.Table:
        """All rows of a collection as texts, in the order they came; a row that moved between pages may stand twice.

        Args:
            resource: what to read.
            folder: gives where the spool may be, for as long as this process lasts.
            params: more for the query, such as a filter.
            keep: where a later process may find what was read.

        Raises:
            SystemUnreachable: what was read so far is kept, and the next call goes on from there.
            SystemChanged: rows moved between pages during every reading.
            DataRefused: an answer that is not what it should be.
        """
        name, asked = (resource.name, tuple(params)), time.monotonic()
        spool = self._spool(resource, folder, params, keep)
        try:
            found = self._passes(resource, spool, params)
        except SystemUnreachable as error:
            spool.touched, spool.resumed = time.monotonic(), spool.resumed or spool.passes[-1].rows > 0
            if spool.keeping is None:
                raise
            raise self._left(spool, error) from error
        except (DataRefused, _MovedError):
            self._forget(name, spool)
            if spool.resumed:  # a mark in the list may be forgotten by the API after a while
                return self.read(resource, folder, params, keep)
            raise
        except Exception:
            self._forget(name, spool)
            raise
        except BaseException:
            if spool.keeping is not None:  # somebody stopped the process: the next one goes on
                spool.keeping.release()
            raise
        table = self._table(resource, found)
        self.took[resource.name] = time.monotonic() - spool.began
        self.older[resource.name] = max(self.older.get(resource.name, 0.0), asked - spool.began)
        self._forget(name, spool)
        return table

    def forget(self, resource: RestResource) -> None:
        """Throw away what this process read of a collection that is no more as it was."""
        for name in [name for name in self._spools if name[0] == resource.name]:
            self._forget(name, self._spools[name])

    def _spool(self, resource: RestResource, folder: Callable[[], FilePath], params: Sequence[tuple[str, str]], keep: Keep | None) -> Spool:
        """What was read of this list before it broke, or an empty one."""
        system, name = self.client.system, (resource.name, tuple(params))
        if keep is not None and system.resume_seconds:
            kept = kept_spool(keep, system, resource, params, self.kinds.setdefault(resource.name, {}))
            if kept is not None:
                for part in read_pages(kept.newest()):
                    self.known(resource).update(dict.fromkeys(part.column_names))
                return kept
        spool = self._spools.get(name)
        away = 0.0 if spool is None else time.monotonic() - spool.touched
        if spool is not None and away <= min(system.resume_seconds, SOON_SECONDS):
            if away > system.wait_seconds:  # longer than between two tries
                spool.passes[-1].step_back()
            return spool
        if spool is not None:
            self._forget(name, spool)
        self._spools[name] = Spool(folder() / f"spool-{len(self._spools)}-{time.monotonic_ns()}")
        return self._spools[name]

    def _forget(self, name: tuple[str, tuple[tuple[str, str], ...]], spool: Spool) -> None:
        if self._spools.get(name) is spool:
            del self._spools[name]
        spool.forget()

    @staticmethod
    def _left(spool: Spool, error: SystemUnreachable) -> SystemUnreachable:
        """The same error, with what is left of the reading."""
        assert spool.keeping is not None
        if error.retry_after_seconds is not None:
            spool.keeping.pause(error.retry_after_seconds)
        spool.keeping.release()
        pages = len(spool.passes[-1].leaves)
        if not pages:
            return error
        left = f"The next run goes on after page {pages:,}."
        told = SystemUnreachable(error.system, error.where, error.reason, f"{error.todo} {left}".strip())
        told.retry_after_seconds = error.retry_after_seconds
        return told

    def one(self, resource: RestResource, key: Mapping[str, str]) -> tuple[dict[str, Any], str] | None:
        """The row of a key and its entity tag; ``None`` when there is none."""
        assert resource.read is not None

        def read(document: Any, answer: Answer) -> tuple[dict[str, Any], str]:
            self._no_error(resource, document)
            there, item = resource.item.find(document)
            if not there or not isinstance(item, dict):
                raise BadJson(f"no object at '{resource.item}'" if resource.item.steps else "no object")
            if not any(name in item for name in resource.key) and (reason := fails(document)):
                raise BadJson(f"an error in place of a row: {reason}")
            if not any(name in item for name in self.known(resource)):
                # A row of which nothing is known would look as if the one that was asked for were gone.
                raise BadJson("an object without a member of the row")
            self._note(resource, [item], answer)
            return item, answer.headers.get("etag", "")

        return self.client.get(self.client.url(resource.read.fill(key)), read, absent=frozenset({404, 410}))

    def by_ids(self, resource: RestResource, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of some ids by the API's own filter; its pages are followed."""
        found: list[dict[str, Any]] = []
        url: str | None = self._first(resource, [(resource.ids_param, ",".join(ids))])
        count, last = 0, ""
        while url is not None:
            page = self._page(resource, url, count)
            mark = mark_of(page.items)
            if not page.items or mark == last:  # filters are often answered whole, whatever page is asked for
                break
            found += page.items
            count, last, url = count + len(page.items), mark, page.following
            if resource.pages in _SHIFTING and len(found) >= len(ids):
                break
        return found

    def count(self, resource: RestResource) -> int | None:
        """How many rows the API says there are; ``None`` where it does not say."""
        return self._page(resource, self._first(resource, ()), 0).total if resource.total else None

    def table_of(self, resource: RestResource, items: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Rows as texts, with every column known of the collection."""
        names = list(self.known(resource))
        columns = [pa.array([rest_json.text(item.get(name)) for item in items], pa.string()) for name in names]
        return pa.Table.from_arrays(columns, schema=pa.schema([(name, pa.string()) for name in names]))

    def known(self, resource: RestResource) -> dict[str, None]:
        """Every column declared or seen, in order."""
        return self.columns.setdefault(resource.name, dict.fromkeys((*resource.key, *resource.columns)))

    def _passes(self, resource: RestResource, spool: Spool, params: Sequence[tuple[str, str]]) -> Pass:
        while True:
            if not spool.passes or spool.passes[-1].done:
                if spool.begun >= PASSES:
                    detail = f"rows moved between its pages during each of {spool.begun} readings"
                    if spool.passes and (twice := on_two_pages(spool.passes[-1], resource.key)):
                        detail = (
                            f"it shows the row {twice} on two of its pages, so that others may be on none. Let params sort it by "
                            "something that no two rows share, or say confirm: false where it does list a row twice"
                        )
                    raise SystemChanged(self.client.system.name, resource.name, detail)
                spool.another(self._first(resource, params))
            current = spool.passes[-1]
            self._run(resource, spool, current)
            before = spool.passes[-2] if len(spool.passes) > 1 else None
            if not params and current.total is not None and current.rows < current.total:
                if before is not None and before.rows == current.rows:
                    what = f"its list ended after {current.rows:,} rows, and it says that there are {current.total:,}"
                    expected = f"the list to its end; check the options of 'pages: {resource.pages}', and 'total:'"
                    raise DataRefused(what, self.client.where(self._first(resource, params)), expected)
                spool.passes = [current]
                continue  # a row may have been taken away meanwhile
            # A list of two pages seems to have one when its last rows slip to the first while the second is asked for; in a list of
            # changes nobody looks for deletes.
            several = len(current.leaves) > 1 or (current.asked > 1 and not params)
            shifting = resource.confirm and (resource.pages in _SHIFTING or current.numbered) and several
            alike = before is not None and (before.rows, before.print) == (current.rows, current.print)
            if not shifting or (alike and not on_two_pages(current, resource.key)):
                return current
            for leaf in before.leaves if before is not None else ():
                leaf.file.unlink(missing_ok=True)
            spool.passes = [current]

    def _run(self, resource: RestResource, spool: Spool, current: Pass) -> None:
        """Read on until the last page."""
        stepping = resource.pages in (*_SHIFTING, "key")
        while current.url is not None:
            if len(current.leaves) >= resource.page_limit:
                what = f"more than {resource.page_limit:,} pages"
                raise DataRefused(what, self.client.where(current.url), "an end of the list, or a higher page_limit")
            page = self._page(resource, current.url, current.rows, may_end=current.ending and stepping)
            current.asked += 1
            self._check(resource, current, page)
            if resource.pages == "key" and (wrong := current.way.check(page.items, resource.key[0], resource.cursor_param)):
                expected = f"keys that go on from page to page; check pages, cursor_param and {resource.size_param or 'size_param'}"
                raise DataRefused(wrong, self.client.where(current.url), expected)
            if page.items and mark_of(page.items) == current.last:
                what = "the same page again, so there would be no end"
                raise DataRefused(what, self.client.where(current.url), f"another page; check the options of 'pages: {resource.pages}'")
            if page.items:
                self._keep(resource, current, page.items)
            current.total = current.total if page.total is None else page.total
            current.numbered |= page.following is not None and counts(current.url, page.following)
            counted = page.total is not None and current.rows >= page.total
            ended = not page.items or (counted and self._short(resource, current, page))
            current.ending = page.ending or counted
            if stepping and (ended or self._confirmed(spool, current, page)):
                break
            if page.following is None and page.more and not ended:
                what = f"its list ended after {current.rows:,} rows, and {page.more} of the answer says that there are more"
                expected = f"the list to its end; 'pages: {resource.pages}' does not follow that: see pages and cursor_path"
                raise DataRefused(what, self.client.where(current.url), expected)
            current.url = page.following if page.items or page.following != current.url else None
            if current.url is not None and spool.keeping is not None:
                spool.keeping.note(spool)
        current.url, current.done = None, True

    @staticmethod
    def _confirmed(spool: Spool, current: Pass, page: Page) -> bool:
        """Whether the keys read so far are those of the reading before, which met an empty page behind them.

        Between those two looks at the same rows none of them slipped, so that there was nothing behind them when that page was asked for.
        """
        before = spool.passes[-2] if len(spool.passes) > 1 else None
        if before is None or before.asked == len(before.leaves) or page.more:
            return False
        counted = current.total is None or current.rows >= current.total
        return counted and (before.rows, before.print) == (current.rows, current.print)

    @staticmethod
    def _short(resource: RestResource, current: Pass, page: Page) -> bool:
        """Whether a page looks like the last: some APIs count no further than they like, or count the rows of one page."""
        full = max(leaf.rows for leaf in current.leaves[-3:]) if len(current.leaves) > 1 else resource.page_size
        return len(page.items) < full and not page.more

    @staticmethod
    def _check(resource: RestResource, current: Pass, page: Page) -> None:
        """Where a reading goes on, what was read last has to stand where it stood: else rows slipped to pages that were read before."""
        checked, current.checked = current.checked, None
        if checked is None:
            return
        grown = (resource.pages in _SHIFTING or current.numbered) and page.total != current.total
        if grown or order_of(page.items, resource.key) != checked.order:
            raise _MovedError

    def _page(self, resource: RestResource, url: str, before: int, *, may_end: bool = False) -> Page:
        """One page; after one that says that it is the last, an API may say that there is no such page."""

        def read(document: Any, answer: Answer) -> Page:
            if answer.status == 204 and (may_end or not before):
                return Page([], None, None)
            self._no_error(resource, document)
            there, items = resource.items.find(document)
            if not items and (reason := fails(document)):
                raise BadJson(f"an error in place of rows: {reason}")
            if not there or not isinstance(items, list | None) or not all(isinstance(item, dict) for item in items or ()):
                where = f" at '{resource.items}'" if resource.items.steps else ""
                has = f"; the answer has {', '.join(sorted(document)[:8])}" if isinstance(document, dict) and document else ""
                raise BadJson(f"no list of objects{where}{has}")
            self._note(resource, items or [], answer)
            total = None
            if resource.total is not None:
                _, found = resource.total.find(document)
                if not isinstance(found, Digits | str) or not found.isdigit():
                    raise BadJson(f"no number of rows at '{resource.total}'")
                total = int(found)
            following = self._following(resource, document, answer, items or [], before)
            return Page(items or [], total, following, goes_on(document, answer.headers), says_end(document, answer.headers))

        found = self.client.get(url, read, absent=frozenset({404}) if may_end else frozenset())
        return Page([], None, None) if found is None else found

    def _first(self, resource: RestResource, params: Sequence[tuple[str, str]]) -> str:
        more = [(resource.size_param, str(resource.page_size))] if resource.size_param and resource.pages != "none" else []
        start = {"page": (resource.page_param, str(resource.first_page)), "offset": (resource.offset_param, "0")}
        if resource.pages in start:
            more.append(start[resource.pages])
        return self.client.url(resource.path, [*params, *more])

    def _following(
        self, resource: RestResource, document: Any, answer: Answer, items: Sequence[Mapping[str, Any]], before: int
    ) -> str | None:
        if resource.pages == "none":
            return None
        if resource.pages == "link":
            found = NEXT.search(answer.headers.get("link", ""))
            return self.client.same_origin(found[1], answer.url) if found else None
        if resource.pages == "cursor":
            _, cursor = resource.cursor_path.find(document)
            if cursor is None or cursor is False or cursor == "":
                return None
            mark = rest_json.text(cursor) or ""
            if mark.startswith(("http://", "https://", "/")) and len(mark) > 1:
                return self.client.same_origin(mark, answer.url)
            return _with(answer.url, resource.cursor_param, mark)
        if not items:
            return None
        if resource.pages == "key":
            return _with(answer.url, resource.cursor_param, rest_json.text(items[-1].get(resource.key[0])) or "")
        if resource.pages == "offset":
            return _with(answer.url, resource.offset_param, str(before + len(items)))
        page = int(_param(answer.url, resource.page_param) or resource.first_page)
        return _with(answer.url, resource.page_param, str(page + 1))

    @staticmethod
    def _no_error(resource: RestResource, document: Any) -> None:
        if (reason := error_in(resource, document)) is not None:
            raise BadJson(f"an error in an answer of success: {reason}")

    def _note(self, resource: RestResource, items: Sequence[Mapping[str, Any]], answer: Answer) -> None:
        """Remember columns and their JSON types."""
        known, kinds = self.known(resource), self.kinds.setdefault(resource.name, {})
        for item in items:
            if not item.keys() <= known.keys():
                known.update(dict.fromkeys(item))
                checked(tuple(known), self.client.where(answer.url), expected="members with different names")
            if len(kinds) < len(known):
                for name, value in item.items():
                    if value is not None and name not in kinds:
                        kinds[name] = rest_json.kind_of(value)

    def _keep(self, resource: RestResource, current: Pass, items: Sequence[dict[str, Any]]) -> None:
        try:
            table = self.table_of(resource, items)
        except UnicodeEncodeError as error:
            what = "half of a character (a lone surrogate escape)"
            raise DataRefused(what, f"system '{self.client.system.name}', resource '{resource.name}'", "JSON in Unicode") from error
        assert current.url is not None
        current.keep(table, current.url, items, resource.key)

    def _table(self, resource: RestResource, found: Pass) -> pa.Table:
        parts = [*read_pages(found.leaves), self.table_of(resource, ())]
        return pa.concat_tables(parts, promote_options="default").select(list(self.known(resource)))


def on_two_pages(found: Pass, key: Sequence[str]) -> str:
    """The key of a row that stands on two pages of a reading; ``""`` when none does. Where pages are counted, another row stands on none.

    A list sorted by what many rows share is put in another order for each page, and often in the same one each time it is read.
    """
    pages = [page.select(key).group_by(list(key)).aggregate([]) for page in read_pages(found.leaves)]
    if not pages:
        return ""
    counted = pa.concat_tables(pages, promote_options="default").group_by(list(key)).aggregate([([], "count_all")])
    twice = counted.filter((pc.field("count_all") > 1) & pc.field(key[0]).is_valid()).slice(0, 1).to_pylist()
    return ", ".join(f"{name} {twice[0][name]}" for name in key) if twice else ""


def error_in(resource: RestResource, document: Any) -> str | None:
    """The reason in an answer that says success and means failure; ``None`` when there is none."""
    if resource.error_path is None:
        return None
    there, found = resource.error_path.find(document)
    if not there or found is None or found is False or found in ("", [], {}) or (isinstance(found, Digits) and found == "0"):
        return None
    return rest_json.text(found)


def _param(url: str, name: str) -> str | None:
    """A parameter of an address."""
    found = httpx.URL(url).params.get(name)
    return None if found is None else str(found)


def _with(url: str, name: str, value: str) -> str:
    """The address with a parameter set to a value."""
    return str(httpx.URL(url).copy_set_param(name, value))
