"""The geometry of the page's pictures: nothing lies on anything else, and all has room."""

from __future__ import annotations

from itertools import combinations

from hypothesis import example, given
from hypothesis import strategies as st

from dblink.links.page.graph import Wire, groups, layers
from dblink.links.page.layout import HEAD, Box, Layout, Route, lay_out, row_y


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[int], list[Wire]]:
    """Widths of boxes and wires: a connected group."""
    size = draw(st.integers(1, 12))
    wires = []
    for server in range(1, size):
        ends = [server, draw(st.integers(0, server - 1))]
        wires.append(Wire(*draw(st.permutations(ends))))
    server = st.integers(0, size - 1)
    wires += draw(st.lists(st.builds(Wire, server, server), max_size=40))
    widths = draw(st.lists(st.integers(200, 600), min_size=size, max_size=size))
    return widths, draw(st.permutations(wires))


Segment = tuple[int, int, int, int]


def segments(route: Route) -> list[Segment]:
    """The three pieces of an arrow, from left above to right below."""
    x, y, lane, end_y, end_x = route
    return [
        (min(x, lane), y, max(x, lane), y),
        (lane, min(y, end_y), lane, max(y, end_y)),
        (min(lane, end_x), end_y, max(lane, end_x), end_y),
    ]


def lie_on_each_other(one: Segment, other: Segment) -> bool:
    """Whether two pieces that run the same way have more than nothing in common."""
    level = one[1] == one[3], other[1] == other[3]
    if level[0] != level[1]:
        return False  # they cross, at most
    if level[0]:
        return one[1] == other[1] and one[0] <= other[2] and other[0] <= one[2]
    return one[0] == other[0] and one[1] <= other[3] and other[1] <= one[3]


def inside(box: Box, x: float, y: float) -> bool:
    return box.x < x < box.x + box.width and box.y < y < box.y + box.height


def check_layout(layout: Layout, wires: list[Wire]) -> None:
    for box in layout.boxes:
        assert box.x > 0 and box.x + box.width < layout.width
        assert box.y > 0 and box.y + box.height < layout.height
    for one, other in combinations(layout.boxes, 2):
        apart_x = one.x + one.width < other.x or other.x + other.width < one.x
        assert apart_x or one.y + one.height < other.y or other.y + other.height < one.y
    for rows_of_box, box in zip(layout.rows, layout.boxes, strict=True):
        assert not rows_of_box or row_y(box, len(rows_of_box) - 1) + 10 <= box.y + box.height
    for number, (route, wire) in enumerate(zip(layout.routes, wires, strict=True)):
        for server, leaves, x, y in (
            (wire.source, True, route.x, route.y),
            (wire.target, False, route.end_x, route.end_y),
        ):
            box = layout.boxes[server]
            assert x in (box.x, box.x + box.width)
            place = layout.rows[server].index((number, leaves))
            assert y == row_y(box, place) and y > box.y + HEAD
        # There is room for the head.
        assert abs(route.end_x - route.lane) >= 20 and abs(route.x - route.lane) >= 20
        for left, top, right, bottom in segments(route):
            assert 0 < left <= right < layout.width and 0 < top <= bottom < layout.height
            for box in layout.boxes:
                for step in range(33):
                    x = left + (right - left) * step / 32
                    assert not inside(box, x, top + (bottom - top) * step / 32)
    pieces = [(n, piece) for n, route in enumerate(layout.routes) for piece in segments(route)]
    for (n, one_piece), (m, other_piece) in combinations(pieces, 2):
        assert n == m or not lie_on_each_other(one_piece, other_piece)


@given(networks())
@example(([200], []))
@example(([200], [Wire(0, 0)] * 5))
@example(([200, 300], [Wire(0, 1)] * 5 + [Wire(1, 0)] * 5))
def test_boxes_and_arrows_keep_out_of_each_others_way(
    network: tuple[list[int], list[Wire]],
) -> None:
    widths, wires = network
    check_layout(lay_out(widths, wires), wires)


@given(networks())
def test_a_link_leads_no_further_than_to_the_next_layer(
    network: tuple[list[int], list[Wire]],
) -> None:
    widths, wires = network
    found = layers(len(widths), wires)
    assert sorted(server for layer in found for server in layer) == list(range(len(widths)))
    layer_of = {server: n for n, layer in enumerate(found) for server in layer}
    assert all(abs(layer_of[source] - layer_of[target]) <= 1 for source, target in wires)


def test_arrows_point_to_the_right_where_they_can() -> None:
    wires = [Wire(2, 0), Wire(1, 0), Wire(0, 3)]
    assert layers(4, wires) == [[1, 2], [0], [3]]


def test_what_no_link_connects_is_drawn_apart() -> None:
    assert groups(5, [Wire(3, 1), Wire(4, 4), Wire(1, 3)]) == [[1, 3], [4], [0], [2]]
