"""A decoder that walks through the rows field by field, generated for the shape of the result.

It takes any shape, and where there is a just-in-time compiler it is the fastest for all of them.
The code is made of column numbers, struct layouts and names that are bound here: of nothing that a
server or a user wrote. It is sloppy on purpose: it reads on over the end of a frame and looks
whether it has met it exactly. A row that is not so, or whose values make a conversion fail, is
given to the plain decoder, which gives the row or says what is wrong with it. Only codecs whose
values are not known here are asked last, when the frame has been found to be right: they may be
anybody's, so they are asked once, and what they raise is raised.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import Struct
from textwrap import indent
from types import CodeType

from pgwire.rows.convert import (
    EPOCH,
    EXACT,
    MICROSECOND,
    UTC,
    Cache,
    decimals,
    from_seconds,
)
from pgwire.rows.decoder import Decoder, Row, decode_rows
from pgwire.rows.kinds import Kind

__all__ = ["Loop", "loop_decoder"]

Loop = Callable[[bytes, int, int, int], tuple[list[Row], int]]
"""(data, start, end, limit) -> rows of the complete frames at the front, `limit` at most, and where
they end."""

_JITTED = sys.implementation.name == "pypy"

_FRAME = """\
def decode(data, position, end, limit):
    rows = []
    append = rows.append
    asking = False
{setup}
    while limit:
        try:
            while limit and end - position >= 7:
{head}
                stop = position + 1 + length
                if kind != {kind} or length < 4 or stop > end:
                    return rows, position
                if count != {count}:
                    if count == 65535 and length == 6 and kind == 100:
                        return rows, position
                    break
{fields}
                if p != stop:
                    break
{before}                append(({values}))
{after}                position = stop
                limit -= 1
            else:
                break
        except Exception:
            if asking:
                raise
        rows += plain(data, position, position + 1 + header(data, position)[1])
        position += 1 + header(data, position)[1]
        limit -= 1
    return rows, position
"""

# Columns of fixed width that stand side by side are read at once, with their length words; before
# them the header of the frame, behind them the length word of a text. Where one of them is a NULL,
# each is read by itself.
_HEAD = """\
if end - position >= {size}:
    kind, length, count, {names} = run0(data, position)
    quick = {right}
else:
    kind, length, count = header(data, position)
    quick = False
"""
_RUN = """\
if end - p >= {size}:
    {names} = run{i}(data, p)
    quick = {right}
else:
    quick = False
"""

# A field of length n ends at q. Anything but NULL that is shorter than 0 breaks the walk.
_VARIABLE = """\
if n >= 0:
    q = p + n
    {convert}
    p = q
elif n == -1:
    v{i} = None
else:
    break
"""
_FIXED = """\
n, v{i} = field_{layout}(data, p)
p += 4
if n == {size}:
    p += {size}
{convert}
elif n == -1:
    v{i} = None
else:
    break
"""
_PLAIN_BYTES = "v{i} = data[p:q]"

_CONVERT = {
    "text": "v{i} = str(data[p:q], {encoding})",
    "text int": "v{i} = int(data[p:q])",
    "text float": "v{i} = float(data[p:q])",
    # Python knows more kinds of NaN than the server does.
    "text numeric": (
        "s = str(data[p:q], 'ascii')\n"
        "    v{i} = Decimal(s) if exact and not ('N' in s or 'n' in s) else decode{i}(data[p:q])"
    ),
    "bytes": "v{i} = data[p:q]",
    # Of fixed width, from what struct has made of them. What cannot be converted raises.
    "number": "",
    "fixed": "",
    "bool": "v{i} = (False, True)[v{i}]",
    "date": "v{i} = dates{i}[v{i}]",
    "timestamp": "v{i} = epoch + microsecond * v{i}",
    "timestamptz": "v{i} = epoch_utc + microsecond * v{i}",
}
_MOMENT = """\
if {first} <= v{i} <= {last}:
    v{i} = from_seconds((v{i} + 946684800000000) / 1000000)
else:
    v{i} = decode{i}(pack_q(v{i}))"""
# Under a JIT a division and a replace() are cheap, and a timedelta is not: a new base each minute.
_MINUTE = """\
m, u = divmod(v{i}, 60000000)
if m != minute{i}:
    base{i} = decode{i}(pack_q(m * 60000000))
    minute{i} = m
v{i} = base{i}.replace(second=u // 1000000, microsecond=u % 1000000)"""

_LAYOUTS = {"bool": "B", "date": "i", "timestamp": "q", "timestamptz": "q"}

_Shape = tuple[tuple[str, int, str], ...]


def _layout(way: str, size: int, layout: str) -> str:
    return layout or _LAYOUTS.get(way) or f"{size}s"


def _runs(shape: _Shape) -> list[tuple[int, int, str]]:
    """The columns of a fixed width that stand side by side: from which to which, and how `struct`
    reads them, with the length word of the text that follows. The first run is that of the header,
    maybe with no column; rows may have none at all."""
    runs: list[tuple[int, int, str]] = []
    start = 0
    while start < len(shape):
        stop = start
        layout = "" if runs else "BiH"
        while stop < len(shape) and shape[stop][1]:
            layout += "i" + _layout(*shape[stop])
            stop += 1
        runs.append((start, stop, "!" + layout + "i" * (stop < len(shape))))
        start = stop + 1
    return runs or [(0, 0, "!BiH")]


@lru_cache(maxsize=256)
def _code(shape: _Shape, kind: int, *, utf8: bool) -> CodeType:
    fields: list[str] = []
    setup: list[str] = []
    converts: list[str] = []
    for i, (way, size, layout) in enumerate(shape):
        convert = _convert(way)
        if convert is _MINUTE:
            setup.append(f"    minute{i} = base{i} = None")
        if way == "text numeric":
            setup.append("    exact = raises()")
        encoding = "'utf-8'" if utf8 else "encoding"
        converts.append(
            convert.format(
                i=i, size=size, layout=layout, encoding=encoding, first=EXACT[0], last=EXACT[1]
            )
        )
    head = ""
    for start, stop, layout in _runs(shape):
        variable = stop < len(shape)
        names = "".join(f"n{i}, v{i}, " for i in range(start, stop)) + "n, " * variable
        right = " and ".join(f"n{i} == {shape[i][1]}" for i in range(start, stop)) or "True"
        size = Struct(layout).size
        lines = fields
        if start == 0:
            head = _HEAD.format(size=size, names=names, right=right)
            skipped = f"position + {size}", "position + 7"
        elif start == stop:
            lines += ["n, = size(data, p)", "p += 4"]
            lines += _VARIABLE.format(i=stop, convert=converts[stop]).splitlines()
            continue
        else:
            lines += _RUN.format(i=start, size=size, names=names, right=right).splitlines()
            skipped = f"p + {size}", "p"
        lines += ["if quick:", f"    p = {skipped[0]}"]
        lines += [f"    {line}" for i in range(start, stop) for line in converts[i].splitlines()]
        lines += ["else:", f"    p = {skipped[1]}"]
        for i in range(start, stop):
            way, width, own = shape[i]
            convert = indent(converts[i] or "pass", "    ")
            one = _FIXED.format(i=i, size=width, layout=_layout(way, width, own), convert=convert)
            lines += indent(one, "    ").splitlines()
        if variable:
            lines += ["    n, = size(data, p)", "    p += 4"]
            lines += _VARIABLE.format(i=stop, convert=converts[stop]).splitlines()
    asked = {i for i, (way, _, _) in enumerate(shape) if way == "fixed" or way not in _CONVERT}
    deep = " " * 16
    source = _FRAME.format(
        before=f"{deep}asking = True\n" if asked else "",
        after=f"{deep}asking = False\n" if asked else "",
        kind=kind,
        count=len(shape),
        setup="\n".join(setup),
        head=indent(head, deep),
        fields=indent("\n".join(fields), deep),
        values="".join(
            f"None if v{i} is None else decode{i}(v{i}), " if i in asked else f"v{i}, "
            for i in range(len(shape))
        ),
    )
    return compile(source, "<rows of a shape>", "exec")


def _convert(way: str) -> str:
    if _JITTED and way in ("timestamp", "timestamptz"):
        return _MINUTE
    if way == "timestamp" and from_seconds is not None:
        return _MOMENT
    return _CONVERT.get(way, _PLAIN_BYTES)


def loop_decoder(kinds: Sequence[Kind], encoding: str, kind: int) -> Loop:
    """The decoder for rows of columns of these `kinds`, in frames of type byte `kind`."""
    shape = tuple([column.key for column in kinds])
    decoders: list[Decoder] = [column.decode for column in kinds]

    def plain(data: bytes, start: int, stop: int) -> list[Row]:
        return decode_rows(data, start, stop, decoders)

    names: dict[str, object] = {
        "header": Struct("!BiH").unpack_from,
        "size": Struct("!i").unpack_from,
        "pack_q": Struct("!q").pack,
        "plain": plain,
        "encoding": encoding,
        "from_seconds": from_seconds,
        "epoch": EPOCH,
        "epoch_utc": EPOCH.replace(tzinfo=UTC),
        "microsecond": MICROSECOND,
    }
    for start, _stop, layout in _runs(shape):
        names[f"run{start}"] = Struct(layout).unpack_from
    for i, column in enumerate(kinds):
        names[f"decode{i}"] = column.decode
        if column.way == "text numeric":
            names["Decimal"], names["raises"] = decimals()
        if column.way == "date":
            names[f"dates{i}"] = Cache(_numbered(column.decode))
        if column.size:
            layout = _layout(*column.key)
            names[f"field_{layout}"] = Struct("!i" + layout).unpack_from
    exec(_code(shape, kind, utf8=encoding == "utf-8"), names)
    decode: Loop = names["decode"]  # type: ignore[assignment]
    return decode


def _numbered(decode: Decoder) -> Callable[[int], object]:
    pack = Struct("!i").pack
    return lambda number: decode(pack(number))
