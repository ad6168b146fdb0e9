"""Colors: readable in both themes, and told apart by those who do not see red and green."""

from __future__ import annotations

import itertools

import pytest
from defusedxml.ElementTree import fromstring

from accord.report.charts import Bar, bar_chart
from accord.report.palette import COLORS, GROUPS, style_sheet
from accord.report.svg import standalone

GROUNDS = ["surface", "page", "band"]


def luminance(color: str) -> float:
    """Relative luminance by WCAG 2.1."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *itertools.product(["ink", "muted", "blue", "orange"], GROUNDS),
        ("surface", "blue"),
        ("surface", "orange"),
        ("blue", "blue-soft"),
        ("orange", "orange-soft"),
        ("ink", "blue-soft"),
        ("muted", "blue-soft"),
        *[(f"on-heat-{level}", f"heat-{level}") for level in range(1, 6)],
    ],
)
def test_text_stands_out_from_its_ground(text: str, ground: str, theme: int) -> None:
    """4.5 to 1 is what WCAG asks of small text."""
    assert contrast(COLORS[text][theme], COLORS[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("color", [*GROUPS, "faint"])
def test_marks_stand_out_from_the_surface(color: str, theme: int) -> None:
    """Lines and bars need 2.8 to 1 at least; each is named in words too."""
    shown = COLORS[color][theme] if color in COLORS else color

    assert contrast(shown, COLORS["surface"][theme]) >= 2.8


def test_no_two_colors_share_a_light_value() -> None:
    """A picture's colors are exchanged by their light value."""
    values = [light for light, _ in COLORS.values()] + list(GROUPS)

    assert len(values) == len(set(values))


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_good_and_bad_differ_in_lightness_from_the_middle_not_only_in_hue(theme: int) -> None:
    """Five levels are told apart in grey as strong, light, plain, light, strong, and the figures say which end."""
    steps = [luminance(COLORS[f"heat-{level}"][theme]) for level in range(1, 6)]
    middle = steps[2]

    assert abs(steps[0] - middle) > abs(steps[1] - middle)
    assert abs(steps[4] - middle) > abs(steps[3] - middle)


def test_the_style_sheet_gives_each_color_in_both_themes_and_on_paper() -> None:
    """Paper is always light."""
    sheet = style_sheet()

    for name, (light, dark) in COLORS.items():
        assert f"--{name}:{light};" in sheet
        assert f"--{name}:{dark};" in sheet
        assert f".pic [fill='{light}']{{fill:var(--{name})}}" in sheet
    assert "@media print" in sheet


def test_a_picture_of_its_own_has_a_ground_and_follows_the_theme() -> None:
    """In a README on a dark page dark text would vanish."""
    alone = standalone(bar_chart([Bar("a", 1)], name="b", title="B").svg)

    root = fromstring(alone)
    assert [child.tag.split("}")[1] for child in list(root)[:2]] == ["style", "rect"]
    assert "prefers-color-scheme:dark" in alone
