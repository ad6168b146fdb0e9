"""Whether it works, for whatever watches over it."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from accord.web.site import Site


class Health(BaseModel):
    """That Accord answers, and that its store does."""

    status: str = "ok"


def routes(site: Site) -> APIRouter:
    """The page."""
    router = APIRouter(tags=["running it"])

    @router.get("/healthz", summary="Whether Accord and its store answer", responses={503: {"description": "The store does not."}})
    def health() -> Health:
        if site.work is not None:
            site.work.store.head()
        return Health()

    return router
