"""Reading an API: every page, every digit, whatever the network and the other side do."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from accord.connectors.duck import borrowed_duck
from accord.connectors.registry import open_connector
from accord.connectors.rest_client import Answer, Bucket, limited, retry_after
from accord.connectors.rest_json import BadJson, CutJson, Digits, parse
from accord.connectors.rest_more import fails, goes_on
from accord.mapfile import lint, load_map
from accord.model.errors import DataRefused, MapError, SystemChanged, SystemUnreachable
from accord.model.system import Resource, System
from accord.workspace import known_connectors, known_options

FAST = {"retry_seconds": "0.01", "retries": "3", "timeout_seconds": "2", "page_size": "10", "items": "data"}


@pytest.fixture
def api_of(rest_api: Any, tmp_path: Any) -> Iterator[Callable[..., Any]]:
    """Opens the test API with the collection «things»: ``api_of(pages="offset")``."""
    opened = []

    def make(*, columns: dict[str, str] | None = None, **options: str) -> Any:
        resource = Resource("things", key=("id",), columns=columns or {})
        system = System("crm", "rest", rest_api.url, options=FAST | options, resources={"things": resource})
        opened.append(open_connector(system, base=tmp_path))
        return opened[-1]

    yield make
    for connector in opened:
        connector.close()


def fill(api: Any, count: int = 35) -> None:
    api.put("things", [{"id": f"{i:03}", "name": f"n{i}"} for i in range(count)])


def ids(connector: Any) -> list[str]:
    with borrowed_duck() as con:
        return [row[0] for row in con.execute(f"SELECT id FROM {connector.scan(con, 'things')} ORDER BY id").fetchall()]


STYLES = [
    {"pages": "page"},
    {"pages": "page", "total": "total"},
    {"pages": "offset"},
    {"pages": "link"},
    {"pages": "cursor", "cursor_path": "next"},
]


@pytest.mark.parametrize("style", STYLES, ids=lambda s: "-".join(s.values()))
def test_every_style_of_pages_is_read_to_its_end(rest_api: Any, api_of: Any, style: dict[str, str]) -> None:
    """A page too few would look like deleted rows; the API gives fewer rows a page than it was asked for."""
    fill(rest_api)
    rest_api.most = 7

    assert ids(api_of(**style)) == [f"{i:03}" for i in range(35)]


@pytest.mark.parametrize(
    ("style", "words"),
    [
        ({"pages": "none"}, "Link with rel=next"),
        ({"pages": "cursor", "cursor_path": "paging.next"}, "rel=next"),
        ({"pages": "page", "first_page": "2", "total": "total"}, "ended after 28 rows, and it says that there are 35"),
    ],
    ids=["none", "cursor", "total"],
)
def test_a_list_that_the_api_says_goes_on_is_not_taken_for_whole(rest_api: Any, api_of: Any, style: dict[str, str], words: str) -> None:
    """A map that follows other words than the API's reads a part, and all other rows would be deleted in every other system."""
    fill(rest_api)
    rest_api.most = 7

    with pytest.raises(DataRefused, match=words):
        ids(api_of(**style))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"data": [], "next": None, "has_more": False}, ""),
        ({"data": [], "next": "", "paging": {}, "meta": {"next_page": Digits("0")}}, ""),
        ({"data": [{"next": "x"}], "customer": {"next": "y"}}, ""),
        ([{"next": "x"}], ""),
        ({"data": [], "has_more": True}, "'has_more'"),
        ({"results": [], "paging": {"next": {"after": Digits("10"), "link": "?after=10"}}}, "'paging.next'"),
        ({"value": [], "@odata.nextLink": "https://x/y?$skip=2"}, "'@odata.nextLink'"),
        ({"ok": True, "response_metadata": {"next_cursor": "bmV4dA=="}}, "'response_metadata.next_cursor'"),
        ({"_embedded": {}, "_links": {"next": {"href": "/x?page=2"}}}, "'_links.next'"),
        ({"nextPageToken": "abc"}, "'nextPageToken'"),
    ],
)
def test_the_words_by_which_apis_say_that_there_is_more_are_known(document: Any, said: str) -> None:
    """Those of well-known ones, at the top or in the usual places; what stands in rows is the rows' own."""
    assert goes_on(document, {}) == said


def test_numbers_texts_and_nested_values_come_as_they_were_sent(rest_api: Any, api_of: Any) -> None:
    """No double on the way: 1.10 is not 1.1, and 20 digits are 20 digits."""
    rest_api.put_text("things", '{"id": 12345678901234567890, "n": {"a": [1, null, 2.50]}, "d": 1.10, "t": "1.10", "b": true, "z": null}')
    connector = api_of()

    with borrowed_duck() as con:
        row = con.execute(f"SELECT id, n, d, t, b, z FROM {connector.scan(con, 'things')}").fetchone()

    assert row == ("12345678901234567890", '{"a": [1, null, 2.50]}', "1.10", "1.10", "true", None)


def slip(api: Any, where: str) -> None:
    """A row of the first page is deleted once, right before a page is asked for: the next one slips to where it was."""
    seen = []

    def before(method: str, path: str) -> None:
        if where in path and not seen:
            seen.append(path)
            api.remove("things", "003")

    api.before = before


@pytest.mark.parametrize("spelled", ["{:03}", "{}", "A{:03}", "x-{}"])
def test_a_list_that_goes_on_behind_the_last_key_is_read_to_its_end(rest_api: Any, api_of: Any, spelled: str) -> None:
    """Sorted as texts, in which 10 stands before 9."""
    rest_api.put("things", [{"id": spelled.format(i)} for i in range(35)])
    rest_api.ordered = True

    assert ids(api_of(pages="key", cursor_param="after")) == sorted(spelled.format(i) for i in range(35))


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("since_id", "'000' again on the page behind '009', as if 'since_id' were no parameter of this list"),
        ("after", "'033' behind '034': its list is not in the order of 'id', so that rows would be left out"),
    ],
)
def test_a_list_that_does_not_go_on_behind_the_last_key_is_refused(rest_api: Any, api_of: Any, param: str, words: str) -> None:
    """It would be read for ever where the API does not know the parameter and rows change; or half of it, where it is in another order."""
    rest_api.put("things", [{"id": f"{i:03}", "n": 0} for i in (*range(5), *range(34, 4, -1))] if param == "after" else [])
    fill(rest_api) if param != "after" else None
    rest_api.before = lambda method, path: rest_api.put("things", [{"id": "009", "name": f"edited {rest_api.asked()}"}])

    with pytest.raises(DataRefused, match=words):
        ids(api_of(pages="key", cursor_param=param))


def test_pages_behind_the_last_key_need_a_key_of_one_column(rest_api: Any, tmp_path: Any) -> None:
    """The other rows of the same order would stand before the next page."""
    lines = Resource("lines", key=("order", "line"))

    with pytest.raises(MapError, match="pages: key goes on behind the last 'order'"):
        open_connector(System("crm", "rest", rest_api.url, options={"pages": "key"}, resources={"lines": lines}), base=tmp_path)


def test_a_row_that_slips_between_two_pages_is_not_taken_for_deleted(rest_api: Any, api_of: Any) -> None:
    """A delete on page one while page two is read moves a row of page two to page one, which was read already."""
    fill(rest_api)
    slip(rest_api, "page=2")

    assert ids(api_of(pages="page")) == [f"{i:03}" for i in range(35) if i != 3]


@pytest.mark.parametrize("readings", [2, 99])
def test_a_row_on_two_pages_hides_another_however_often_the_list_is_read_alike(rest_api: Any, api_of: Any, readings: int) -> None:
    """Rows that are equal in what a list is sorted by stand in another order on each page: one would be deleted for being on none."""
    fill(rest_api)
    begun = 0

    def before(method: str, path: str) -> None:
        nonlocal begun
        begun += "page=1&" in f"{path}&"
        rows = rest_api.rows["things"]
        swapped = dict(sorted(rows.items()))
        if "page=2" in path and begun <= readings:
            order = list(swapped)
            order[3], order[13] = order[13], order[3]
            swapped = {key: swapped[key] for key in order}
        rows.clear()
        rows.update(swapped)

    rest_api.before = before

    if readings == 2:
        assert ids(api_of(pages="page")) == [f"{i:03}" for i in range(35)]
    else:
        with pytest.raises(SystemChanged, match=r"shows the row id 003 on two of its pages.* confirm: false"):
            ids(api_of(pages="page"))


@pytest.mark.parametrize(("rows", "asked"), [(0, 1), (5, 3), (20, 5)])
@pytest.mark.parametrize("pages", ["page", "offset"])
def test_a_list_is_confirmed_without_asking_twice_for_what_comes_after_it(
    rest_api: Any, api_of: Any, pages: str, rows: int, asked: int
) -> None:
    """Its rows are looked at again, and the empty page behind them stood between the two looks: each request costs the API's budget."""
    fill(rest_api, rows)
    rest_api.put("things", [])

    assert len(ids(api_of(pages=pages))) == rows
    assert rest_api.asked() == asked


def test_the_last_rows_that_slip_to_the_only_page_are_seen(rest_api: Any, api_of: Any) -> None:
    """The page behind it is empty then, as if there had never been one."""
    fill(rest_api, 11)
    slip(rest_api, "page=2")

    assert ids(api_of(pages="page")) == [f"{i:03}" for i in range(11) if i != 3]


def test_a_list_that_never_stands_still_is_said_to_change(rest_api: Any, api_of: Any) -> None:
    """Nothing is guessed: the next run tries again."""
    fill(rest_api, 60)

    def before(method: str, path: str) -> None:
        if "page=3" in path:
            rest_api.remove("things", min(rest_api.rows["things"])[0])

    rest_api.before = before

    with pytest.raises(SystemChanged, match="things"):
        ids(api_of(pages="page"))


def test_a_broken_reading_goes_on_at_the_page_it_reached(rest_api: Any, api_of: Any) -> None:
    """Pages cost the budget; a list of a million rows must not begin anew each time."""
    fill(rest_api, 50)
    connector = api_of(pages="cursor", cursor_path="next", retries="0")
    broken = []

    def before(method: str, path: str) -> None:
        if "cursor" in path and len(rest_api.log) == 3 and not broken:
            broken.append(path)
            rest_api.faults.append(("GET", "reset"))

    rest_api.before = before
    with pytest.raises(SystemUnreachable):
        ids(connector)
    asked = rest_api.asked()

    found = ids(connector)

    assert found == [f"{i:03}" for i in range(50)]
    assert (asked, rest_api.asked() - asked) == (4, 2)


def test_an_answer_cut_where_no_length_was_given_is_a_fault_of_the_way(rest_api: Any, api_of: Any) -> None:
    """It looks like wrong JSON, which waits for people: a watch would stand still after an API that was well again a moment later."""
    document = '{"data": [{"id": -1.5e3, "n\\u00e4": "a\\n\\"ä€", "t": true, "f": false, "x": null, "l": [[], {}]}], "total": 12}'.encode()

    for length in range(1, len(document)):
        with pytest.raises(CutJson):
            parse(document[:length])
    for wrong in (b"", b"Out of order", b'{"a": }', b'{"a": tru}', b"[1] 2", b"\xff\xfe{", b'"half of a text'):
        with pytest.raises(BadJson) as caught:
            parse(wrong)
        assert not isinstance(caught.value, CutJson), wrong
    fill(rest_api)
    rest_api.faults += [("GET", "short")] * 9
    with pytest.raises(SystemUnreachable, match="ends in the middle of its JSON"):
        ids(api_of(pages="link"))


FAULTS = ["500", "503 0", "502", "reset", "cut", "short", "garbage", "gzip", "latin1", "429 0", "408"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_costs_a_retry_and_no_row(rest_api: Any, api_of: Any, fault: str) -> None:
    """Twice in a row, on whichever page."""
    fill(rest_api)
    rest_api.faults += [("GET", fault), ("GET", fault)]

    assert ids(api_of(pages="link")) == [f"{i:03}" for i in range(35)]


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("503", SystemUnreachable, "HTTP 503"),
        ("reset", SystemUnreachable, "4 tries"),
        ("garbage", DataRefused, "no JSON"),
        ("cut", SystemUnreachable, "connection failed"),
        ("latin1", DataRefused, "UTF-8"),
        ("error200", DataRefused, "out of order"),
        ("401", DataRefused, "token"),
        ("403", DataRefused, "refused access"),
        ("404", DataRefused, "path"),
        ("301 http://127.0.0.2/v1/things", DataRefused, "another host"),
        ("302 /v1/things", DataRefused, "redirects"),
    ],
)
def test_a_lasting_fault_is_told_with_the_system_and_the_way_out(rest_api: Any, api_of: Any, fault: str, error: Any, words: str) -> None:
    """Who reads it knows whom to call."""
    fill(rest_api)
    rest_api.faults += [("GET", fault)] * 9

    with pytest.raises(error, match=words) as caught:
        ids(api_of(pages="link", error_path="error"))

    assert "crm" in str(caught.value)


@pytest.mark.parametrize("fault", ["blackhole", "drip"])
def test_an_answer_that_does_not_come_or_never_ends_is_given_up_in_time(rest_api: Any, api_of: Any, fault: str) -> None:
    """A byte now and then keeps a plain timeout from ever ending."""
    fill(rest_api)
    rest_api.faults += [("GET", fault)] * 2
    started = time.monotonic()

    with pytest.raises(SystemUnreachable, match="in time"):
        ids(api_of(pages="link", retries="1", timeout_seconds="0.2", answer_seconds="0.4"))

    assert time.monotonic() - started < 3


def test_a_huge_answer_is_not_taken_into_memory(rest_api: Any, api_of: Any) -> None:
    """Two megabytes where one hundred kilobytes were allowed."""
    fill(rest_api)
    rest_api.faults += [("GET", "huge")]

    with pytest.raises(DataRefused, match="100,000 bytes"):
        ids(api_of(max_bytes="100000"))


def test_a_long_pause_is_left_to_the_caller(rest_api: Any, api_of: Any) -> None:
    """The watch looks again when the API said; nobody sleeps for an hour inside a run."""
    fill(rest_api)
    rest_api.faults += [("GET", "429 3600")]

    with pytest.raises(SystemUnreachable, match="3600 seconds") as caught:
        ids(api_of())

    assert pickle.loads(pickle.dumps(caught.value)).retry_after_seconds == 3600


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    """A date counts from the answer's own clock."""
    assert retry_after({"retry-after": "7"}) == 7
    dated = {"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert retry_after(dated) == 30
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_the_budget_of_requests_is_kept() -> None:
    """Ten at once, then in even steps."""
    bucket = Bucket(200.0)
    started = time.monotonic()

    for _ in range(50):
        bucket.take()

    assert 0.15 <= time.monotonic() - started < 2


def test_an_api_that_ignores_the_page_is_noticed(rest_api: Any, api_of: Any) -> None:
    """Else the first page would be read forever."""
    fill(rest_api)

    with pytest.raises(DataRefused, match="the same page again"):
        ids(api_of(pages="page", page_param="seite"))


def test_secrets_are_in_no_message(rest_api: Any, api_of: Any) -> None:
    """This API answers with the token it was sent."""
    rest_api.token = "right"
    connector = api_of(auth="bearer", token="geheim-4711")

    with pytest.raises(DataRefused) as caught:
        ids(connector)

    assert "bad token" in str(caught.value)
    assert "geheim" not in str(caught.value) + repr(connector) + repr(connector.options)


def test_the_right_token_is_let_in(rest_api: Any, api_of: Any) -> None:
    """The counterpart of the test above."""
    rest_api.token = "right"
    fill(rest_api, 3)

    assert len(ids(api_of(auth="bearer", token="right"))) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pagse": "page"}, "Did you mean 'pages'"),
        ({"pages": "leaf"}, "Known: cursor"),
        ({"rate": "fast"}, "10/s"),
        ({"retries": "-1"}, "whole number"),
        ({"auth": "bearer"}, "token"),
        ({"update": "PATCH things/{ident}"}, "key columns"),
    ],
)
def test_a_wrong_option_is_told_when_the_system_is_opened(api_of: Any, options: dict[str, str], words: str) -> None:
    """Before the first request."""
    with pytest.raises(MapError, match=words):
        api_of(**options)


def test_a_password_in_the_address_is_refused_without_showing_it(tmp_path: Any) -> None:
    """It would stand in every message."""
    with pytest.raises(MapError) as caught:
        open_connector(System("crm", "rest", "https://me:geheim@host/v1"), base=tmp_path)

    assert "geheim" not in str(caught.value)


def test_keys_are_asked_for_by_the_filter_of_the_api(rest_api: Any, api_of: Any, duck: duckdb.DuckDBPyConnection) -> None:
    """Twenty rows cost two requests, not twenty."""
    fill(rest_api)
    connector = api_of(ids_param="ids", ids_size="15")
    duck.execute("CREATE TABLE keys AS SELECT printf('%03d', i) AS id FROM range(20, 40) r(i)")

    found = duck.execute(f"SELECT id FROM {connector.scan_keys(duck, 'things', 'keys')} ORDER BY 1").fetchall()

    assert [row[0] for row in found] == [f"{i:03}" for i in range(20, 35)]
    assert rest_api.asked() <= 4


def test_rows_changed_since_a_time_are_asked_for_alone(rest_api: Any, api_of: Any, duck: duckdb.DuckDBPyConnection) -> None:
    """The list is not read for three rows."""
    rest_api.stamp = "updated_at"
    fill(rest_api)
    connector = api_of(updated_since="since")

    found = duck.execute(f"SELECT id FROM {connector.scan_since(duck, 'things', '2026-01-01T00:00:33Z')} ORDER BY 1").fetchall()

    assert [row[0] for row in found] == ["032", "033", "034"]
    assert rest_api.asked() == 2


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection as Accord opens it."""
    with borrowed_duck() as con:
        yield con


def test_the_map_in_the_documentation_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Who copies it begins with a map that loads and systems that open."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "rest.md").read_text(encoding="utf-8")
    (tmp_path / "map.yaml").write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    monkeypatch.setenv("CRM_TOKEN", "geheim")

    found = load_map(tmp_path / "map.yaml", {"data": "."}, known_connectors=known_connectors())
    connector = open_connector(found.systems["crm"], base=tmp_path)

    assert connector.kind == "rest"
    assert "geheim" not in repr(connector)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "0"}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1792567710", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "30"}, 30),
    ],
    ids=["retry-after", "moment", "seconds"],
)
def test_a_budget_that_is_used_up_is_no_lack_of_rights(headers: dict[str, str], seconds: float) -> None:
    """Some APIs answer 403 for it; nobody has to look for a better token."""
    answer = Answer(403, headers, b"", "")

    assert limited(answer)
    assert retry_after(headers) == seconds
    assert not limited(Answer(403, {"x-ratelimit-remaining": "17", "x-ratelimit-reset": "30"}, b"", ""))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"data": None, "error": {"code": Digits("17")}}, '{"code": 17}'),
        ({"data": [], "errors": [{"message": "m"}]}, '[{"message": "m"}]'),
        ({"success": False, "message": "no"}, '{"success": false, "message": "no"}'),
        ({"status": "error"}, '{"status": "error"}'),
        ({"data": [], "error": None, "errors": [], "success": True, "ok": True, "status": "active"}, ""),
        ({"error": Digits("0"), "errors": "none"}, ""),
        ([{"error": "a row's own"}], ""),
    ],
)
def test_the_words_by_which_an_answer_of_success_says_that_it_failed_are_known(document: Any, said: str) -> None:
    """Only those that mean nothing else."""
    assert fails(document) == said


@pytest.mark.parametrize("passing", [True, False])
@pytest.mark.parametrize("rows", ['"data": null', '"data": []'])
def test_an_error_in_place_of_rows_is_no_end_of_the_list(rest_api: Any, api_of: Any, rows: str, passing: bool) -> None:
    """A page without rows ends a list, and all that should follow would be deleted; the map need not name where errors stand."""
    fill(rest_api, 15)
    rest_api.faults += [("page=2", "say {" + rows + ', "error": {"code": 17, "message": "out of order"}}')] * (1 if passing else 9)

    if passing:
        assert len(ids(api_of(pages="page"))) == 15
    else:
        with pytest.raises(DataRefused, match="out of order"):
            ids(api_of(pages="page"))


@pytest.mark.parametrize("counted", ["capped", "of the page"])
def test_a_count_that_is_too_small_does_not_end_a_list(rest_api: Any, api_of: Any, counted: str) -> None:
    """Some APIs count to ten thousand and no further, or count the rows of one page: all others would be deleted everywhere else."""
    fill(rest_api, 35)
    rest_api.most = 10
    rest_api.count = 20 if counted == "capped" else 10

    assert len(ids(api_of(pages="page", total="total"))) == 35


def test_the_only_row_of_the_second_page_that_slips_to_the_first_is_not_missed(rest_api: Any, api_of: Any) -> None:
    """The second page is empty then, and the list looks as if it had one."""
    fill(rest_api, 11)
    slip(rest_api, "page=2")

    assert len(ids(api_of(pages="page"))) == 10


@pytest.mark.parametrize("style", [{"pages": "link"}, {"pages": "cursor", "cursor_path": "link"}], ids=lambda s: s["pages"])
def test_pages_that_an_api_counts_are_read_until_no_row_slips_whatever_the_map_calls_them(
    rest_api: Any, api_of: Any, style: dict[str, str]
) -> None:
    """Many APIs give the next page as an address, and in it is a number."""
    fill(rest_api)
    slip(rest_api, "offset=10")

    assert len(ids(api_of(**style))) == 34


@pytest.mark.parametrize("answer", ["404", "204"])
def test_an_api_may_say_that_there_is_no_page_after_its_last(rest_api: Any, api_of: Any, answer: str) -> None:
    """As well as with an empty page, where the page before said that it is the last."""
    fill(rest_api)
    rest_api.faults += [("page=5", answer)] * 2

    assert len(ids(api_of(pages="page"))) == 35
    rest_api.faults += [("page=3", answer)] * 9
    with pytest.raises(DataRefused):
        ids(api_of(pages="page"))


def test_the_list_of_an_api_is_read_once_by_a_first_load_of_few_rows(rest_api: Any, api_of: Any) -> None:
    """The direct way of many rows finds out by reading whether they are many; here every page costs."""
    assert api_of().holds("things", 20_000) is False


@pytest.mark.parametrize("odd", ["abc", "007", "1.5"])
def test_a_key_that_is_no_number_among_numbers_is_shown_as_it_is(rest_api: Any, api_of: Any, odd: str) -> None:
    """The contract judges that row; the others go on, and so does one without a key."""
    rest_api.put_text("things", '{"id": 7}', f'{{"id": "{odd}"}}', '{"id": null}')
    connector = api_of(columns={"id": "integer"})

    with borrowed_duck() as con:
        found = con.execute(f"SELECT CAST(id AS VARCHAR) FROM {connector.scan(con, 'things')}").fetchall()

    assert {row[0] for row in found} == {"7", odd, None}


def test_a_list_at_another_place_is_told_with_the_members_there_are(rest_api: Any, api_of: Any) -> None:
    """The way out is a name among them."""
    fill(rest_api, 3)

    with pytest.raises(DataRefused, match=r"no list of objects at 'results'; the answer has data, link, next, total"):
        ids(api_of(items="results", retries="0"))


def test_a_mistyped_option_of_an_api_is_found_before_a_run_asks_for_it(tmp_path: Path) -> None:
    """A list that is read by the default way of pages may be half a list; which options there are, the connectors say themselves."""
    head = "name: shop\nsystems:\n  crm:\n    connector: rest\n    at: http://127.0.0.1:9\n"
    options = "    options:\n      auth: beerer\n      header.X-Tenant: 7\n      rate: 5/s\n      pages: ${env:PAGES}\n"
    list_ = "    resources:\n      items:\n        key: [id]\n        options:\n          pages: curser\n          cursor_pth: next\n"
    files = "  files: {connector: csv, at: ., options: {seperator: x}, resources: {a: {options: {quote: x}}}}\n"
    none = "  {0}: {{connector: {0}, at: x, options: {{lag: 1m}}, resources: {{a: {{options: {{b: c}}}}}}}}\n"
    kinds = ("accord", "duckdb", "jsonl", "mysql", "parquet", "postgresql", "sqlite", "xlsx")
    (tmp_path / "map.yaml").write_text(head + options + list_ + files + "".join(none.format(kind) for kind in kinds))

    found = lint(tmp_path / "map.yaml", known_connectors=known_connectors(), known_options=known_options())

    assert [(p.place.line, p.expected.rpartition("Did you mean ")[2]) for p in found if p.place.line < 18] == [
        (7, "'bearer'?"),
        (15, "'cursor'?"),
        (16, "'cursor_path'?"),
        (17, "It is one of the system: write it under the system's own options:."),
        (17, "'separator'?"),
    ]
    others = [(p.place.line, p.expected) for p in found if p.place.line > 17]
    assert others == [(18 + n, f"Connector '{kind}' takes no options here: leave it out.") for n, kind in enumerate(kinds) for _ in (1, 2)]
