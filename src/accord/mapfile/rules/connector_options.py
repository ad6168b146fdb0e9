"""Options of a system and of its resources are ones that its connector knows, with values that it takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts


def check(facts: Facts) -> Iterator[Problem]:
    """Names that no run would look at, and values of which it would stop; nothing about kinds that nobody knows."""
    for system in facts.map.systems.values():
        if facts.known_options is None or not any((system.options, *(r.options for r in system.resources.values()))):
            continue  # no kind is loaded for nothing
        known = facts.known_options.get(system.connector)
        if known is None:
            continue
        of_system, of_resource = known
        where, holder = ("systems", system.name), f"system '{system.name}'"
        yield from _wrong(facts, (*where, "options"), holder, system.options, of_system, {})
        for name, resource in system.resources.items():
            place = (*where, "resources", name, "options")
            yield from _wrong(facts, place, f"{holder}, resource '{name}'", resource.options, of_resource, of_system)


def _wrong(
    facts: Facts,
    where: tuple[str, ...],
    holder: str,
    given: Mapping[str, str],
    known: Mapping[str, Collection[str]],
    elsewhere: Mapping[str, Collection[str]],
) -> Iterator[Problem]:
    kind = facts.map.systems[where[1]].connector
    for option, value in given.items():
        name = next((k for k in known if k.endswith("*") and option.startswith(k[:-1]) and option != k[:-1]), option)
        if name not in known and name in elsewhere:
            expected = "It is one of the system: write it under the system's own options:."
            yield facts.problem((*where, option), f"{holder}: option '{option}' is none of a resource.", expected)
        elif name not in known and not known:
            expected = f"Connector '{kind}' takes no options here: leave it out."
            yield facts.problem((*where, option), f"{holder}: option '{option}' does not exist.", expected)
        elif name not in known:
            yield facts.unknown((*where, option), holder, "option", option, known)
        elif known[name] and value not in known[name] and "${env:" not in value:
            yield facts.unknown((*where, option), holder, f"value of '{option}',", value, known[name])
