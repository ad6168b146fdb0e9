"""Taking messages from partners: verified, once each, and given to whatever waits for them or starts with them.

A web server gives path, headers and body as they came, and answers with the status it is given; nothing here depends on which server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accord.model.errors import AccordError, DataRefused, MapError, TransientError
from accord.model.event import Event, ObjectRef
from accord.model.webhook import Webhook
from accord.work import people
from accord.work.engine import Work
from accord.work.expression import evaluate
from accord.work.moves import Moves
from accord.work.refusals import Refusals
from accord.work.webhooks.content import Unfit, content_of
from accord.work.webhooks.signature import WebhookRefused, secrets_of, verify_webhook

MOST_BYTES = 1_048_576
_LONGEST_KEY = 500


@dataclass(frozen=True, slots=True)
class Received:
    """What a webhook led to.

    Args:
        status: the HTTP status to answer with: 200 taken (or taken before), 4xx refused.
        said: why, for the sender; empty when it was taken.
        instances: the process instances it reached.
    """

    status: int
    said: str = ""
    instances: tuple[str, ...] = ()


class Receiver:
    """The webhooks of a map that may send messages.

    Args:
        work: the processes.
    """

    def __init__(self, work: Work) -> None:
        self._work, self._refusals = work, Refusals(work.store)

    def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> Received:
        """Take what came in for a webhook; a refusal is recorded and changes nothing else.

        A server should read no more than ``MOST_BYTES`` + 1 bytes of a body; more is refused in any case.

        Args:
            name: of the webhook in the map, from the path.
            headers: of the request.
            body: of the request.

        Returns:
            200 for a message that was taken, also when a new try of it comes (without effect); 409 for the same request played again;
            401 not signed, or not now; 404, 413 no such webhook, too long; 415, 400 not JSON by its type, by what it is; 422 what nobody
            can take now: another try of it is looked at anew.

        Raises:
            UsageError: the secret agreed on is not set here.
            TransientError: the store does not answer; the sender should try again (503).
        """
        name = name.encode(errors="replace").decode().replace("\0", "\ufffd")[:100]
        identity, known = hashlib.sha256(body[: MOST_BYTES + 1]).hexdigest()[:32], False
        try:
            webhook = self._work.map.webhooks.get(name)
            if webhook is None or not webhook.messages:
                raise Unfit(404, "unknown", "there is no such webhook.")
            if len(body) > MOST_BYTES:
                raise Unfit(413, "oversized", f"the body is longer than {MOST_BYTES} bytes.")
            secrets = secrets_of(webhook)
            try:
                id_, moment = verify_webhook(headers, body, secrets, self._work.now())
            except WebhookRefused as error:
                known = error.reason == "expired"
                raise Unfit(401, error.reason, str(error)) from error
            known, identity = True, f"{id_}:{moment}"
            content = content_of(webhook, headers, body)
            message, key = _message(webhook, content), _key(webhook, content)
            return self._deliver(webhook, id_, moment, message, key, content)
        except Unfit as error:
            reason, about = error.reason, ObjectRef("webhook", name)
            self._refusals.record(
                "webhook.refused",
                f"{name}:{identity}:{reason}",
                reason,
                about,
                now=self._work.now(),
                known=known,
                more={"webhook": name, "said": error.said[:500]},
            )
            return Received(error.status, error.said)

    def _deliver(self, webhook: Webhook, id_: str, moment: int, message: str, key: str, content: dict[str, Any]) -> Received:
        once = f"webhook.received:{webhook.name}:{id_}:{moment}"
        data = content["data"] if isinstance(content.get("data"), dict) else content

        def decide(moves: Moves) -> tuple[str, ...] | None:
            if moves.rows.rows("SELECT 1 FROM event WHERE id = ?", once):
                raise Unfit(409, "replayed", "this request came before, byte for byte.")
            given = {"webhook": webhook.name, "id": id_, "message": message, "key": key}
            moves.events.append(Event(once, "webhook.received", moves.now, "webhooks", given, (ObjectRef("webhook", webhook.name),)))
            identity = f"{webhook.name}:{id_}"
            before = moves.rows.rows("SELECT type FROM event WHERE id = ?", f"message:{identity}:0")
            if before == [("message.refused",)]:
                identity = f"{identity}:{moment}"  # nobody could take it then; now somebody may wait for it
            return people.deliver(moves, message, key, data, identity)

        try:
            reached = self._work.command(decide, by=webhook.name)
        except TransientError:
            raise
        except (MapError, DataRefused) as error:
            raise Unfit(422, "unfit", f"message '{message}' does not fit: {error}") from error
        if reached is None:
            raise Unfit(
                422, "nobody waits", f"message '{message}' for '{key}' reached nobody: no step waits for it, and nothing starts with it."
            )
        return Received(200, "" if reached else "this message was taken before; nothing was changed.", reached)


def _message(webhook: Webhook, content: Mapping[str, Any]) -> str:
    if webhook.message:
        found = _evaluated(webhook, "message", webhook.message, content)
    else:
        found = content.get("type", webhook.messages[0] if len(webhook.messages) == 1 else None)
    if found not in webhook.messages:
        raise Unfit(422, "unknown message", f"'{str(found)[:100]}' is none of the messages agreed on: {', '.join(webhook.messages)}.")
    return str(found)


def _key(webhook: Webhook, content: Mapping[str, Any]) -> str:
    found = _evaluated(webhook, "key", webhook.key, content) if webhook.key else content.get("subject")
    if not isinstance(found, str | int) or isinstance(found, bool) or not 0 < len(str(found)) <= _LONGEST_KEY:
        raise Unfit(422, "no key", "it does not say what it is about (subject, or what the webhook's key: takes from it).")
    return str(found)


def _evaluated(webhook: Webhook, what: str, sql: str, content: Mapping[str, Any]) -> Any:
    try:
        return evaluate(sql, content, holder=f"webhook '{webhook.name}', {what}")
    except AccordError as error:
        raise Unfit(422, "unfit", f"its {what} cannot be read from it.") from error
