"""A webhook is signed with a secret of the environment, and either sends types of event to an address or may send messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from accord.mapfile.expression import mistakes
from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.webhook import Webhook

_SECRETS: Final = re.compile(r"\s*\$\{env:[A-Za-z_][A-Za-z0-9_]*\}(\s+\$\{env:[A-Za-z_][A-Za-z0-9_]*\})*\s*")
_TYPE: Final = re.compile(r"\*|[a-z_]+(\.[a-z_]+)*(\.\*)?")


def check(facts: Facts) -> Iterator[Problem]:
    """Webhooks that could send or take nothing, or that anybody could forge."""
    for webhook in facts.map.webhooks.values():
        yield from _one(facts, webhook, ("webhooks", webhook.name), f"webhook '{webhook.name}'")


def _one(facts: Facts, webhook: Webhook, path: tuple[str, ...], holder: str) -> Iterator[Problem]:
    if not webhook.url and not webhook.messages:
        yield facts.problem(path, f"{holder}: it sends and takes nothing.", "Expected url: with types:, or messages:.")
    if bool(webhook.url) != bool(webhook.types):
        yield facts.problem(path, f"{holder}: url and types go together.", "Expected both: where events are sent to, and which.")
    if webhook.url and not webhook.url.startswith(("https://", "http://", "${env:")):
        yield facts.problem((*path, "url"), f"{holder}: '{webhook.url}' is no web address.", "Expected https://….")
    if not _SECRETS.fullmatch(webhook.secret):
        what = f"{holder}: without a secret of the environment anybody could sign."
        yield facts.problem((*path, "secret") if webhook.secret else path, what, "Expected secret: ${env:NAME}.")
    for position, type_ in enumerate(webhook.types):
        where = (*path, "types", str(position))
        if not _TYPE.fullmatch(type_):
            yield facts.problem(where, f"{holder}: '{type_}' is no type of event.", "Expected for example task.ready, or task.*.")
        elif type_.startswith("webhook."):
            yield facts.problem(where, f"{holder}: what became of webhooks is not sent by webhooks.", "Remove it.")
    for key in ("message", "key"):
        sql = getattr(webhook, key)
        for message, expected in mistakes(sql, None) if sql else ():
            yield facts.problem((*path, key), f"{holder}, {key}: {message}", expected)
