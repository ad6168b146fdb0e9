"""Take back the gateways that were drawn for one step, where they still stand as they were drawn; the others are read like any other."""

from __future__ import annotations

from dataclasses import replace

from accord.mapfile.bpmn.graph import Flow, Graph, Node


def collapse(graph: Graph) -> None:
    """Fold ``when``, and the routes of steps that also ask or have plain ways, back into their steps."""
    parts: dict[str, dict[str, Node]] = {}
    for node in graph.nodes.values():
        if node.part and node.role and node.step is None:
            parts.setdefault(node.part, {})[node.role] = node
    for node in list(graph.nodes.values()):
        if node.step is not None and node.step.name in parts:
            _step(graph, node, parts[node.step.name])


def _step(graph: Graph, core: Node, part: dict[str, Node]) -> None:
    _forked(graph, core, part.get("fork"), part.get("routes"))
    when = part.get("when")
    if when is None:
        return
    do, skip = _two(graph.out(when.id))
    if do is None or skip is None or do.target != core.id or len(graph.into(core.id)) != 1 or core.step is None:
        return
    plain = [flow for flow in graph.out(core.id) if flow.route is None]
    ends = graph.nodes[skip.target].kind == "end"
    meets = part.get("done") or part.get("plain")
    if meets is not None and skip.target == meets.id and [f.target for f in plain] == [meets.id] and len(graph.into(meets.id)) == 2:
        for flow in graph.out(meets.id):
            flow.source = core.id
        _drop(graph, meets.id)
    elif not (ends and not plain and graph.out(core.id)):
        return
    elif len(graph.into(skip.target)) == 1:
        _drop(graph, skip.target)
    core.step = replace(core.step, when=do.when)
    for flow in graph.into(when.id):
        flow.target = core.id
    _drop(graph, when.id)


def _forked(graph: Graph, core: Node, fork: Node | None, routes: Node | None) -> None:
    """A parallel gateway between a step and its routes: the step has plain ways as well."""
    before = fork is not None and [flow.target for flow in graph.into(core.id) if flow.source == fork.id] == [core.id]
    if fork is not None and before and len(graph.into(fork.id)) == 1 and len(graph.into(core.id)) == 1 and routes is None:
        _replace(graph, fork.id, core.id)
        return
    if routes is None:
        return
    came = graph.into(routes.id)
    if len(came) != 1:
        return
    giver = came[0].source
    if fork is not None and giver == fork.id and [flow.source for flow in graph.into(fork.id)] == [core.id]:
        _replace(graph, fork.id, core.id)
        giver = core.id
    if giver != core.id or (fork is None and len(graph.out(core.id)) != 1):
        return
    for flow in graph.out(routes.id):
        flow.source = core.id
    _drop(graph, routes.id)


def _replace(graph: Graph, gateway: str, core: str) -> None:
    """Let the step stand where a gateway stood beside it."""
    for flow in graph.flows:
        flow.source = core if flow.source == gateway else flow.source
        flow.target = core if flow.target == gateway else flow.target
    graph.flows = [flow for flow in graph.flows if not (flow.source == core and flow.target == core and flow.route is None)]
    del graph.nodes[gateway]


def _drop(graph: Graph, node: str) -> None:
    graph.flows = [flow for flow in graph.flows if node not in (flow.source, flow.target)]
    del graph.nodes[node]


def _two(flows: list[Flow]) -> tuple[Flow | None, Flow | None]:
    """The way with a condition, and the one without."""
    do, skip = [f for f in flows if f.when], [f for f in flows if not f.when]
    return (do[0], skip[0]) if len(do) == len(skip) == 1 else (None, None)
