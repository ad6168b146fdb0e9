"""Templates are found by name and version, the newest by default."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from jinja2 import Environment

from accord.govern.templates import list_templates, load_template
from accord.model.errors import DataRefused, UnknownName


def test_the_newest_version_is_taken_unless_one_is_named(tmp_path: Path) -> None:
    """An old document can be made again as it was."""
    for version in (1, 2, 10):
        (tmp_path / f"page.v{version}.html.j2").write_text(f"version {version}")

    assert load_template("page", folders=[tmp_path]).version == 10
    assert load_template("page", 2, folders=[tmp_path]).text == "version 2"


def test_a_template_carries_the_hash_of_its_text() -> None:
    """The stamp says which text made the page, even if the version was not raised."""
    template = load_template("step")

    assert template.sha == hashlib.sha256(template.text.encode()).hexdigest()
    assert template.label == f"step v{template.version} ({template.sha[:8]})"


def test_a_folder_of_a_pack_goes_first(tmp_path: Path) -> None:
    """A pack may replace a template without touching Accord."""
    (tmp_path / "step.v1.html.j2").write_text("theirs")

    assert load_template("step", 1, folders=[tmp_path]).text == "theirs"


def test_an_unknown_name_or_version_lists_those_there_are() -> None:
    """The message ends with the way out."""
    with pytest.raises(UnknownName, match=r"template 'stpe'.*Did you mean 'step'"):
        load_template("stpe")
    with pytest.raises(UnknownName, match=r"template 'step v99'.*step v1"):
        load_template("step", 99)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A clear message in place of a traceback."""
    (tmp_path / "page.v1.html.j2").write_bytes(b"\xff\xfe\xff")

    with pytest.raises(DataRefused, match=r"page\.v1\.html\.j2"):
        load_template("page", folders=[tmp_path])


def test_every_template_parses() -> None:
    """A broken template would be found by the first reader otherwise."""
    templates = list_templates()

    assert templates
    environment = Environment(autoescape=True)
    environment.filters |= dict.fromkeys(("inline", "prose", "drawing", "kind"), str)
    for template in templates:
        environment.from_string(template.text)
