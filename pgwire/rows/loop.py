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
from types import CodeType

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
                kind, length, count = header(data, position)
                stop = position + 1 + length
                if kind != {kind} or length < 4 or stop > end:
                    return rows, position
                if count != {count}:
                    if count == 65535 and length == 6 and kind == 100:
                        return rows, position
                    break
                p = position + 7
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

# Text: a field of length n ends at q. Anything but NULL that is shorter than 0 breaks the walk.
_VARIABLE = """\
n, = size(data, p)
p += 4
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
n, = size(data, p)
p += 4
if n == {size}:
    {convert}
    p += {size}
elif n == -1:
    v{i} = None
else:
    break
"""
_PLAIN_BYTES = "v{i} = data[p:q]"

_CONVERT = {
    "text": "v{i} = str(data[p:q], encoding)",
    "text int": "v{i} = int(data[p:q])",
    "text float": "v{i} = float(data[p:q])",
    # Python knows more kinds of NaN than the server does.
    "text numeric": (
        "s = str(data[p:q], 'ascii')\n"
        "    v{i} = Decimal(s) if exact and not ('N' in s or 'n' in s) else decode{i}(data[p:q])"
    ),
    "bytes": "v{i} = data[p:q]",
    "number": "v{i}, = read_{layout}(data, p)",
    "bool": "v{i} = (False, True)[data[p]]",
    "date": "v{i} = dates{i}[data[p:p + 4]]",
    "fixed": "v{i} = data[p:p + {size}]",
    "moment": "v{i} = decode{i}(data[p:p + 8])",
}
_MOMENT = """\
u, = read_q(data, p)
    if {first} <= u <= {last}:
        v{i} = from_seconds((u + 946684800000000) / 1000000)
    else:
        v{i} = decode{i}(data[p:p + 8])"""
# Under a JIT a division and a replace() are cheap, and a timedelta is not: a new base each minute.
_MINUTE = """\
u, = read_q(data, p)
    m, u = divmod(u, 60000000)
    if m != minute{i}:
        base{i} = decode{i}(pack_q(m * 60000000))
        minute{i} = m
    v{i} = base{i}.replace(second=u // 1000000, microsecond=u % 1000000)"""


@lru_cache(maxsize=256)
def _code(shape: tuple[tuple[str, int, str], ...], kind: int) -> CodeType:
    from pgwire.rows.convert import EXACT, from_seconds

    fields: list[str] = []
    setup: list[str] = []
    for i, (way, size, layout) in enumerate(shape):
        convert = _CONVERT.get(way, _PLAIN_BYTES)
        if way in ("timestamp", "timestamptz"):
            convert = _CONVERT["moment"]
            if _JITTED:
                convert = _MINUTE
                setup.append(f"    minute{i} = base{i} = None")
            elif way == "timestamp" and from_seconds is not None:
                convert = _MOMENT
        if way == "text numeric":
            setup.append("    exact = raises()")
        template = _FIXED if size else _VARIABLE
        convert = convert.format(i=i, size=size, layout=layout, first=EXACT[0], last=EXACT[1])
        fields += [
            " " * 16 + line
            for line in template.format(i=i, size=size, convert=convert).splitlines()
        ]
    asked = {i for i, (way, _, _) in enumerate(shape) if way == "fixed" or way not in _CONVERT}
    asked -= {i for i, (way, _, _) in enumerate(shape) if way in ("timestamp", "timestamptz")}
    indent = " " * 16
    source = _FRAME.format(
        before=f"{indent}asking = True\n" if asked else "",
        after=f"{indent}asking = False\n" if asked else "",
        kind=kind,
        count=len(shape),
        setup="\n".join(setup),
        fields="\n".join(fields),
        values="".join(
            f"None if v{i} is None else decode{i}(v{i}), " if i in asked else f"v{i}, "
            for i in range(len(shape))
        ),
    )
    return compile(source, "<rows of a shape>", "exec")


def loop_decoder(kinds: Sequence[Kind], encoding: str, kind: int) -> Loop:
    """The decoder for rows of columns of these `kinds`, in frames of type byte `kind`."""
    from pgwire.rows.convert import Cache, decimals, from_seconds

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
    }
    names.update((f"read_{layout}", Struct("!" + layout).unpack_from) for layout in "hiIqd")
    for i, column in enumerate(kinds):
        names[f"decode{i}"] = column.decode
        if column.way == "text numeric":
            names["Decimal"], names["raises"] = decimals()
        if column.way == "date":
            names[f"dates{i}"] = Cache(column.decode)
    exec(_code(tuple(column.key for column in kinds), kind), names)
    decode: Loop = names["decode"]  # type: ignore[assignment]
    return decode
