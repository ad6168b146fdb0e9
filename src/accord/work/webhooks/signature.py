"""Signatures of webhooks as Standard Webhooks has them: over id, time and body, so that none of the three can be changed.

Source:
    standardwebhooks.com, specification 1.0: headers ``webhook-id``, ``webhook-timestamp``, ``webhook-signature`` (HMAC-SHA256, ``v1,``).
"""

from __future__ import annotations

import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from accord.connectors.registry import from_environment
from accord.model.errors import TerminalError, UsageError
from accord.model.webhook import Webhook
from accord.work.actions.http import signature

WINDOW = timedelta(minutes=5)
_MOST_SIGNATURES = 10
_LONGEST_ID = 200


class WebhookRefused(TerminalError):
    """A webhook that was not signed by the partner (``forged``), or not now (``expired``)."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message, left="nothing was changed")


def secrets_of(webhook: Webhook) -> tuple[str, ...]:
    """What a partner's webhooks are signed with, from the environment; the first signs, each verifies.

    Raises:
        UsageError: it is not set, empty, or no base64 where it says it is.
    """
    holder = f"webhook '{webhook.name}'"
    secrets = tuple(from_environment(webhook.secret, holder, webhook.place).split())
    if not secrets:
        raise UsageError(f"{holder} has an empty secret.", place=webhook.place, expected="Set what is agreed with the partner.")
    for secret in secrets:
        try:
            signature(secret, "", 0, b"")
        except (binascii.Error, ValueError) as error:
            what = f"{holder} has a secret that begins with whsec_ and goes on with no base64."
            raise UsageError(what, place=webhook.place, expected="Expected whsec_ and base64, or any other text.") from error
    return secrets


def signed_headers(secrets: Sequence[str], identity: str, body: bytes, *, now: datetime) -> dict[str, str]:
    """The three headers; with each secret one signature, so that a partner may take one for the other in its own time."""
    moment = int(now.timestamp())
    signatures = " ".join(signature(secret, identity, moment, body) for secret in secrets)
    return {"webhook-id": identity, "webhook-timestamp": str(moment), "webhook-signature": signatures}


def verify_webhook(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime, *, window: timedelta = WINDOW
) -> tuple[str, int]:
    """The id and the time (seconds since 1970) of a webhook that a holder of one of the secrets signed just now.

    Args:
        headers: of the request, whatever the case of their names.
        body: exactly as it came.
        secrets: those that count.
        now: the time.
        window: how far the webhook's time may be from it, either way: what was listened to cannot be played again later.

    Raises:
        WebhookRefused: it was not signed with one of the secrets, or its time is outside of the window.
    """
    given = {name.lower(): value for name, value in headers.items()}
    identity, moment = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not (0 < len(identity) <= _LONGEST_ID and identity.isprintable() and moment.isascii() and moment.isdigit() and len(moment) <= 12):
        raise WebhookRefused("forged", "the webhook has no id or no time. Expected webhook-id and webhook-timestamp (seconds since 1970).")
    expected = [signature(secret, identity, int(moment), body).encode() for secret in secrets]
    found = [part.encode("utf-8", "replace") for part in given.get("webhook-signature", "").split()[:_MOST_SIGNATURES]]
    if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in found):
        raise WebhookRefused("forged", "the webhook is not signed with the secret agreed on.")
    if abs(now.timestamp() - int(moment)) > window.total_seconds():
        raise WebhookRefused("expired", f"the webhook's time is more than {window.total_seconds():g} s from now.")
    return identity, int(moment)
