"""The canonical column types, the only ones that cross between systems."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

NAMES: Final = ("text", "integer", "number", "double", "boolean", "date", "timestamp", "uuid", "json", "binary")
_NUMBER = re.compile(r"number\((\d{1,2}),\s*(\d{1,2})\)")


@dataclass(frozen=True, slots=True)
class CanonicalType:
    """One of ``NAMES``; ``number`` carries decimal precision (1..38) and scale (0..precision).

    ``integer`` is 64 bit; ``number`` without arguments is number(38, 9); ``timestamp`` is an instant in UTC with microseconds;
    ``json`` is text that parses as JSON and is compared by value.
    """

    name: str
    precision: int = 38
    scale: int = 9

    @classmethod
    def parse(cls, text: str) -> CanonicalType:
        """Read «text», «timestamp», «number(12,2)» …

        Raises:
            ValueError: no such type; the message lists those there are.
        """
        given = str(text).strip().lower()
        if given in NAMES:
            return cls(given)
        found = _NUMBER.fullmatch(given)
        if found:
            precision, scale = int(found[1]), int(found[2])
            if 1 <= precision <= 38 and scale <= precision:
                return cls("number", precision, scale)
        raise ValueError(f"'{text}' is no type; expected one of {', '.join(NAMES)} or number(precision,scale)")

    def __str__(self) -> str:
        return f"number({self.precision},{self.scale})" if self.name == "number" else self.name
