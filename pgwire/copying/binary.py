"""Rows in COPY's binary format, by functions that are generated per shape. Manual: COPY, "Binary
Format".

Three ways lead to the same bytes. `packed` packs what has a fixed width with one call per row and
knows no NULL there; `nullable` knows it; `careful` asks the codec for every value and is the one
that tells what is wrong. A batch that one of them refuses, whatever the exception, is the next
one's. Generated code is made of numbers, struct layouts and the expressions of `fields`: of nothing
that came from a server or a caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from struct import Struct, calcsize
from types import CodeType
from typing import Any, Final

from pgwire import errors
from pgwire.copying.fields import binary_fields, encode_value, row_values, unfit
from pgwire.rows.column import Column
from pgwire.types.context import Context
from pgwire.types.registry import Registry

__all__ = ["HEADER", "TRAILER", "BinaryRows"]

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""The signature, no flags, no extension of the header."""

TRAILER: Final = b"\xff\xff"

_NULL: Final = b"\xff\xff\xff\xff"
_Rows = Sequence[Sequence[Any]]
_Pack = Callable[[_Rows], Iterable[bytes]]


class BinaryRows:
    """Encodes rows for one table. Called with a batch of rows, and the number of the first."""

    header = HEADER
    trailer = TRAILER

    def __init__(
        self, table: str, columns: Sequence[Column], registry: Registry, context: Context
    ) -> None:
        if len(columns) > 0x7FFF:
            raise errors.ProgrammingError(f"{len(columns)} columns are more than a table has")
        self.table = table
        self._columns = tuple(columns)
        self._fields = binary_fields(columns, registry, context)
        shape = tuple(field.key for field in self._fields)
        names: dict[str, Any] = {
            f"_encode{n}": field.encode for n, field in enumerate(self._fields)
        }
        names["_encoding"] = context.encoding
        self._ways: list[_Pack] = [_function(code, used, names) for code, used in _generated(shape)]

    def __call__(self, rows: _Rows, first: int) -> bytes:
        """The bytes of `rows`. Raises DataError or ProgrammingError, naming row and column."""
        while self._ways:
            try:
                return b"".join(self._ways[0](rows))
            except Exception:
                if len(self._ways) == 1:
                    break
                # What one batch has the next is likely to have: NULLs. The way that knows them
                # costs little more.
                del self._ways[0]
        return b"".join([self._row(row, number) for number, row in enumerate(rows, first)])

    def _row(self, row: Any, number: int) -> bytes:
        columns = self._columns
        parts = [len(columns).to_bytes(2)]
        values = row_values(row, len(columns), number, self.table)
        for field, column, value in zip(self._fields, columns, values, strict=True):
            if value is None:
                parts.append(_NULL)
                continue
            data = encode_value(field.encode, value, number, column, self.table)
            parts += len(data).to_bytes(4), data
        return b"".join(parts)


_Shape = tuple[tuple[str, str, bool], ...]


@lru_cache(maxsize=64)
def _generated(shape: _Shape) -> tuple[tuple[CodeType, dict[str, Any]], ...]:
    """The code of `packed` and `nullable` for a shape, each with the names that it uses."""
    if not shape:
        return ()
    ways = [False, True] if any(layout for layout, _, _ in shape) else [False]
    found = []
    for nullable in ways:
        source, names = _Generator(shape).function(nullable=nullable)
        found.append((compile(source, "<rows to be copied in>", "exec"), names))
    return tuple(found)


def _function(code: CodeType, names: dict[str, Any], own: dict[str, Any]) -> _Pack:
    namespace: dict[str, Any] = {**names, **own}
    exec(code, namespace)
    function: _Pack = namespace["encode"]
    return function


class _Generator:
    """Writes the source of a function from rows to pieces of bytes, for one shape."""

    def __init__(self, shape: _Shape) -> None:
        self._shape = shape
        self._names: dict[str, Any] = {"_unfit": unfit, "_null": _NULL, "_text": str.encode}
        if any("_epoch" in expression or "_date" in expression for _, expression, _ in shape):
            from datetime import UTC, date, datetime

            self._names["_date"] = date
            self._names["_epoch"] = datetime(2000, 1, 1)
            self._names["_epoch_utc"] = datetime(2000, 1, 1, tzinfo=UTC)

    def function(self, *, nullable: bool) -> tuple[str, dict[str, Any]]:
        """The source, and the names that it uses beside `_encoding` and `_encode0`, ….

        With `nullable` a column of fixed width may be NULL, too.
        """
        shape = self._shape
        values = "".join([f"v{n}, " for n in range(len(shape))])
        pieces = self._pieces()
        if not nullable and len(pieces) == 1:
            return f"def encode(rows):\n return [{pieces[0]} for ({values}) in rows]\n", self._names
        lines = ["def encode(rows):", " out = []", f" for ({values}) in rows:"]
        for n, (layout, _, is_text) in enumerate(shape):
            if not layout:
                made = f"_text(v{n}, _encoding)" if is_text else f"_encode{n}(v{n})"
                lines += [
                    f"  if v{n} is None: b{n} = b''; n{n} = -1",
                    f"  else: b{n} = {made}; n{n} = len(b{n})",
                ]
        whole = f"out += ({', '.join(pieces)},)"
        if nullable:
            fixed = [n for n, (layout, _, _) in enumerate(shape) if layout]
            lines.append("  if " + " or ".join([f"v{n} is None" for n in fixed]) + ":")
            lines.append(f"   out += ({', '.join(self._single_pieces())},)")
            lines.append(f"  else: {whole}")
        else:
            lines.append(f"  {whole}")
        return "\n".join([*lines, " return out", ""]), self._names

    def _pieces(self) -> list[str]:
        """What a row consists of: a call of pack for as many neighbours as it can do, and between
        two calls a value that has no fixed width."""
        pieces: list[str] = []
        constant = len(self._shape).to_bytes(2)
        layout, arguments = "", []
        for n, (field, expression, _) in enumerate(self._shape):
            if field:
                constant += calcsize(field).to_bytes(4)
                arguments.append(self._constant(constant))
                arguments.append(expression.format(f"v{n}", f"x{n}"))
                layout += f"{len(constant)}s{field}"
            else:
                if constant:
                    arguments.append(self._constant(constant))
                    layout += f"{len(constant)}s"
                pieces.append(self._pack(layout + "i", [*arguments, f"n{n}"]))
                pieces.append(f"b{n}")
                layout, arguments = "", []
            constant = b""
        if layout:
            pieces.append(self._pack(layout, arguments))
        return pieces

    def _single_pieces(self) -> list[str]:
        """The same, with every value by itself."""
        pieces = [self._constant(len(self._shape).to_bytes(2))]
        for n, (field, expression, _) in enumerate(self._shape):
            if field:
                length = self._constant(calcsize(field).to_bytes(4))
                made = self._pack(f"4s{field}", [length, expression.format(f"v{n}", f"x{n}")])
                pieces.append(f"_null if v{n} is None else {made}")
            else:
                pieces += self._pack("i", [f"n{n}"]), f"b{n}"
        return pieces

    def _pack(self, layout: str, arguments: list[str]) -> str:
        name = "_pack_" + layout.replace("?", "bool")
        self._names[name] = Struct("!" + layout).pack
        return f"{name}({', '.join(arguments)})"

    def _constant(self, value: bytes) -> str:
        name = "_is_" + value.hex()
        self._names[name] = value
        return name
