"""Normal forms and measures of likeness, as SQL over a column."""

from __future__ import annotations

import re
from dataclasses import dataclass

from accord.connectors.types import quote
from accord.model.entity import Entity
from accord.model.errors import MapError, Place, alternatives
from accord.sync.cycle import storage_type

_PHONE = re.compile(r"phone|mobile|tel(?!l)|fax", re.IGNORECASE)
# Measure: function of DuckDB, and whether more is more alike.
MEASURES = {
    "jaro_winkler": ("jaro_winkler_similarity", True),
    "jaro": ("jaro_similarity", True),
    "jaccard": ("jaccard", True),
    "levenshtein": ("levenshtein", False),
    "damerau_levenshtein": ("damerau_levenshtein", False),
}


def normal_form(entity: Entity, field: str) -> str:
    """SQL of a field's normal form as text; null where nothing is left of the value.

    Text: lower case without accents, spaces and punctuation; a mail address only in lower case; a phone number (a field called so) as its
    last nine digits, which are the same with and without the country's code. Anything else: the value itself.
    """
    column = quote(field)
    if storage_type(entity, field) != "VARCHAR":
        return f"CAST({column} AS VARCHAR)"
    bare = f"regexp_replace(replace(strip_accents(lower({column})), 'ß', 'ss'), '[^\\p{{L}}\\p{{N}}]+', '', 'g')"
    if _PHONE.search(field):
        return f"nullif(right(regexp_replace({column}, '[^0-9]+', '', 'g'), 9), '')"
    return f"nullif(CASE WHEN contains({column}, '@') THEN lower(trim({column})) ELSE {bare} END, '')"


def comparable(field: str) -> str:
    """SQL of the text that measures of likeness look at: lower case, without accents, single spaces."""
    column = f"CAST({quote(field)} AS VARCHAR)"
    return f"nullif(trim(regexp_replace(strip_accents(lower({column})), '\\s+', ' ', 'g')), '')"


def block_form(entity: Entity, block: str) -> str:
    """SQL of «field» or «field n»: its normal form, or the first n characters of it."""
    field, _, length = block.partition(" ")
    form = normal_form(entity, field)
    return f"left({form}, {int(length)})" if length else form


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of likeness with its limit."""

    name: str
    limit: float

    @classmethod
    def parse(cls, text: str, *, place: Place) -> Measure:
        """«jaro_winkler 0.92».

        Raises:
            MapError: no such measure, or no number.
        """
        name, _, number = text.strip().partition(" ")
        if name not in MEASURES:
            raise MapError(f"measure '{name}' does not exist.", place=place, expected=alternatives(name, MEASURES))
        try:
            return cls(name, float(number))
        except ValueError:
            raise MapError(f"'{text}' has no limit.", place=place, expected=f"Expected for example «{name} 0.9».") from None

    @property
    def similar(self) -> bool:
        """Whether more is more alike; else it is a distance."""
        return MEASURES[self.name][1]

    def holds(self, left: str, right: str) -> str:
        """SQL: two texts are alike enough; null when one is missing."""
        function, similar = MEASURES[self.name]
        return f"{function}({left}, {right}) {'>=' if similar else '<='} {self.limit!r}"

    def score(self, left: str, right: str) -> str:
        """SQL: how alike, 0 to 1."""
        function, similar = MEASURES[self.name]
        value = f"{function}({left}, {right})"
        return value if similar else f"(1 - {value} / greatest(length({left}), length({right}), 1))"
