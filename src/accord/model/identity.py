"""How rows of systems with keys of their own are known to be the same thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from accord.model.errors import NOWHERE, Place


@dataclass(frozen=True, slots=True)
class MatchRule:
    """One way to see that two rows are the same thing: every part of it that is given must hold."""

    name: str
    exact: tuple[str, ...] = field(default=(), metadata={"doc": "fields that must be equal"})
    normalized: tuple[str, ...] = field(
        default=(),
        metadata={"doc": "fields that must be equal without case, accents, spaces and punctuation; mail and phone in their normal form"},
    )
    fuzzy: Mapping[str, str] = field(
        default_factory=dict,
        metadata={
            "doc": "field: measure and limit, such as «jaro_winkler 0.92», «jaro 0.9», «jaccard 0.8» (at least) or «levenshtein 2», "
            "«damerau_levenshtein 1» (at most)"
        },
    )
    block: tuple[str, ...] = field(
        default=(),
        metadata={"doc": "fields whose normal forms must be equal before values are compared; «name 3» takes the first three characters"},
    )
    agree: tuple[str, ...] = field(default=(), metadata={"doc": "fields that must not differ where both rows have a value"})
    model: Literal["", "splink"] = field(
        default="", metadata={"doc": "splink: weigh exact, normalized and fuzzy fields by a model trained on the rows themselves"}
    )
    probability: float = field(default=0.95, metadata={"doc": "with model: the least probability of a match"})
    decide: Literal["auto", "review"] = field(
        default="auto", metadata={"doc": "link at once, or propose and wait for a person; what is ambiguous always waits"}
    )
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """An entity whose rows stand under different keys in different systems.

    The entity's key is the canonical id; each binding names its own key (``own_key``), and the link table ties the two.
    """

    match: Mapping[str, MatchRule] = field(
        default_factory=dict, metadata={"doc": "rule: how a row with an unknown key is recognized; tried in this order"}
    )
    prefix: str = field(default="", metadata={"doc": "text before the uuid of a new canonical id"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)
