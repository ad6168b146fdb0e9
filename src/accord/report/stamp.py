"""The stamp says which run made a document; it stands in one marked place, so the rest is the same on unchanged inputs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

BEGIN, END = "<!-- stamp -->", "<!-- /stamp -->"
_STAMPED = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which run made a document, when, and from which map and versions.

    Args:
        run: id of the run.
        at: when the document was made; aware, shown in UTC to the second.
        map_name: name of the integration map.
        map_hash: its content hash, shown with the first 12 signs.
        map_version: its version.
        accord_version: version of Accord.
        template: name and version of the page's template, such as ``step v1``.
    """

    run: str
    at: datetime
    map_name: str
    map_hash: str
    map_version: str
    accord_version: str
    template: str = ""

    def parts(self) -> tuple[tuple[str, str], ...]:
        """Label and text of each part, in reading order; empty parts are left out."""
        shown = (
            ("run", self.run),
            ("made", self.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")),
            ("map", f"{self.map_name} {self.map_version}".strip()),
            ("map hash", self.map_hash[:12]),
            ("Accord", self.accord_version),
            ("template", self.template),
        )
        return tuple((label, text) for label, text in shown if text)


def without_stamp(text: str) -> str:
    """A rendered Markdown or HTML document with the content of its stamp taken out, for comparing two runs."""
    return _STAMPED.sub(BEGIN + END, text)
