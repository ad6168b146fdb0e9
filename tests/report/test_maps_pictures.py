"""Maps as pictures: what they show, in words too, and without a way for names to become markup."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from defusedxml.ElementTree import fromstring

from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.organization import Team
from accord.model.system import System
from accord.report import Picture
from accord.report.maps import EdgeStatus, Passage, ProcessStep, integration_map_picture, swimlanes_picture
from accord.report.palette import COLORS, GROUPS
from accord.report.svg import embed, shorten, text_width

ID = {"id": FieldMapping("id")}


def organization(word: str = "Planner") -> IntegrationMap:
    systems = {
        "planner": System("planner", "sqlite", "p.db", title=word, owner="marketing"),
        "tracker": System("tracker", "sqlite", "t.db", owner="operations", priority=2),
        "archive": System("archive", "csv", "a"),
    }
    bindings = {"tracker": Binding("tracker", "projects", ID), "planner": Binding("planner", "campaigns", ID)}
    flow = Flow("campaigns", "campaign", {**bindings, "copy": Binding("copy", "c", ID, system="tracker", direction="write")}, title=word)
    flow = replace(flow, authority={"*": "planner", "status": "tracker"})
    return IntegrationMap("demo", systems=systems, flows={"campaigns": flow}, teams={"marketing": Team("marketing", title=word)})


def integration(word: str = "Planner") -> Picture:
    status = {("campaigns", "planner"): EdgeStatus("99.2 %", "good"), ("campaigns", "tracker"): EdgeStatus(f"late {word}", "warning")}
    return integration_map_picture(organization(word), status)


def process(word: str = "Legal") -> Picture:
    steps = [
        ProcessStep("plan", "Strategy", "Plan", 1238, 6.1),
        ProcessStep("check", word, f"Check {word}", 1236, 38.4, 12),
        ProcessStep("live", "Media"),
    ]
    passages = [
        Passage("plan", "check", 1238, 41.0),
        Passage("check", "plan", 97, 3.0),
        Passage("check", "live"),
        Passage("plan", "plan", 5),
    ]
    return swimlanes_picture(steps, passages)


PICTURES = [integration, process]


def words(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("picture", PICTURES)
def test_a_hostile_name_stays_text_in_a_map(picture: Callable[[str], Picture]) -> None:
    """Names come from maps and systems others can write to."""
    made = picture("</text><script>x\x00\"'")

    assert "<script" not in made.svg
    assert "<script" not in embed(made.svg, prefix="p", title=made.title, description=made.alt)
    assert any("<script" in text for text in words(made.svg))


@pytest.mark.parametrize("picture", PICTURES)
def test_every_color_of_a_map_has_a_value_in_both_themes(picture: Callable[[], Picture]) -> None:
    """A color the style sheet does not know would stay dark on dark."""
    known = {light for light, _ in COLORS.values()} | set(GROUPS) | {"none", None}
    nodes = list(fromstring(picture().svg).iter())

    assert {node.get("fill") for node in nodes} <= known
    assert {node.get("stroke") for node in nodes} <= known


@pytest.mark.parametrize("picture", PICTURES)
def test_no_text_of_a_map_is_smaller_than_11_px(picture: Callable[[], Picture]) -> None:
    """Small print is not read."""
    assert min(float(size) for size in re.findall(r'font-size="([\d.]+)"', picture().svg)) >= 11


@pytest.mark.parametrize("picture", PICTURES)
def test_the_same_map_is_the_same_text(picture: Callable[[], Picture]) -> None:
    """Deliverables on unchanged inputs are compared byte by byte."""
    assert picture().svg == picture().svg


def test_the_integration_map_shows_systems_flows_and_status_in_words() -> None:
    """Owner, wave and agreement are readable without color."""
    shown = words(integration().svg)

    assert {"Planner", "tracker", "archive", "99.2 %", "operations · wave 2", "no owner · wave 1", "campaign · within 15m"} <= set(shown)
    assert {"in agreement", "late or with open questions", "not measured"} <= set(shown)


def test_two_way_bindings_have_two_arrowheads_and_one_way_ones_one() -> None:
    """Where data may go is the first question to a map."""
    assert integration_map_picture(organization()).svg.count("<polygon") == 2 + 2 + 1


def test_the_owner_stands_left_of_what_reads_from_it() -> None:
    """Reading direction is from the owner to its readers, whatever the order in the map."""
    svg = integration().svg
    x = {text: float(at) for at, text in re.findall(r'<text x="([\d.]+)"[^>]*>([^<]*)<', svg)}

    assert x["operations · wave 2"] > x["campaign · within 15m"]


def test_the_table_lists_every_binding_and_systems_without_a_flow() -> None:
    """The twin says the same as the picture."""
    table = integration().table

    assert table is not None
    assert ("Planner", "campaign", "tracker", "two-way", "status", "1", "late Planner") in table.rows
    assert ("Planner", "campaign", "tracker", "written only", "", "1", "not measured: no status given") in table.rows
    assert [row[2] for row in table.rows if row[0] == "no flow"] == ["archive"]


def test_an_empty_map_is_drawn() -> None:
    """A first map has nothing in it."""
    picture = integration_map_picture(IntegrationMap("empty"))

    assert picture.svg.startswith("<svg")
    assert picture.alt.startswith("0 systems and 0 flows")


def test_swimlanes_show_cases_hours_waits_and_repeats() -> None:
    """The figures stand in the picture, not only widths."""
    picture = process()
    shown = set(words(picture.svg))

    assert {"Strategy", "Legal", "Media", "1,238 · 6.1 h", "1,236 · 38 h · ↻ 12", "41 h", "3.0 h", "waits 41 h or more"} <= shown
    assert picture.alt == "3 steps in 3 teams. The longest wait is Plan to Check Legal, median 41 h."


def test_a_declared_process_without_figures_is_drawn_and_its_table_says_not_measured() -> None:
    """Before the first log there is still a process to show."""
    picture = swimlanes_picture([ProcessStep("a", "X"), ProcessStep("b", "")], [Passage("a", "b")])

    assert picture.table is not None
    assert picture.table.rows == (("a", "X", "b", "", "not measured", "not measured"),)
    assert "no team" in words(picture.svg)
    assert swimlanes_picture([], []).svg.startswith("<svg")


def test_a_map_of_23_systems_is_drawn_quickly() -> None:
    """The larger pack has that many."""
    systems = {f"s{i}": System(f"s{i}", "sqlite", "x", owner=f"o{i % 6}", priority=1 + i % 5) for i in range(23)}
    flows = {}
    for i in range(23):
        direction = "both" if i % 3 else "write"
        bindings = {name: Binding(name, "r", ID, direction=direction) for name in (f"s{i}", f"s{i * 7 % 23}", f"s{i * 5 % 23}")}
        flows[f"f{i}"] = Flow(f"f{i}", "e", bindings)
    started = time.perf_counter()

    integration_map_picture(IntegrationMap("big", systems=systems, flows=flows))

    assert time.perf_counter() - started < 1.5


def test_a_text_is_shortened_to_its_room() -> None:
    """A long name must not run out of its box."""
    assert shorten("short", 200) == "short"
    assert shorten("a very long name of a system", 80).endswith("…")
    assert text_width(shorten("W" * 100, 90), 13) <= 90
    assert shorten("x", 0) in ("", "…")
