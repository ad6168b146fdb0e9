"""What the simulated people are assumed to do; every figure measured on them follows from these numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Habits:
    """The assumptions, recorded in the log beside what they led to. Shares are 0 to 1, minutes are working time.

    Effort, quality of work and campaigns are those of the year before go-live. What differs is what Accord does: offered work is in the
    inbox at once and not after the daily exchange, and what a form or a gate can check is checked before the offer.

    Args:
        looks_after_minutes: fewest and most minutes after which somebody looks into the inbox again.
        rejected: share of offers sent back before go-live.
        left_after_checks: share of the reasons of rejections that no form or gate can find before the offer: two of four, a wrong format
            and what is unclear; incomplete work and missing approvals are found.
        left_after_format_check: the same where a gate of the map looks at the format of the file before the offer: one of four is left.
        passes_brief: share of briefs that pass their gate at once; as before.
        passes_review: share of contents that pass theirs; as before.
        passes_publish: share of publications that pass theirs; as before.
        absent: chance of a person and working day that an absence of two to five days begins.
        answers_alert: share of test alerts that somebody hears.
        channel_fails: share of publications whose channel does not answer at the first try.
        worth_hours: hours a recommendation must promise for operations to agree to it.
        defects: share of publications in which a customer finds a defect; as before.
    """

    looks_after_minutes: tuple[int, int] = (60, 180)
    rejected: float = 0.23
    left_after_checks: float = 0.5
    left_after_format_check: float = 0.25
    passes_brief: float = 0.86
    passes_review: float = 0.82
    passes_publish: float = 0.94
    absent: float = 0.01
    answers_alert: float = 0.95
    channel_fails: float = 0.1
    worth_hours: float = 2.5
    defects: float = 0.06
