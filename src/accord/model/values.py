"""Durations, money and shares: numbers that carry their unit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import total_ordering


@total_ordering
@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time in whole seconds; may be negative, which measuring flags."""

    seconds: int

    @property
    def hours(self) -> float:
        return self.seconds / 3600

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read «90s», «15m», «4h», «2d», «1w» or a sum such as «1d 4h».

        Raises:
            ValueError: the text is none of these.
        """
        scale = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
        total = 0
        parts = str(text).split()
        if not parts:
            raise ValueError("an empty duration; expected for example 90s, 15m, 4h, 2d or 1w")
        for part in parts:
            number, unit = part[:-1], part[-1:]
            if unit not in scale or not number.isascii() or not number.isdigit() or len(number) > 9:
                raise ValueError(f"'{text}' is no duration; expected for example 90s, 15m, 4h, 2d or 1w")
            total += int(number) * scale[unit]
        return cls(total)

    def __lt__(self, other: Duration) -> bool:
        return self.seconds < other.seconds

    def __add__(self, other: Duration) -> Duration:
        return Duration(self.seconds + other.seconds)

    def __str__(self) -> str:
        for unit, size in (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60)):
            if self.seconds and self.seconds % size == 0:
                return f"{self.seconds // size}{unit}"
        return f"{self.seconds}s"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one ISO 4217 currency; amounts of different currencies do not add."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if len(self.currency) != 3 or not self.currency.isalpha() or not self.currency.isupper():
            raise ValueError(f"'{self.currency}' is no ISO 4217 currency code; expected three capital letters such as EUR")

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add; convert one first")
        return Money(self.amount + other.amount, self.currency)

    def __str__(self) -> str:
        return f"{self.amount:,.2f} {self.currency}"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, 0..1, shown in percent; keeps what it was counted from."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """0..1, or ``None`` when nothing was counted."""
        return self.part / self.whole if self.whole else None

    def __str__(self) -> str:
        return "not measured: nothing to count" if self.value is None else f"{self.value:.1%} ({self.part} of {self.whole})"
