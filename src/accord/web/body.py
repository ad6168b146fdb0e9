"""Reading what is sent to us: no more than is wanted, and no longer than a slow line needs."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request

BODY_SECONDS = 30.0


async def read_body(request: Request, most: int, *, seconds: float = BODY_SECONDS) -> bytes:
    """The body of a request; of one that is longer than ``most`` its first ``most`` + 1 bytes.

    Raises:
        HTTPException: 408 where it did not come in time.
    """
    taken = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                taken += part
                if len(taken) > most:
                    break
    except TimeoutError as error:
        raise HTTPException(408, f"The body did not come within {seconds:g} s.") from error
    return bytes(taken[: most + 1])
