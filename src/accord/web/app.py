"""The application: which pages there are, and what becomes of errors none of them answers."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from accord import __version__
from accord.model.errors import StorageFull, TransientError
from accord.web import health, links, reports, styles, webhooks
from accord.web.answers import message, problem
from accord.web.guard import Guard, Tries
from accord.web.site import Site

_OFF = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
_SAID = {404: "There is nothing at this address.", 405: "This address does not take that."}


def make_app(site: Site, *, tries: Tries | None = None, failed: Callable[[str, Exception], None] = lambda said, error: None) -> FastAPI:
    """The pages of a site.

    Args:
        site: what they read.
        tries: how often somebody may be refused; by default as ``Tries`` says.
        failed: is told of each error that no page expected: what to say, and the error.
    """
    app = FastAPI(
        title="Accord",
        version=__version__,
        description="One-time links of mails, webhooks of partners, and the reports of a workspace.",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_OFF,  # type: ignore[arg-type]  # a traced path holds the token of a link
    )
    app.add_middleware(Guard, tries=tries or Tries())
    app.include_router(health.routes(site))
    app.include_router(styles.routes())
    if site.work is not None and site.key is not None:
        app.include_router(links.routes(site.work, site.key))
        app.include_router(webhooks.routes(site.work))
    app.include_router(reports.routes(site))  # the last: takes every other path

    def refused(request: Request, error: HTTPException) -> Response:
        said = _SAID.get(error.status_code, str(error.detail))
        return _shown(request, error.status_code, said, dict(error.headers or {}))

    def unavailable(request: Request, error: Exception) -> Response:
        failed(str(error), error)
        return _shown(request, 503, "Accord cannot do this at the moment. Try again in a minute.", {"retry-after": "60"})

    def gone(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    def unexpected(request: Request, error: Exception) -> Response:
        id_ = uuid.uuid4().hex[:12]
        failed(f"{id_}: a defect in Accord: {type(error).__name__}: {error}.", error)
        said = "Something went wrong in Accord. Open the page again to see how things stand, and tell whoever runs it this id:"
        return _shown(request, 500, f"{said} {id_}")

    app.add_exception_handler(HTTPException, refused)  # type: ignore[arg-type]
    app.add_exception_handler(TransientError, unavailable)
    app.add_exception_handler(StorageFull, unavailable)
    app.add_exception_handler(ClientDisconnect, gone)  # type: ignore[arg-type]
    app.add_exception_handler(Exception, unexpected)
    return app


def _shown(request: Request, status: int, said: str, headers: dict[str, str] | None = None) -> Response:
    """For programs as JSON, for people as a page."""
    if request.url.path.startswith(("/webhooks/", "/healthz", "/openapi")):
        return problem(status, said, headers)
    depth = max(0, request.url.path.count("/") - 1)
    return message(status, _TITLES.get(status, "That did not work"), said, depth=depth, headers=headers)


_TITLES = {404: "Not found", 500: "A fault of ours", 503: "Not now"}
