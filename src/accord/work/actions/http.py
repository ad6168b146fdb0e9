"""``http``: call a web service, signed, with a key that makes a repeat harmless."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from accord.model.errors import TerminalError, TransientError, UsageError
from accord.work.action import Action, Call, Context

AGAIN = (408, 425, 429, 500, 502, 503, 504)
LONGEST_ANSWER_BYTES = 1_000_000


def run(call: Call, context: Context) -> Mapping[str, Any]:
    """Send a request and keep the answer as the variable named as the step: ``status`` and ``body``.

    Arguments: ``url``; ``method`` (POST); ``body``, sent as JSON; ``headers``, names with texts; ``token`` and ``secret``, names of
    secrets: the first is sent as bearer token, the second signs as Standard Webhooks says (``webhook-id``, ``webhook-timestamp``,
    ``webhook-signature``). ``Idempotency-Key`` is the same in each try. 408, 425, 429 and 5xx are tried again, not before the
    ``Retry-After`` of the answer; any other answer but 2xx is final, redirects among them.

    Source:
        RFC 9110 sections 10.2.3 and 15; draft-ietf-httpapi-idempotency-key-header; standardwebhooks.com, specification 1.0.
    """
    url, method = call.text("url"), call.text("method", "POST").upper()
    if not url.startswith(("https://", "http://")):
        raise UsageError(f"step '{call.step}': '{url}' is no web address.", expected="Expected https://….")
    body = b"" if call.arguments.get("body") is None else json.dumps(call.arguments["body"], separators=(",", ":")).encode()
    headers = _headers(call, context, body)
    try:
        with (
            httpx.Client(timeout=call.timeout_seconds, follow_redirects=False) as client,
            client.stream(method, url, content=body, headers=headers) as answer,
        ):
            content = _content(answer)
    except httpx.InvalidURL as error:
        raise UsageError(f"step '{call.step}': '{url}' is no web address: {error}.", expected="Expected https://….") from error
    except httpx.HTTPError as error:
        raise TransientError(f"{method} {shown(url)}: {type(error).__name__}: {error}.") from error
    if answer.status_code in AGAIN or answer.status_code > 504:
        raise TransientError(
            f"{method} {shown(url)} answered {answer.status_code}.",
            retry_after_seconds=after(answer.headers.get("retry-after"), datetime.fromtimestamp(context.clock(), UTC)),
        )
    if not answer.is_success:
        raise TerminalError(f"{method} {shown(url)} answered {answer.status_code}: {str(content)[:300]}.", left="it is not tried again")
    return {call.step: {"status": answer.status_code, "body": content}}


def signature(secret: str, identity: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    signed = hmac.new(key, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def _headers(call: Call, context: Context, body: bytes) -> dict[str, str]:
    given = call.arguments.get("headers") or {}
    if not isinstance(given, Mapping):
        raise UsageError(f"step '{call.step}': headers = {given!r}.", expected="Expected names with texts.")
    headers = {str(name): str(value) for name, value in given.items()}
    if body:
        headers["Content-Type"] = "application/json"
    headers["Idempotency-Key"] = call.key
    if call.arguments.get("token"):
        headers["Authorization"] = f"Bearer {context.secret(call.text('token'))}"
    if call.arguments.get("secret"):
        moment = int(context.clock())
        headers["webhook-id"], headers["webhook-timestamp"] = call.key, str(moment)
        headers["webhook-signature"] = signature(context.secret(call.text("secret")), call.key, moment, body)
    return headers


def _content(answer: httpx.Response) -> Any:
    """JSON where it is, else text; an answer that is too long to be variables is not kept."""
    held = b""
    for part in answer.iter_bytes():
        held += part
        if len(held) > LONGEST_ANSWER_BYTES:
            return None
    if "json" in answer.headers.get("content-type", ""):
        try:
            return json.loads(held)
        except ValueError:
            return held.decode(errors="replace")
    return held.decode(errors="replace") or None


def after(value: str | None, now: datetime) -> float | None:
    """The seconds a ``Retry-After`` asks for, given as such or as a date; nonsense counts as nothing."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now.timestamp())


def shown(url: str) -> str:
    """An address without query and user, which may hold secrets: this goes into the log."""
    parsed = httpx.URL(url)
    return str(parsed.copy_with(query=None, username=None, password=None, fragment=None))


ACTION = Action("http", run)
