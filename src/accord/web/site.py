"""What the pages read; each process that serves the same site may have its own, as nothing is kept between two requests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from accord.store.signing import SigningKey, load_or_create_key
from accord.work import Work
from accord.work.webhooks.signature import secrets_of
from accord.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Site:
    """What is served.

    Args:
        work: the processes that links and webhooks are about; ``None``: a folder of reports and nothing else.
        key: signed the links of mails.
        deliverables: folder of the reports; ``None``: they are not served.
        proxied: the reports are also for who comes through a proxy, which then has to know who that is.
    """

    work: Work | None = None
    key: SigningKey | None = None
    deliverables: Path | None = None
    proxied: bool = False


def site_of(workspace: Workspace, *, reports: bool = True, proxied: bool = False) -> Site:
    """The site of a workspace.

    Args:
        workspace: opened; stays open while the site is served.
        reports: serve them.
        proxied: as in ``Site``.

    Raises:
        UsageError: the secret of a webhook that may send messages is not set.
        MapError: a form schema the map names cannot be read.
    """
    for webhook in workspace.map.webhooks.values():
        if webhook.messages:
            secrets_of(webhook)  # said before anything is served, and not to the partner
    work = workspace.work()
    for process in workspace.map.processes.values():
        if process.steps:
            work.library.current(process.name)  # fields of forms then stand in the order of the map, which the log does not keep
    key = load_or_create_key(workspace.root / ".accord" / "keys")
    return Site(work, key, workspace.deliverables if reports else None, proxied)
