"""An action is one file; nothing else has to be edited."""

from __future__ import annotations

from pathlib import Path

import pytest

import accord.work.actions
from accord.model.errors import UsageError
from accord.work.action import Call, Context, built_in, perform

CALL = Call("shout", "t", "i", "p", "s", "C", {"word": "hey", "flow": "leads", "problem": "x", "to": "a@b", "subject": "s"}, "k", 1, 0, 5.0)
SHOUT = """
from accord.work.action import Action
ACTION = Action("shout", lambda call, context: {"said": call.text("word").upper()})
"""


def test_a_file_in_the_folder_is_an_action(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by scanning, as connectors and projections are."""
    (tmp_path / "shout.py").write_text(SHOUT)
    monkeypatch.setattr(accord.work.actions, "__path__", [*accord.work.actions.__path__, str(tmp_path)])

    assert perform(CALL, Context()) == {"said": "HEY"}


def test_each_that_comes_with_us_has_a_manual_and_does_what_its_context_gives() -> None:
    """A flow is run by name; mail and plans carry the key."""
    done: list[tuple[str, ...]] = []
    context = Context(
        sync=lambda flow: {"inserted": 3, "flow": flow},
        plan=lambda problem, key: {"problem": problem, "key": key},
        mail=lambda *given: done.append(given),
    )
    given = {name: action.run(CALL, context) for name, action in built_in().items() if name != "http"}

    assert all((action.run.__doc__ or "").strip() for action in built_in().values())
    assert given["sync"] == {"s": {"inserted": 3, "flow": "leads"}}
    assert given["plan"] == {"s": {"problem": "x", "key": "k"}}
    assert done == [("a@b", "s", "", "k")]


def test_what_nobody_gave_is_said() -> None:
    """An embedded use without a workspace has no flows to run."""
    with pytest.raises(UsageError, match="accord worker"):
        built_in()["sync"].run(CALL, Context())
