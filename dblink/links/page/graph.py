"""Which servers belong in one picture, and side by side in it. No sizes and no places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple


class Wire(NamedTuple):
    """A link between two servers, which are known by their numbers."""

    source: int
    target: int


def groups(size: int, wires: Sequence[Wire]) -> list[list[int]]:
    """The servers 0 to `size` - 1 in groups that no link connects with each other, those with the
    most links first."""
    parents = list(range(size))

    def root(server: int) -> int:
        while parents[server] != server:
            parents[server] = server = parents[parents[server]]
        return server

    for wire in wires:
        one, other = sorted((root(wire.source), root(wire.target)))
        parents[other] = one
    members: defaultdict[int, list[int]] = defaultdict(list)
    for server in range(size):
        members[root(server)].append(server)
    links: defaultdict[int, int] = defaultdict(int)
    for wire in wires:
        links[root(wire.source)] += 1
    return sorted(members.values(), key=lambda group: (-links[root(group[0])], group[0]))


def layers(size: int, wires: Sequence[Wire]) -> list[list[int]]:
    """A connected group in layers, such that links lead to the next layer, to the one before or
    stay in their own: those of a breadth-first search have this property.

    It begins with all servers that links only leave, so that most arrows point the same way; if
    there is none, with the one that gives most and takes least. Within a layer each stands near
    those that it is linked with.
    """
    neighbours: list[list[int]] = [[] for _ in range(size)]
    balance = [0] * size
    taking = set()
    for source, target in wires:
        if source != target:
            neighbours[source].append(target)
            neighbours[target].append(source)
            balance[source] += 1
            balance[target] -= 1
            taking.add(target)
    first = [server for server in range(size) if server not in taking]
    layer = first or [max(range(size), key=lambda server: (balance[server], -server))]
    seen = set(layer)
    found = []
    while layer:
        found.append(layer)
        following = dict.fromkeys(n for server in layer for n in neighbours[server])
        layer = [server for server in following if server not in seen]
        seen.update(layer)
    _untangle(found, neighbours)
    return found


_SWEEPS = 8


def _untangle(found: list[list[int]], neighbours: Sequence[Sequence[int]]) -> None:
    """Sort every layer by where the neighbours stand on average, to and fro: fewer crossings."""
    where = [0.0] * len(neighbours)

    def note(layer: Sequence[int]) -> None:
        for place, server in enumerate(layer):
            where[server] = (place + 0.5) / len(layer)

    for layer in found:
        note(layer)
    for sweep in range(_SWEEPS):
        for layer in found if sweep % 2 else reversed(found):
            wished = {
                server: sum(where[n] for n in neighbours[server]) / len(neighbours[server])
                if neighbours[server]
                else where[server]
                for server in layer
            }
            layer.sort(key=lambda server: (wished[server], where[server], server))
            note(layer)
