"""Which commands there are and what each is for, as the docstring of its file says, without loading any.

The first lines of a command's file are its entry: ``accord sync`` in double backquotes, a colon, a sentence. A file of several commands has
such a line for each. Loading all commands to show a list of them would take longer than most commands do.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import re
from collections.abc import Mapping

from accord.cli import commands

_ENTRY = re.compile(r"^``accord ([a-z][a-z-]*)``: (.+)$", re.MULTILINE)


def sentences(doc: str | None) -> dict[str, str]:
    """What each command that a docstring names is for, as its help says it."""
    return {name: said[0].upper() + said[1:] for name, said in _ENTRY.findall(doc or "")}


def sentence(doc: str | None) -> str:
    """What the one command of a file is for."""
    (said,) = sentences(doc).values()
    return said


def declared() -> Mapping[str, Mapping[str, str]]:
    """Per module of ``accord.cli.commands``, in order, its commands and what they are for; none where its docstring does not say."""
    names = sorted(f"{commands.__name__}.{module.name}" for module in pkgutil.iter_modules(commands.__path__))
    return {name: sentences(_docstring(name)) for name in names}


def _docstring(module: str) -> str:
    spec = importlib.util.find_spec(module)
    source = getattr(spec.loader, "get_source", lambda name: "")(module) if spec is not None else ""
    return (source or "").partition('"""')[2].partition('"""')[0]
