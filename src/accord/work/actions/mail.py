"""``mail``: send an e-mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.work.action import Action, Call, Context


def run(call: Call, context: Context) -> Mapping[str, Any]:
    """Send one message; a repeat carries the same Message-ID, by which mail systems keep one of the two.

    Arguments: ``to`` (addresses, separated by commas), ``subject``, ``text``.
    """
    context.mail(call.text("to"), call.text("subject"), call.text("text", ""), call.key)
    return {}


ACTION = Action("mail", run)
