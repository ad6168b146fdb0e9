"""The ``http`` action against a real server on this machine."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from accord.model.errors import TerminalError, TransientError, UsageError
from accord.work.action import Call, Context, perform

KEY = "p-1:p-1/pay/1:1"
SECRETS = {"SIGNING": "whsec_" + base64.b64encode(b"0123456789abcdef").decode(), "TOKEN": "t0ken"}


class Server(ThreadingHTTPServer):
    """Answers as it is told and keeps what it was sent."""

    status, headers, body = 200, {"content-type": "application/json"}, b'{"paid": true}'
    seen: list[tuple[str, str, dict[str, str], bytes]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/pay"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self.server.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length)))
        self.send_response(self.server.status)
        for name, value in {**self.server.headers, "content-length": str(len(self.server.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    """A web service of this test."""
    running = Server(("127.0.0.1", 0), _Handler)
    running.seen = []
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def call(**arguments: Any) -> Call:
    return Call("http", "p-1/pay/1", "p-1", "p", "pay", "C", arguments, KEY, 1, 0, 5.0)


CONTEXT = Context(secret=SECRETS.__getitem__, clock=lambda: 1_800_000_000.0)


def test_a_request_carries_its_key_its_token_and_its_signature(server: Server) -> None:
    """The other side knows a repeat, who calls, and that nobody changed it on the way."""
    given = call(url=server.url, body={"amount": 7}, token="TOKEN", secret="SIGNING", headers={"x-team": "a"})

    assert perform(given, CONTEXT) == {"pay": {"status": 200, "body": {"paid": True}}}
    ((method, path, headers, body),) = server.seen
    assert (method, path, json.loads(body), headers["x-team"]) == ("POST", "/pay", {"amount": 7}, "a")
    assert (headers["idempotency-key"], headers["authorization"]) == (KEY, "Bearer t0ken")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"0123456789abcdef", signed, hashlib.sha256).digest()).decode()
    assert (headers["webhook-signature"], headers["webhook-timestamp"]) == (f"v1,{expected}", "1800000000")


@pytest.mark.parametrize(("status", "after"), [(408, None), (429, "17"), (503, "Fri, 15 Jan 2027 08:00:30 GMT"), (500, "soon")])
def test_an_answer_that_may_pass_says_when_to_come_back(server: Server, status: int, after: str | None) -> None:
    """Seconds or a date, as RFC 9110 has it; nonsense counts as nothing."""
    server.status, server.headers = status, {"retry-after": after} if after else {}

    with pytest.raises(TransientError, match=str(status)) as caught:
        perform(call(url=server.url), CONTEXT)

    assert caught.value.retry_after_seconds == {"17": 17.0, "Fri, 15 Jan 2027 08:00:30 GMT": 30.0}.get(after or "")


@pytest.mark.parametrize("status", [301, 400, 401, 404, 422])
def test_any_other_answer_is_final_and_keeps_secrets_out_of_the_log(server: Server, status: int) -> None:
    """A redirect too: a signed request is not sent to whoever an answer names. What stands in a query is not repeated."""
    server.status, server.headers = status, {"location": "http://127.0.0.1:1/elsewhere"}

    with pytest.raises(TerminalError, match=str(status)) as caught:
        perform(call(url=f"{server.url}?password=hush"), CONTEXT)

    assert "hush" not in str(caught.value)
    assert len(server.seen) == 1


def test_nobody_there_may_pass_and_what_is_no_address_may_not(server: Server) -> None:
    """The map's mistake is told apart from the network's."""
    with pytest.raises(TransientError, match="ConnectError"):
        perform(call(url="http://127.0.0.1:1/"), CONTEXT)
    for wrong in ("file:///etc/passwd", "http://x:y/", ""):
        with pytest.raises(UsageError):
            perform(call(url=wrong), CONTEXT)
    with pytest.raises(UsageError, match="headers"):
        perform(replace(call(), arguments={"url": server.url, "headers": 7}), CONTEXT)


def test_a_very_long_answer_does_not_become_a_variable(server: Server) -> None:
    """The log keeps variables for ever."""
    server.body = b"[" + b"1," * 600_000 + b"1]"

    assert perform(call(url=server.url, method="get"), CONTEXT) == {"pay": {"status": 200, "body": None}}
