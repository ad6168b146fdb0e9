"""Markdown documents: complete, readable as text, and without a way for data to become markup."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.report import Document, Stamp, to_markdown, without_stamp
from accord.report.markdown import escape


def test_every_figure_shows_value_interval_sample_and_evidence(make_document: Callable[..., Document], stamp: Stamp) -> None:
    """A number without its origin cannot be checked by anyone."""
    text = to_markdown(make_document(), stamp)

    assert "| Handoff planner · team planner | 41.3 h [1] | 39.8 h to 42.9 h | 2,998 |" in text
    assert "1. query kpis/handoff_median.sql – events 1 to 8,410\n2. log events 12 to 90" in text


def test_what_was_not_measured_reads_so_with_its_reason(make_document: Callable[..., Document], stamp: Stamp) -> None:
    """A gap must never look like a number."""
    text = to_markdown(make_document(), stamp)

    assert "*not measured: nothing was simulated for planner* [2]" in text
    assert "*not measured: unreachable*" in text


def test_a_hostile_name_stays_text(make_document: Callable[..., Document], stamp: Stamp) -> None:
    """Names come from systems others can write to; Markdown viewers render HTML and links."""
    text = to_markdown(make_document("<script>alert(1)</script> ![x](http://evil) | `a"), stamp)
    outside_code = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)

    assert "<script" not in outside_code
    assert not re.search(r"(?<!\\)\]\(http", outside_code)
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in outside_code.splitlines() if line.startswith("| ") and "12,400" in line}
    assert widths == {3}


def test_code_cannot_leave_its_fence(stamp: Stamp) -> None:
    """A diff may quote Markdown that itself has fences."""
    from accord.report import Code, Section

    document = Document("d", "t", "assess", (Section("s", (Code("```\n<b>\n```"),)),))

    assert "````\n```\n<b>\n```\n````" in to_markdown(document, stamp)


def test_only_the_stamp_differs_between_two_runs(make_document: Callable[..., Document], stamp: Stamp) -> None:
    """«No change» is judged by comparing documents."""
    later = Stamp("run-8", stamp.at.replace(day=23), "demo", "cd" * 32, "4", "0.2.0", "step v2")

    first, second = to_markdown(make_document(), stamp), to_markdown(make_document(), later)

    assert first != second
    assert without_stamp(first) == without_stamp(second)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b and _c_", r"a_b and \_c\_"),
        ("1. first", r"1\. first"),
        ("98.7 %", "98.7 %"),
        ("# no heading", r"\# no heading"),
        ("A&amp;B & C", "A&amp;amp;B & C"),
        ("run `accord run`", "run `accord run`"),
        ("run `a|b`", r"run \`a\|b\`"),
        ("[93.1, 95.2]", "[93.1, 95.2]"),
    ],
)
def test_markup_is_escaped_and_plain_text_left_readable(text: str, expected: str) -> None:
    """Documents are read in a terminal too; escaping what needs none would spoil them."""
    assert escape(text) == expected


@given(st.text(max_size=60))
def test_no_text_opens_a_tag(text: str) -> None:
    """Whatever a value holds, no tag begins outside a code span."""
    assert "<" not in re.sub(r"(?<!\\)`[^`\n]+`", "", escape(text))
