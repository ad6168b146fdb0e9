"""The vocabulary of ODCS 3: its keys by level, and how its words correspond to those of the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WRITTEN: Final = "v3.0.2"
READ: Final = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")
KIND: Final = "DataContract"


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a contract: the keys an entity takes in, those it has no word for, and our custom properties there.

    ``open``: the standard allows further keys. ``checks``: what is left of it, a row could break.
    """

    word: str
    taken: frozenset[str]
    left: frozenset[str]
    custom: frozenset[str] = frozenset()
    open: bool = False
    checks: bool = False


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CONTRACT: Final = Level(
    "contract",
    _names("kind apiVersion id version status name description schema team slaProperties customProperties"),
    _names(
        "tenant tags servers dataProduct domain context support price roles slaDefaultElement authoritativeDefinitions contractCreatedTs"
    ),
)
DESCRIPTION: Final = Level(
    "description", _names("purpose"), _names("usage limitations authoritativeDefinitions customProperties"), open=True
)
OBJECT: Final = Level(
    "object",
    _names("name logicalType description businessName properties quality relationships customProperties"),
    _names("id physicalName physicalType dataGranularityDescription authoritativeDefinitions tags deprecated synonyms context"),
    custom=_names("accordEvents"),
)
PROPERTY: Final = Level(
    "property",
    _names(
        "name primaryKey primaryKeyPosition logicalType logicalTypeOptions physicalType required unique classification enum relationships"
        " description businessName quality customProperties properties items"
    ),
    _names(
        "id physicalName partitioned partitionKeyPosition encryptedName transformSourceObjects transformLogic transformDescription examples"
        " criticalDataElement authoritativeDefinitions tags deprecated synonyms semanticType"
    ),
    custom=_names(
        "accordType accordUnit accordMinimum accordMaximum accordPattern accordReferences accordAtMost accordSeverity accordFreshness"
    ),
)
OPTIONS: Final = Level(
    "logicalTypeOptions",
    _names("format pattern minimum maximum exclusiveMinimum exclusiveMaximum minLength maxLength multipleOf"),
    _names("minProperties maxProperties required minItems maxItems uniqueItems timezone defaultTimezone"),
    checks=True,
)
QUALITY: Final = Level(
    "quality",
    _names("type name description dimension severity rule metric arguments validValues query unit engine implementation customProperties"),
    _names("id authoritativeDefinitions businessImpact method schedule scheduler tags"),
    custom=_names("accordDimension accordCheck"),
    open=True,
)
MEMBER: Final = Level(
    "member of the team",
    _names("username role dateOut"),
    _names("id name description dateIn replacedByUsername tags customProperties authoritativeDefinitions"),
)
LEVEL: Final = Level(
    "service level",
    _names("property value unit element"),
    _names("id valueExt driver description scheduler schedule customProperties authoritativeDefinitions"),
)
OPERATORS: Final = _names(
    "mustBe mustNotBe mustBeGreaterThan mustBeGreaterOrEqualTo mustBeLessThan mustBeLessOrEqualTo mustBeBetween mustNotBeBetween"
)

# Our dimension → ODCS's. Two of ours have no word there; the first keeps its meaning as conformity, the second is told apart by a custom
# property.
DIMENSIONS_OUT: Final = {
    "accuracy": "accuracy",
    "completeness": "completeness",
    "timeliness": "timeliness",
    "consistency": "consistency",
    "validity": "conformity",
    "mapping": "consistency",
}
DIMENSIONS_IN: Final = {
    "accuracy": "accuracy", "ac": "accuracy", "completeness": "completeness", "cp": "completeness", "conformity": "validity",
    "cf": "validity", "consistency": "consistency", "cs": "consistency", "coverage": "completeness", "cv": "completeness",
    "timeliness": "timeliness", "tm": "timeliness", "uniqueness": "consistency", "uq": "consistency",
}  # fmt: skip
# These stand for a neighbour, which is told.
NEIGHBOURS: Final = _names("coverage cv uniqueness uq")

REPORTED: Final = _names("warning warn info information informational notice low minor")
REFUSED: Final = _names("error critical blocker fatal high major")

PERSONAL: Final = "personal"
PERSONAL_WORDS: Final = frozenset({"personal", "personal data", "pii", "personally identifiable information", "gdpr", "phi"})

OWNER: Final = "owner"
OWNER_ROLES: Final = frozenset({"owner", "data owner", "dataowner"})

LATENCY: Final = frozenset({"latency", "ly", "freshness"})
UNIT_SECONDS: Final = {
    "s": 1, "sec": 1, "second": 1, "seconds": 1, "min": 60, "minute": 60, "minutes": 60, "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600,
    "d": 86_400, "day": 86_400, "days": 86_400, "w": 604_800, "week": 604_800, "weeks": 604_800,
}  # fmt: skip
