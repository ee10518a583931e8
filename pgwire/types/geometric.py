"""The geometric types, as small classes of floats. Manual: 8.8 "Geometric Types".

The values are what the server makes of them: it puts the upper right corner of a box first, and
decides what is a valid line or circle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct, unpack_from
from struct import error as StructError
from typing import Any, TypeVar

from pgwire import errors
from pgwire.types.codec import (
    BINARY,
    Codec,
    always,
    ascii_text,
    bad_binary,
    bad_text,
    builtin_codec,
    text_encoder,
    wrong_type,
)

__all__ = ["CODECS", "Box", "Circle", "LSeg", "Line", "Path", "Point", "Polygon"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the plane."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """The infinite line ax + by + c = 0."""

    a: float
    b: float
    c: float


@dataclass(frozen=True, slots=True)
class LSeg:
    """A line segment between two points."""

    start: Point
    end: Point


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by two opposite corners. The server sends the upper right one as `high`, the
    lower left one as `low`, whichever two it was given."""

    high: Point
    low: Point


@dataclass(frozen=True, slots=True)
class Path:
    """Connected points; if `closed`, the last is connected with the first."""

    points: tuple[Point, ...]
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Polygon:
    """An area, by its corners."""

    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle by its center and radius."""

    center: Point
    radius: float


# Each is a flat row of numbers in both formats: what stands around them is its text's form.

_NUMBER = r"-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Infinity|NaN)"
_POINT = rf"\({_NUMBER},{_NUMBER}\)"
_POINTS = rf"{_POINT}(?:,{_POINT})*"
_FIND_NUMBER = re.compile(_NUMBER, re.ASCII)


def _points(numbers: Sequence[float]) -> tuple[Point, ...]:
    return tuple(map(Point, numbers[::2], numbers[1::2]))


def _numbers(*points: Point) -> list[float]:
    return [number for point in points for number in (point.x, point.y)]


def _points_text(points: Sequence[Point]) -> str:
    return ",".join([f"({float(point.x)!r},{float(point.y)!r})" for point in points])


def _codec(
    name: str,
    kind: type,
    form: str,
    *,
    read: Callable[[str, list[float]], object],
    write: Callable[[Any], str],
    unpack: Callable[[bytes], object],
    pack: Callable[[Any], bytes],
) -> Codec:
    """`form` is a regular expression; `read` gets a text that fits it and the numbers in it."""
    shape = re.compile(form, re.ASCII)

    def parse(text: str) -> object:
        if not shape.fullmatch(text):
            raise bad_text(name, text)
        return read(text, list(map(float, _FIND_NUMBER.findall(text))))

    def to_text(value: object) -> str | None:
        return _checked(name, value, write) if isinstance(value, kind) else None

    def from_binary(data: bytes) -> object:
        try:
            return unpack(data)
        except StructError:
            raise bad_binary(name) from None

    def to_binary(value: object) -> bytes:
        if isinstance(value, str):
            value = parse(value)
        if not isinstance(value, kind):
            raise wrong_type(name, value)
        return _checked(name, value, pack)

    return builtin_codec(
        name,
        text_decoder=always(lambda data: parse(ascii_text(name, data))),
        text_encoder=text_encoder(name, to_text),
        binary_decoder=always(from_binary),
        binary_encoder=always(to_binary),
        preferred=BINARY,
    )


def _checked(name: str, value: object, convert: Callable[[Any], T]) -> T:
    try:
        return convert(value)
    except (StructError, TypeError, ValueError, AttributeError, OverflowError):
        raise errors.DataError(
            f"{value!r:.200} is no {name}: what it consists of must be float", sqlstate="22P02"
        ) from None


def _fixed(
    name: str,
    kind: type,
    text: str,
    make: Callable[..., object],
    numbers: Callable[[Any], Sequence[float]],
) -> Codec:
    """A type of so many numbers as there are # in its `text`."""
    form = _NUMBER.join(map(re.escape, text.split("#")))
    pieces = text.replace("{", "{{").replace("}", "}}").replace("#", "{!r}")
    layout = Struct(f"!{text.count('#')}d")
    return _codec(
        name,
        kind,
        form,
        read=lambda text, found: make(*found),
        write=lambda value: pieces.format(*map(float, numbers(value))),
        unpack=lambda data: make(*layout.unpack(data)),
        pack=lambda value: layout.pack(*numbers(value)),
    )


# path and polygon: the number of points goes before them, and before that whether a path is closed.

_PATH = Struct("!Bi")
_POLYGON = Struct("!i")


def _unpack_points(data: bytes, header: Struct, count: int) -> tuple[Point, ...]:
    if count < 0 or len(data) != header.size + 16 * count:
        raise StructError
    return _points(unpack_from(f"!{2 * count}d", data, header.size))


def _pack_points(points: Sequence[Point]) -> bytes:
    return Struct(f"!{2 * len(points)}d").pack(*_numbers(*points))


def _unpack_path(data: bytes) -> Path:
    closed, count = _PATH.unpack_from(data)
    if closed > 1:
        raise StructError
    return Path(_unpack_points(data, _PATH, count), closed == 1)


def _path_text(path: Path) -> str:
    points = _points_text(path.points)
    return f"({points})" if path.closed else f"[{points}]"


def _unpack_polygon(data: bytes) -> Polygon:
    (count,) = _POLYGON.unpack_from(data)
    return Polygon(_unpack_points(data, _POLYGON, count))


CODECS = (
    _fixed("point", Point, "(#,#)", Point, lambda point: (point.x, point.y)),
    _fixed("line", Line, "{#,#,#}", Line, lambda line: (line.a, line.b, line.c)),
    _fixed(
        "lseg",
        LSeg,
        "[(#,#),(#,#)]",
        lambda *numbers: LSeg(*_points(numbers)),
        lambda lseg: _numbers(lseg.start, lseg.end),
    ),
    _fixed(
        "box",
        Box,
        "(#,#),(#,#)",
        lambda *numbers: Box(*_points(numbers)),
        lambda box: _numbers(box.high, box.low),
    ),
    _fixed(
        "circle",
        Circle,
        "<(#,#),#>",
        lambda x, y, radius: Circle(Point(x, y), radius),
        lambda circle: (circle.center.x, circle.center.y, circle.radius),
    ),
    _codec(
        "path",
        Path,
        rf"\[{_POINTS}\]|\({_POINTS}\)",
        read=lambda text, found: Path(_points(found), text.startswith("(")),
        write=_path_text,
        unpack=_unpack_path,
        pack=lambda path: _PATH.pack(path.closed, len(path.points)) + _pack_points(path.points),
    ),
    _codec(
        "polygon",
        Polygon,
        rf"\({_POINTS}\)",
        read=lambda text, found: Polygon(_points(found)),
        write=lambda polygon: f"({_points_text(polygon.points)})",
        unpack=_unpack_polygon,
        pack=lambda polygon: _POLYGON.pack(len(polygon.points)) + _pack_points(polygon.points),
    ),
)
