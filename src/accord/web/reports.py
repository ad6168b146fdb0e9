"""The deliverables of a workspace, for who sits at this machine."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, RedirectResponse, Response

from accord.web.answers import Way, message
from accord.web.site import Site

# Reports carry their style with them; no page may load or run anything from elsewhere.
_POLICY = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:", "cache-control": "no-cache"}
_HERE = ("127.0.0.1", "localhost", "[::1]")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
FRONT = Path("run", "executive.html")


def routes(site: Site) -> APIRouter:
    """All paths that no other page takes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/{path:path}")
    @router.head("/{path:path}")
    def report(path: str, request: Request) -> Response:
        if site.deliverables is None:
            raise HTTPException(404)
        if not site.proxied and not _from_here(request):
            raise HTTPException(403, "The reports are shown on this machine only.")
        if path in ("", "index.html"):
            if (site.deliverables / FRONT).is_file():
                return RedirectResponse(FRONT.as_posix(), 302)
            return message(404, "No report yet", "Run `accord run` on this workspace; its reports are shown here then.", depth=0)
        found = _within(site.deliverables, path)
        if found is None:
            raise HTTPException(404)
        return _listed(found, path) if found.is_dir() else FileResponse(found, headers=_POLICY)

    return router


def _from_here(request: Request) -> bool:
    """Whether a person at this machine asks: not through a proxy, and not by a name somebody else may point to this machine."""
    host = request.headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    return name.lower() in _HERE and not any(header in request.headers for header in _FORWARDED)


def _within(folder: Path, path: str) -> Path | None:
    """The file or folder of a path, when it is one of the deliverables: nothing hidden, and nothing a link leads out to."""
    parts = path.removesuffix("/").split("/")
    if any(part.startswith(".") or not part or "\\" in part or "\0" in part for part in parts):
        return None
    try:
        found = folder.joinpath(*parts).resolve(strict=True)
    except (OSError, ValueError):
        return None
    root = folder.resolve()
    return found if found.is_relative_to(root) and (found.is_file() or found.is_dir()) else None


def _listed(folder: Path, path: str) -> Response:
    """What a folder holds."""
    if not path.endswith("/"):
        return RedirectResponse(f"{folder.name}/", 302)
    inside = sorted((entry for entry in folder.iterdir() if not entry.name.startswith(".")), key=lambda entry: entry.name)
    ways = [Way(f"./{quote(entry.name)}{'/' if entry.is_dir() else ''}", entry.name) for entry in inside]
    return message(200, path.strip("/"), "", step="Reports", ways=ways, depth=path.count("/"))
