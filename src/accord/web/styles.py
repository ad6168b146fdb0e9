"""The one style sheet of the pages, in the colors of the reports."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from accord.report.palette import COLORS


def routes() -> APIRouter:
    """The style sheet."""
    router = APIRouter(include_in_schema=False)

    @router.get("/page.css")
    def sheet() -> Response:
        return Response(_sheet(), media_type="text/css", headers={"cache-control": "public, max-age=3600"})

    return router


@cache
def _sheet() -> str:
    light, dark = ("".join(f"--{name}:{pair[which]};" for name, pair in COLORS.items()) for which in (0, 1))
    themes = f":root{{color-scheme:light dark;{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    return themes + files("accord.web").joinpath("static/page.css").read_text(encoding="utf-8")
