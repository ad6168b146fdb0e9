"""Webhooks: events told to partners as signed CloudEvents, and messages taken from partners who sign theirs."""

from accord.work.webhooks.receiver import Received, Receiver
from accord.work.webhooks.sender import Sender
from accord.work.webhooks.signature import WebhookRefused, verify_webhook

__all__ = ["Received", "Receiver", "Sender", "WebhookRefused", "verify_webhook"]
