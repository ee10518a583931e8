"""Registry: the codec of a type, and of a Python value."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Final

from pgwire.types.array import array_codec
from pgwire.types.catalog import OIDS
from pgwire.types.codec import Codec
from pgwire.types.parameters import LITERAL, array_type, type_of
from pgwire.types.text import UNKNOWN, unknown_codec

__all__ = ["Registry", "default_registry"]


class Registry:
    """Codecs by OID and by name. The built-in ones are there from the start.

    A type without a codec arrives as `str` in text format and as `bytes` in binary format.
    """

    __slots__ = ("_array_elements", "_by_name", "_by_oid")

    def __init__(self, codecs: Iterable[Codec] = ()) -> None:
        self._by_oid: dict[int, Codec] = {}
        self._by_name: dict[str, Codec] = {}
        self._array_elements: dict[int, str] = {}  # of what has been registered
        for codec in codecs:
            self.register(codec)

    def register(self, codec: Codec) -> None:
        """Use `codec` for its type from now on, and for arrays over it; it replaces another."""
        self._by_oid[codec.oid] = codec
        self._by_name[codec.name] = codec
        if codec.array_oid:
            self._by_oid.pop(codec.array_oid, None)
            self._by_name.pop(codec.name + "[]", None)
            self._array_elements[codec.array_oid] = codec.name

    def copy(self) -> Registry:
        """A registry with the same codecs, to be changed apart from this one."""
        other = Registry()
        other._by_oid.update(self._by_oid)
        other._by_name.update(self._by_name)
        other._array_elements.update(self._array_elements)
        return other

    def by_oid(self, oid: int) -> Codec:
        """The codec of a type; that of ``unknown`` if there is none."""
        codec = self._by_oid.get(oid)
        if codec is not None:
            return codec
        family = _FAMILY_BY_OID.get(oid) or _FAMILY_BY_ARRAY_OID.get(oid)
        if family is not None:
            self._load(family)
        element = self._array_elements.get(oid)
        if element is not None:
            return self.by_name(element + "[]")
        return self._by_oid.get(oid, UNKNOWN)

    def knows(self, oid: int) -> bool:
        """Whether the type has a codec of its own."""
        return self.by_oid(oid).oid == oid

    def by_name(self, name: str) -> Codec:
        """The codec of a type by its name in pg_type, or of an array: ``int4``, ``int4[]``.

        Raises:
            LookupError: there is no codec of that name.
        """
        codec = self._by_name.get(name)
        if codec is not None:
            return codec
        if name.endswith("[]"):
            codec = array_codec(self.by_name(name[:-2]))
            self._by_name[name] = codec
            if codec.oid:
                self._by_oid[codec.oid] = codec
            return codec
        family = _FAMILY_BY_NAME.get(name)
        if family is None:
            raise LookupError(f"no codec for type {name}")
        self._load(family)
        return self._by_name[name]

    def for_value(self, value: object) -> tuple[int, Codec]:
        """The OID to declare for a parameter, and the codec that encodes it.

        OID 0 leaves the type to the server, which infers it from the query: for a str, and for
        a list of nothing but str or None. Such a codec has no binary encoder.

        Arguments:
            value: anything but None.

        Raises:
            ProgrammingError: no codec takes values of its class.
            DataError: a list that is no array: ragged, or of types that do not go together.
        """
        if isinstance(value, (list, tuple)):
            element = array_type(value)
            if element == LITERAL:
                return 0, _LITERAL_ARRAY
            codec = self.by_name(element + "[]")
            return codec.oid, codec
        name = type_of(value)
        if name == LITERAL:
            return 0, _LITERAL
        codec = self.by_name(name)
        return codec.oid, codec

    def _load(self, family: str) -> None:
        module = import_module(f"pgwire.types.{family}")
        codecs: tuple[Codec, ...] = module.CODECS
        for codec in codecs:
            if codec.oid not in self._by_oid:  # what the user has registered stays
                self._by_oid[codec.oid] = codec
                self._by_name.setdefault(codec.name, codec)
                self._array_elements.setdefault(codec.array_oid, codec.name)


# Type families are imported when one of their types is first met: decimal, datetime, json and uuid
# are most of what importing all of them would cost.
_FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "boolean": ("bool",),
    "bytea": ("bytea",),
    "datetime": ("date", "time", "timetz", "timestamp", "timestamptz"),
    "floating": ("float4", "float8"),
    "integer": ("int2", "int4", "int8", "oid"),
    "interval": ("interval",),
    "json": ("json", "jsonb"),
    "numeric": ("numeric",),
    "text": ("text", "varchar", "bpchar", "name", "xml", "char"),
    "uuid": ("uuid",),
}
_FAMILY_BY_NAME: Final = {name: family for family, names in _FAMILIES.items() for name in names}
_FAMILY_BY_OID: Final = {OIDS[name][0]: family for name, family in _FAMILY_BY_NAME.items()}
_FAMILY_BY_ARRAY_OID: Final = {OIDS[name][1]: family for name, family in _FAMILY_BY_NAME.items()}

# What leaves its type to the server. Text only: nobody knows the type, so nobody its binary form.
_LITERAL: Final = unknown_codec("unknown", 0)
_LITERAL_ARRAY: Final = array_codec(_LITERAL)

default_registry: Final = Registry()
"""The registry of connections that are given none."""
