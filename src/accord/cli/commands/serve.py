"""``accord serve``: the reports of a workspace in a browser, on this machine only."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import typer

from accord.cli.output import out
from accord.model.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve", help="Show the reports of a workspace in a browser, on 127.0.0.1 only.")(serve)


class _Reports(SimpleHTTPRequestHandler):
    """Serves the deliverables and nothing else; no page may load or run anything from elsewhere."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def do_GET(self) -> None:
        if self.path in ("/", "/index.html"):
            self.send_response(302)
            self.send_header("Location", "/run/executive.html")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        """Stay quiet: nobody reads an access log of one's own machine."""


def serve(
    folder: Path = typer.Argument(help="Workspace: the folder that holds deliverables/."),
    port: int = typer.Option(8321, "--port", min=0, max=65535, help="Port; 0 takes a free one."),
) -> None:
    """Serve until Ctrl-C."""
    deliverables = folder / "deliverables"
    if not (deliverables / "run" / "executive.html").is_file():
        raise UsageError(f"{folder} holds no report.", expected=f"Run `accord run {folder}` first, or name the folder of --workspace.")
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Reports, directory=str(deliverables)))
    except OSError as error:
        raise UsageError(
            f"port {port} cannot be opened: {error.strerror}.", expected="Give another one with --port, or 0 for any."
        ) from error
    with server:
        out().print(f"reports at http://127.0.0.1:{server.server_port}/ (Ctrl-C ends)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            out().print("ended")
