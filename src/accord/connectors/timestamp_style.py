"""How a system writes its timestamps, so that ours look the same to the programs that read them there."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHAPE = re.compile(r"\d{4}-\d{2}-\d{2}(?P<separator>[ T])\d{2}:\d{2}:\d{2}(?:\.(?P<fraction>\d{1,6}))?(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?")


@dataclass(frozen=True, slots=True)
class TimestampStyle:
    """Separator of day and time, digits of the second's fraction (0, 3 or 6; more are written when the value has them), zone suffix."""

    separator: str = "T"
    digits: int = 6
    zone: str = "Z"

    def sql(self, moment: str) -> str:
        """SQL for the text of ``moment``, which is SQL of a TIMESTAMP in UTC or in the zone the system keeps to itself."""
        seconds = f"%Y-%m-%d{self.separator}%H:%M:%S"
        full = f"strftime({moment}, '{seconds}.%f{self.zone}')"
        cases = ""
        if self.digits != 6:
            short = f"strftime({moment}, '{seconds}{'.%g' if self.digits == 3 else ''}{self.zone}')"
            unit = 1_000_000 if self.digits == 0 else 1_000
            cases = f"WHEN microsecond({moment}) % {unit} = 0 THEN {short} "
        return f"CASE {uncommon(moment, self.zone)} {cases}ELSE {full} END"


def uncommon(moment: str, zone: str) -> str:
    """Branches of a CASE for what ISO 8601 has no four digits for: before the year 1, and infinity.

    Both stand as DuckDB writes them, ``0044-03-15 (BC) 00:00:00``, which it and PostgreSQL read: ``strftime`` gives a year -43 that nobody
    does. Null falls through.

    Args:
        moment: SQL of a TIMESTAMP.
        zone: suffix of a moment that is no infinity.
    """
    text = f"CAST({moment} AS VARCHAR)"
    return f"WHEN NOT isfinite({moment}) THEN {text} WHEN {moment} < TIMESTAMP '0001-01-01' THEN {text} || '{zone}'"


def sniff(sample: str | None, *, zoned: bool) -> TimestampStyle:
    """The style of a value found in the system; ISO 8601 with microseconds where there is none to learn from.

    Args:
        sample: a timestamp as the system holds it.
        zoned: whether ours carry a zone, which decides when there is no sample.
    """
    found = _SHAPE.fullmatch(sample.strip()) if sample else None
    if not found:
        return TimestampStyle(zone="Z" if zoned else "")
    digits = len(found["fraction"] or "")
    zone = found["zone"] or ""
    return TimestampStyle(
        separator=found["separator"],
        digits=0 if digits == 0 else 3 if digits <= 3 else 6,
        zone="" if not zone else "Z" if zone == "Z" else "+00:00" if ":" in zone else "+00" if len(zone) == 3 else "+0000",
    )
