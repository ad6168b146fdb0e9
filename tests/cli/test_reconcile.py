"""The proof of agreement as a file for others, and the way back to agreement."""

from __future__ import annotations

import json
import shutil
from typing import Any

from accord.store.signing import PUBLIC


def test_a_report_says_what_was_compared_and_verifies(small: Any) -> None:
    """An auditor has the file and the public key, and neither our systems nor our store."""
    report, text = small.folder / "proof.json", small.folder / "proof.md"

    code, _, _ = small.call("reconcile", str(small.folder), "--report", str(report), "--report", str(text))
    body = json.loads(report.read_text())
    elsewhere = small.folder / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(small.folder / ".accord" / "keys" / PUBLIC, elsewhere / "key.pub")
    verified, said, _ = small.call("reconcile", str(elsewhere), "--verify", str(report), "--key", str(elsewhere / "key.pub"))

    assert (code, verified) == (0, 0)
    assert "the systems agree" in said
    (flow,) = body["flows"]
    assert [(s["binding"], s["rows"], s["quarantined"]) for s in flow["systems"]] == [("a", 3, 0), ("b", 3, 0)]
    (pair,) = flow["pairs"]
    assert pair["left_digest"] == pair["right_digest"] != ""
    assert body["log"]["events"] > 0
    assert body["signature"]["key"] in text.read_text()


def test_a_tampered_report_is_found(small: Any) -> None:
    """Differences must not be edited away."""
    small.sql("b", "UPDATE things SET size = 9 WHERE id = '1'")
    report = small.folder / "proof.json"
    differs, _, _ = small.call("reconcile", str(small.folder), "--report", str(report))
    honest = report.read_bytes()
    report.write_bytes(honest.replace(b'"different":1', b'"different":0'))

    tampered, _, error = small.call("reconcile", str(small.folder), "--verify", str(report))
    report.write_bytes(honest)
    untouched, _, _ = small.call("reconcile", str(small.folder), "--verify", str(report))

    assert (differs, tampered, untouched) == (1, 1, 0)
    assert "changed after it was signed" in error


def test_a_column_that_is_gone_is_named_where_its_field_was_not_compared(small: Any) -> None:
    """The systems agree on all that was compared, and a reader would take that for the whole of the contract."""
    file, text = small.folder / "map.yaml", small.folder / "proof.md"
    file.write_text(file.read_text().replace("entity: thing", "entity: thing\n    drift: evolve"))
    small.sql("b", "ALTER TABLE things DROP COLUMN size")

    code, said, _ = small.call("reconcile", str(small.folder), "--report", str(text))

    assert code == 0
    for told in (said, text.read_text()):
        assert "b/things no longer has 'size': the fields mapped to it were not compared there." in told


def test_a_table_that_is_gone_is_no_mistake_of_the_map(small: Any) -> None:
    """A run of the flow says the same, and what helps is to put it back."""
    small.sql("b", "ALTER TABLE things RENAME TO stuff")

    code, _, error = small.call("reconcile", str(small.folder))

    assert code == 3
    assert "'things', which was read before, is not there any more. Known: stuff." in error


def test_every_difference_stands_in_both_forms_and_no_value_can_forge_a_line(small: Any) -> None:
    """Values of rows are data, also in a table for people."""
    small.sql("b", "UPDATE things SET name = 'a|b' || char(10) || '# Heading' WHERE id = '1'")
    text = small.folder / "proof.md"

    small.call("reconcile", str(small.folder), "--report", str(text))

    line = next(line for line in text.read_text().splitlines() if "different" in line and "name" in line)
    assert "a\\|b # Heading" in line


def test_a_repair_mends_what_differs_and_nothing_else(small: Any) -> None:
    """By the flow's own rules: one system changed since they agreed, so its value goes to the other."""
    small.sql("b", "UPDATE things SET size = 9 WHERE id = '1'")
    small.sql("b", "DELETE FROM things WHERE id = '2'")
    file = small.folder / "repair.json"

    code, body = small.json("reconcile", str(small.folder), "--repair", str(file))
    small.sql("a", "INSERT INTO things VALUES ('9', 'later', 9)")
    applied, _, error = small.call("apply", str(file), str(small.folder))

    assert code == 1
    assert (body["repair"]["writes"], body["repair"]["left"]) == (2, {})
    assert (applied, error) == (0, "")
    assert small.rows("b") == {"1": ("x", 9), "3": ("z", 3)}
    assert small.rows("a") == {"1": ("x", 9), "3": ("z", 3), "9": ("later", 9)}
    assert small.call("sync", str(small.folder))[0] == 0
    assert small.call("reconcile", str(small.folder))[0] == 0


def test_rows_without_an_id_are_named_by_their_own_key_and_a_repair_says_what_becomes_of_them(small: Any) -> None:
    """They stood there under an id nobody can look up, and as beyond the rules of the map, though the next run knows who they are."""
    file, text = small.folder / "map.yaml", small.folder / "proof.md"
    own = file.read_text().replace("key: [id]", "key: [id]\n    identity: {match: {name: {normalized: [name]}}}")
    own = own.replace("resource: things, fields: {id: id, ", "resource: things, own_key: id, new_key: uuid, fields: {")
    file.write_text(own.replace("name: small", "name: other"))
    small.call("sync", str(small.folder))
    small.sql("a", "INSERT INTO things VALUES ('k7', 'Ada', 1)")
    small.sql("b", "INSERT INTO things VALUES ('n1', 'ada', 1), ('n2', 'Eve', 1), ('n3', 'Eve', 2), ('n4', 'Zoe', 2)")

    _, said, _ = small.call("reconcile", str(small.folder), "--repair", str(small.folder / "repair.json"), "--report", str(text))

    for told in (said, text.read_text()):
        assert all(f"{name} (no id yet)" in told for name in ("a/things 'k7'", "b/things 'n1'", "b/things 'n4'"))
    assert "5 rows have no id yet" in said
    assert "1 rows without an id are recognized as rows of other systems" in said
    assert "1 rows without an id wait for a decision" in said
    assert "no rule of the map" not in said


def test_what_no_rule_decides_is_named_by_the_repair(small: Any) -> None:
    """A plan that leaves something must say so."""
    path = small.folder / "map.yaml"
    path.write_text(path.read_text().replace("entity: thing\n", "entity: thing\n    authority: {name: human}\n"))
    small.sql("a", "UPDATE things SET name = 'A' WHERE id = '1'")
    small.sql("b", "UPDATE things SET name = 'B' WHERE id = '1'")

    code, body = small.json("reconcile", str(small.folder), "--repair", str(small.folder / "repair.json"))

    assert code == 1
    assert body["repair"]["left"] == {"things": ['{"id":"1"}']}


def test_every_difference_is_named_with_both_values(small: Any) -> None:
    """That the systems differ helps nobody who is not told where; programs read the same."""
    small.sql("b", "UPDATE things SET name = NULL WHERE id = '1'")
    small.sql("b", "DELETE FROM things WHERE id = '2'")

    code, body = small.json("reconcile", str(small.folder))
    _, shown, _ = small.call("reconcile", str(small.folder))
    _, few, _ = small.call("reconcile", str(small.folder), "--limit", "1")

    (flow,) = body["flows"]
    found = {(d["key"], d["kind"], d["field"], d["left_value"], d["right_value"]) for d in flow["differences"]}
    assert code == 1
    assert found == {('{"id":"1"}', "different", "name", "x", None), ('{"id":"2"}', "missing", "", None, None)}
    assert flow["differences_found"] == 2
    assert all(text in shown for text in ('{"id":"1"}', "'x'", "no value", '{"id":"2"}', "missing"))
    assert "2 differences; the first 1 are shown" in few
