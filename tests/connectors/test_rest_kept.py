"""A long list that was not read to its end, and the connector of a later process: what it goes on with, and what it reads anew."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accord.connectors.duck import borrowed_duck
from accord.connectors.registry import open_connector
from accord.model.errors import SystemUnreachable
from accord.model.system import Resource, System

PAGES = 6
ROWS = 10 * PAGES
CURSOR = {"pages": "cursor", "cursor_path": "next"}
SECRETS = {"auth": "bearer", "token": "geheim-4711", "params": "api_key=geheim+0815-xyz"}
OPTIONS = {"items": "data", "page_size": "10", "retries": "0", **SECRETS}


class Reading:
    """Connectors of one workspace, each as a new process has it, to an API of six pages."""

    def __init__(self, api: Any, folder: Path) -> None:
        self.api, self.place, self.mark, self.breaks = api, folder / "readings", "mark", 0
        self.options: dict[str, str] = CURSOR
        self.opened: list[Any] = []
        api.put("things", [{"id": f"{i:04}", "name": f"n{i}"} for i in range(ROWS)])
        api.before = self._before

    def _before(self, method: str, path: str) -> None:
        if self.breaks and self.api.asked() == self.breaks:
            self.api.faults.append(("GET", "429 3600"))
            self.breaks = 0

    def connector(self, **options: str) -> Any:
        resource = Resource("things", key=("id",), options={"updated_since": "since"})
        system = System("crm", "rest", self.api.url, options=OPTIONS | self.options | options, resources={"things": resource})
        self.opened.append(open_connector(system, base=self.place.parent))
        self.opened[-1].keep_in(self.place)
        self.opened[-1].read_under("things", "flow", self.mark)
        return self.opened[-1]

    def rows(self, connector: Any = None, **options: str) -> dict[str, str]:
        """What a scan shows; ``api.log`` then has its requests only."""
        opened = connector or self.connector(**options)
        self.api.log.clear()
        with borrowed_duck() as con:
            found = con.execute(f"SELECT id, name FROM {opened.scan(con, 'things')}").fetchall()
        if connector is None:
            opened.close()
        return dict(found)

    def broken(self, pages: int = 4) -> str:
        """A reading that the API ends after so many pages."""
        self.breaks = pages
        with pytest.raises(SystemUnreachable) as caught:
            self.rows()
        return str(caught.value)

    @property
    def there(self) -> dict[str, str]:
        return {key[0]: item["name"] for key, item in self.api.rows["things"].items()}

    @property
    def kept(self) -> list[Path]:
        return [path for path in sorted(self.place.rglob("*")) if path.is_file()]

    def age(self, days: int = 2) -> None:
        """As if it had been stopped some days ago."""
        (journal,) = self.place.glob("*/reading.jsonl")
        text = re.sub(r'"(began|at)": (\d+)', lambda m: f'"{m[1]}": {int(m[2]) - days * 86_400}', journal.read_text())
        journal.write_text(text)


@pytest.fixture
def reading(rest_api: Any, tmp_path: Path) -> Iterator[Reading]:
    made = Reading(rest_api, tmp_path)
    yield made
    for connector in made.opened:
        connector.close()


STYLES: list[dict[str, str]] = [
    CURSOR,
    {"pages": "link", "confirm": "false"},
    {"pages": "key", "cursor_param": "after"},
    {"pages": "page", "confirm": "false"},
    {"pages": "offset", "confirm": "false"},
]


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s["pages"])
def test_a_list_that_broke_is_gone_on_with_in_every_style(reading: Reading, style: dict[str, str]) -> None:
    """At the page it reached, and with the one before, which has to be what it was."""
    reading.options = style
    said = reading.broken(4)

    found = reading.rows()

    assert "after page 4" in said
    assert reading.api.asked() == PAGES - 4 + 1 + (style["pages"] in ("page", "offset", "key"))  # those end with an empty page
    assert found == reading.there
    assert reading.kept == []


def test_what_is_kept_is_private_and_has_no_secret(reading: Reading) -> None:
    """Rows of customers, and addresses in which an API key stands, in whatever spelling."""
    reading.broken()

    assert {stat.S_IMODE(path.stat().st_mode) for path in reading.kept} == {0o600}
    assert stat.S_IMODE(reading.place.stat().st_mode) == 0o700
    text = b"".join(path.read_bytes() for path in reading.kept)
    assert b"api_key" in text
    assert b"geheim" not in text
    assert reading.rows() == reading.there


def test_a_list_that_is_read_twice_for_safety_goes_on_in_its_second_reading(reading: Reading) -> None:
    """Of pages by number the keys of two whole readings are compared."""
    reading.options = {"pages": "page"}
    reading.broken(PAGES + 1 + 3)

    assert reading.rows() == reading.there
    assert reading.api.asked() == PAGES - 3 + 2


def test_a_reading_that_breaks_again_and_again_gets_on(reading: Reading) -> None:
    """An API of three requests an hour is read in the end; columns of pages read long ago are not forgotten."""
    reading.api.rows["things"]["0000",]["early"] = "seen on the first page alone"
    for _ in range(2):
        reading.broken(3)
    connector = reading.connector()
    reading.rows(connector)

    assert reading.api.asked() <= 3
    assert "early" in {column.name for column in connector.describe().resources[0].columns}


@pytest.mark.parametrize("style", [{"pages": "page"}, {"pages": "offset", "total": "total"}, CURSOR], ids=lambda s: s["pages"])
@pytest.mark.parametrize("change", ["removed", "inserted"])
def test_rows_that_slipped_over_the_page_reached_are_not_missed(reading: Reading, style: dict[str, str], change: str) -> None:
    """A row that slipped to a page read before would look deleted, and be deleted everywhere else."""
    reading.options = style
    reading.broken()
    if change == "removed":
        reading.api.remove("things", "0003")
    else:
        reading.api.rows["things"] = {("new",): {"id": "new", "name": "new"}, **reading.api.rows["things"]}

    found = reading.rows()

    # A cursor that stands at a row is not moved by what came or went before it; the rest is the next reading's.
    late = {"0003": "n3"} if style is CURSOR and change == "removed" else {}
    early = {"new"} if style is CURSOR and change == "inserted" else set()
    assert found == {key: name for key, name in (reading.there | late).items() if key not in early}


@pytest.mark.parametrize("answer", ["silent", "410"])
def test_a_cursor_that_the_api_forgot_means_the_list_from_its_beginning(reading: Reading, answer: str) -> None:
    """It may say so, or answer with an empty page, which looks like the end of the list: all that follows would be deleted."""
    reading.broken()
    if answer == "410":
        reading.api.faults.append(("GET", "410"))
    else:
        reading.api.rows["things"] = {(f"x{key[0]}",): {**item, "id": f"x{key[0]}"} for key, item in reading.api.rows["things"].items()}

    assert reading.rows() == reading.there
    assert reading.api.asked() == PAGES + 1


def _truncate(reading: Reading) -> None:
    (journal,) = reading.place.glob("*/reading.jsonl")
    journal.write_bytes(journal.read_bytes()[:100])


CHANGES: dict[str, Callable[[Reading], Any]] = {
    "what was agreed": lambda r: setattr(r, "mark", "another"),
    "tenant": lambda r: setattr(r, "options", CURSOR | {"token": "another"}),
    "header": lambda r: setattr(r, "options", CURSOR | {"header.X-Tenant": "another"}),
    "options": lambda r: setattr(r, "options", CURSOR | {"ids_param": "ids"}),
    "age": lambda r: r.age(),
    "clock": lambda r: r.age(-2),
    "damaged page": lambda r: next(path for path in r.kept if path.name == "000000.arrow").write_bytes(b"cut"),
    "cut journal": _truncate,
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_reading_that_does_not_fit_any_more_begins_anew(reading: Reading, change: str) -> None:
    """Pages of another tenant, or another week, do not fit those to come."""
    reading.broken()
    CHANGES[change](reading)

    assert reading.rows() == reading.there
    assert reading.api.asked() == PAGES
    assert reading.kept == []


def test_pages_lost_at_the_end_cost_only_themselves(reading: Reading) -> None:
    """As after a power cut: what is not whole is not there."""
    reading.broken()
    (last,) = [path for path in reading.kept if path.name == "000003.arrow"]
    last.write_bytes(last.read_bytes()[:100])

    assert reading.rows() == reading.there
    assert reading.api.asked() == PAGES - 4 + 2


def test_a_pause_the_api_asked_for_does_not_make_a_reading_old(reading: Reading) -> None:
    """A budget by the day would else throw away each day what the day before read."""
    reading.options = CURSOR | {"resume_seconds": "60", "wait_seconds": "10"}
    reading.broken()  # told to wait an hour
    (journal,) = reading.place.glob("*/reading.jsonl")
    journal.write_text(re.sub(r'"(began|at)": (\d+)', lambda m: f'"{m[1]}": {int(m[2]) - 3630}', journal.read_text()))

    reading.rows()

    assert reading.api.asked() == PAGES - 4 + 1


def test_without_a_place_or_a_mark_nothing_outlives_the_connector(reading: Reading) -> None:
    """A proof reads what is there now."""
    reading.mark = ""
    reading.broken()
    assert reading.kept  # of this process alone
    for connector in reading.opened:
        connector.close()

    assert reading.kept == []
    reading.rows()
    assert reading.api.asked() == PAGES


def test_two_at_once_do_not_share_a_reading(reading: Reading) -> None:
    """The second reads for itself, and leaves the first one's pages alone."""
    reading.broken()
    one, two, inner = reading.connector(), reading.connector(), []

    def before(method: str, path: str) -> None:
        if not inner:
            inner.append({})
            inner[0] = reading.rows(two)

    reading.api.before = before

    assert reading.rows(one) == inner[0] == reading.there


def test_rows_by_key_and_rows_after_a_write_are_never_of_before(reading: Reading, change: Any) -> None:
    """What was just written is read back from the API, also where so many keys are asked for that the whole list is read."""
    reading.broken()
    connector = reading.connector()
    reading.api.put("things", [{"id": "0003", "name": "later"}])
    with borrowed_duck() as con:
        con.execute("CREATE TABLE keys AS SELECT printf('%04d', i) AS id FROM range(400) r(i)")
        found = dict(con.execute(f"SELECT id, name FROM {connector.scan_keys(con, 'things', 'keys')}").fetchall())
    change(connector, "things", "update", [{"id": "0004", "name": "written"}], [{"name": "n4"}])

    assert found["0003"] == "later"
    assert [path for path in reading.kept if path.name == "reading.jsonl"] == []
    assert reading.rows() == reading.there


def test_what_nobody_will_go_on_with_is_cleared_by_whoever_opens_the_place(reading: Reading) -> None:
    """A flow that was taken out of the map leaves no rows lying about, and a killed process none of those it read for itself."""
    reading.broken()
    reading.age()
    own = reading.place / "own-1-1"
    own.mkdir()
    (own / "000000.arrow").write_bytes(b"rows")

    reading.connector()

    assert reading.kept == []
