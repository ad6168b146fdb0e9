"""Actions: what an ``auto`` step calls. One that comes with Accord is one file in ``work/actions``; others are registered functions.

An action gets a ``Call`` and gives back a mapping whose values become variables. It may be called again with the same ``key`` (after a
crash nobody knows whether it happened), so an effect outside carries that key. What it raises says whether another try can help:
``TransientError`` yes, and when; ``MapError`` and ``TerminalError`` no; anything else is taken for a fault that may pass.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from accord.model.errors import UnknownName, UsageError
from accord.work.engine import Work
from accord.work.expression import evaluate
from accord.work.state import Task, load_instance

Function = Callable[["Call"], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an action.

    Args:
        action: its name.
        task: what is being done.
        instance: of which process instance.
        process: of which process.
        step: which step of it.
        case: key of what the instance carries.
        arguments: the step's, evaluated over the variables.
        key: the same in each try of the same attempt; makes a repeat harmless for whoever knows it.
        attempt: of the task; the work was sent back when it is above 1.
        failures: tries of this attempt that failed.
        timeout_seconds: longest time it may take.
    """

    action: str
    task: str
    instance: str
    process: str
    step: str
    case: str
    arguments: Mapping[str, Any]
    key: str
    attempt: int
    failures: int
    timeout_seconds: float

    def text(self, name: str, default: str | None = None) -> str:
        """An argument that must be text.

        Raises:
            UsageError: it is missing, empty or something else.
        """
        value = self.arguments.get(name, default)
        if not isinstance(value, str) or (not value and default is None):
            raise UsageError(
                f"step '{self.step}' calls '{self.action}' with {name} = {value!r}.",
                expected=f"Give the text under arguments: {name}: of the step, as SQL over the variables.",
            )
        return value


def absent(*given: Any, **named: Any) -> Any:
    """Stands for what whoever opened the workspace did not give.

    Raises:
        UsageError: always.
    """
    raise UsageError("this action is not at hand here.", expected="`accord worker` on the workspace of the map gives it what it needs.")


@dataclass(frozen=True)
class Context:
    """What actions reach the rest of Accord by; whoever opens the workspace fills it in.

    Args:
        sync: runs a flow of the map: ``sync(flow)`` gives its counts.
        plan: makes a plan: ``plan(problem, key)``.
        mail: sends a message: ``mail(to, subject, text, key)``.
        secret: the value of a secret by name.
        clock: seconds since 1970, for signatures.
        functions: registered functions by name.
    """

    sync: Callable[[str], Mapping[str, Any]] = absent
    plan: Callable[[str, str], Mapping[str, Any]] = absent
    mail: Callable[[str, str, str, str], object] = absent
    secret: Callable[[str], str] = absent
    clock: Callable[[], float] = lambda: 0.0
    functions: Mapping[str, Function] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """An action that comes with Accord; ``run``'s docstring is its manual."""

    name: str
    run: Callable[[Call, Context], Mapping[str, Any] | None]


def built_in() -> dict[str, Action]:
    """The ``ACTION`` of each file in ``work/actions``, by name."""
    package = importlib.import_module("accord.work.actions")
    modules = (importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__))
    actions = [module.ACTION for module in modules]
    return {action.name: action for action in sorted(actions, key=lambda a: str(a.name))}


def perform(call: Call, context: Context) -> dict[str, Any]:
    """Carry out an action and give back what becomes variables.

    Raises:
        UnknownName: no action and no function of that name.
        AccordError: as the action says.
    """
    known = built_in()
    if call.action in known:
        return dict(known[call.action].run(call, context) or {})
    if call.action not in context.functions:
        raise UnknownName("action", call.action, {*known, *context.functions}, holder=f"step '{call.step}'")
    given = context.functions[call.action](call)
    if given is not None and not isinstance(given, Mapping):
        raise UsageError(f"function '{call.action}' gave back {type(given).__name__}.", expected="Expected variables by name, or None.")
    return dict(given or {})


def call_of(work: Work, task: Task) -> Call:
    """The call a queued task stands for, its arguments evaluated over the variables of its instance.

    Raises:
        DataRefused: an argument cannot be evaluated.
    """
    instance = load_instance(work.store, task.instance)
    step = work.library.get(work.store, instance.definition).steps[task.step]
    said = f"step '{step.name}', arguments"
    arguments = {name: evaluate(sql, instance.variables, holder=f"{said}: {name}") for name, sql in step.arguments.items()}
    return Call(
        task.action,
        task.task,
        task.instance,
        task.process,
        task.step,
        task.case,
        arguments,
        f"{task.instance}:{task.task}:{task.attempt}",
        task.attempt,
        task.failures,
        step.timeout.seconds,
    )
