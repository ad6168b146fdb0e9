"""Factors between units of one dimension, exact as fractions."""

from __future__ import annotations

from fractions import Fraction

from accord.model.errors import MapError, Place, alternatives

_SIZES: dict[str, tuple[str, Fraction]] = {
    "ms": ("time", Fraction(1, 1000)),
    "s": ("time", Fraction(1)),
    "sec": ("time", Fraction(1)),
    "min": ("time", Fraction(60)),
    "h": ("time", Fraction(3600)),
    "d": ("time", Fraction(86_400)),
    "w": ("time", Fraction(604_800)),
    "share": ("ratio", Fraction(1)),
    "%": ("ratio", Fraction(1, 100)),
    "permille": ("ratio", Fraction(1, 1000)),
    "B": ("size", Fraction(1)),
    "kB": ("size", Fraction(1000)),
    "MB": ("size", Fraction(1_000_000)),
    "GB": ("size", Fraction(1_000_000_000)),
    "mm": ("length", Fraction(1, 1000)),
    "cm": ("length", Fraction(1, 100)),
    "m": ("length", Fraction(1)),
    "km": ("length", Fraction(1000)),
    "g": ("mass", Fraction(1, 1000)),
    "kg": ("mass", Fraction(1)),
    "t": ("mass", Fraction(1000)),
}
_MONEY_PARTS = {"cent": Fraction(1, 100), "milli": Fraction(1, 1000), "thousand": Fraction(1000)}


def factor(system_unit: str, canonical_unit: str, *, place: Place) -> Fraction:
    """What a number in the system's unit is multiplied by to be in the canonical unit.

    An empty unit on either side means *the same*. ``cent`` (1/100), ``milli`` (1/1000) and ``thousand`` are parts and multiples of the
    canonical currency. Different currencies do not convert: a rate is data, not a unit.

    Raises:
        MapError: the two units measure different things, or one is unknown.
    """
    if not system_unit or not canonical_unit or system_unit == canonical_unit:
        return Fraction(1)
    if system_unit in _MONEY_PARTS and _is_currency(canonical_unit):
        return _MONEY_PARTS[system_unit]
    if system_unit not in _SIZES or canonical_unit not in _SIZES:
        unknown = system_unit if system_unit not in _SIZES else canonical_unit
        raise MapError(
            f"unit '{unknown}' cannot be converted to or from another.",
            place=place,
            expected=alternatives(unknown, [*_SIZES, *_MONEY_PARTS]),
        )
    (left, left_size), (right, right_size) = _SIZES[system_unit], _SIZES[canonical_unit]
    if left != right:
        raise MapError(
            f"unit '{system_unit}' ({left}) does not convert to '{canonical_unit}' ({right}).",
            place=place,
            expected="Expected units of one kind.",
        )
    return left_size / right_size


def _is_currency(unit: str) -> bool:
    return len(unit) == 3 and unit.isalpha() and unit.isupper()


def decimal_text(value: Fraction) -> str | None:
    """The fraction as a finite decimal such as ``0.01``, or ``None`` when it has none (1/60)."""
    places, rest = 0, value
    while rest.denominator != 1:
        if places == 12:
            return None
        places, rest = places + 1, rest * 10
    digits = str(rest.numerator).rjust(places + 1, "0")
    return digits if not places else f"{digits[:-places]}.{digits[-places:]}"
