"""The links of mails: a page that shows what a link would do, and a click that does it once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from accord.model.errors import AccordError, StorageFull, TerminalError, TransientError, UsageError
from accord.store.signing import SigningKey
from accord.web.answers import message, page
from accord.web.body import read_body
from accord.web.fields import PREFIX, Posted, answer_of, filled, marked
from accord.web.link_page import REASON, LinkPage, definition_of, done_page, link_page
from accord.work import Work
from accord.work.forms import FormRefused, check_answer
from accord.work.links import LinkRefused, Links, Preview
from accord.work.mistakes import Mistake

MOST_BYTES, _MOST_FIELDS = 65_536, 500
_REFUSED = {
    "forged": (403, "This link is not one of ours"),
    "used": (410, "This link was used already"),
    "expired": (410, "This link is too old"),
    "moved on": (409, "This task has moved on"),
}
_PAGE: dict[str, Any] = {"content": {"text/html": {}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    403: {"description": "It is not a link of this workspace.", **_PAGE},
    409: {"description": "The task was sent back, handed on, taken by somebody else, or ended since.", **_PAGE},
    410: {"description": "It was used, or its time is over.", **_PAGE},
    429: {"description": "Too much from there was refused; `Retry-After` says how long to wait.", **_PAGE},
    503: {"description": "Not now; `Retry-After` says when to try again.", **_PAGE},
}
_FORM = {
    "requestBody": {
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {"type": "object", "additionalProperties": {"type": "string"}},
                "example": {f"{PREFIX}budget": "1200"},
            }
        }
    }
}


def routes(work: Work, key: SigningKey) -> APIRouter:
    """The page of a link, and what it does."""
    router, links = APIRouter(tags=["links"]), Links(work, key)

    # Mail programs and their guards open every link of a message: looking must change nothing, so that only a person's click counts.
    @router.head("/links/{token}", include_in_schema=False)
    @router.get("/links/{token}", summary="Show what a link would do", response_class=HTMLResponse, responses=_RESPONSES)
    def look(token: str) -> Response:
        try:
            return _asking(link_page(work, links.look(token)))
        except AccordError as error:
            return _refused(error)

    # No other token guards this against requests forged by foreign pages: nothing a browser sends by itself gives a right here, as a
    # cookie would. The right is the address. A page that can name it could do everything a form on it could, and a page that cannot
    # has nothing to forge. `referrer-policy` and the absence of an access log keep the address from others.
    @router.post(
        "/links/{token}",
        summary="Do what a link stands for, once",
        description=f"Fields of the form are named `{PREFIX}NAME`; a reason to send work back `{PREFIX}{REASON}`.",
        response_class=HTMLResponse,
        responses={**_RESPONSES, 422: {"description": "The form is not filled in right; the link stays good.", **_PAGE}},
        openapi_extra=_FORM,
    )
    async def use(token: str, request: Request) -> Response:
        return await run_in_threadpool(carry_out, token, await _posted(request))

    def carry_out(token: str, posted: Posted) -> Response:
        try:
            seen = links.look(token)
            asked = link_page(work, seen)
            reason = next(iter(posted.get(PREFIX + REASON, ())), "") if seen.action == "reject" else ""
            # A step without a form takes any names, which is for programs: who saw no field filled none in.
            answer, unread = answer_of(seen.form, posted, zone=asked.zone) if seen.form else ({}, ())
            try:
                if unread:
                    _no_json(work, seen, answer, unread)
                task = links.redeem(token, answer=answer, reason=reason)
            except FormRefused as error:
                return _asking(asked, posted, [(mistake.field, mistake.said) for mistake in error.mistakes])
            except UsageError as error:
                return _asking(asked, posted, [(REASON if seen.action == "reject" else "", str(error))])
            done = done_page(work, key, seen, task, token)
        except AccordError as error:
            return _refused(error)
        return message(200, done.title, done.said, step=done.step, points=done.points, ways=done.ways, note=done.note)

    return router


async def _posted(request: Request) -> Posted:
    """What was filled in.

    Raises:
        HTTPException: 413, 415 or 400 for what no page of ours sends.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await read_body(request, MOST_BYTES)
    if len(body) > MOST_BYTES:
        raise HTTPException(413, "More was filled in than a form takes.")
    if body and kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "This is not sent as a form of a page is.")
    posted: dict[str, list[str]] = {}
    try:
        for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS):
            posted.setdefault(name, []).append(value)
    except ValueError as error:
        raise HTTPException(400, "This has more fields than a form.") from error
    return posted


def _no_json(work: Work, seen: Preview, answer: dict[str, Any], unread: tuple[str, ...]) -> None:
    """Refuse an answer for the fields that are to be JSON and are none, and for whatever else does not fit.

    Raises:
        FormRefused: always; that it was tried is recorded, as with any other answer that does not fit.
    """
    mistakes = [Mistake(name, "json", 'Expected JSON, such as {"amount": 7} or "a text".') for name in unread]
    with work.recording_misfits(seen.task.task, by=seen.person):
        try:
            check_answer(definition_of(work, seen.task), seen.task.step, answer)
        except FormRefused as error:
            mistakes += [mistake for mistake in error.mistakes if mistake.field.partition(".")[0] not in unread]
        fields = {mistake.field: mistake.rule for mistake in mistakes}
        raise FormRefused("the form is not filled in right.", expected="", fields=fields, mistakes=tuple(mistakes))


def _asking(asked: LinkPage, posted: Posted | None = None, wrong: list[tuple[str, str]] | None = None) -> Response:
    """The page of a link; with what was filled in and what is wrong with it, when it was."""
    fields, others = asked.fields, tuple[str, ...]()
    if posted is not None:
        fields, others = marked(filled(fields, posted), wrong or [])
    status = 422 if wrong else 200
    return page("link.html", status=status, asked=replace(asked, fields=fields), wrong=others, refused=status != 200, root="../")


def _refused(error: AccordError) -> Response:
    """What a person is told whose link did nothing.

    Raises:
        AccordError: the store does not answer; another try may help.
    """
    if isinstance(error, TransientError | StorageFull):
        raise error
    status, title = _REFUSED[error.reason] if isinstance(error, LinkRefused) else (409, "That is not possible now")
    said = str(error)
    if isinstance(error, TerminalError):
        said = said.removesuffix(f" Left: {error.left}")
    return message(status, title, f"{said[:1].upper()}{said[1:]} Nothing was changed.")
