"""Fill ``${name}`` in map texts; ``${env:NAME}`` stays until a connector is opened, so that no secret enters the map, its hash or a log."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from accord.model.errors import alternatives

_REFERENCE: Final = re.compile(r"\$\{([^{}$\n]*)(\}?)")
IN_ENVIRONMENT: Final = "${env:"
_ENVIRONMENT: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MAX_LENGTH: Final = 100_000
_MAX_CHAIN: Final = 20


class Variables:
    """The values of ``${name}``: those given in the call win over the defaults of the map."""

    def __init__(self, given: Mapping[str, str], defaults: Mapping[str, str]) -> None:
        self._values = {**defaults, **given}
        self._filled: dict[str, str] = {}  # each variable once: chains of variables would otherwise take exponential time

    def check(self, name: str, report: Callable[[str, str], None]) -> None:
        """Fill in one variable where it is defined, so that its mistakes are told there and once, not at every use."""
        if name in self._values and NAME.fullmatch(name):
            self.fill(f"${{{name}}}", report)

    def fill(self, text: str, report: Callable[[str, str], None], _open: tuple[str, ...] = ()) -> str:
        """The text with every variable filled in; calls ``report(message, expected)`` for each that cannot be."""
        if "${" not in text:
            return text

        def value(found: re.Match[str]) -> str:
            name, closed = found[1].strip(), found[2]
            if not closed:
                report("'${' has no closing brace.", "Expected ${name} or ${env:NAME}; in a pattern write [$]{ for the plain characters.")
                return found[0]
            if name.startswith("env:"):
                if not _ENVIRONMENT.fullmatch(found[1]):
                    report(f"'{found[0]}' names no environment variable.", "Expected ${env:NAME}, of letters, digits and '_'.")
                return found[0]
            if name in _open:
                report(f"variable '{name}' is defined by itself ({' → '.join((*_open, name))}).", "Give it a value of its own.")
                return ""
            if name not in self._values:
                report(
                    f"variable '{name}' has no value.",
                    f"{alternatives(name, self._values)} Set it under variables: or with --set {name or 'name'}=….",
                )
                return ""
            if len(_open) >= _MAX_CHAIN:
                report(f"variable '{name}' is reached through more than {_MAX_CHAIN} others.", "Give it a value of its own.")
                return ""
            if name not in self._filled:
                self._filled[name] = self.fill(self._values[name], report, (*_open, name))
            return self._filled[name]

        filled = _REFERENCE.sub(value, text)
        if len(filled) > _MAX_LENGTH:
            report("a value is too long once its variables are filled in.", f"Expected at most {_MAX_LENGTH:,} characters.")
            return ""
        return filled
