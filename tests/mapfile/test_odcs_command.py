"""`accord contract`: out of a map, into a map, and what people see when it cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main
from accord.mapfile import load_map

CONTRACTS = Path(__file__).parent / "contracts"
EMPTY = "name: shop\nteams: {shop: {title: Shop}}\n"


def answered(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = 0) -> dict[str, Any]:
    """The JSON a call answers with."""
    assert main([*map(str, words), "--json"]) == code
    body: dict[str, Any] = json.loads(capsys.readouterr().out)
    return body


def test_export_writes_a_file_for_each_entity(tmp_path: Path, demo_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A catalogue reads a folder of contracts."""
    body = answered(capsys, "contract", "export", demo_path, "--to", tmp_path / "out")

    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["asset.odcs.yaml", "campaign.odcs.yaml", "handoff.odcs.yaml"]
    assert [c["schema"][0]["name"] for c in body["contracts"]] == ["campaign", "asset", "handoff"]


def test_export_keeps_places_as_the_map_writes_them(tmp_path: Path, demo_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A contract is for others: folders of this machine and values of variables are not for them."""
    body = answered(capsys, "contract", "export", demo_path, "--entity", "campaign", "--data", tmp_path)

    assert body["contracts"][0]["servers"][0]["path"] == "${data}/planner.db"


def test_export_to_standard_output_is_yaml_documents(demo_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output can be piped into another tool."""
    assert main(["contract", "export", str(demo_path)]) == 0

    documents = capsys.readouterr().out.split("---\n")
    assert [d.partition("\n")[0] for d in documents] == ["kind: DataContract"] * 3


def test_a_map_of_contracts_is_the_map_they_came_from(tmp_path: Path, demo_path: Path) -> None:
    """Out of one map and into another by the command line: the same entities."""
    wanted = load_map(demo_path).entities
    main(["contract", "export", str(demo_path), "--to", str(tmp_path / "out")])
    folder = tmp_path / "map"
    folder.mkdir()
    (folder / "map.yaml").write_text("name: copy\nteams: {marketing: {}}\nprocesses: {delivery: {}}\n", encoding="utf-8")

    codes = [main(["contract", "import", str(tmp_path / "out" / f"{e}.odcs.yaml"), "--into", str(folder)]) for e in wanted]

    assert codes == [0, 0, 0]
    assert load_map(folder).entities == wanted


def test_import_prints_a_file_of_a_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed can be saved and loaded; what was left out goes to standard error."""
    assert main(["contract", "import", str(CONTRACTS / "orders.odcs.yaml")]) == 0
    printed = capsys.readouterr()

    (tmp_path / "map.yaml").write_text(EMPTY + printed.out, encoding="utf-8")

    assert list(load_map(tmp_path).entities) == ["orders", "lines"]
    assert "freshness: 1h" in printed.out
    assert "is not checked" in printed.err


def test_import_into_a_file_keeps_its_comments(tmp_path: Path) -> None:
    """A map is a text of its authors; the import adds to it and changes nothing else."""
    file = tmp_path / "map.yaml"
    file.write_text(f"# ours\n{EMPTY}entities:\n  old: {{key: [id], fields: {{id: text}}}}  # kept\n", encoding="utf-8")

    assert main(["contract", "import", str(CONTRACTS / "orders.odcs.yaml"), "--into", str(file)]) == 0

    assert list(load_map(file).entities) == ["old", "orders", "lines"]
    assert file.read_text().startswith("# ours\nname: shop\n")
    assert "# kept" in file.read_text()


def test_import_into_a_new_file_of_a_map_writes_only_the_entities(tmp_path: Path) -> None:
    """A file beside the others belongs to the map of the folder."""
    assert main(["contract", "import", str(CONTRACTS / "sensors.odcs.json"), "--into", str(tmp_path / "sensor.yaml")]) == 0

    assert (tmp_path / "sensor.yaml").read_text().startswith("entities:\n  sensor:\n")


def test_a_map_may_name_an_entity_before_its_contract_is_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever writes the flow first must not have to take it out again; what else is wrong with the map is told all the same."""
    side = "resource: sensors, fields: {id: id, state: state}"
    flow = f"flows: {{read: {{entity: sensor, bindings: {{a: {{system: s, {side}}}, b: {{system: t, {side}}}}}}}}}"
    systems = "systems: {s: {connector: sqlite, at: s.db}, t: {connector: sqlite, at: t.db}}"
    file = tmp_path / "map.yaml"
    call = ["contract", "import", str(CONTRACTS / "sensors.odcs.json"), "--into", str(file)]
    file.write_text(f"name: m\n{systems}\n{flow.replace('system: t', 'system: u')}\n")

    wrong = main(call)
    told = capsys.readouterr().err
    unwritten = "sensor:" not in file.read_text()
    file.write_text(f"name: m\n{systems}\n{flow}\n")

    assert (wrong, unwritten, "'u' does not exist" in told, "'sensor' does not exist" in told) == (2, True, True, False)
    assert main(call) == 0
    assert set(load_map(file).entities) == {"sensor"}


def test_a_new_file_must_fit_the_map_it_comes_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Named or not, a new file of a folder is part of its map."""
    (tmp_path / "map.yaml").write_text(EMPTY, encoding="utf-8")
    call = ["contract", "import", str(CONTRACTS / "sensors.odcs.json"), "--into"]

    codes = [main([*call, str(tmp_path / name)]) for name in ("one.yaml", "two.yaml")]

    assert codes == [0, 2]
    assert "stands in the map already" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.yaml", "one.yaml"]


def test_an_owner_that_is_no_team_is_left_out_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Contracts of others name people our map does not know; the rest of the contract is still good."""
    (tmp_path / "map.yaml").write_text(EMPTY, encoding="utf-8")

    body = answered(capsys, "contract", "import", CONTRACTS / "sellers.odcs.yaml", "--into", tmp_path)

    assert load_map(tmp_path).entities["seller"].owner == ""
    assert any("'daustin'" in note["message"] for note in body["left_out"])
    assert body["file"] == str(tmp_path / "seller.yaml")


def test_an_entity_that_is_there_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An import adds; what the map's authors wrote is theirs to change."""
    (tmp_path / "map.yaml").write_text(EMPTY, encoding="utf-8")
    call = ["contract", "import", str(CONTRACTS / "sensors.odcs.json"), "--into", str(tmp_path)]
    assert main(call) == 0
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}

    assert main(call) == 2

    assert "stands in the map already" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_reference_into_nowhere_is_told_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The map must load after every import."""
    (tmp_path / "map.yaml").write_text(EMPTY, encoding="utf-8")
    text = (CONTRACTS / "orders.odcs.yaml").read_text(encoding="utf-8").replace("to: orders.order_id", "to: order.order_id")
    (tmp_path / "c.odcs").write_text(text, encoding="utf-8")

    assert main(["contract", "import", str(tmp_path / "c.odcs"), "--into", str(tmp_path)]) == 2

    said = capsys.readouterr().err
    assert f"{tmp_path / 'orders.yaml'}:" in said
    assert "Did you mean 'orders'?" in said
    assert not (tmp_path / "orders.yaml").exists()


def test_strict_refuses_a_contract_whose_checks_cannot_all_be_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the contract is a promise, keeping half of it must not look like keeping it."""
    (tmp_path / "map.yaml").write_text(EMPTY, encoding="utf-8")

    body = answered(capsys, "contract", "import", CONTRACTS / "sellers.odcs.yaml", "--into", tmp_path, "--strict", code=1)
    good = answered(capsys, "contract", "import", CONTRACTS / "sensors.odcs.json", "--into", tmp_path, "--strict")

    assert body["file"] is None
    assert len(body["unchecked"]) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.yaml", "sensor.yaml"]
    assert good["left_out"] != []


def test_mistakes_end_with_2_and_each_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `accord lint` answers for a map."""
    file = tmp_path / "c.yaml"
    file.write_text((CONTRACTS / "sellers.odcs.yaml").read_text().replace("logicalType: integer", "logicalType: int"), encoding="utf-8")

    body = answered(capsys, "contract", "import", file, code=2)
    assert main(["contract", "import", str(file)]) == 2

    assert [(p["line"], "Did you mean 'integer'?" in p["expected"]) for p in body["problems"]] == [(30, True)]
    assert f"{file}:30: " in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"", b"[]", b"a: b: c", b"\t"])
def test_a_file_that_is_no_contract_is_a_sentence_and_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None) -> None:
    """A wrong path or an empty file is the commonest mistake."""
    file = tmp_path / "c.yaml"
    if content is not None:
        file.write_bytes(content)

    assert main(["contract", "import", str(file)]) == 2

    printed = capsys.readouterr()
    assert "c.yaml" in printed.out + printed.err
    assert "Traceback" not in printed.err


def test_an_unknown_entity_is_a_sentence_and_2(demo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is written for those that do exist."""
    assert main(["contract", "export", str(demo_path), "--entity", "asset", "--entity", "asse", "--to", str(tmp_path / "out")]) == 2

    assert "Did you mean 'asset'?" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_reserved_word_as_a_name_stays_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are called «order» and «group» in real databases, and rules are made over them."""
    file = tmp_path / "c.yaml"
    file.write_text(
        "{apiVersion: v3.0.2, kind: DataContract, id: x, version: '1', status: active, schema: [{name: t, properties: ["
        "{name: order, primaryKey: true, logicalType: string, logicalTypeOptions: {minLength: 1}},"
        "{name: group, logicalType: integer, logicalTypeOptions: {multipleOf: 5}}]}]}",
        encoding="utf-8",
    )

    body = answered(capsys, "contract", "import", file)

    assert [r["check"] for r in body["entities"]["t"]["rules"].values()] == ['length("order") >= 1', '"group" % 5 = 0']


def test_the_same_contract_twice_is_the_same_text(tmp_path: Path, demo_path: Path) -> None:
    """Contracts stand in version control; a second export of the same map must show no change."""
    for name in ("a", "b"):
        main(["contract", "export", str(demo_path), "--to", str(tmp_path / name)])

    assert (tmp_path / "a" / "campaign.odcs.yaml").read_bytes() == (tmp_path / "b" / "campaign.odcs.yaml").read_bytes()


def test_two_versions_are_compared_and_an_unraised_version_fails(
    tmp_path: Path, demo_path: Path, demo_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check of a pull request: a breaking change without a new major version does not pass; maps and exported contracts alike."""
    loosened = tmp_path / "new.yaml"
    loosened.write_text(
        demo_text.replace("status: {type: text, values: [planned, active, done, cancelled]}", "status: {type: text, required: true}")
    )
    answered(capsys, "contract", "export", demo_path, "--to", tmp_path / "out")

    same = answered(capsys, "contract", "check", demo_path, demo_path)
    exported = answered(capsys, "contract", "check", demo_path, tmp_path / "out" / "campaign.odcs.yaml", "--entity", "campaign")
    changed = answered(capsys, "contract", "check", demo_path, loosened, "--entity", "campaign", code=1)
    fewer = answered(capsys, "contract", "check", demo_path, tmp_path / "out" / "campaign.odcs.yaml", code=1)

    assert same["good"] is exported["good"] is True
    assert [c["level"] for c in changed["contracts"][0]["changes"]] == ["breaking", "compatible"]
    assert (changed["contracts"][0]["wanted"], fewer["gone"]) == ("2.0.0", ["asset", "handoff"])
