"""Messages of partners: taken by ``Receiver``, answered in HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from accord.model.errors import UsageError
from accord.web.answers import problem
from accord.web.body import read_body
from accord.work import Work
from accord.work.webhooks.receiver import MOST_BYTES, Receiver


class Taken(BaseModel):
    """A message that was taken."""

    id: str = Field(description="the webhook-id it came with")
    repeated: bool = Field(description="it was taken before, and had no second effect")


_EVENT = {
    "type": "object",
    "description": "A CloudEvent, or any object the map reads with SQL. `type` is the message, `subject` what it is about.",
    "properties": {"type": {"type": "string"}, "subject": {"type": "string"}, "data": {"type": "object"}},
    "example": {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "placed", "subject": "O1", "data": {"amount": 7}},
}
_HEADERS = {
    "webhook-id": "the same for each try of a message",
    "webhook-timestamp": "seconds since 1970, not more than five minutes from now",
    "webhook-signature": "v1,BASE64 of HMAC-SHA256 over id.timestamp.body; several, separated by blanks",
}
_OPENAPI: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/cloudevents+json": {"schema": _EVENT}, "application/json": {"schema": _EVENT}},
    },
    "parameters": [
        {"name": name, "in": "header", "required": True, "description": said, "schema": {"type": "string"}}
        for name, said in _HEADERS.items()
    ],
}
_PROBLEM = {"content": {"application/problem+json": {"schema": {"type": "object"}}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "It was taken before; this try had no effect.", "model": Taken},
    400: {"description": "It is no JSON object.", **_PROBLEM},
    401: {"description": "It is not signed with the secret agreed on, or not within five minutes.", **_PROBLEM},
    404: {"description": "The map has no webhook of that name that may send messages.", **_PROBLEM},
    409: {"description": "The same request came before, byte for byte: it was played again.", **_PROBLEM},
    413: {"description": f"It is longer than {MOST_BYTES} bytes.", **_PROBLEM},
    415: {"description": "It is not of a type of JSON, or compressed.", **_PROBLEM},
    422: {"description": "It is none of the messages agreed on, does not fit, or nobody waits for it.", **_PROBLEM},
    429: {"description": "Too much from there was refused; `Retry-After` says how long to wait.", **_PROBLEM},
    503: {"description": "Not now; `Retry-After` says when to try again.", **_PROBLEM},
}


def routes(work: Work) -> APIRouter:
    """The endpoint."""
    router, receiver = APIRouter(tags=["webhooks"]), Receiver(work)

    @router.post(
        "/webhooks/{name}",
        status_code=202,
        summary="Start or advance a process",
        description="Signed as Standard Webhooks says. A new try of a message has no second effect.",
        responses=_RESPONSES,
        response_model=Taken,
        openapi_extra=_OPENAPI,
    )
    async def receive(name: str, request: Request) -> Response:
        body = await read_body(request, MOST_BYTES)
        headers = dict(request.headers)
        try:
            received = await run_in_threadpool(receiver.receive, name, headers, body)
        except UsageError:
            return problem(503, "This webhook is not set up here yet.", {"retry-after": "600"})
        if received.status >= 400:
            return problem(received.status, received.said)
        taken = Taken(id=headers["webhook-id"], repeated=not received.instances)
        return JSONResponse(taken.model_dump(), 200 if taken.repeated else 202)

    return router
