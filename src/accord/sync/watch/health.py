"""A small HTTP server on this machine only: ``/metrics`` for Prometheus, ``/health`` for whatever keeps the service running."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from accord.model.errors import UsageError
from accord.sync.watch.metrics import Metrics

_HOST = "127.0.0.1"
_REQUEST_SECONDS = 10


def health(metrics: Metrics) -> tuple[int, dict[str, Any]]:
    """HTTP status and body: 200 while every flow is kept, 503 while one is parked or fails."""
    flows = {}
    for name, report in metrics.reports.items():
        lag = metrics.lag_seconds(name)
        flows[name] = {
            "state": report.state,
            "reason": report.reason,
            "lag_seconds": None if lag is None else round(lag, 3),
            "failures": report.failures,
            "last_success": report.last_success.isoformat() if report.last_success else None,
        }
    bad = any(report.state in ("parked", "backing_off") for report in metrics.reports.values())
    return 503 if bad else 200, {"status": "failing" if bad else "ok", "flows": flows}


@contextmanager
def serve(metrics: Metrics, port: int) -> Iterator[int]:
    """Answer on ``port`` of 127.0.0.1 (0: any free one, which is given) until the block ends.

    Raises:
        UsageError: the port is taken or not allowed.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_SECONDS  # a client that says nothing does not keep a thread

        def do_GET(self) -> None:  # the name the standard library calls
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry))
            elif path == "/health":
                code, body = health(metrics)
                self._answer(code, "application/json", json.dumps(body).encode())
            else:
                self._answer(404, "text/plain; charset=utf-8", b"known: /metrics /health\n")

        def _answer(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            """Scrapes are not news."""

    try:
        server = ThreadingHTTPServer((_HOST, port), Handler)
    except (OSError, OverflowError) as error:
        raise UsageError(f"port {port} cannot be opened: {error}.", expected="Give another --metrics-port.") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
