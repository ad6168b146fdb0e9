"""What a webhook says: the body it carries, and for CloudEvents in binary mode what its headers add.

Source:
    CloudEvents 1.0.2, HTTP protocol binding, sections 3.1 (binary: attributes in headers ``ce-…``, values percent-encoded) and 3.2
    (structured: the event is the body).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from accord.model.webhook import Webhook
from accord.work.plain_json import DEEPEST, read_json

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]+)', re.IGNORECASE)
_STRUCTURED = "application/cloudevents+json"


class Unfit(Exception):
    """A webhook that is not taken: the status to answer with, one word why, and the sentence for its sender."""

    def __init__(self, status: int, reason: str, said: str) -> None:
        self.status, self.reason, self.said = status, reason, said
        super().__init__(said)


def content_of(webhook: Webhook, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The JSON object a webhook brings; in binary mode its attributes, with the body as ``data``.

    Headers are not among what Standard Webhooks signs. So they count only for a webhook whose map says so, and are never looked at
    where the signed body says everything.

    Raises:
        Unfit: it is no JSON (415 by its type, 400 by what it is), or says in headers what only a signed body may say here (422).
    """
    given = {name.lower(): value for name, value in headers.items()}
    kind = given.get("content-type", "")
    type_ = kind.partition(";")[0].strip().lower()
    charset = _CHARSET.search(kind)
    if not _is_json(type_) or (charset and charset[1].lower() not in ("utf-8", "utf8")):
        raise Unfit(415, "not JSON", f"'{kind[:100]}' is not taken. Expected application/json or {_STRUCTURED}, in UTF-8.")
    if given.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Unfit(415, "encoded", "a compressed body is not taken.")
    content = _object(body)
    if str(content.get("specversion", "1.0")).partition(".")[0] != "1":
        raise Unfit(422, "specversion", "only CloudEvents 1 are taken.")
    if type_ == _STRUCTURED or "ce-specversion" not in given:
        return content
    if webhook.headers:
        attributes = {name[3:]: unquote(value) for name, value in given.items() if name.startswith("ce-")}
        return {**attributes, "data": content}
    if (webhook.message or len(webhook.messages) == 1) and webhook.key:
        return content
    what = "type and subject stand in headers, which the signature does not cover."
    raise Unfit(422, "unsigned headers", f"{what} Send structured CloudEvents ({_STRUCTURED}).")


def _is_json(type_: str) -> bool:
    return type_ in ("", "application/json") or (type_.startswith("application/") and type_.endswith("+json") and "-batch+" not in type_)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = read_json(body)
    except ValueError as error:
        raise Unfit(400, "no JSON", "the body is no JSON.") from error
    if not isinstance(found, dict):
        raise Unfit(400, "no JSON", f"the body is no JSON object of at most {DEEPEST} levels.")
    return found
