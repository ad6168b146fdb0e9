"""What a map may say about an HTTP API: how to sign in, how fast to ask, how it lists, finds and changes rows."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from accord.connectors.protocol import KnownOptions
from accord.connectors.rest_json import Path
from accord.model.errors import UnknownName, UsageError
from accord.model.system import Resource, System

STYLES: Final = ("none", "page", "offset", "cursor", "link", "key")
_AUTH: Final = ("none", "bearer", "basic", "header")
_OF_SYSTEM: Final = (
    *("auth", "token", "user", "password", "header", "proxy", "rate", "timeout_seconds", "answer_seconds", "retries", "retry_seconds"),
    *("wait_seconds", "resume_seconds", "concurrency", "max_bytes", "params"),
)
_OF_RESOURCE: Final = (
    *("pages", "page_param", "first_page", "offset_param", "size_param", "page_size", "page_limit", "cursor_param", "cursor_path"),
    *("items", "item", "total", "confirm", "updated_since", "ids_param", "ids_size", "version", "error_path", "idempotency_header"),
    *("late_lists", "read", "create", "update", "delete"),
)
_VALUES: Final = {"auth": _AUTH, "pages": STYLES, "confirm": ("true", "false"), "late_lists": ("true", "false")}
KNOWN: Final = KnownOptions(
    {name: _VALUES.get(name, ()) for name in (*_OF_SYSTEM, *_OF_RESOURCE, "header.*")},
    {name: _VALUES.get(name, ()) for name in _OF_RESOURCE},
)
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|second|m|min|minute|h|hour)")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class RestSystem:
    """How the API as a whole is spoken to; ``secrets`` are the texts that no message may show."""

    name: str
    base: str
    headers: Mapping[str, str] = field(repr=False)
    params: tuple[tuple[str, str], ...] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    proxy: str = field(repr=False)
    rate_per_second: float
    timeout_seconds: float
    answer_seconds: float
    retries: int
    retry_seconds: float
    wait_seconds: float
    resume_seconds: float
    concurrency: int
    max_bytes: int

    def clean(self, text: str) -> str:
        """A text of the other side without our secrets, on one line, short enough for a message."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        text = " ".join(text.split())
        return text if len(text) <= 300 else text[:299] + "…"


@dataclass(frozen=True, slots=True)
class Verb:
    """A method and the template of a path, with ``{column}`` where a key belongs."""

    method: str
    path: str

    def fill(self, key: Mapping[str, str]) -> str:
        """The path of one row. Every character of a key that means something in an address is escaped."""
        return re.sub(r"\{([^{}]+)\}", lambda found: quote(key[found[1]], safe=""), self.path)


@dataclass(frozen=True, slots=True)
class RestResource:
    """How one collection is listed, read by key and written; a verb that is ``None`` is not offered."""

    name: str
    path: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    pages: str
    page_param: str
    first_page: int
    offset_param: str
    size_param: str
    page_size: int
    page_limit: int
    cursor_param: str
    cursor_path: Path
    items: Path
    item: Path
    total: Path | None
    confirm: bool
    updated_since: str
    ids_param: str
    ids_size: int
    version: str
    error_path: Path | None
    idempotency_header: str
    late_lists: bool
    read: Verb | None
    create: Verb | None
    update: Verb | None
    delete: Verb | None


def system_options(system: System) -> RestSystem:
    """The system's options, checked.

    Raises:
        MapError: an option that does not exist or has an impossible value.
    """
    given, holder = system.options, f"system '{system.name}'"
    for name in given:
        if name not in (*_OF_SYSTEM, *_OF_RESOURCE) and not name.startswith("header."):
            raise UnknownName("option", name, (*_OF_SYSTEM, *_OF_RESOURCE, "header.<name>"), place=system.place, holder=holder)
    base, address = system.at.rstrip("/"), urlsplit(system.at)
    if address.scheme not in ("http", "https") or not address.hostname or address.username or address.password or address.query:
        # The text itself may hold a secret, so it is not shown.
        what = f"{holder}: 'at:' is no address of an API."
        raise UsageError(what, place=system.place, expected="Expected https://host/path, with user and token under options:.")
    read = _Options(holder, system, (given,))
    timeout = read.number("timeout_seconds", 30.0)
    headers = {name.removeprefix("header."): value for name, value in given.items() if name.startswith("header.")}
    signed = _authorization(read)
    header_secrets = {text for value in signed.values() for text in (value, value.partition(" ")[2])}
    secrets = {*header_secrets, *headers.values(), given.get("token", ""), given.get("password", "")}
    params = tuple(parse_qsl(given.get("params", ""), keep_blank_values=True))
    secrets |= {value for _, value in params if len(value) >= 8}  # an API key in the query, but not a 'limit=1'
    return RestSystem(
        name=system.name,
        base=base,
        headers={"Accept": "application/json", **headers, **signed},
        params=params,
        secrets=tuple(sorted(filter(None, secrets), key=len, reverse=True)),
        proxy=given.get("proxy", ""),
        rate_per_second=read.rate(),
        timeout_seconds=timeout,
        answer_seconds=read.number("answer_seconds", 10 * timeout),
        retries=read.number("retries", 5),
        retry_seconds=read.number("retry_seconds", 0.5),
        wait_seconds=read.number("wait_seconds", 60.0),
        resume_seconds=read.number("resume_seconds", 86_400.0),
        concurrency=max(1, read.number("concurrency", 4)),
        max_bytes=read.number("max_bytes", 64 << 20),
    )


def resource_options(system: System, resource: Resource) -> RestResource:
    """How a resource is spoken to: its own options, then those of the system, then what most APIs do.

    Raises:
        MapError: an option that does not exist or has an impossible value, or a resource without a key.
    """
    holder = f"system '{system.name}', resource '{resource.name}'"
    for name in resource.options:
        if name not in _OF_RESOURCE:
            raise UnknownName("option", name, _OF_RESOURCE, place=resource.place, holder=holder)
    if not resource.key:
        what = f"{holder}: an API does not say which members are the key."
        raise UsageError(what, place=resource.place, expected="Expected 'key: [id]' in the resource.")
    path = resource.path or resource.name
    read = _Options(holder, system, (resource.options, system.options))
    if len(resource.key) > 1 and read.text("pages", "") == "key":
        what = f"{holder}: pages: key goes on behind the last '{resource.key[0]}', and rows of the same one may stand on the next page."
        raise UsageError(what, place=resource.place, expected="Expected a key of one column, or another way of pages.")
    item = "/".join([path, *(f"{{{name}}}" for name in resource.key)])
    return RestResource(
        name=resource.name,
        path=path,
        key=resource.key,
        columns=resource.columns,
        pages=read.choice("pages", "page", STYLES),
        page_param=read.text("page_param", "page"),
        first_page=read.number("first_page", 1),
        offset_param=read.text("offset_param", "offset"),
        size_param=read.text("size_param", "limit"),
        page_size=max(1, read.number("page_size", 100)),
        page_limit=read.number("page_limit", 100_000),
        cursor_param=read.text("cursor_param", "cursor"),
        cursor_path=Path.parse(read.text("cursor_path", "next_cursor")),
        items=Path.parse(read.text("items", "")),
        item=Path.parse(read.text("item", "")),
        total=Path.parse(found) if (found := read.text("total", "")) else None,
        confirm=read.choice("confirm", "true", _VALUES["confirm"]) == "true",
        updated_since=read.text("updated_since", ""),
        ids_param=read.text("ids_param", ""),
        ids_size=max(1, read.number("ids_size", 50)),
        version=read.text("version", ""),
        error_path=Path.parse(found) if (found := read.text("error_path", "")) else None,
        idempotency_header=read.text("idempotency_header", "Idempotency-Key"),
        late_lists=_late(read, resource),
        read=read.verb("read", "GET", item, resource.key),
        create=read.verb("create", "POST", path, resource.key),
        update=read.verb("update", "PATCH", item, resource.key),
        delete=read.verb("delete", "DELETE", item, resource.key),
    )


@dataclass(frozen=True, slots=True)
class _Options:
    holder: str
    system: System
    given: Sequence[Mapping[str, str]]

    def text(self, name: str, default: str) -> str:
        return next((str(options[name]) for options in self.given if name in options), default)

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        found = self.text(name, default)
        if found not in choices:
            raise UnknownName(f"value of '{name}',", found, choices, place=self.system.place, holder=self.holder)
        return found

    def number(self, name: str, default: Number) -> Number:
        text = self.text(name, str(default))
        try:
            found = type(default)(text)
        except ValueError:
            found = type(default)(-1)
        if not 0 <= found < float("inf"):
            kind = "a whole number" if isinstance(default, int) else "a number"
            raise UsageError(f"{self.holder}: option {name} is '{text}'.", place=self.system.place, expected=f"Expected {kind} from 0.")
        return found

    def rate(self) -> float:
        text = self.text("rate", "")
        found = _RATE.fullmatch(text)
        if text and (found is None or float(found[1]) <= 0):
            what = f"{self.holder}: option rate is '{text}'."
            raise UsageError(what, place=self.system.place, expected="Expected requests in a time, such as 10/s, 600/min or 5000/h.")
        return float(found[1]) / _UNITS[found[2][0]] if found else 0.0

    def verb(self, name: str, method: str, path: str, key: Sequence[str]) -> Verb | None:
        text = self.text(name, method)
        if text in ("", "none"):
            return None
        given, _, template = text.partition(" ")
        template = template.strip() or path
        unknown = [column for column in re.findall(r"\{([^{}]+)\}", template) if column not in key]
        if not given.isalpha() or unknown or "://" in template:
            what = f"{self.holder}: option {name} is '{text}'."
            expected = f"Expected a method and a path such as '{method} {path}', with key columns in braces, or none."
            raise UsageError(what, place=self.system.place, expected=expected)
        return Verb(given.upper(), template)


def _late(read: _Options, resource: Resource) -> bool:
    late = read.choice("late_lists", "false", _VALUES["late_lists"]) == "true"
    if late and read.text("read", "GET") in ("", "none") and not read.text("ids_param", ""):
        what = f"{read.holder}: late_lists: true needs a way to ask for single rows."
        raise UsageError(what, place=resource.place, expected="Expected the option read or ids_param, or late_lists: false.")
    return late


def _authorization(read: _Options) -> dict[str, str]:
    kind = read.choice("auth", "none", _AUTH)
    needed = {"bearer": ("token",), "basic": ("user", "password"), "header": ("header", "token")}.get(kind, ())
    for name in needed:
        if not read.text(name, ""):
            what = f"{read.holder}: auth: {kind} needs the option {name}."
            raise UsageError(what, place=read.system.place, expected=f"Expected for example {name}: ${{env:{name.upper()}}}.")
    if kind == "bearer":
        return {"Authorization": f"Bearer {read.text('token', '')}"}
    if kind == "basic":
        pair = f"{read.text('user', '')}:{read.text('password', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {read.text("header", ""): read.text("token", "")} if kind == "header" else {}
