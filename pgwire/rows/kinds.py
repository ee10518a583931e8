"""What the fast row decoders know of a column: how its values lie on the wire, and what makes them
Python objects. Everything else goes through the codec's own decoder.

A built-in type is known by its codec, not by its OID: when somebody has registered a codec of their
own for it, or the session's parameters give its text another form, nothing here applies and the
codec is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from pgwire.rows.column import Column
from pgwire.types.codec import Codec, Decoder
from pgwire.types.context import Context
from pgwire.types.registry import Registry
from pgwire.types.text import text_decoder

__all__ = ["Kind", "ascii_based", "is_utc", "kind_of", "kinds_of", "writes_iso"]

_PRISTINE: Final = Registry()
"""Nobody registers here: what it gives is built in."""

# Name of a built-in type -> the way of its binary values, and their size in bytes.
_BINARY: Final = {
    "bool": ("bool", 1),
    "date": ("date", 4),
    "timestamp": ("timestamp", 8),
    "timestamptz": ("timestamptz", 8),
    "uuid": ("fixed", 16),
    "time": ("fixed", 8),
    "timetz": ("fixed", 12),
    "interval": ("fixed", 16),
    "float4": ("fixed", 4),
    "bytea": ("bytes", 0),
}
# Name of a built-in type -> the way of its text.
_TEXT: Final = {
    "bool": "text bool",
    "int2": "text int",
    "int4": "text int",
    "int8": "text int",
    "float4": "text float",
    "float8": "text float",
    "numeric": "text numeric",
    "date": "text date",
    "timestamp": "text timestamp",
    "timestamptz": "text timestamptz",
}
_SIZES: Final = {"h": 2, "i": 4, "I": 4, "q": 8, "d": 8}
_UTC_NAMES: Final = frozenset(
    ("UTC", "Etc/UTC", "GMT", "Etc/GMT", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "Universal")
)


class Kind:
    """One column as the fast decoders see it.

    `way`: "number" (one field of the struct module, `layout`), "bool", "date", "timestamp",
    "timestamptz", "fixed" (always `size` bytes), "bytes" and "any" (of any length) are binary;
    "text" (a str), "text int" and the like, and "text any" are text: they hold no NUL byte.
    `decode` is the codec's decoder of a single value, which is always right.
    """

    __slots__ = ("decode", "layout", "size", "way")

    def __init__(self, way: str, size: int, layout: str, decode: Decoder) -> None:
        self.way = way
        self.size = size
        self.layout = layout
        self.decode = decode

    @property
    def is_text(self) -> bool:
        """Whether its values are text, without a NUL byte among them."""
        return self.way.startswith("text")

    @property
    def key(self) -> tuple[str, int, str]:
        """What the code that is generated for it depends on."""
        return self.way, self.size, self.layout


def kind_of(codec: Codec, format: int, context: Context) -> Kind:
    """The kind of a column whose type has this codec."""
    if format:
        decode = codec.binary_decoder(context)
        if codec.layout in _SIZES:
            return Kind("number", _SIZES[codec.layout], codec.layout, decode)
        if codec.binary_decoder is text_decoder and ascii_based(context.encoding):
            return Kind("text", 0, "", decode)
        way, size = _BINARY.get(codec.name, ("any", 0)) if _built_in(codec) else ("any", 0)
        return Kind(way, size, "", decode)
    decode = codec.text_decoder(context)
    if not ascii_based(context.encoding):
        return Kind("any", 0, "", decode)
    if codec.verbatim or codec.text_decoder is text_decoder:
        return Kind("text", 0, "", decode)
    way = _TEXT.get(codec.name, "") if _built_in(codec) else ""
    if (way in ("text date", "text timestamp") and not writes_iso(context)) or (
        way == "text timestamptz" and not (writes_iso(context) and is_utc(context))
    ):
        way = ""
    return Kind(way or "text any", 0, "", decode)


def kinds_of(columns: Sequence[Column], registry: Registry, context: Context) -> list[Kind]:
    """The kinds of columns, which come in the formats that they say."""
    return [kind_of(registry.by_oid(c.type_oid), c.format, context) for c in columns]


def _built_in(codec: Codec) -> bool:
    return _PRISTINE.by_oid(codec.oid) is codec


def writes_iso(context: Context) -> bool:
    """Whether the server writes dates in ISO style."""
    return context.date_style.upper().startswith("ISO")


def is_utc(context: Context) -> bool:
    """Whether the offset that the server writes behind a timestamptz is surely +00."""
    return context.time_zone in _UTC_NAMES


@lru_cache(maxsize=64)
def ascii_based(encoding: str) -> bool:
    """Whether bytes below 0x80 are the ASCII characters, each in a text of nothing else. In
    SHIFT_JIS_2004 or JOHAB the backslash is not."""
    every = bytes(range(128))
    return every.decode(encoding) == every.decode("ascii")
