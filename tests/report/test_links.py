"""Links between pages: only to pages of the same folder of deliverables."""

from __future__ import annotations

import pytest

from accord.report.view import cell


def test_a_whole_cell_can_link_to_another_page() -> None:
    """The executive page leads to all others."""
    found = cell("[Waiting](../optimize/enhancement-coordination.html)")

    assert (found.kind, found.text, found.href) == ("link", "Waiting", "../optimize/enhancement-coordination.html")


@pytest.mark.parametrize(
    "text",
    [
        "[x](https://example.org/a.html)",
        "[x](javascript:alert(1))",
        "[x](../../etc/passwd)",
        "[x](../a/../b.html)",
        "see [x](../a/b.html)",
        "[x](../a/b.html) and more",
        "[x](//example.org/a.html)",
    ],
)
def test_text_from_a_system_cannot_become_a_link_elsewhere(text: str) -> None:
    """Names and values of systems are shown as they are."""
    assert cell(text).kind == "text"
