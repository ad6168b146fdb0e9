"""What holds for every answer: headers that keep a browser from doing more than show it, and a bound on being refused.

Tokens and signatures cannot be guessed; the bound keeps whoever tries all the same from using up the machine. Only refusals count, so a
partner may send as much as it likes, and only of links and webhooks, as nothing else is secret.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from accord.web.answers import message, problem

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",  # the address of a link is the right to use it
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-robots-tag": "noindex, nofollow",
}
_GUARDED = ("/links/", "/webhooks/")
_REFUSALS = (400, 401, 403, 404, 408, 409, 410, 413, 415)
_SIGNED = (400, 409, 415)  # of a webhook: its sender proved who it is
_MOST_PEOPLE = 10_000
_NETWORK_BITS = 64  # of an IPv6 address: what one household or machine has


class Tries:
    """How often one sender may be refused before it has to wait.

    Args:
        at_once: so many without a pause.
        per_second: so many for as long as it likes.
        clock: seconds that never go back.
    """

    def __init__(self, at_once: float = 60, per_second: float = 1, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._rate, self._clock = at_once, per_second, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, who: str) -> float:
        """How long a sender has to wait now; 0: not at all."""
        left, _ = self._standing(who)
        return 0.0 if left >= 1 else (1 - left) / self._rate

    def refused(self, who: str) -> None:
        """Note that a sender was refused."""
        left, now = self._standing(who)
        self._left[who] = (left - 1, now)
        self._left.move_to_end(who)
        while len(self._left) > _MOST_PEOPLE:
            self._left.popitem(last=False)

    def _standing(self, who: str) -> tuple[float, float]:
        now = self._clock()
        left, since = self._left.get(who, (self._most, now))
        return min(self._most, left + (now - since) * self._rate), now


class Guard:
    """The middleware around all pages.

    Args:
        app: the pages.
        tries: how often somebody may be refused.
    """

    def __init__(self, app: ASGIApp, *, tries: Tries) -> None:
        self._app, self._tries = app, tries

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, who = str(scope["path"]), _sender(scope)
        guarded = path.startswith(_GUARDED)

        async def sending(event: Message) -> None:
            if event["type"] == "http.response.start":
                headers = MutableHeaders(scope=event)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                status = event["status"]
                if guarded and status in _REFUSALS and not (path.startswith("/webhooks/") and status in _SIGNED):
                    self._tries.refused(who)
                if status in (408, 413):
                    headers["connection"] = "close"  # the rest of the body is not read
            await send(event)

        wait = self._tries.wait_seconds(who) if guarded else 0.0
        if wait:
            said, headers = "Too much of what came from here was refused. Wait a little.", {"retry-after": str(int(wait) + 1)}
            program = path.startswith("/webhooks/")
            answer = problem(429, said, headers) if program else message(429, "Wait a little", said, headers=headers)
            await answer(scope, receive, sending)
            return
        await self._app(scope, receive, sending)


def _sender(scope: Scope) -> str:
    """Who sends: the address, or the network of one that has many."""
    host = str((scope.get("client") or ("",))[0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:100]
    if address.version == 4:
        return host
    return str(ipaddress.ip_network((address, _NETWORK_BITS), strict=False))
