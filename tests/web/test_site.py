"""Reports, health, the description of the interface, and what is nowhere to be had."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from accord.model.errors import SystemUnreachable, UsageError
from accord.web import Site, WebServer, make_app


@pytest.fixture
def deliverables(tmp_path: Path) -> Path:
    """Two reports, and around them what must not be shown."""
    folder = tmp_path / "deliverables"
    (folder / "run").mkdir(parents=True)
    (folder / "assess" / "deep").mkdir(parents=True)
    (folder / "run" / "executive.html").write_text("<h1>Executive</h1>")
    (folder / "assess" / "a b.csv").write_text("x,y\n")
    (folder / "assess" / ".hidden").write_text("SECRET")
    (tmp_path / "secret.txt").write_text("SECRET")
    (folder / "assess" / "out").symlink_to(tmp_path / "secret.txt")
    (folder / "up").symlink_to(tmp_path)
    return folder


def raw(url: str, line: str) -> bytes:
    """The answer to a request line as it stands: clients tidy paths up."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"{line} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_the_reports_are_shown_as_they_are_and_nothing_else(deliverables: Path, serving: Callable[..., str]) -> None:
    """No path leads out of the folder, however it is written, and no link in it does."""
    url = serving(Site(deliverables=deliverables))
    with httpx.Client(base_url=url, follow_redirects=True) as client:
        front = client.get("/")
        assert (front.url.path, front.text) == ("/run/executive.html", "<h1>Executive</h1>")
        assert front.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        assert front.headers["x-content-type-options"] == "nosniff"
        listed = client.get("/assess")
        assert 'href="./a%20b.csv"' in listed.text
        assert "hidden" not in listed.text
        assert client.get("/assess/a%20b.csv").text == "x,y\n"
        assert client.head("/run/executive.html").status_code == 200
        assert client.post("/run/executive.html").status_code == 405
    up = [
        "../secret.txt",
        "/../secret.txt",
        "run/../../secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "..%5csecret.txt",
    ]
    links = [
        "assess/out",
        "up/secret.txt",
        "up/map.yaml",
        "assess/.hidden",
        ".",
        "..",
        "run/",
        "%00",
        "run%00/x",
        "//etc/passwd",
        "a" * 5000,
    ]
    for path in (*up, *links, "..%252fsecret.txt", "%c0%ae%c0%ae/secret.txt", "~/.ssh", "file:///etc/passwd", "C:\\x"):
        answer = raw(url, f"GET /{path}")
        status = int(answer.split()[1])
        assert status in (400, 404) or (path == "run/" and status == 200), (path, status)
        assert b"SECRET" not in answer
        assert b"root:" not in answer


def test_the_reports_are_for_who_sits_here(deliverables: Path, serving: Callable[..., str]) -> None:
    """Neither through a proxy, nor by a name that a foreign page pointed to this machine; unless a proxy is said to look after it."""
    for site, status in ((Site(deliverables=deliverables), 403), (Site(deliverables=deliverables, proxied=True), 200), (Site(), 404)):
        with httpx.Client(base_url=serving(site)) as client:
            for headers in ({"x-forwarded-for": "203.0.113.5"}, {"host": "evil.example:8321"}, {"forwarded": "for=1.1.1.1"}):
                assert client.get("/run/executive.html", headers=headers).status_code == status
            if not site.proxied:
                assert client.get("/", headers={"host": "localhost:80"}).status_code == (302 if site.deliverables else 404)


def test_a_workspace_without_a_report_says_how_to_get_one(web: httpx.Client) -> None:
    """Links and webhooks are served all the same."""
    answer = web.get("/")

    assert answer.status_code == 404
    assert "accord run" in answer.text


def test_the_interface_describes_itself(web: httpx.Client) -> None:
    """A partner's programmer reads it instead of asking; every status that is given stands there."""
    found = web.get("/openapi.json").json()

    paths = {(path, method) for path, methods in found["paths"].items() for method in methods}
    assert paths == {("/links/{token}", "get"), ("/links/{token}", "post"), ("/webhooks/{name}", "post"), ("/healthz", "get")}
    taken = found["paths"]["/webhooks/{name}"]["post"]
    assert {"200", "202", "400", "401", "404", "409", "413", "415", "429", "503"} <= set(taken["responses"])
    assert {p["name"] for p in taken["parameters"]} == {"name", "webhook-id", "webhook-timestamp", "webhook-signature"}
    assert "application/cloudevents+json" in taken["requestBody"]["content"]
    assert {"403", "409", "410", "422"} <= set(found["paths"]["/links/{token}"]["post"]["responses"])
    assert web.get("/docs").status_code == 404


def test_health_is_that_of_the_store(office: Any, serving: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer is said as such, with when to try again; the reason goes to who runs it, not to who asks."""
    path, told = office.brief()["claim"], []
    with httpx.Client(base_url=serving(Site(office.work, office.key), failed=lambda said, error: told.append(said))) as client:
        assert client.get("/healthz").json() == {"status": "ok"}

        def away(*given: Any) -> Any:
            raise SystemUnreachable("store", "db.internal", "no route")

        monkeypatch.setattr(type(office.store), "head", away)
        monkeypatch.setattr(type(office.store), "rows", away)

        for answer in (client.get("/healthz"), client.get(path)):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
            assert "db.internal" not in answer.text
    assert len(told) == 2


def test_a_fault_of_ours_is_told_by_an_id(office: Any, serving: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever meets it can name it, and learns nothing of the inside."""
    path, told = office.brief()["claim"], []
    monkeypatch.setattr(type(office.store), "rows", lambda *given: 1 / 0)
    with httpx.Client(base_url=serving(Site(office.work, office.key), failed=lambda said, error: told.append(said))) as client:
        answer = client.get(path)

    (said,) = told
    assert answer.status_code == 500
    assert said.partition(":")[0] in answer.text
    assert "ZeroDivision" in said
    assert "ZeroDivision" not in answer.text


def test_a_port_that_is_taken_is_said(serving: Callable[..., str]) -> None:
    """With the way out."""
    taken = int(serving(Site()).rpartition(":")[2])

    with pytest.raises(UsageError, match=r"port \d+ cannot be opened.*--port"):
        WebServer(make_app(Site()), port=taken)
