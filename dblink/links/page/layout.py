"""Where the boxes and arrows of one picture go. Pure geometry: no text, and no SVG.

A server is a box, with a row for every link that leaves it and then one for every link that comes
in. Boxes stand in columns, the layers of `dblink.links.page.graph`. So each arrow needs one upright
piece only, in a lane of the channel between two columns or behind one, and never passes beneath a
box. No two arrows lie on each other: every row has a height of its own, as columns stand on a grid
of rows and every other column half a row lower; and lanes are shared by what has no height in
common.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from dblink.links.page.graph import Wire, layers

ROW: Final = 20
HEAD: Final = 50
"""Height of a box above its rows."""
FOOT: Final = 6
GAP: Final = 18
"""The least space between the boxes of a column."""
MARGIN: Final = 6
"""Around the picture."""
TALL: Final = 2400
"""The height up to which the columns of a picture are centred."""

LANE: Final = 10
LANE_LEAST: Final = 4
LANES_WIDTH: Final = 400
"""Lanes are `LANE` apart, and closer (`LANE_LEAST`) where they would be wider than this."""
PAD: Final = 26
"""Between a box and a lane: room for a rounded corner and an arrow's head."""
CHANNEL: Final = 84
"""The least width of a channel between two columns."""


class Box(NamedTuple):
    """A rectangle, in pixels."""

    x: int
    y: int
    width: int
    height: int


class Row(NamedTuple):
    """A row of a box: one end of a link."""

    wire: int
    leaves: bool


class Route(NamedTuple):
    """An arrow: from (`x`, `y`) level to `lane`, upright to `end_y`, level to `end_x`."""

    x: int
    y: int
    lane: int
    end_y: int
    end_x: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture.

    Attributes:
        width: of all, in pixels.
        height: of all.
        boxes: of the servers, by number.
        rows: of each box, from above.
        routes: of the wires, by number.
    """

    width: int
    height: int
    boxes: tuple[Box, ...]
    rows: tuple[tuple[Row, ...], ...]
    routes: tuple[Route, ...]


def row_y(box: Box, place: int) -> int:
    """The middle of a row of a box."""
    return box.y + HEAD + ROW * place + ROW // 2


def lay_out(widths: Sequence[int], wires: Sequence[Wire]) -> Layout:
    """Find places for a connected group of servers.

    Args:
        widths: of the servers' boxes, as they need it.
        wires: between them, by their numbers.
    """
    columns = layers(len(widths), wires)
    column_of = {server: n for n, column in enumerate(columns) for server in column}
    ends = [0] * len(widths)
    for wire in wires:
        ends[wire.source] += 1
        ends[wire.target] += 1
    heights = [HEAD + (ROW * count + FOOT if count else 0) for count in ends]
    tops = _tops(columns, heights)
    rows = _rows([top + height // 2 for top, height in zip(tops, heights, strict=True)], wires)
    at = _heights_of_ends(tops, rows, len(wires))

    boxes = [Box(0, 0, 0, 0)] * len(widths)
    routes = [Route(0, 0, 0, 0, 0)] * len(wires)
    channels: defaultdict[int, list[int]] = defaultdict(list)
    for number, wire in enumerate(wires):
        channels[min(column_of[wire.source], column_of[wire.target])].append(number)
    x = MARGIN
    for n, column in enumerate(columns):
        width = max(widths[server] for server in column)
        for server in column:
            boxes[server] = Box(x, tops[server], width, heights[server])
        x += width
        spans = {number: _span(wires[number], at[number], column_of, n) for number in channels[n]}
        lanes = _lanes(spans)
        beside, lane_x, x = x, *_channel(x, lanes, last=n + 1 == len(columns))
        for number, lane in lanes.items():
            sides = [beside if column_of[s] == n else x for s in wires[number]]
            routes[number] = Route(sides[0], at[number][0], lane_x[lane], at[number][1], sides[1])
    bottom = max(box.y + box.height for box in boxes)
    return Layout(x + MARGIN, bottom + MARGIN, tuple(boxes), rows, tuple(routes))


def _tops(columns: Sequence[Sequence[int]], heights: Sequence[int]) -> list[int]:
    """Where the boxes begin, on the grid: columns about as far up as down, or all at the top where
    the middle would be out of sight."""
    steps = [-(-(height + GAP) // ROW) for height in heights]
    tallest = max(sum(steps[server] for server in column) for column in columns)
    tops = [0] * len(heights)
    for n, column in enumerate(columns):
        free = tallest - sum(steps[server] for server in column)
        step = free // 2 if ROW * tallest <= TALL else 0
        for server in column:
            tops[server] = MARGIN + ROW * step + ROW // 2 * (n % 2)
            step += steps[server]
    highest = min(tops)
    return [top - highest + MARGIN for top in tops]


def _rows(middles: Sequence[int], wires: Sequence[Wire]) -> tuple[tuple[Row, ...], ...]:
    """The rows of the boxes: what leaves, then what comes in, each as high as its other end."""
    found: list[list[tuple[bool, int, int]]] = [[] for _ in middles]
    for number, (source, target) in enumerate(wires):
        found[source].append((False, middles[target], number))
        found[target].append((True, middles[source], number))
    return tuple(
        tuple(Row(number, not comes) for comes, _, number in sorted(ends)) for ends in found
    )


def _heights_of_ends(
    tops: Sequence[int], rows: Sequence[Sequence[Row]], count: int
) -> list[tuple[int, int]]:
    """Of each wire the height at which it leaves, and that at which it comes in."""
    starts, ends = [0] * count, [0] * count
    for top, held in zip(tops, rows, strict=True):
        for place, row in enumerate(held):
            (starts if row.leaves else ends)[row.wire] = row_y(Box(0, top, 0, 0), place)
    return list(zip(starts, ends, strict=True))


class _Span(NamedTuple):
    """What an arrow does in its channel: both ends are at the left, or it crosses over."""

    left: int
    right: int
    crosses: bool


def _span(wire: Wire, at: tuple[int, int], column_of: dict[int, int], n: int) -> _Span:
    start, end = at
    if column_of[wire.source] == column_of[wire.target]:
        return _Span(start, end, False)
    return _Span(start, end, True) if column_of[wire.source] == n else _Span(end, start, True)


def _lanes(spans: dict[int, _Span]) -> dict[int, int]:
    """A lane for each arrow, counted from the left: to the right of all that it passes and that
    came before it. The order is the one in which they cross least."""

    def turn(number: int) -> tuple[int, int, int]:
        left, right, crosses = spans[number]
        if not crosses:
            return 0, abs(left - right), number
        return (1, -left, number) if left < right else (2, left, number)

    taken: defaultdict[int, int] = defaultdict(lambda: -1)
    lanes = {}
    for number in sorted(spans, key=turn):
        low, high = sorted(spans[number][:2])
        heights = range(low // _UNIT, high // _UNIT + 1)
        lane = max(taken[height] for height in heights) + 1
        lanes[number] = lane
        for height in heights:
            taken[height] = lane
    return lanes


_UNIT = ROW // 2


def _channel(x: int, lanes: dict[int, int], *, last: bool) -> tuple[list[int], int]:
    """Where the lanes of the channel that begins at `x` are, and where it ends."""
    count = max(lanes.values(), default=-1) + 1
    pitch = max(LANE_LEAST, min(LANE, LANES_WIDTH // max(count, 1)))
    wide = pitch * max(count - 1, 0)
    if last:
        first, end = x + PAD, x + PAD + wide if count else x
    else:
        whole = max(CHANNEL, wide + 2 * PAD)
        first, end = x + (whole - wide) // 2, x + whole
    return [first + pitch * lane for lane in range(count)], end
