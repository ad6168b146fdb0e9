"""One request after another, within the budget of the API: waiting, trying again, and saying plainly what did not work."""

from __future__ import annotations

import email.utils
import functools
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import httpcore
import httpx

from accord.connectors import rest_json
from accord.connectors.rest_json import BadJson, CutJson
from accord.connectors.rest_options import RestSystem
from accord.model.errors import DataRefused, SystemUnreachable
from accord.model.pause import doubling_pause

Parsed = TypeVar("Parsed")
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = 5
_KEEP_SECONDS = 30.0
_local = threading.local()
_buckets: dict[tuple[str, float], Bucket] = {}
_buckets_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Unclear(Exception):
    """A write whose effect is not known: the answer was cut off, late, or says only that something broke."""

    def __init__(self, reason: str, *, network: bool, wait_seconds: float | None = None) -> None:
        self.reason, self.network, self.wait_seconds = reason, network, wait_seconds
        super().__init__(reason)


@dataclass
class Bucket:
    """A budget of requests a second, shared by everything in this process that speaks to the same API; ten may come at once."""

    rate: float
    _free_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> None:
        """Wait for a turn."""
        if not (self.rate or self._free_at):
            return
        with self._lock:
            now = time.monotonic()
            gap = 1 / self.rate if self.rate else 0.0
            burst = min(1.0, 10 * gap)
            turn = max(self._free_at, now - burst)
            self._free_at = turn + gap
        if turn > now:
            time.sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Nobody asks again before this time has passed."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() + seconds)


def bucket_of(system: RestSystem) -> Bucket:
    """The bucket of an API; systems of one host share it."""
    address = urlsplit(system.base)
    with _buckets_lock:
        return _buckets.setdefault((f"{address.scheme}://{address.netloc}", system.rate_per_second), Bucket(system.rate_per_second))


class _Stream(httpcore.NetworkStream):
    """A connection on which a whole answer has a time limit: one that drips a byte a second would else never be late."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout, httpcore.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def connect_tcp(self, *args: Any, **named: Any) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(*args, **named))


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    until = getattr(_local, "until", None)
    if until is None:
        return timeout
    left = float(until) - time.monotonic()
    if left <= 0:
        raise late("the whole answer took too long")
    return left if timeout is None else min(timeout, left)


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reads all certificates, which takes 30 ms


class _Transport(httpx.HTTPTransport):
    def __init__(self, proxy: str) -> None:
        super().__init__(verify=_tls())
        # httpx has no way to hand a network backend to the pool it makes.
        limits: dict[str, Any] = {"max_connections": 100, "max_keepalive_connections": 20, "keepalive_expiry": _KEEP_SECONDS}
        pool = dict(ssl_context=_tls(), network_backend=_Backend(), **limits)
        self._pool = httpcore.HTTPProxy(proxy_url=proxy, **pool) if proxy else httpcore.ConnectionPool(**pool)


class Client:
    """The HTTP side of one system; safe to use from several threads."""

    def __init__(self, system: RestSystem) -> None:
        self.system = system
        self.bucket = bucket_of(system)
        self._jitter = random.Random()  # noqa: S311 - spreads retries, nothing secret
        address = urlsplit(system.base)
        self._origin = (address.scheme, address.netloc)
        self._http = httpx.Client(
            transport=_Transport(system.proxy),
            timeout=system.timeout_seconds,
            headers={"User-Agent": "accord", **system.headers},
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def url(self, path: str, params: Sequence[tuple[str, str]] = ()) -> str:
        """The address of a path of the API."""
        query = urlencode([*self.system.params, *params])
        target = f"{self.system.base}/{path.lstrip('/')}" if path else self.system.base
        return f"{target}{'&' if '?' in target else '?'}{query}" if query else target

    def where(self, url: str) -> str:
        """The address for messages: without its query, which may hold a secret."""
        return f"system '{self.system.name}' at {self.system.clean(url.partition('?')[0])}"

    def get(self, url: str, read: Callable[[Any, Answer], Parsed], *, absent: frozenset[int] = frozenset()) -> Parsed | None:
        """Ask until there is an answer that ``read`` accepts.

        Args:
            url: full address, of this API.
            read: takes the document and the answer; raises ``BadJson`` for an answer that is not what was asked for.
            absent: statuses that mean that there is nothing, which gives ``None``.

        Raises:
            SystemUnreachable: no usable answer after all tries, or the API wants a longer pause than we wait.
            DataRefused: an answer that trying again does not change.
        """
        bad, reason, wait = "", "", None
        for attempt in range(self.system.retries + 1):
            wait = None
            try:
                answer = self._ask("GET", url)
                if answer.status in absent:
                    return None
                if answer.status in AGAIN or limited(answer):
                    bad, reason = "", f"HTTP {answer.status}{self._said(answer)}"
                    wait = retry_after(answer.headers)
                else:
                    self._refuse(answer)
                    return read(None if answer.status == 204 else rest_json.parse(answer.body), answer)
            except BadJson as error:
                reason = str(error)
                bad = "" if isinstance(error, CutJson) else reason
            except httpx.HTTPError as error:
                bad, reason = "", _network(error)
                if isinstance(error, httpx.DecodingError):
                    bad = reason
            if attempt < self.system.retries:
                self.pause(attempt, wait, url, reason)
        if bad:
            raise DataRefused(self.system.clean(bad), self.where(url), "a JSON answer of the API, whole and in UTF-8")
        gone = SystemUnreachable(self.system.name, self.where(url).partition(" at ")[2], f"{reason} ({self.system.retries + 1} tries)")
        gone.retry_after_seconds = wait
        raise gone

    def send(self, method: str, url: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        """Send one write, once; again only where the API says that it did not look at it.

        Raises:
            Unclear: whether it had an effect has to be found out by reading.
            DataRefused: the API does not know us.
            SystemUnreachable: the API wants a longer pause than we wait.
        """
        for attempt in range(self.system.retries + 1):
            try:
                answer = self._ask(method, url, body, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                reason, wait, network = _network(error), None, True  # it never left
            except httpx.HTTPError as error:
                raise Unclear(_network(error), network=True) from error
            else:
                if answer.status in AGAIN and answer.status != 429:
                    said = f"HTTP {answer.status}{self._said(answer)}"
                    raise Unclear(said, network=answer.status in (408, 502, 503, 504), wait_seconds=retry_after(answer.headers))
                if not limited(answer):
                    if answer.status == 401:
                        self._refuse(answer, left="the rows written before stand")
                    return answer
                reason, wait, network = f"HTTP {answer.status}{self._said(answer)}", retry_after(answer.headers), True
            if attempt < self.system.retries:
                self.pause(attempt, wait, url, reason)
        raise Unclear(reason, network=network, wait_seconds=wait)

    def pause(self, attempt: int, asked: float | None, url: str, reason: str) -> None:
        """Wait before trying again: as long as the API asked for, else twice as long as before, with jitter.

        Raises:
            SystemUnreachable: it asked for more than ``wait_seconds``; ``retry_after_seconds`` says how much.
        """
        wait = doubling_pause(self.system.retry_seconds, attempt + 1, self.system.wait_seconds) * self._jitter.uniform(0.5, 1.0)
        if asked is not None:
            if asked > self.system.wait_seconds:
                error = SystemUnreachable(
                    self.system.name, self.where(url).partition(" at ")[2], reason, f"It asks to wait {asked:.0f} seconds."
                )
                error.retry_after_seconds = asked
                raise error
            wait = max(asked, wait)
            self.bucket.pause(asked)
        time.sleep(wait)

    def same_origin(self, url: str, base: str) -> str:
        """An address the API gave us, made absolute.

        Raises:
            DataRefused: it leads to another host, which would be given our token.
        """
        found = urljoin(base, url)
        address = urlsplit(found)
        if (address.scheme, address.netloc) != self._origin:
            what = f"the API leads on to another host ({address.scheme}://{address.hostname})"
            raise DataRefused(what, self.where(base), "an address of the same host; correct 'at:' when the API has moved")
        return found

    def _ask(self, method: str, url: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        for _ in range(_REDIRECTS):
            self.bucket.take()
            answer = self._once(method, url, body, headers)
            moved = answer.headers.get("location", "")
            keeps = answer.status in (307, 308) or (method == "GET" and answer.status in (301, 302, 303))
            if not (moved and keeps):
                return answer
            url = self.same_origin(moved, url)
        raise DataRefused(f"more than {_REDIRECTS} redirects", self.where(url), "an address that answers")

    def _once(self, method: str, url: str, body: str | None, headers: Mapping[str, str] | None) -> Answer:
        sent = dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/json"
        _local.until = time.monotonic() + self.system.answer_seconds
        try:
            with self._http.stream(method, url, content=body.encode() if body is not None else None, headers=sent) as response:
                parts, size = [], 0
                for part in response.iter_bytes():
                    parts.append(part)
                    size += len(part)
                    if size > self.system.max_bytes:
                        what = f"an answer of more than {self.system.max_bytes:,} bytes"
                        raise DataRefused(what, self.where(url), "smaller pages (page_size), or a higher max_bytes")
                return Answer(response.status_code, {n.lower(): v for n, v in response.headers.items()}, b"".join(parts), url)
        except httpx.InvalidURL as error:
            raise DataRefused("an address that is none", self.where(url), "a path of the API") from error
        finally:
            _local.until = None

    def _refuse(self, answer: Answer, left: str = "nothing was changed") -> None:
        """Raise for a status that no retry changes."""
        if answer.status < 300:
            return
        what, expected = self.reason(answer), "an answer with data"
        if answer.status in (401, 403):
            what = f"the API refused access ({what})"
            expected = "a valid sign-in with the right to do this; check auth: and token: of the system"
        elif answer.status in (404, 410):
            expected = "a collection of the API; correct 'at:' of the system or 'path:' of the resource"
        raise DataRefused(what, self.where(answer.url), expected, left=left)

    def _said(self, answer: Answer) -> str:
        """What the API gave as its reason, for the end of a sentence."""
        shown = self.system.clean(answer.body[:2000].decode("utf-8", "replace"))
        return f": {shown}" if shown and not shown.startswith("<") else ""

    def reason(self, answer: Answer) -> str:
        """Status and reason of an answer, for people."""
        return f"HTTP {answer.status}{self._said(answer)}"


def _network(error: httpx.HTTPError) -> str:
    said = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return f"no answer in time ({said})"
    return f"the connection failed ({said})"


def limited(answer: Answer) -> bool:
    """Whether an answer says that we asked too often. Some APIs say so as if we had no right to ask, and tell when to come again."""
    if answer.status != 403:
        return answer.status == 429
    return "retry-after" in answer.headers or _remaining(answer.headers) == "0"


def _remaining(headers: Mapping[str, str]) -> str:
    return next((headers[n].strip() for n in ("x-ratelimit-remaining", "ratelimit-remaining") if n in headers), "")


def _reset(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until the budget is full again, where it is used up; APIs give them, or the moment as seconds since 1970."""
    text = next((headers[n].strip() for n in ("x-ratelimit-reset", "ratelimit-reset") if n in headers), "")
    if _remaining(headers) != "0" or not text.isdigit():
        return None
    return max(0.0, float(text) - now) if float(text) > 1e9 else float(text)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``Retry-After`` asks for, given in seconds or as a date, or else until the budget is full; ``None`` without either.

    A date is compared with the answer's own ``Date``, so that a clock that is wrong on one side does not matter.
    """
    text = headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    now = _moment(headers.get("date", "")) or time.time()
    then = _moment(text)
    return _reset(headers, now) if then is None else max(0.0, then - now)


def _moment(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
