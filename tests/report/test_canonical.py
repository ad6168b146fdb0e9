"""The hash of a document and its JSON twin."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from accord.model.figure import Figure
from accord.report import Document, Figures, Section, Stamp, digest, to_json


def test_the_digest_is_over_what_the_document_says(make_document: Callable[..., Document]) -> None:
    """Equal content gives an equal digest, any change another one: «no change» rests on it."""
    document = make_document()

    assert digest(document) == digest(make_document())
    assert digest(document) != digest(make_document("tracker"))
    assert digest(document) != digest(replace(document, covers=("K7",)))
    assert len(digest(document)) == 64


def test_json_holds_every_block_with_figures_as_numbers(make_document: Callable[..., Document], stamp: Stamp) -> None:
    """Programs read the JSON, not the page."""
    body = json.loads(to_json(make_document(), stamp))
    blocks = {block["block"]: block for block in body["sections"][0]["blocks"]}

    assert set(blocks) == {"paragraph", "table", "figures", "findings", "targets", "picture", "code"}
    assert blocks["figures"]["figures"][0]["value"] == 41.3
    assert blocks["figures"]["figures"][1]["not_measured"] == "nothing was simulated for planner"
    assert "svg" not in blocks["picture"]
    assert body["stamp"]["run"] == "run-7"


def test_without_stamp_json_is_the_same_in_every_run(make_document: Callable[..., Document]) -> None:
    """A twin without stamp can be compared byte by byte."""
    assert to_json(make_document()) == to_json(make_document())
    assert "stamp" not in json.loads(to_json(make_document()))


def test_infinity_is_no_measurement() -> None:
    """A division by nothing must not reach a reader as a number."""
    document = Document("d", "t", "assess", (Section("s", (Figures((Figure("f", float("inf")),)),)),))

    with pytest.raises(ValueError, match="JSON compliant"):
        to_json(document)
