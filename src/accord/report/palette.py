"""The colors of pages and pictures: each has one light and one dark value, and readers with color-blindness can tell them apart.

Pictures are drawn with the light values as plain attributes. A page's style sheet exchanges each of them for the value of the
reader's theme, so one SVG serves both themes, and a picture on its own still shows. Hence no two colors share a light value.
"""

from __future__ import annotations

from functools import cache
from typing import Final

COLORS: Final[dict[str, tuple[str, str]]] = {
    "ink": ("#1b2430", "#e7ebf1"),
    "muted": ("#556172", "#a5b0bf"),
    "faint": ("#8b96a5", "#758294"),
    "line": ("#d4dbe4", "#354150"),
    "surface": ("#ffffff", "#171e27"),
    "page": ("#f4f6f9", "#0e1319"),
    "band": ("#edf1f5", "#1f2833"),
    "blue": ("#1d5dbd", "#86b5ff"),
    "blue-soft": ("#dfeafb", "#1b3050"),
    "orange": ("#b24a06", "#ffb072"),
    "orange-soft": ("#fde8d6", "#46280f"),
    # five steps from good to bad, each with the color of the text that stands on it
    "heat-1": ("#2a64be", "#5a97f2"),
    "heat-2": ("#b3cff4", "#274a7d"),
    "heat-3": ("#e9edf2", "#2b3542"),
    "heat-4": ("#f8cda6", "#6c4019"),
    "heat-5": ("#bd520a", "#f29a55"),
    "on-heat-1": ("#fefeff", "#07121f"),
    "on-heat-2": ("#12243c", "#e9f1fc"),
    "on-heat-3": ("#1c2531", "#e7ebf0"),
    "on-heat-4": ("#3b1e06", "#fdefe1"),
    "on-heat-5": ("#fffefe", "#200f03"),
}
LIGHT: Final[dict[str, str]] = {name: light for name, (light, _) in COLORS.items()}

# Groups (teams, owners) are marked by a bar in these and always named in words too; they read on both themes.
GROUPS: Final[tuple[str, ...]] = ("#3f73d8", "#d97d16", "#26958a", "#9163c4", "#c4547c", "#6a8f2a", "#a8860f", "#77808c")


def group_color(position: int) -> str:
    """The color of the group at a position, counted from 0; the eight colors repeat."""
    return GROUPS[position % len(GROUPS)]


@cache
def style_sheet() -> str:
    """CSS: the colors as variables for both themes, and the exchange of colors inside pictures."""

    def variables(which: int) -> str:
        return "".join(f"--{name}:{pair[which]};" for name, pair in COLORS.items())

    rules = [
        f":root{{color-scheme:light dark;{variables(0)}}}",
        f"@media (prefers-color-scheme:dark){{:root{{{variables(1)}}}}}",
        f"@media print{{:root{{color-scheme:light;{variables(0)}}}}}",
    ]
    for name, (light, _) in COLORS.items():
        rules += [f".pic [fill='{light}']{{fill:var(--{name})}}", f".pic [stroke='{light}']{{stroke:var(--{name})}}"]
    return "\n".join(rules)


@cache
def picture_style() -> str:
    """CSS inside a picture that stands alone, such as a file in a README: the colors of the dark theme where the reader has it."""
    rules = "".join(f"[fill='{light}']{{fill:{dark}}}[stroke='{light}']{{stroke:{dark}}}" for light, dark in COLORS.values())
    return f"@media (prefers-color-scheme:dark){{{rules}}}"
