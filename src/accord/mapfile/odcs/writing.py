"""Plain values as YAML for readers of any version: every text that some reader takes for something else stands in quotes."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./()-]+)*")
# YAML 1.1, which most Python tools speak, reads these as booleans or null.
_TAKEN: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
# Controls, separators of lines and lone surrogates are safe only as escapes.
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def yaml_text(value: Mapping[str, Any]) -> str:
    """The mapping as YAML, keys in the order given."""
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 1_000_000  # one value, one line: a folded line is harder to compare
    yaml.allow_unicode = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(_laid_out(value), out)
    return out.getvalue()


def _laid_out(value: Any) -> Any:
    if isinstance(value, Mapping):
        return CommentedMap({_quoted(str(k)): _laid_out(v) for k, v in value.items()})
    if isinstance(value, (list, tuple)):
        items = CommentedSeq([_laid_out(v) for v in value])
        if not any(isinstance(v, (Mapping, list, tuple)) for v in value):
            items.fa.set_flow_style()
        return items
    return _quoted(value) if isinstance(value, str) else value


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _TAKEN:
        return text
    quoted: str = (DoubleQuotedScalarString if _CONTROLS.search(text) else SingleQuotedScalarString)(text)
    return quoted
