"""The time something is due as a calendar entry (RFC 5545) that mail programs offer to keep."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

_FOLD_BYTES = 75  # RFC 5545 section 3.1: octets of a line without its end


def calendar_entry(*, key: str, due: datetime, title: str, text: str, sequence: int, now: datetime) -> str:
    """An iCalendar object with one event at the due time.

    Args:
        key: makes the entry's identity: a later entry of the same key takes the place of this one.
        due: when.
        title: one line.
        text: more.
        sequence: grows with each change of the same entry.
        now: when it was written.

    Source:
        RFC 5545 sections 3.1 (folding), 3.3.11 (text), 3.6.1 (event: without an end it is a moment), RFC 5546 section 3.2.1 (publish).
    """
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Accord//Accord//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{hashlib.sha256(key.encode()).hexdigest()[:40]}@accord",
        f"DTSTAMP:{_moment(now)}",
        f"DTSTART:{_moment(due)}",
        f"SEQUENCE:{sequence}",
        f"SUMMARY:{_escaped(title)}",
        f"DESCRIPTION:{_escaped(text)}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _escaped(text: str) -> str:
    plain = "".join(c for c in text.replace("\r\n", "\n") if c == "\n" or c == "\t" or ord(c) >= 32)
    for character in "\\;,":
        plain = plain.replace(character, "\\" + character)
    return plain.replace("\n", "\\n")


def _folded(line: str) -> str:
    """Broken before the limit, never inside a character; each further line begins with a blank that counts."""
    pieces, piece, size = [], "", 0
    for character in line:
        width = len(character.encode("utf-8", "replace"))
        if size + width > _FOLD_BYTES:
            pieces.append(piece)
            piece, size = "", 1
        piece, size = piece + character, size + width
    return "\r\n ".join([*pieces, piece])
