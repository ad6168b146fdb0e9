"""Serving on this machine only: whoever wants Accord on the web puts a proxy with TLS before it."""

from __future__ import annotations

import socket

import uvicorn
from starlette.types import ASGIApp

from accord.model.errors import UsageError

HOST = "127.0.0.1"
MOST_CONNECTIONS = 200
_KEEP_SECONDS, _END_SECONDS = 15, 5


class WebServer:
    """A server of an application, on 127.0.0.1.

    Args:
        app: what answers.
        port: 0 takes a free one.

    Raises:
        UsageError: the port cannot be opened.
    """

    def __init__(self, app: ASGIApp, *, port: int = 0) -> None:
        self._socket = socket.socket()
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((HOST, port))
            self._socket.listen()  # whoever is told the address now may connect, and is answered as soon as it runs
        except OSError as error:
            self._socket.close()
            what = f"port {port} cannot be opened: {error.strerror}."
            raise UsageError(what, expected="Give another one with --port, or 0 for any.") from error
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://{HOST}:{self.port}"
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",  # `make_app` tells of errors, once and in a sentence
            access_log=False,  # the address of a link is the right to use it, and stands in no log
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=HOST,  # a proxy on this machine says for whom it asks
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=_KEEP_SECONDS,
            timeout_graceful_shutdown=_END_SECONDS,
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Serve until ``stop`` is called or the process is told to end; what had begun is answered first."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End soon."""
        self._server.should_exit = True

    @property
    def started(self) -> bool:
        """Whether it answers."""
        return self._server.started
