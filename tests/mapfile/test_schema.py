"""The JSON Schema and the reference page come from the model and agree with the loader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from accord.mapfile import json_schema, lint, load_map, reference_page, schema_text
from accord.mapfile.shapes import ListShape, RecordShape, TableShape, map_shape
from accord.mapfile.source import Listing, Node, Scalar, Table, read_text

Changed = Callable[[str, str], Path]
ROOT = Path(__file__).resolve().parents[2]


def plain(node: Node | None) -> Any:
    """A node as a YAML 1.2 reader of an editor sees it."""
    if isinstance(node, Table):
        return {name: plain(part) for name, part in node.items.items()}
    if isinstance(node, Listing):
        return [plain(part) for part in node.items]
    assert isinstance(node, Scalar)
    if node.is_null:
        return None
    if node.plain and node.text in ("true", "false"):
        return node.text == "true"
    if node.plain and re.fullmatch(r"-?[0-9]+", node.text):
        return int(node.text)
    if node.plain and re.fullmatch(r"-?[0-9]+\.[0-9]+", node.text):
        return float(node.text)
    return node.text


def as_editor_sees(path: Path) -> Any:
    return plain(read_text(path.read_text(encoding="utf-8"), str(path), []))


def test_the_schema_is_a_valid_one_and_accepts_the_demo_map(demo_path: Path) -> None:
    """An editor that underlines a right map is turned off."""
    schema = json_schema()

    jsonschema.Draft202012Validator.check_schema(schema)

    jsonschema.Draft202012Validator(schema).validate(as_editor_sees(demo_path))
    assert json.loads(schema_text()) == schema


def test_the_schema_accepts_the_maps_that_ship() -> None:
    """Examples and packs are what people start from."""
    files = [*ROOT.glob("examples/*/*.yaml"), *ROOT.glob("examples/*/map/*.yaml"), *ROOT.glob("packs/*/src/*/map/*.yaml")]
    validator = jsonschema.Draft202012Validator(json_schema())

    for path in files:
        validator.validate(as_editor_sees(path))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("flows:\n", "flws:\n"),
        ("deletes: ignore", "deletes: marks"),
        ("priority: 2", "priority: two"),
        ("existence: [planner]", "existence: planner"),
        ("{connector: sqlite, at", "{at"),
        ("freshness: 15m", "freshness: 15 minutes"),
        ("required: true, pattern", "required: perhaps, pattern"),
    ],
)
def test_what_the_schema_refuses_the_loader_refuses(changed: Changed, old: str, new: str) -> None:
    """Two judges must not disagree."""
    path = changed(old, new)

    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(as_editor_sees(path))
    assert lint(path)


def test_every_key_of_the_map_is_documented_in_model_schema_and_page() -> None:
    """A key without a sentence is a key nobody can use."""
    page, missing = reference_page(), []
    waiting: list[Any] = [map_shape()]
    while waiting:
        shape = waiting.pop()
        if isinstance(shape, RecordShape):
            missing += [f"{shape.cls.__name__}.{k.name}" for k in shape.keys if not k.doc or f"| `{k.name}` |" not in page]
            waiting += [k.shape for k in shape.keys]
        elif isinstance(shape, TableShape | ListShape):
            waiting.append(shape.item)

    assert missing == []


def test_the_reference_page_is_up_to_date() -> None:
    """docs/map.md is written from the model. To renew it: python -c "from pathlib import Path; from accord.mapfile import reference_page;
    Path('docs/map.md').write_text(reference_page(), encoding='utf-8')"."""
    assert (ROOT / "docs" / "map.md").read_text(encoding="utf-8") == reference_page()


def test_one_authority_for_all_fields_may_be_a_text(changed: Changed) -> None:
    """It is what people write first, and it means one thing only; editors take it, too."""
    given = 'authority: {"*": planner, status: tracker, budget: latest}'
    hashes = [load_map(changed(given, f"authority: {said}")).content_hash for said in ('{"*": latest}', "latest")]

    path = changed(given, "authority: latest")

    assert load_map(path).flows["campaigns"].authority == {"*": "latest"}
    assert hashes[0] == hashes[1]
    jsonschema.Draft202012Validator(json_schema()).validate(as_editor_sees(path))
    (wrong,) = lint(changed(given, "authority: latst"))
    assert "Did you mean 'latest'?" in wrong.expected
