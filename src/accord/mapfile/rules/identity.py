"""An entity with identity has one text key and match rules over its fields; a binding names its own key or maps the canonical id."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts, can_write
from accord.model.entity import Entity
from accord.model.errors import alternatives
from accord.model.flow import Binding, Flow
from accord.model.identity import MatchRule

MEASURES: Final = ("jaro_winkler", "jaro", "jaccard", "levenshtein", "damerau_levenshtein")
_MEASURE: Final = re.compile(r"([a-z_]+) +([0-9]+(?:\.[0-9]+)?)")
_BLOCK: Final = re.compile(r"(\S+)(?: ([1-9][0-9]?))?")


def check(facts: Facts) -> Iterator[Problem]:
    """Identity that cannot be carried out as written."""
    for entity in facts.map.entities.values():
        if entity.identity is not None and entity.fields:
            yield from _entity(facts, entity)
    for flow in facts.map.flows.values():
        bound = facts.entity_of(flow)
        for binding in flow.bindings.values() if bound is not None else ():
            assert bound is not None
            yield from _binding(facts, flow, binding, bound)


def _entity(facts: Facts, entity: Entity) -> Iterator[Problem]:
    assert entity.identity is not None
    holder = f"entity '{entity.name}'"
    kinds = [entity.fields[k].type for k in entity.key if k in entity.fields]
    if len(entity.key) != 1 or kinds[:1] not in (["text"], ["uuid"]):
        what = f"{holder}: with identity, the key is a canonical id, and that is one field of type text or uuid."
        yield facts.problem(("entities", entity.name, "key"), what, "Expected for example key: [id] with id: text.")
    elif kinds == ["uuid"] and entity.identity.prefix:
        path = ("entities", entity.name, "identity", "prefix")
        yield facts.problem(path, f"{holder}: a key of type uuid takes no prefix.", "Leave the prefix out or make the key a text.")
    for rule in entity.identity.match.values():
        yield from _rule(facts, entity, rule)


def _rule(facts: Facts, entity: Entity, rule: MatchRule) -> Iterator[Problem]:
    path, holder = ("entities", entity.name, "identity", "match", rule.name), f"entity '{entity.name}', match rule '{rule.name}'"
    fields = [f for f in entity.fields if f not in entity.key]
    for part, named in (("exact", rule.exact), ("normalized", rule.normalized), ("agree", rule.agree), ("fuzzy", tuple(rule.fuzzy))):
        for name in named:
            if name not in fields:
                yield facts.unknown((*path, part), f"{holder}, {part}", "field", name, fields)
    for block in rule.block:
        found = _BLOCK.fullmatch(block)
        if found is None or found[1] not in fields:
            yield facts.unknown((*path, "block"), f"{holder}, block", "field", found[1] if found else block, fields)
    for name, text in rule.fuzzy.items():
        found = _MEASURE.fullmatch(text)
        if found is None or found[1] not in MEASURES:
            meant = alternatives(found[1] if found else text, MEASURES)
            yield facts.problem((*path, "fuzzy", name), f"{holder}: '{text}' is no measure with a limit.", f"{meant} For example jaro 0.9.")
    if not (rule.exact or rule.normalized or rule.block):
        what = f"{holder}: nothing narrows the pairs, so that every row would be compared with every other."
        yield facts.problem(path, what, "Expected exact, normalized or block.")
    elif rule.model and not rule.block:
        yield facts.problem(path, f"{holder}: a model weighs pairs within blocks.", "Expected block.")
    elif not (rule.exact or rule.normalized or rule.fuzzy):
        yield facts.problem(path, f"{holder}: rows that only share a block would be the same.", "Expected exact, normalized or fuzzy.")
    if not 0 < rule.probability <= 1:
        yield facts.problem((*path, "probability"), f"{holder}: {rule.probability} is no probability.", "Expected a number from 0 to 1.")


def _binding(facts: Facts, flow: Flow, binding: Binding, entity: Entity) -> Iterator[Problem]:
    path, holder = ("flows", flow.name, "bindings", binding.name), f"flow '{flow.name}', binding '{binding.name}'"
    if binding.own_key and entity.identity is None:
        what = f"{holder}: own_key needs links to canonical ids, and entity '{entity.name}' keeps none."
        yield facts.problem((*path, "own_key"), what, f"Add identity: to entity '{entity.name}', or map its key to the column.")
    if binding.own_key and any(k in binding.fields for k in entity.key):
        what = f"{holder}: it maps the key and names an own key."
        yield facts.problem((*path, "own_key"), what, "Keep one: the system holds either the canonical id or a key of its own.")
    if binding.linked_as and not binding.own_key:
        yield facts.problem((*path, "linked_as"), f"{holder}: linked_as is about own keys; there is no own_key.", "Expected own_key.")
    if binding.new_key and not binding.own_key:
        yield facts.problem((*path, "new_key"), f"{holder}: new_key says how an own key is made; there is no own_key.", "Expected own_key.")
    for mapping in binding.fields.values():
        if binding.own_key and (mapping.column or mapping.name) == binding.own_key and can_write(binding, mapping) and not mapping.value:
            inner = (*path, "fields", mapping.name)
            yield facts.problem(inner, f"{holder}: field '{mapping.name}' is written to the own key.", "Make it direction: read.")
