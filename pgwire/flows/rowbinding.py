"""Rows of parameters as Bind and Execute, many at a time.

For each combination of Python classes that comes up a function is generated that packs such rows:
what is the same for all of them, names, formats and lengths of fixed-width values, is packed by one
`struct` call along with the values. It holds no name and no text from anywhere: only struct layouts
and numbers, and what is bound in its namespace. It leaves every row that is not exactly of its
classes, or that has a value that does not fit, to the plain way, which knows what is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from pgwire import errors
from pgwire.flows.prepared import EXECUTE
from pgwire.flows.statements import Statement
from pgwire.protocol import writer
from pgwire.protocol.constants import FRONTEND_LIMITS
from pgwire.types.binding import ParameterEncoder
from pgwire.types.catalog import OIDS

LARGEST: Final = 1 << 20
"""Bytes of a row that are packed by a generated function; longer ones go the plain way."""

_MOST_SHAPES: Final = 50
_MOST_COLUMNS: Final = 100
_LIMIT: Final = FRONTEND_LIMITS[b"B"[0]]

Packer = Callable[[Sequence[Any], int, list[bytes], int], tuple[int, int]]
"""Packs rows from a position on into a list until it has some bytes; where it stopped, and the
bytes that it packed."""

# (class, type) -> the struct code of a value that is sent in binary format.
_FIXED: Final = {
    (int, OIDS["int2"][0]): "h",
    (int, OIDS["int4"][0]): "i",
    (int, OIDS["int8"][0]): "q",
    (int, OIDS["oid"][0]): "I",
    (float, OIDS["float8"][0]): "d",
    (bool, OIDS["bool"][0]): "?",
}
_INTEGERS: Final = frozenset(OIDS[name][0] for name in ("int4", "int8", "numeric"))
_FLOAT: Final = OIDS["float8"][0]
_EXACT: Final = 2**53
_OWN: Final = {(bool, OIDS["bool"][0]), (bytes, OIDS["bytea"][0])}
_TEXTS: Final = frozenset(OIDS[name][0] for name in ("text", "varchar", "bpchar"))


class Unsuitable(Exception):
    """A row needs a statement with parameters declared as `oids`."""

    def __init__(self, oids: tuple[int, ...]) -> None:
        self.oids = oids


def suits(value: object, declared: int) -> bool:
    """Whether a value means the same as a parameter of the type that is `declared`, for the sake of
    other rows, as if its own type were: so no statement is needed for each mixture of them.

    A number among numbers does, and anything where the server has inferred the type; a str does
    not: it may stand for any type, and '007' is not 7 where text is wanted.
    """
    kind = type(value)
    if declared == 0 or value is None:
        return True
    if kind is int:
        # Not all longer ones are floats.
        return declared in _INTEGERS or (declared == _FLOAT and abs(value) <= _EXACT)  # type: ignore[arg-type]
    return kind is float and declared in (_FLOAT, OIDS["numeric"][0])


def wrong_number(wanted: int, given: int) -> errors.ProgrammingError:
    """The error for a row with another number of parameters than the statement has."""
    return errors.ProgrammingError(
        f"the statement has {wanted} parameters, {given} were given", sqlstate="08P01"
    )


class RowBinder:
    """Binds rows to a prepared statement whose parameters are known."""

    def __init__(self, statement: Statement, encoder: ParameterEncoder) -> None:
        self._declared = statement.oids
        self._oids = statement.parameters
        self._encoder = encoder
        self._name = b"\0" + writer.cstring(statement.name, "name of a prepared statement")
        self._packers: dict[tuple[type, ...], Packer | None] = {}

    def pack(
        self, rows: Sequence[Sequence[Any]], position: int, messages: list[bytes], most: int
    ) -> tuple[int, int]:
        """Append the Bind and Execute of `rows` from `position` on to `messages`, until these are
        `most` bytes or more. Returns the position of the first row that was not packed, which may
        have to go the plain way, and the number of bytes."""
        size = 0
        while position < len(rows) and size < most:
            classes = tuple(map(type, rows[position]))
            try:
                packer = self._packers[classes]
            except KeyError:
                packer = self._packer(classes)
            if packer is None:
                break
            stopped, more = packer(rows, position, messages, most - size)
            size += more
            if stopped == position:
                break
            position = stopped
        return position, size

    def bind_plainly(self, row: Sequence[Any]) -> bytes:
        """Bind and Execute of one row.

        Raises Unsuitable if the statement must be declared with other types for it, and what
        `ParameterEncoder.encode` does.
        """
        oids, formats, values = self._encoder.encode(row)
        if oids == self._declared:
            return self.bind(formats, values)
        if len(oids) != len(self._oids):
            raise wrong_number(len(self._oids), len(oids))
        if not all(map(suits, row, self._declared)):
            raise Unsuitable(oids)
        try:
            return self.bind(*self._encoder.encode_known(row, self._oids))
        except (errors.ProgrammingError, errors.DataError):
            raise Unsuitable(oids) from None

    def bind(self, formats: Sequence[int], values: Sequence[bytes | None]) -> bytes:
        """Bind and Execute of encoded values. Raises as messages do when they are encoded."""
        parts = [self._name, _prefix(formats, len(values))]
        for number, value in enumerate(values, 1):
            parts += writer.length_and_value(value, f"value {number} of parameters")
        parts.append(b"\0\0")  # the rows that it returns, if any, come as text, and are skipped
        return writer.frame(b"B", parts, _LIMIT, '"B" message (Bind)') + EXECUTE

    def _packer(self, classes: tuple[type, ...]) -> Packer | None:
        if len(self._packers) >= _MOST_SHAPES:
            self._packers.clear()
        packer = None
        if len(classes) == len(self._oids) and 0 < len(classes) <= _MOST_COLUMNS:
            packer = self._generate(classes)
        self._packers[classes] = packer
        return packer

    def _generate(self, classes: tuple[type, ...]) -> Packer | None:
        encoder = self._encoder
        registry = encoder.registry
        formats: list[int] = []
        checks: list[str] = []
        convert: list[str] = []
        names: dict[str, Any] = {"LARGEST": LARGEST, "Error": struct.error}
        # A row is a run of struct calls, cut after each value of variable length.
        layout, arguments, pieces = "", [], []
        fixed = 0
        for number, (kind, oid, declared) in enumerate(
            zip(classes, self._oids, self._declared, strict=True)
        ):
            plain = registry.is_builtin(oid) and not registry.is_registered(kind)
            code = _FIXED.get((kind, oid)) if plain else None
            value = f"v{number}"
            if kind is tuple:
                return None  # (value, type)
            if kind is int and declared == _FLOAT:
                checks.append(f"not {-_EXACT} <= {value} <= {_EXACT}")
            elif declared and (kind, oid) not in _OWN:
                sample = (
                    0
                    if kind is int
                    else 0.0
                    if kind is float
                    else None
                    if kind is type(None)
                    else ""
                )
                if not suits(sample, declared):
                    return None
            names[f"C{number}"] = kind
            checks.append(f"type({value}) is not C{number}")
            if kind is type(None):
                formats.append(0)
                layout += "i"
                arguments.append("-1")
                fixed += 4
            elif code is not None:
                formats.append(1)
                width = struct.calcsize("!" + code)
                layout += "i" + code
                arguments += [str(width), value]
                fixed += 4 + width
            else:
                if kind is str and plain and oid in _TEXTS and encoder.context.encoding == "utf-8":
                    formats.append(0)
                    convert += [f"{value} = {value}.encode()", f"if 0 in {value}: break"]
                else:
                    try:
                        known = encoder.known(oid, kind)
                    except errors.Error:
                        return None
                    formats.append(known[0])
                    names[f"E{number}"] = known[1]
                    convert.append(f"{value} = E{number}({value})")
                layout += "i"
                arguments.append(f"len({value})")
                fixed += 4
                pieces.append((layout, arguments, value))
                layout, arguments = "", []
        names["TAIL"] = tail = b"\0\0" + EXECUTE
        names["HEAD"] = head = self._name + _prefix(formats, len(classes))
        fixed += 4 + len(head) + 2
        pieces.append((layout + f"{len(tail)}s", [*arguments, "TAIL"], ""))
        variable = [value for _, _, value in pieces if value]
        pieces[0] = (
            f"ci{len(head)}s" + pieces[0][0],
            ["b'B'", "n", "HEAD", *pieces[0][1]],
            pieces[0][2],
        )
        terms = []
        for number, (layout, arguments, value) in enumerate(pieces):
            names[f"S{number}"] = struct.Struct("!" + layout).pack
            terms.append(f"S{number}({', '.join(arguments)})")
            if value:
                terms.append(value)
        total = " + ".join([str(fixed), *(f"len({value})" for value in variable)])
        lines = [
            "def pack(rows, position, messages, most):",
            "    size = 0",
            "    stop = len(rows)",
            "    try:",
            "        while position < stop:",
            f"            {', '.join(f'v{n}' for n in range(len(classes)))}, = rows[position]",
            f"            if {' or '.join(checks)}: break",
            *(f"            {line}" for line in convert),
            f"            n = {total}",
            "            if n > LARGEST: break",
            f"            messages.append({' + '.join(terms)})",
            "            position += 1",
            f"            size += n + {1 + len(EXECUTE)}",
            "            if size >= most: break",
            "    except Exception: pass",
            "    return position, size",
        ]
        exec("\n".join(lines), names)
        made: Packer = names["pack"]
        return made


def _prefix(formats: Sequence[int], count: int) -> bytes:
    return (
        writer.count(len(formats), "formats of parameters")
        + writer.uint16s(formats, "format of parameters")
        + writer.count(count, "parameters")
    )
