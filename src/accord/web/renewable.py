"""An application in whose place another can be put while it is served: requests that have begun are answered by the one they began with."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class Renewable:
    """Whatever application stands in ``app`` answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the present application answer."""
        await self.app(scope, receive, send)
