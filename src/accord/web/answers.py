"""Answers every page gives: one of our templates, a short message, or a problem for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, JSONResponse


@dataclass(frozen=True, slots=True)
class Way:
    """A link to go on with."""

    href: str
    text: str


def page(template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any) -> HTMLResponse:
    """A page; whatever stands in ``values`` is text and never markup."""
    return HTMLResponse(_templates().get_template(template).render(values), status, dict(headers or {}))


def message(
    status: int,
    title: str,
    said: str,
    *,
    step: str = "Accord",
    points: Sequence[str] = (),
    ways: Sequence[Way] = (),
    note: str = "",
    depth: int = 1,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """A page that says one thing.

    Args:
        status: of HTTP.
        title: in a few words.
        said: a sentence or two.
        step: stands above the title.
        points: a list below.
        ways: what can be done next.
        note: a word about these.
        depth: folders between this page and the root of the site.
        headers: more of them.
    """
    given = {"title": title, "said": said, "step": step, "points": points, "ways": ways, "note": note, "root": "../" * depth}
    return page("message.html", status=status, headers=headers, bad=status >= HTTPStatus.BAD_REQUEST, **given)


def problem(status: int, said: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Problem details for programs.

    Source:
        RFC 9457.
    """
    body = {"title": HTTPStatus(status).phrase, "status": status, "detail": said}
    return JSONResponse(body, status, dict(headers or {}), media_type="application/problem+json")


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("accord.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
