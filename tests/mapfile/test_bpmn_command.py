"""``accord process``: a diagram goes into a map, comes out again, and is refused with its lines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from accord.cli.main import main
from accord.mapfile import load_map

CAMPAIGN = Path(__file__).parent / "bpmn" / "campaign.bpmn"


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Carries out a call; its exit code, and what it said."""

    def call(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_a_diagram_goes_in_and_comes_out_again(tmp_path: Path, run: Run) -> None:
    """Drawn by one, kept in the map by another, drawn on by the first: nothing is lost on the way."""
    folder = tmp_path / "map"
    folder.mkdir()
    (folder / "map.yaml").write_text("name: m\nteams: {marketing: {owner: Mia}}\n")

    code, _, told = run("process", "import", CAMPAIGN, "--into", folder)

    assert code == 0
    assert "'textAnnotation' is left out" in told
    assert (folder / "diagrams" / "campaign.json").is_file()
    before = load_map(folder).processes
    out = tmp_path / "out.bpmn"
    assert run("process", "export", "campaign", "--map", folder, "--to", out)[0] == 0
    assert 'x="1170" y="240"' in out.read_text()
    assert run("process", "import", out, "--into", folder, "--replace")[0] == 0
    assert load_map(folder).processes == before
    again = json.loads(run("process", "export", "campaign", "--map", folder, "--json")[1])
    assert again["bpmn"] == out.read_text()


def test_a_map_of_one_file_keeps_its_comments(tmp_path: Path, run: Run) -> None:
    """The file is a person's; an import adds to it and touches nothing else."""
    path = tmp_path / "map.yaml"
    path.write_text("name: m # ours\n")

    assert run("process", "import", CAMPAIGN, "--into", path)[0] == 0

    assert path.read_text().startswith("name: m # ours\n")
    assert set(load_map(path).processes) == {"campaign", "campaign_make_assets"}


def test_what_is_wrong_is_told_and_nothing_is_written(tmp_path: Path, run: Run) -> None:
    """Exit code 2 with every line, and a map as it was."""
    bad = tmp_path / "bad.bpmn"
    bad.write_text(CAMPAIGN.read_text().replace("bpmn:manualTask", "bpmn:scriptTask"))
    (tmp_path / "map.yaml").write_text("name: m\n")

    code, said, _ = run("process", "import", bad, "--into", tmp_path / "map.yaml")
    as_json = json.loads(run("process", "import", bad, "--json")[1])

    assert code == 2
    assert "bad.bpmn:50: the element 'scriptTask' is not taken." in said
    assert [problem["line"] for problem in as_json["problems"]] == [50]
    assert (tmp_path / "map.yaml").read_text() == "name: m\n"
    assert run("process", "import", tmp_path / "none.bpmn")[0] == 2
    assert run("process", "export", "nothing", "--map", tmp_path / "map.yaml")[0] == 2


def test_without_a_map_the_output_is_a_file_of_one(tmp_path: Path, run: Run) -> None:
    """So a diagram can be looked at, and a map be begun with it."""
    code, text, _ = run("process", "import", CAMPAIGN)
    path = tmp_path / "map.yaml"
    path.write_text(f"name: m\n{text}")

    assert code == 0
    assert "campaign" in load_map(path).processes
    shutil.rmtree(tmp_path / "diagrams", ignore_errors=True)
    assert "<bpmn:definitions" in run("process", "export", "campaign", "--map", path)[1]
