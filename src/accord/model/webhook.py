"""Web addresses that are told what happens, and those who tell us."""

from __future__ import annotations

from dataclasses import dataclass, field

from accord.model.errors import NOWHERE, Place


@dataclass(frozen=True, slots=True)
class Webhook:
    """A partner that is sent events (``url`` and ``types``), or that may send messages (``messages``), signed either way."""

    name: str
    title: str = field(default="", metadata={"doc": "who that is"})
    secret: str = field(
        default="",
        metadata={"doc": "what is signed with, as ${env:NAME}; several, separated by blanks, while one takes the place of another"},
    )
    url: str = field(default="", metadata={"doc": "address events are sent to; ${env:NAME} is filled in"})
    types: tuple[str, ...] = field(default=(), metadata={"doc": "types of event to send, such as task.ready, or task.* for all of them"})
    messages: tuple[str, ...] = field(default=(), metadata={"doc": "messages it may send; they start or advance instances"})
    message: str = field(
        default="", metadata={"doc": "SQL over what was received, giving the message; default: the type, or the only one of messages"}
    )
    key: str = field(
        default="", metadata={"doc": "SQL over what was received, giving what the message is about; default: the subject of a CloudEvent"}
    )
    headers: bool = field(
        default=False,
        metadata={"doc": "CloudEvents in binary mode: read type and subject from headers, which no signature covers; only behind TLS"},
    )
    place: Place = field(default=NOWHERE, compare=False, repr=False)
