"""`accord quality`: scores, gaps and exit codes as people and programs see them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main
from accord.measure.intervals import wilson

MAP = """\
name: shop
systems:
  a: {connector: csv, at: ., resources: {a: {key: [id]}}}
  b: {connector: csv, at: ., resources: {b: {key: [id]}}}
entities:
  thing: {key: [id], fields: {id: {type: text, required: true}, size: {type: integer, maximum: 9}}}
flows:
  things:
    entity: thing
    bindings:
      a: {resource: a, direction: read, fields: {id: id, size: size}}
      b: {resource: b, direction: write, create: true, fields: {id: id, size: size}}
"""


def test_scores_gaps_and_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A score under the wanted level fails a build, and the file names each row to mend with what to do."""
    here = tmp_path / "map.yaml"
    here.write_text(MAP)
    (tmp_path / "a.csv").write_text("id,size\n" + "".join(f"{n},{n}\n" for n in range(11)) + "x,many\n")
    main(["sync", str(here)])
    capsys.readouterr()

    code = main(["quality", str(here), "--at-least", "0.99", "--gaps", str(tmp_path / "gaps.csv"), "--json"])
    body: dict[str, Any] = json.loads(capsys.readouterr().out)
    one = main(["quality", str(here), "--dimension", "completeness", "--at-least", "1", "--json"])
    only = json.loads(capsys.readouterr().out)["scores"]
    shown = main(["quality", str(here)])
    text = capsys.readouterr().out
    wrong = [main(["quality", str(here), *more]) for more in (["--dimension", "beauty"], ["--gaps", "gaps.doc"], ["--since", "soon"])]

    scores = {s["name"]: s for s in body["scores"]}
    # The maximum is asked of 11 values of a, 10 of them good, and of the 10 of b; those ten are also held against a.
    accuracy = scores["accuracy"]
    assert (code, body["met"], accuracy["n"]) == (1, False, 31)
    assert accuracy["value"] == 30 / 31
    assert (accuracy["low"], accuracy["high"]) == wilson(30, 31)
    gaps = list(csv.DictReader((tmp_path / "gaps.csv").read_text().splitlines()))
    assert {(g["check"], g["key"], g["reason"], g["to_do"]) for g in gaps} == {
        ("maximum", '{"id":"10"}', "size: 10 is above 9", "correct the value there"),
        ("readable", '{"id":"x"}', "size: 'many' is no whole number", "correct the value, or give the mapping its format or code"),
    }
    assert (one, [s["name"] for s in only], only[0]["value"]) == (0, ["completeness"], 1.0)
    assert shown == 0
    assert "size: 10 is above 9" in text
    assert wrong == [2, 2, 2]
