"""A broken contract never gives a traceback: mutants of good ones are read, or answered with problems that have a place."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from accord.mapfile.load import load_map
from accord.mapfile.odcs import ContractProblems, add_entities, contract_text, export_contract, import_contract

CONTRACTS = Path(__file__).parent / "contracts"
MUTANTS = 250
JUNK = [
    "{}", "[]", "~", "null", "true", "-1", "1e999", ".nan", ": ", "- ", "&a ", "*a", "!!binary ", "|\n", "'", '"', "#", "\t", "\n", "---\n",
    "<<: ", "${", "${env:X}", "\x00", "\\ud800", "{a: [b]}", "(", "select", "NOT (", "é", "a" * 300, "''", "v3.9", "accordType", "0x10",
]  # fmt: skip


def mutant(text: str, rng: random.Random) -> str:
    """The text with one line or word of it changed."""
    lines = text.splitlines(keepends=True)
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(5)
    if kind == 0:
        del lines[i]
    elif kind == 1:
        lines.insert(j, lines[i])
    elif kind == 2:
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == 3:
        lines[i] = " " * rng.randrange(1, 5) + lines[i] if rng.random() < 0.5 else lines[i].lstrip(" ")
    else:
        words = list(re.finditer(r"[\w${}().]+", text))
        word = rng.choice(words)
        new = rng.choice([rng.choice(words)[0], rng.choice(JUNK), rng.choice(JUNK), word[0][:-1], ""])
        return text[: word.start()] + new + text[word.end() :]
    return "".join(lines)


def test_a_mutant_is_read_or_answered(demo_path: Path) -> None:
    """An error of ours instead of an answer sends people away; a good entity must come from a contract that was read."""
    demo = load_map(demo_path)
    texts = [p.read_text(encoding="utf-8") for p in sorted(CONTRACTS.iterdir())]
    texts += [contract_text(export_contract(demo, e)) for e in demo.entities]
    rng = random.Random(20261122)
    read, homeless, hollow = 0, list[int](), list[int]()

    for number in range(MUTANTS):
        text = rng.choice(texts)
        for _ in range(rng.randrange(1, 4)):
            text = mutant(text, rng)
        try:
            found = import_contract(text, "mutant.yaml")
        except ContractProblems as error:
            homeless += [number] if any(p.place.file != "mutant.yaml" for p in error.problems) else []
        else:
            read += 1
            hollow += [number] if not found.entities or not all(e.key and e.fields for e in found.entities) else []

    assert homeless == []
    assert hollow == []
    assert 20 < read < MUTANTS - 20, "the mutants are all broken or all good, so this shows nothing"


def test_what_was_read_can_be_added_to_a_map(tmp_path: Path) -> None:
    """An import that passes alone and then breaks the map would have answered too early."""
    (tmp_path / "map.yaml").write_text("name: m\n", encoding="utf-8")
    rng = random.Random(7)
    source = (CONTRACTS / "sellers.odcs.yaml").read_text(encoding="utf-8")
    added = 0

    for _ in range(60):
        try:
            found = import_contract(mutant(source, rng))
        except ContractProblems:
            continue
        addition = add_entities(tmp_path, found.entities)
        (tmp_path / "out").mkdir(exist_ok=True)
        file = tmp_path / "out" / "m.yaml"
        file.write_text(f"name: m\n{addition.text}", encoding="utf-8")
        assert [e.fields for e in load_map(file).entities.values()] == [e.fields for e in found.entities]
        added += 1

    assert added > 10


@pytest.mark.parametrize("text", ["", "~", "[]", "a", "schema: []", "schema: [1]", "schema: {}", "schema: [{}]", "team: 1", "{" * 99])
def test_a_scrap_is_answered(text: str) -> None:
    """The smallest inputs meet the most paths."""
    with pytest.raises(ContractProblems):
        import_contract(text)
