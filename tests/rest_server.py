"""A small API over HTTP for the tests: collections of JSON objects, pages of every style, entity tags, limits and faults on order.

It shares no code with the connector, so what it holds is what any other program would see.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Item = dict[str, Any]
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Num(str):
    """A number as it was sent."""

    __slots__ = ()


def loads(text: str) -> Any:
    return json.loads(text, parse_int=Num, parse_float=Num)


def dumps(value: Any) -> str:
    if isinstance(value, Num):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{dumps(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    return json.dumps(value)


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class Api:
    """What the server holds and how it behaves; tests change both while it runs."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[tuple[str, ...], Item]] = {}
        self.keys: dict[str, tuple[str, ...]] = {}
        self.revision: dict[tuple[str, tuple[str, ...]], int] = {}
        self.lock = threading.RLock()
        self.url = ""
        self.most = 1000  # rows of a page, whatever is asked for
        self.etags = False
        self.version = ""  # member that has to be sent back with a write
        self.conflict = 412  # status of a write that met another version
        self.stamp = ""  # member that shows the time of the last change
        self.own_keys = False  # new rows get a key from the API
        self.check: Callable[[Item], str | None] = lambda item: None  # the API's own rules
        self.ordered = False  # lists are sorted by id
        self.count: int | None = None  # what a list says of its length
        self.fixed: set[str] = set()  # members that no write changes
        self.in_200 = False  # failures come as 200 with an error
        self.quiet = False  # writes are answered with 204 and nothing more
        self.shown: dict[str, dict[tuple[str, ...], Item]] | None = None  # what reads show, while they lag behind what was written
        self.late_lists_only = False  # single rows show what is there
        self.token = ""
        self.faults: list[tuple[str, str]] = []  # (method, or part of an address, and the fault), each used once
        self.before: Callable[[str, str], None] = lambda method, path: None
        self.log: list[tuple[str, str, Mapping[str, str]]] = []
        self.clock = 0
        self.hold = threading.Event()  # ends every black hole

    def put(self, collection: str, items: list[Item]) -> None:
        """Rows as another program would write them."""
        with self.lock:
            for item in items:
                self.save(collection, item)

    def put_text(self, collection: str, *items: str) -> None:
        """As ``put``, from JSON texts: numbers stay as they are written."""
        self.put(collection, [loads(item) for item in items])

    def key_of(self, collection: str, item: Item) -> tuple[str, ...]:
        return tuple(text(item.get(name)) for name in self.keys.get(collection, ("id",)))

    def save(self, collection: str, item: Item) -> None:
        key = self.key_of(collection, item)
        self.revision[collection, key] = self.revision.get((collection, key), 0) + 1
        if self.version:
            item[self.version] = Num(self.revision[collection, key])
        if self.stamp:
            self.clock += 1
            item[self.stamp] = (_BEGIN + timedelta(seconds=self.clock)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.rows.setdefault(collection, {})[key] = item

    def remove(self, collection: str, *key: str) -> None:
        with self.lock:
            self.rows[collection].pop(key)

    def lag(self) -> None:
        """From now on reads show what is there now, whatever is written; until ``shown`` is ``None`` again."""
        with self.lock:
            self.shown = {name: {key: dict(item) for key, item in rows.items()} for name, rows in self.rows.items()}

    def asked(self, method: str = "", path: str = "") -> int:
        """How many requests came so far."""
        return sum(1 for m, p, _ in self.log if method in ("", m) and path in p)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: Api
    base: str

    def log_message(self, *_: Any) -> None:
        """Silence."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            super().handle()

    def do_GET(self) -> None:
        self._all("GET")

    def do_POST(self) -> None:
        self._all("POST")

    def do_PATCH(self) -> None:
        self._all("PATCH")

    def do_PUT(self) -> None:
        self._all("PUT")

    def do_DELETE(self) -> None:
        self._all("DELETE")

    def _all(self, method: str) -> None:
        api = self.api
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        address = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        parts = [unquote(part) for part in address.path.removeprefix("/v1/").split("/")]
        api.before(method, self.path)
        with api.lock:
            api.log.append((method, self.path, dict(self.headers)))
            fault = next((f for f in api.faults if f[0] in (method, "*") or f[0] in self.path), None)
            if fault is not None:
                api.faults.remove(fault)
        name = fault[1] if fault else ""
        if name in ("reset", "blackhole") or name[:3].isdigit() or name.startswith("say "):
            self._fault(name)
            return
        with api.lock:
            if api.token and self.headers.get("Authorization") != f"Bearer {api.token}":
                self._answer(401, {"error": f"bad token {self.headers.get('Authorization')}"})
                return
            status, document, headers = self._do(method, parts[0], tuple(parts[1:]), query, body)
        if api.in_200 and 400 <= status < 500 and status != 404:
            status, document = 200, {"error": document["error"], "ok": False}
        if api.quiet and method != "GET" and status < 300:
            status, document = 204, None
        self._answer(status, document, headers, name)

    def _do(self, method: str, name: str, key: tuple[str, ...], query: dict[str, str], body: str) -> tuple[int, Any, dict[str, str]]:
        api = self.api
        rows = api.rows.setdefault(name, {})
        if method == "GET" and api.shown is not None and not (key and api.late_lists_only):
            rows = api.shown.get(name, {})
        if not key:
            if method == "GET":
                return self._list(name, list(rows.values()), query)
            item = loads(body)
            if api.own_keys:
                item["id"] = f"srv-{len(rows) + 1}-{len(api.log)}"
            if api.key_of(name, item) in rows:
                return 409, {"error": "there is one of this key"}, {}
            return self._store(name, item, 201)
        found = rows.get(key)
        if found is None:
            if method == "PUT":
                return self._store(name, loads(body), 201)
            return 404, {"error": "no such row"}, {}
        etag = f'"{api.revision[name, key]}"'
        if method == "GET":
            return 200, found, {"ETag": etag} if api.etags else {}
        wanted = self.headers.get("If-Match")
        if api.etags and wanted is not None and wanted != etag:
            return api.conflict, {"error": "precondition failed"}, {}
        given = loads(body) if body else {}
        if api.version and str(given.get(api.version, query.get(api.version))) != str(found[api.version]):
            return api.conflict, {"error": "another version"}, {}
        if method == "DELETE":
            rows.pop(key)
            return 204, None, {}
        given = {member: value for member, value in given.items() if member not in api.fixed}
        return self._store(name, {**(found if method == "PATCH" else {}), **given}, 200)

    def _store(self, name: str, item: Item, status: int) -> tuple[int, Any, dict[str, str]]:
        why = self.api.check(item)
        if why is not None:
            return 422, {"error": why}, {}
        self.api.save(name, item)
        return status, item, {}

    def _list(self, name: str, rows: list[Item], query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        api = self.api
        if "ids" in query:
            rows = [row for row in rows if text(row.get("id")) in query["ids"].split(",")]
        if "since" in query:
            rows = [row for row in rows if row[api.stamp] >= query["since"]]
        if api.ordered:
            rows = sorted(rows, key=lambda row: text(row.get("id")))
        if "after" in query:
            rows = [row for row in rows if text(row.get("id")) > query["after"]]
        size = min(int(query.get("limit", 100)), api.most)
        start = int(query["offset"]) if "offset" in query else (int(query["page"]) - 1) * size if "page" in query else 0
        if "cursor" in query:
            keys = [dumps(list(api.key_of(name, row))) for row in rows]
            start = keys.index(query["cursor"]) + 1 if query["cursor"] in keys else len(keys)
        shown = rows[start : start + size]
        more = start + size < len(rows)
        cursor = dumps(list(api.key_of(name, shown[-1]))) if more and shown else None
        headers = {"Link": f'<{self.base}/v1/{name}?limit={size}&offset={start + size}>; rel="next"'} if more else {}
        link = headers["Link"][1:].partition(">")[0] if more else None
        return 200, {"data": shown, "total": len(rows) if api.count is None else api.count, "next": cursor, "link": link}, headers

    def _fault(self, fault: str) -> None:
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif fault == "blackhole":
            self.close_connection = True
            self.api.hold.wait(5)
        elif fault.startswith("say "):
            self._answer(200, loads(fault[4:]))
        elif fault == "204":
            self._answer(204, None)
        else:  # «503», «429 2», «307 /v1/elsewhere»
            status, _, more = fault.partition(" ")
            header = {"Location": more} if status[0] == "3" else {"Retry-After": more} if more else {}
            self._answer(int(status), {"error": f"told to say {status}"}, header)

    def _answer(self, status: int, document: Any, headers: Mapping[str, str] | None = None, fault: str = "") -> None:
        body = dumps(document).encode() if document is not None else b""
        if fault == "garbage":
            body = b"<html>a proxy's page</html>"
        elif fault == "latin1":
            body = b'{"data": [{"id": "\xe4"}], "total": 1, "next": null}'
        elif fault == "error200":
            body = b'{"error": "out of order"}'
        elif fault == "huge":
            body = b" " * 2_000_000
        self.send_response(status)
        length = len(body) + (10 if fault == "cut" else -5 if fault == "short" else 0)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", "application/json")
        if fault == "gzip":
            self.send_header("Content-Encoding", "gzip")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if fault == "drip":
            for position in range(len(body)):
                self.wfile.write(body[position : position + 1])
                time.sleep(0.05)
        else:
            self.wfile.write(body)
        if fault in ("cut", "short"):
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the tests."""


@contextlib.contextmanager
def serving() -> Any:
    """An API on 127.0.0.1 and its address."""
    api = Api()
    handler = type("Handler", (_Handler,), {"api": api})
    server = _Server(("127.0.0.1", 0), handler)
    handler.base = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    api.url = f"{handler.base}/v1"  # type: ignore[attr-defined]
    try:
        yield api
    finally:
        api.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
