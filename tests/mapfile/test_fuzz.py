"""A broken map never gives a traceback: mutants of a good map are linted and loaded."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from accord.mapfile import MapProblems, lint, load_map

MUTANTS = 400
JUNK = [
    "{}", "[]", "~", "null", "true", "-1", "1e999", "0x10", ".nan", ": ", "- ", "? ", "&a ", "*a", "!!binary ", "!x ", "|\n", ">\n",
    "'", '"', "#", "%", "@", "`", "\t", "\r", "\n", "---\n", "...\n", "<<: ", "${", "${env:X}", "${map}",
    "\x00", "\x85", "\ufeff", "é", "𝄞", "(", "select", "a" * 300,
]  # fmt: skip

Mutation = Callable[[str, random.Random], str]


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def delete_line(text: str, rng: random.Random) -> str:
    lines = _lines(text)
    del lines[rng.randrange(len(lines))]
    return "".join(lines)


def repeat_line(text: str, rng: random.Random) -> str:
    lines = _lines(text)
    i = rng.randrange(len(lines))
    return "".join([*lines[:i], lines[i], *lines[i:]])


def swap_lines(text: str, rng: random.Random) -> str:
    lines = _lines(text)
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return "".join(lines)


def shift_line(text: str, rng: random.Random) -> str:
    lines = _lines(text)
    i = rng.randrange(len(lines))
    lines[i] = " " * rng.randrange(1, 5) + lines[i] if rng.random() < 0.5 else lines[i].lstrip(" ")
    return "".join(lines)


def change_word(text: str, rng: random.Random) -> str:
    words = list(re.finditer(r"\w+", text))
    word = rng.choice(words)
    new = rng.choice([rng.choice(words)[0], rng.choice(JUNK), word[0][:-1], word[0][::-1], ""])
    return text[: word.start()] + new + text[word.end() :]


def change_value(text: str, rng: random.Random) -> str:
    value = rng.choice(list(re.finditer(r"(?<=: )[^\n]+", text)))
    return text[: value.start()] + rng.choice([*JUNK, "[a, b]", "{a: {b: c}}", "[[[[[]]]]]"]) + text[value.end() :]


def change_mark(text: str, rng: random.Random) -> str:
    mark = rng.choice(list(re.finditer(r"[^\w\s]", text)))
    return text[: mark.start()] + rng.choice([*JUNK, ""]) + text[mark.end() :]


def insert_junk(text: str, rng: random.Random) -> str:
    i = rng.randrange(len(text))
    return text[:i] + rng.choice(JUNK) + text[i:]


def cut_off(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text))]


MUTATIONS: list[Mutation] = [delete_line, repeat_line, swap_lines, shift_line, change_word, change_value, change_mark, insert_junk, cut_off]


def mutant(text: str, seed: int) -> bytes:
    """The demo map with one to four mutations; every ninth gets raw bytes as well."""
    rng = random.Random(seed)
    for _ in range(rng.randrange(1, 5)):
        text = rng.choice(MUTATIONS)(text, rng) or "x"
    data = bytearray(text.encode("utf-8"))
    if seed % 9 == 0:
        for _ in range(3):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("block", [0, *(pytest.param(block, marks=pytest.mark.prove) for block in range(1, 4))])
def test_mutated_maps_never_give_a_traceback(demo_text: str, tmp_path: Path, block: int) -> None:
    """Every mutant is either a map or a list of problems with places, in both ways of asking, and quickly."""
    path, slowest, refused = tmp_path / "map.yaml", 0.0, 0
    for seed in range(block * MUTANTS // 4, (block + 1) * MUTANTS // 4):
        path.write_bytes(mutant(demo_text, seed))
        started = time.monotonic()

        problems = lint(path)
        if problems:
            with pytest.raises(MapProblems) as raised:
                load_map(path)
            assert list(raised.value.problems) == problems, seed
        else:
            load_map(path)

        assert all(p.message and p.expected and p.place.file == str(path) for p in problems), (seed, problems)
        refused += bool(problems)
        slowest = max(slowest, time.monotonic() - started)

    assert refused > MUTANTS // 4 * 0.6  # otherwise the mutations are too tame to show anything
    assert slowest < 20


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000,
        "a: " + "{a: " * 50_000,
        "- " * 50_000,
        "? " * 20_000,
        "a: " + '"\\' * 1000,
        "name: x\nvariables: {" + ", ".join(f"v{i}: '{'${v0}' * 100}'" for i in range(50)) + "}\ntitle: " + "${v1}" * 1000,
        "name: x\nentities: {a: {key: [id], fields: {id: {pattern: '" + "(" * 3000 + "'}}}}",
        "name: x\nentities: {a: {key: [id], fields: {id: {pattern: '(((a{1,999}){1,999}){1,999})'}}}}",
        'name: x\nentities: {a: {key: [id], fields: {id: text}, rules: {r: {check: "' + "not " * 900 + 'id"}}}}',
        "name: x\nentities: {a: {key: [id], fields: {id: text}, "
        "rules: {r: {check: \"repeat(repeat(repeat('x', 99999), 99999), 99999) = id\"}}}}",
    ],
    ids=range(10),
)
def test_texts_made_to_exhaust_end_in_a_sentence_soon(tmp_path: Path, text: str) -> None:
    """No file may take the machine's time, memory or call stack."""
    path = tmp_path / "map.yaml"
    path.write_text(text, encoding="utf-8")
    started = time.monotonic()

    lint(path)

    assert time.monotonic() - started < 30
