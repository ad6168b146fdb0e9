"""Cycle removal and layering: which column every box stands in, so that most lines run in the reading direction."""

from __future__ import annotations

from collections.abc import Sequence

Pair = tuple[int, int]


def without_cycles(count: int, pairs: Sequence[Pair]) -> list[bool]:
    """For each pair whether it must be turned round so that no cycle is left.

    Nodes are walked from those nothing leads to, then in the order given; a pair that leads back into the walk is turned. So the
    order of a process, as its author gave it, decides what counts as going back.
    """
    following: list[list[int]] = [[] for _ in range(count)]
    arrivals = [0] * count
    for number, (source, target) in enumerate(pairs):
        following[source].append(number)
        arrivals[target] += 1
    turned = [False] * len(pairs)
    state = [0] * count  # 0 not met, 1 on the way, 2 done
    for start in sorted(range(count), key=lambda node: (arrivals[node] > 0, node)):
        # the walk is kept in a list, not in calls: a long process must not meet the limit of recursion
        way = [(start, iter(following[start]))] if state[start] == 0 else []
        state[start] = max(state[start], 1)
        while way:
            node, rest = way[-1]
            number = next(rest, -1)
            if number < 0:
                state[node] = 2
                way.pop()
                continue
            target = pairs[number][1]
            if state[target] == 1:
                turned[number] = True
            elif state[target] == 0:
                state[target] = 1
                way.append((target, iter(following[target])))
    return turned


def layers(count: int, pairs: Sequence[Pair]) -> list[int]:
    """The layer of each node, from 0: every pair of an acyclic graph leads to a later layer, and lines are kept short.

    Nodes without any pair are spread over the layers that hold fewest.
    """
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in pairs:
        after[source].append(target)
        before[target].append(source)
    layer = [0] * count
    order = _topological(count, before, after)
    for node in order:
        layer[node] = max((layer[earlier] + 1 for earlier in before[node]), default=0)
    for _ in range(4):
        for node in reversed(order):
            # a node with more lines ahead than behind moves towards what it leads to
            if after[node] and len(after[node]) > len(before[node]):
                layer[node] = min(layer[later] for later in after[node]) - 1
    return _spread(layer, [not before[node] and not after[node] for node in range(count)])


def _topological(count: int, before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> list[int]:
    missing = [len(before[node]) for node in range(count)]
    ready = [node for node in range(count) if missing[node] == 0]
    for node in ready:  # grows while it is walked
        for later in after[node]:
            missing[later] -= 1
            if missing[later] == 0:
                ready.append(later)
    return ready


def _spread(layer: list[int], alone: Sequence[bool]) -> list[int]:
    used = sorted({layer[node] for node in range(len(layer)) if not alone[node]}) or list(range(max(1, round(len(layer) ** 0.5))))
    rank = {old: new for new, old in enumerate(used)}
    held = [0] * len(used)
    placed = [0] * len(layer)
    for node, old in enumerate(layer):
        if not alone[node]:
            placed[node] = rank[old]
            held[rank[old]] += 1
    for node in range(len(layer)):
        if alone[node]:
            placed[node] = min(range(len(used)), key=held.__getitem__)
            held[placed[node]] += 1
    return placed
