"""What people see on a terminal, which is often narrow."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from accord.cli.output import show_on_terminal

COLUMNS = ("task", "case", "team", "who", "due (UTC)", "sent back because")
ROWS = [
    (
        "campaign_planning-542e0a39b49b/approve_allocation/1",
        "CMP-00017",
        "operations_planning",
        "",
        "2026-11-24 16:00",
        "the link is missing",
    ),
    ("campaign_planning-0ff2113712dc/brief/1", "CMP-00018", "marketing", "", "2026-11-25 16:00", ""),
]


def _seen(width: int, rows: list[tuple[str, ...]] = ROWS) -> list[str]:
    file = StringIO()
    show_on_terminal(Console(width=width, file=file), "Open", COLUMNS, rows)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_words_and_ids_are_not_broken_on_a_narrow_terminal() -> None:
    """An id is copied into the next command; a table that cuts it into pieces of seven letters is of no use."""
    lines = _seen(80)

    assert all(row[0] in lines for row in ROWS)
    assert "  case: CMP-00017 · team: operations_planning · due (UTC): 2026-11-24 16:00 ·" in lines
    assert "  case: CMP-00018 · team: marketing · due (UTC): 2026-11-25 16:00" in lines
    assert max(map(len, lines)) <= 80


def test_what_fits_is_a_table_without_empty_columns() -> None:
    """A column in which nothing stands takes the room of one that is needed."""
    lines = _seen(170)

    assert any("operations_planning" in line and line.startswith("│") for line in lines)
    assert not any("who" in line for line in lines)
    assert any("who" in line for line in _seen(170, []))
