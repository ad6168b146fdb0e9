"""``accord serve``: serve reports, links of mails and webhooks of partners, on 127.0.0.1 only."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.map_changes import map_state, noticing
from accord.cli.output import emit_error, emit_json, emit_note, out
from accord.mapfile import files_of
from accord.model.defect import kept_trace
from accord.model.errors import AccordError, UsageError

if TYPE_CHECKING:
    from accord.web import Site

_FRONT = Path("deliverables", "run", "executive.html")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve", help=sentence(__doc__))(serve)


@options.at_map
def serve(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    port: int = typer.Option(8321, "--port", min=0, max=65535, help="Port; 0 takes a free one."),
    reports: Literal["here", "proxied", "off", "only"] = typer.Option(
        "here", "--reports", help="Reports for people at this machine; also for those a proxy lets through; for nobody; and nothing else."
    ),
) -> None:
    """Serve until Ctrl-C.

    A proxy with TLS in front makes it reachable for others. --reports only does not read the map; nor does a folder without one.
    """
    # Loaded here: no other command needs a web server, and it takes as long to load as all of them.
    from accord.web import Renewable, Tries, WebServer, make_app

    tries, since = Tries(), map_state(where.map_path)
    with ExitStack() as opened:
        present, before = opened.enter_context(ExitStack()), opened.enter_context(ExitStack())
        site = _site(where, reports, present)
        app = Renewable(make_app(site, tries=tries, failed=_told))
        server = WebServer(app, port=port)

        def renew() -> None:
            following = ExitStack()
            try:
                app.app = make_app(_site(where, reports, following), tries=tries, failed=_told)
            except AccordError as error:
                following.close()
                _told(f"The map has changed and is not served: {error} The one before is served until it is mended.", error)
                return
            before.close()  # what was asked of it is answered long ago
            before.push(present.pop_all())
            present.push(following)
            emit_note("The map has changed; the new one is served from here on.")

        if site.work is not None:
            opened.enter_context(noticing(where.map_path, renew, since=since))
        served = [name for name, there in (("reports", site.deliverables), ("links", site.work), ("webhooks", site.work)) if there]
        if json:
            emit_json({"command": "serve", "url": server.url, "serves": served})
        else:
            out().print(f"{', '.join(served)} at {server.url}/ (Ctrl-C ends)")
            sys.stdout.flush()  # whoever reads a file or a pipe waits for it
        with suppress(KeyboardInterrupt):
            server.run()
        if not json:
            out().print("ended")


def _site(where: options.Where, reports: str, opened: ExitStack) -> Site:
    from accord.web import Site, site_of

    folder = where.root or (where.map_path if where.map_path.is_dir() else where.map_path.parent)
    if reports == "only" or (where.map_path.is_dir() and not files_of(where.map_path)):
        if not (folder / _FRONT).is_file():
            raise UsageError(
                f"{folder} holds no report.", expected="Run `accord run` there first, or name a map, or the folder of --workspace."
            )
        return Site(deliverables=folder / "deliverables", proxied=reports == "proxied")
    workspace = opened.enter_context(where.opened(write=False))
    return site_of(workspace, reports=reports != "off", proxied=reports == "proxied")


def _told(said: str, error: Exception) -> None:
    """On standard error; the trace of what is no error of ours to expect goes to a file, so that it can be reported."""
    if not isinstance(error, AccordError):
        said = f"{said} {kept_trace(error)[1]}"
    emit_error(type(error).__name__, said, as_json=False, code=1)
