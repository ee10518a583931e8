"""A decoder for rows whose columns all have a fixed width in binary: a batch is one array.

Why it is a proof. A row without NULL then has exactly one length, the stride, and every byte of it
that is not part of a value is known: the type byte, the length word, the number of fields, the
length word before each field. A run of n rows is taken only if each of these bytes is the right
one at offset + k * stride for all k < n; each is one slice with a step, compared with a constant.
If row k begins at k * stride, its type byte and length word put row k + 1 at (k + 1) * stride; row
0 begins at 0. So by induction every header and every field stand where they are read, and nothing
is read as a value that the plain decoder would not read as this very value. Where a byte differs
(a NULL, a notice, a lie) the run ends before that row, and another decoder looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import Struct, pack
from types import CodeType
from typing import Final

from pgwire.rows.convert import EPOCH, MICROSECOND, UTC, Cache, exact_slices, from_seconds
from pgwire.rows.decoder import Row
from pgwire.rows.kinds import Kind
from pgwire.types.codec import Decoder

__all__ = ["Stride", "can_stride", "stride_decoder"]

Stride = Callable[[bytes | bytearray, int, int], tuple[list[Row], int]]
"""(data, start, end) -> rows of the complete frames at the front that are alike, and where they
end."""

_LAYOUTS: Final = {"bool": "?", "date": "i", "timestamp": "q", "timestamptz": "q"}


def can_stride(kinds: Sequence[Kind]) -> bool:
    """Whether rows of these kinds have a constant length when there is no NULL."""
    return bool(kinds) and all(kind.size for kind in kinds)


def stride_decoder(kinds: Sequence[Kind], kind: int) -> Stride:
    """The decoder for rows of columns of these `kinds`, in frames of type byte `kind`."""
    layout = ">7x"
    fields: list[int] = []  # offsets
    expected = bytearray(7)
    for column in kinds:
        layout += "4x" + (column.layout or _LAYOUTS.get(column.way) or f"{column.size}s")
        fields.append(len(expected) + 4)
        expected += column.size.to_bytes(4) + bytes(column.size)
    stride = len(expected)
    expected[:7] = pack("!BiH", kind, stride - 1, len(kinds))
    values = {offset + i for offset, c in zip(fields, kinds, strict=True) for i in range(c.size)}
    constant = [
        (offset, bytes((byte,))) for offset, byte in enumerate(expected) if offset not in values
    ]
    bools = [offset for offset, c in zip(fields, kinds, strict=True) if c.way == "bool"]
    moments = [offset for offset, c in zip(fields, kinds, strict=True) if c.way == "timestamp"]
    unpack = Struct(layout).iter_unpack
    fast, slow = _conversions(kinds)

    def decode(data: bytes | bytearray, start: int, end: int) -> tuple[list[Row], int]:
        count = (end - start) // stride
        stop = start + count * stride
        for offset, byte in constant:
            found = data[start + offset : stop : stride]
            if found != byte * count:
                count -= len(found.lstrip(byte))
                stop = start + count * stride
        for offset in bools:
            strange = data[start + offset : stop : stride].lstrip(b"\0\1")
            if strange:
                count -= len(strange)
                stop = start + count * stride
        if not count:
            return [], start
        run = memoryview(data)[start:stop]
        if fast is None:
            return list(unpack(run)), stop
        if all(exact_slices(data, start + offset, stop, stride) for offset in moments):
            try:
                return fast(unpack(run)), stop
            except OverflowError:
                pass
        return slow(unpack(run)), stop

    return decode


_Convert = Callable[[object], list[Row]]


def _conversions(kinds: Sequence[Kind]) -> tuple[_Convert | None, _Convert]:
    """From what `struct` gives to rows: the fast way, if anything is to be done at all, and the way
    for moments that Python may not be able to hold."""
    names: dict[str, object] = {
        "from_seconds": from_seconds,
        "epoch": EPOCH,
        "epoch_utc": EPOCH.replace(tzinfo=UTC),
        "microsecond": MICROSECOND,
    }
    for i, column in enumerate(kinds):
        if column.way == "date":
            names[f"dates{i}"] = Cache(_single(column, "!i"))
        elif column.way in ("timestamp", "timestamptz"):
            names[f"decode{i}"] = _single(column, "!q")
        else:
            names[f"decode{i}"] = column.decode
    exec(_code(tuple(column.key for column in kinds)), names)
    plain = all(column.way in ("number", "bool") for column in kinds)
    return None if plain else names["fast"], names["slow"]  # type: ignore[return-value]


def _single(column: Kind, layout: str) -> Decoder:
    decode, pack_one = column.decode, Struct(layout).pack
    return lambda number: decode(pack_one(number))


@lru_cache(maxsize=256)
def _code(shape: tuple[tuple[str, int, str], ...]) -> CodeType:
    """Functions of column numbers and names that `_conversions` binds, and of nothing else."""
    fast: list[str] = []
    slow: list[str] = []
    for i, (way, _size, _layout) in enumerate(shape):
        if way in ("number", "bool"):
            fast.append(f"v{i}")
            slow.append(f"v{i}")
            continue
        plain = f"dates{i}[v{i}]" if way == "date" else f"decode{i}(v{i})"
        slow.append(plain)
        if way == "timestamptz":
            fast.append(f"epoch_utc + microsecond * v{i}")
        elif way == "timestamp" and from_seconds is not None:
            fast.append(f"from_seconds((v{i} + 946684800000000) / 1000000)")
        elif way == "timestamp":
            fast.append(f"epoch + microsecond * v{i}")
        else:
            fast.append(plain)
    names = "".join(f"v{i}, " for i in range(len(shape)))
    source = "\n".join(
        f"def {name}(rows):\n    return [({', '.join(values)},) for ({names}) in rows]"
        for name, values in (("fast", fast), ("slow", slow))
    )
    return compile(source, "<rows of a shape>", "exec")
