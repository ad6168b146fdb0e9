"""The address links in mails begin with is one people can open, and nobody on the way can read along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts

_HERE: Final = ("localhost", "127.0.0.1", "::1")


def check(facts: Facts) -> Iterator[Problem]:
    """A ``public_url`` that is no web address, is not protected by TLS, or says more than where."""
    given = facts.map.public_url
    if not given:
        return
    try:
        url = urlsplit(given)
        host, _ = url.hostname or "", url.port
    except ValueError:
        host = ""
    if not host or url.scheme not in ("https", "http") or url.query or url.fragment or url.username or any(c.isspace() for c in given):
        yield facts.problem(
            ("public_url",), f"public_url: '{given}' is no web address of a site.", "Expected for example https://accord.example."
        )
    elif url.scheme == "http" and host not in _HERE:
        what = f"public_url: over '{given}' whoever is on the way could use the links in mails."
        yield facts.problem(("public_url",), what, "Expected https://….")
