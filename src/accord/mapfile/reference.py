"""The page ``docs/map.md``: every key of the map, written from the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from accord.mapfile.content import meaning
from accord.mapfile.expression import FUNCTIONS
from accord.mapfile.rules import rules
from accord.mapfile.shapes import ChoiceShape, Key, ListShape, RecordShape, Shape, TableShape, map_shape

_INTRODUCTION: Final = """\
# The map

A map is one YAML file, or a folder of them: every `*.yaml` of the folder and of its `map/` sub-folder belongs to it. Sections are put
together; a name that is given twice is a mistake that names both places. `accord lint` answers every mistake with file, line, what was
expected and, where something is near, a «did you mean». `accord schema` prints the JSON Schema for editors.

This page is written from the model by `accord.mapfile.reference_page()` and checked by a test.

## Texts, variables and secrets

- A text needs no quotes; `version: 1.0` is the text «1.0». A key without a value counts as not given. Durations are written `90s`,
  `15m`, `4h`, `2d`, `1w` or `1d 4h`.
- `${name}` is filled in from `--data`/`--set`, then from `variables:`; `${map}` is the folder of the map. Names of keys are not filled in.
- `${env:NAME}` in `at:` and `options:` of a system, and in `url:` and `secret:` of a webhook, is filled in from the environment only
  while it is used, so secrets are in no log, hash or report.
- The content hash is over the meaning as written: order of keys, comments, split into files and values of variables do not change it.
- Aliases (`*name`) and merges (`<<: *name`) are allowed, tags are not. A file holds at most 5 MB.

## SQL in the map

`check`, `when`, `where`, `read` and `write` are one scalar expression in DuckDB's SQL over the columns at hand: no query, no aggregate, no
clock, and only these functions besides the operators, `case`, `cast`, `try_cast`, `coalesce`, `between`, `in` and `like`:

"""


def reference_page() -> str:
    """The whole page as Markdown."""
    functions = ", ".join(f"`{f}`" for f in sorted(f for f in FUNCTIONS if f[0].isalpha()))
    parts = [_INTRODUCTION + functions + ".\n", "## Keys\n"]
    parts += _sections()
    parts.append("## Rules\n\nBeyond the keys, a map must meet these rules (`accord/mapfile/rules/`, one file each):\n")
    parts.append("\n".join(f"- {text}" for _, text, _ in rules()) + "\n")
    return "\n".join(parts)


def _sections() -> Iterator[str]:
    waiting, seen = [("Top level", map_shape())], {map_shape().cls}
    while waiting:
        title, shape = waiting.pop(0)
        doc = (shape.cls.__doc__ or "").strip().splitlines()[0].replace("``", "`")
        short = f" A bare text stands for `{shape.shorthand}`." if shape.shorthand else ""
        rows = [f"| `{k.name}` | {_kind(k.shape)} | {_default(k)} | {k.doc.replace('|', chr(92) + '|')} |" for k in shape.keys]
        yield "\n".join(
            [f"### {title}\n", f"{doc}{short}\n", "| key | value | default | meaning |", "| --- | --- | --- | --- |", *rows, ""]
        )
        for key in shape.keys:
            inner = _record_in(key.shape)
            if inner is not None and inner.cls not in seen:
                seen.add(inner.cls)
                path = key.name if title == "Top level" else f"{title} ▸ {key.name}".replace("`", "")
                waiting.append((f"`{path}`", inner))


def _record_in(shape: Shape) -> RecordShape | None:
    if isinstance(shape, TableShape | ListShape):
        return _record_in(shape.item)
    return shape if isinstance(shape, RecordShape) else None


def _kind(shape: Shape) -> str:
    if isinstance(shape, RecordShape):
        return shape.cls.__name__
    if isinstance(shape, TableShape):
        return f"name: {_kind(shape.item)}" + (f", or a {_kind(shape.item)} for `{shape.shorthand}`" if shape.shorthand else "")
    if isinstance(shape, ListShape):
        return f"list of {_kind(shape.item)}"
    if isinstance(shape, ChoiceShape):
        return ", ".join(f"`{w}`" for w in shape.words if w)
    return shape.kind


def _default(key: Key) -> str:
    if key.required:
        return "**required**"
    if key.default in (None, "", (), {}):
        return ""
    value: Any = str(key.default) if not isinstance(key.default, tuple) else ", ".join(map(str, key.default))
    return f"`{str(meaning(key.shape, key.default)).lower() if isinstance(key.default, bool) else value}`"
