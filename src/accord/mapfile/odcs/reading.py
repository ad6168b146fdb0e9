"""Walk the nodes of a contract: collects mistakes, and what an entity has no word for, instead of stopping at the first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from accord.mapfile.odcs.words import Level
from accord.mapfile.problems import Problem, tidy
from accord.mapfile.source import Listing, Node, Scalar, Table
from accord.model.errors import Place, alternatives

_BOOLEANS: Final = {"true": True, "false": False}
_NAMED: Final = 8
# An even number of backslashes before it: an escaped backslash begins no escape.
_PAIR: Final = re.compile(r"(?<!\\)(?P<before>(?:\\\\)*)\\u(?P<high>d[89ab][0-9a-f]{2})\\u(?P<low>d[c-f][0-9a-f]{2})", re.IGNORECASE)


class Reading:
    """One import under way; ``problems`` are the mistakes met."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._left: dict[str, list[tuple[Place, str]]] = {}
        self._unchecked: dict[str, list[tuple[Place, str]]] = {}

    def problem(self, place: Place, message: str, expected: str = "") -> None:
        """A mistake in the contract."""
        self.problems.append(Problem(place, message, expected))

    def leave(self, place: Place, what: str, holder: str) -> None:
        """Something an entity cannot carry; the same thing of many holders becomes one sentence."""
        self._left.setdefault(what, []).append((place, holder))

    def weaken(self, place: Place, what: str, holder: str) -> None:
        """As ``leave``, of something that a row could break: the entity promises less than the contract."""
        self._unchecked.setdefault(what, []).append((place, holder))

    def left_out(self) -> tuple[Problem, ...]:
        """What was left, in the order of the file: what it is, and of which holders."""
        return _sentences(self._left, "is left out")

    def unchecked(self) -> tuple[Problem, ...]:
        """What is promised and will not be checked, told likewise."""
        return _sentences(self._unchecked, "is not checked")

    def table(self, node: Node, holder: str) -> Table | None:
        """The node as a mapping, or ``None`` with a problem."""
        if isinstance(node, Table):
            return node
        self.problem(node.place, f"{holder}: a mapping is needed here.", "Expected key: value, one on each line.")
        return None

    def keys(self, table: Table, level: Level, holder: str) -> None:
        """Report keys the standard does not have, and note those an entity has no word for."""
        for name, node in table.items.items():
            place = table.name_places[name]
            if name in level.taken:
                continue
            if name in level.left or level.open:
                if says_something(node):
                    (self.weaken if level.checks else self.leave)(place, f"'{name}'", holder)
            else:
                self.problem(
                    place, f"{holder}: '{name}' is not a key of a {level.word} in ODCS 3.", alternatives(name, level.taken | level.left)
                )

    def given(self, table: Table, name: str) -> Node | None:
        """The node under a key, or ``None`` when nothing is written there."""
        node = table.items.get(name)
        return None if node is None or (isinstance(node, Scalar) and node.is_null) else node

    def scalar(self, table: Table, name: str, holder: str) -> Scalar | None:
        """The single value under a key, or ``None``."""
        node = self.given(table, name)
        if node is None or isinstance(node, Scalar):
            return node
        self.problem(node.place, f"{holder}, {name}: a single value is needed here.", f"Expected {name}: value.")
        return None

    def text(self, table: Table, name: str, holder: str) -> str:
        """The text under a key, or «»."""
        node = self.scalar(table, name, holder)
        return "" if node is None else node.text

    def flag(self, table: Table, name: str, holder: str) -> bool:
        """The boolean under a key, or false."""
        node = self.scalar(table, name, holder)
        if node is None:
            return False
        value = _BOOLEANS.get(node.text.strip().lower())
        if value is None:
            self.problem(node.place, f"{holder}, {name}: '{node.text[:60]}' is not true or false.", "Expected true or false.")
        return bool(value)

    def items(self, table: Table, name: str, holder: str) -> list[Node]:
        """The items of the list under a key."""
        node = self.given(table, name)
        if node is None:
            return []
        if isinstance(node, Listing):
            return node.items
        self.problem(node.place, f"{holder}, {name}: a list is needed here.", f"Expected {name}: and one '- …' for each item.")
        return []

    def tables(self, table: Table, name: str, holder: str) -> Iterator[Table]:
        """The mappings in the list under a key."""
        for position, node in enumerate(self.items(table, name, holder)):
            found = self.table(node, f"{holder}, {name}, item {position + 1}")
            if found is not None:
                yield found

    def custom(self, table: Table, level: Level, holder: str) -> dict[str, Node]:
        """Our own custom properties by name; those of others are noted."""
        found: dict[str, Node] = {}
        for pair in self.tables(table, "customProperties", holder):
            name = self.text(pair, "property", f"{holder}, customProperties")
            value = self.given(pair, "value")
            if name in level.custom and value is not None:
                found[name] = value
            elif name.startswith("accord") and name not in level.custom:
                self.problem(pair.place, f"{holder}: '{name}' is no custom property of Accord here.", alternatives(name, level.custom))
            elif value is not None and says_something(value):
                self.leave(pair.place, f"the custom property '{name}'", holder)
        return found

    def custom_text(self, custom: dict[str, Node], name: str, holder: str) -> Scalar | None:
        """One of our custom properties as a single value."""
        node = custom.get(name)
        if node is None or isinstance(node, Scalar):
            return node
        self.problem(node.place, f"{holder}, {name}: a single value is needed here.", "Expected value: and one value.")
        return None


def _sentences(left: dict[str, list[tuple[Place, str]]], told: str) -> tuple[Problem, ...]:
    found = []
    for what, where in left.items():
        holders = list(dict.fromkeys(holder for _, holder in where))
        more = f" and {len(holders) - _NAMED} more" if len(holders) > _NAMED else ""
        found.append(Problem(min(place for place, _ in where), f"{', '.join(holders[:_NAMED])}{more}: {what} {told}."))
    return tuple(tidy(found))


def says_something(node: Node) -> bool:
    """Whether a key that is written also says something: not null, false, -1 or empty, which stand for «not given» in contracts."""
    if isinstance(node, Scalar):
        return not node.is_null and node.text.strip().lower() not in ("", "false", "-1")
    return bool(node.items) if isinstance(node, (Listing, Table)) else True


def joined(text: str) -> str:
    """JSON text with the signs put together that it may write as two escapes (``\\ud83d\\ude00``), which YAML does not know."""

    def sign(found: re.Match[str]) -> str:
        high, low = int(found["high"], 16), int(found["low"], 16)
        return found["before"] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))

    return _PAIR.sub(sign, text) if text.lstrip().startswith("{") else text


def put(table: Table, name: str, node: Node, place: Place | None = None) -> None:
    """Set a key of a table that is being made."""
    table.items[name], table.name_places[name] = node, place or node.place


def word(text: str, place: Place) -> Scalar:
    """A text as a node."""
    return Scalar(place, 1, text, False)
