"""Reference values: what others reach, each with its source. Users add theirs; nothing is assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from accord.model.errors import MapSyntaxError, Place
from accord.model.figure import Figure

FILE_NAME = "references.yml"


@dataclass(frozen=True, slots=True)
class Reference:
    """One value of a KPI reached elsewhere: ``organization`` may be a group, ``source`` says where the value is published."""

    kpi: str
    value: float
    source: str
    organization: str = ""


def load_references(folder: Path) -> tuple[Reference, ...]:
    """The reference values beside a map, from ``references/references.yml``; none when there is no such file.

    The file is a list of ``{kpi, value, source, organization}``.

    Raises:
        MapSyntaxError: the file is not of that form.
    """
    path = folder / "references" / FILE_NAME
    if not path.is_file():
        return ()
    expected = "Expected a list of {kpi, value, source, organization}."
    try:
        rows = YAML(typ="safe", pure=True).load(path)
        return tuple(Reference(str(r["kpi"]), float(r["value"]), str(r["source"]), str(r.get("organization", ""))) for r in rows or ())
    except (YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise MapSyntaxError(f"the reference values cannot be read: {error}.", place=Place(str(path)), expected=expected) from error


def percentile(figure: Figure, references: Sequence[Reference], *, higher_is_better: bool) -> Figure:
    """The share of reference values that the figure equals or beats.

    Returns:
        A share with n = number of reference values, or the reason why it was not measured.
    """
    values = [r.value for r in references if r.kpi == figure.name]
    if figure.value is None:
        return Figure(figure.name, None, "share", title=figure.title, not_measured=figure.not_measured)
    if not values:
        return Figure(
            figure.name,
            None,
            "share",
            title=figure.title,
            not_measured=f"no reference value for '{figure.name}'; add some to references/{FILE_NAME} beside the map",
        )
    beaten = sum(v <= figure.value if higher_is_better else v >= figure.value for v in values)
    return Figure(figure.name, beaten / len(values), "share", len(values), title=figure.title, evidence=figure.evidence)
