"""Registry: the codec of a type, and of a Python value."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from pgwire import errors
from pgwire.types.arraydimensions import is_array
from pgwire.types.catalog import OIDS
from pgwire.types.codec import Codec, Encoder
from pgwire.types.context import Context
from pgwire.types.derived import Derived
from pgwire.types.nesting import inner_context, nested_text_encoder
from pgwire.types.parameters import LITERAL, array_type, type_of
from pgwire.types.text import UNKNOWN, text_decoder, unknown_codec

if TYPE_CHECKING:
    from pgwire.types.binding import ParameterEncoder

__all__ = ["Registry", "default_registry"]


class Registry:
    """Codecs by OID and by name. The built-in ones are there from the start.

    A type without a codec arrives as `str` in text format and as `bytes` in binary format.
    """

    __slots__ = (
        "_array_elements",
        "_by_name",
        "_by_oid",
        "_classes",
        "_derived",
        "_loaded",
        "_made",
        "_names",
        "_registered",
        "_resolved",
        "parameter_encoders",
        "revision",
    )

    def __init__(self, codecs: Iterable[Codec] = ()) -> None:
        self.revision = 0
        """Grows with each registration, which puts what has been made of the codecs out of date."""
        self._by_oid: dict[int, Codec] = {}
        self._by_name: dict[str, Codec] = {}
        self._array_elements: dict[int, int] = {}  # OID of an array -> of its elements
        self._derived: dict[int, Derived] = {}
        self._loaded: set[str] = set()  # families
        self._made: dict[int, Codec] = {}  # arrays and derived types, until the next registration
        self._names: dict[tuple[str, ...], int] = {}  # of types that have been looked up
        self._classes: dict[type, int] = {}
        self._registered: set[int] = set()  # OIDs
        self.parameter_encoders: dict[Context, ParameterEncoder] = {}
        """For `pgwire.types.binding`: what it has made of the codecs as they are now."""
        self._resolved: dict[str | int, Codec] = {}
        for codec in codecs:
            self.register(codec)

    def register(self, codec: Codec, *classes: type) -> None:
        """Use `codec` for its type from now on, and for what is made of it; it replaces another.

        Values of `classes`, and of no other class, are sent as this type.

        Raises:
            ProgrammingError: the OID of the codec is none.
        """
        if not 0 < codec.oid < 2**32:
            raise errors.ProgrammingError(
                f"the codec of {codec.name} needs the OID of its type, not {codec.oid}",
                sqlstate="42704",
            )
        self._by_oid[codec.oid] = codec
        self._by_name[codec.name] = codec
        self._derived.pop(codec.oid, None)
        self.call(codec.name, codec.oid)
        self._changed(codec.oid, codec.array_oid, classes)

    def derive(self, types: Iterable[Derived]) -> None:
        """Know types that are made of others; they replace what was known of them.

        Raises:
            DataError: one of them would contain itself.
        """
        types = tuple(types)
        for derived in types:
            self._derived.pop(derived.oid, None)
        for derived in types:
            self._check_parts(derived)
            self._by_oid.pop(derived.oid, None)
            self._derived[derived.oid] = derived
            self.call(derived.name, derived.oid)
            self._changed(derived.oid, derived.array_oid, derived.classes)

    def call(self, name: str, oid: int) -> None:
        """Let `name`, as SQL writes it, lead to a type in `resolve`."""
        from pgwire.types.names import split_type_name

        parts = split_type_name(name)
        if parts is not None:
            self._names[parts[0]] = oid
            self._resolved.clear()

    def copy(self) -> Registry:
        """A registry with the same codecs, to be changed apart from this one."""
        other = Registry()
        for slot in _COPIED:
            getattr(other, slot).update(getattr(self, slot))
        return other

    def by_oid(self, oid: int) -> Codec:
        """The codec of a type; that of ``unknown`` if there is none."""
        codec = self._by_oid.get(oid) or self._made.get(oid)
        if codec is not None:
            return codec
        derived = self._derived.get(oid)
        if derived is not None:
            return self._made.setdefault(oid, derived.make(self.by_oid))
        family = _FAMILY_BY_OID.get(oid) or _FAMILY_BY_ARRAY_OID.get(oid)
        if family is not None and self._load(family):
            return self.by_oid(oid)
        element = self._array_elements.get(oid)
        if element is not None:
            return self._made.setdefault(oid, _array_codec(self.by_oid(element)))
        return self._by_oid.get(oid, UNKNOWN)

    def knows(self, oid: int) -> bool:
        """Whether the type has a codec of its own."""
        return self.by_oid(oid).oid == oid

    def is_builtin(self, oid: int) -> bool:
        """Whether a built-in type has the codec that it has had from the start."""
        return oid not in self._registered and oid in _FAMILY_BY_OID

    def derived(self, oid: int) -> Derived | None:
        """How the codec of a type is made, if it is made of others."""
        return self._derived.get(oid)

    def by_name(self, name: str) -> Codec:
        """The codec of a type by its name in pg_type, or of an array: ``int4``, ``int4[]``.

        Raises:
            LookupError: there is no codec of that name.
        """
        codec = self._by_name.get(name)
        if codec is not None:
            return codec
        if name.endswith("[]"):
            element = self.by_name(name[:-2])
            if element.array_oid:
                return self.by_oid(element.array_oid)
            return _array_codec(element)
        family = _FAMILY_BY_NAME.get(name)
        if family is not None and self._load(family):
            return self.by_name(name)
        oid = self._names.get((name,))
        if oid is None:
            raise LookupError(f"no codec for type {name}")
        return self.by_oid(oid)

    def resolve(self, name: str | int) -> Codec:
        """The codec of a type by its name as SQL writes it, or by its OID.

        A type that is known by its OID only is sent and read as its text, a `str`.

        Arguments:
            name: such as ``int8``, ``double precision``, ``numeric(10,2)[]``, ``timestamp with
                time zone``, the name of a type that `load_types` has looked up, or an OID.

        Raises:
            ProgrammingError: no such type is known here.
        """
        codec = self._resolved.get(name)
        if codec is None:
            oid = name if isinstance(name, int) else self._oid_of(name)
            if not 0 <= oid < 2**32:
                raise errors.ProgrammingError(f"{oid} is not the OID of a type", sqlstate="42704")
            codec = self.by_oid(oid)
            if codec.oid != oid:
                codec = unknown_codec(f"oid {oid}" if isinstance(name, int) else name, oid)
            if len(self._resolved) >= _MAXIMUM_RESOLVED:
                self._resolved.clear()
            self._resolved[name] = codec
        return codec

    def for_value(self, value: object) -> tuple[int, Codec]:
        """The OID to declare for a parameter, and the codec that encodes it.

        OID 0 leaves the type to the server, which infers it from the query: for a str, and for
        a list of nothing but str or None. Such a codec has no binary encoder.

        Arguments:
            value: anything but None, and no tuple (which stands for a value and its type).

        Raises:
            ProgrammingError: no codec takes values of its class.
            DataError: a list that is no array: ragged, or of types that do not go together.
        """
        if is_array(value):
            sent: dict[str, Codec] = {}

            def registered(kind: type) -> str | None:
                oid = self._classes.get(kind)
                if oid is None:
                    return None
                codec = self.by_oid(oid)
                sent[codec.name] = codec
                return codec.name

            name = array_type(value, registered)
            if name == LITERAL:
                return 0, _literal_array()
            element = sent[name] if name in sent else self.by_name(name)
            if not element.array_oid:
                raise errors.ProgrammingError(
                    f"cannot send a list of {name}: there is no array type over it",
                    sqlstate="42704",
                )
            return element.array_oid, self.by_oid(element.array_oid)
        oid = self._classes.get(type(value))
        if oid is not None:
            return oid, self.by_oid(oid)
        name = type_of(value)
        if name == LITERAL:
            return 0, _LITERAL
        codec = self.by_name(name)
        return codec.oid, codec

    def is_registered(self, kind: type) -> bool:
        """Whether values of a class are sent as the type that it has been registered for."""
        return kind in self._classes

    def _changed(self, oid: int, array_oid: int, classes: Iterable[type]) -> None:
        if array_oid:
            self._by_oid.pop(array_oid, None)
            self._array_elements[array_oid] = oid
        self._classes = {kind: sent for kind, sent in self._classes.items() if sent != oid}
        self._classes.update(dict.fromkeys(classes, oid))
        self._registered.add(oid)
        self._made.clear()
        self._resolved.clear()
        self.parameter_encoders.clear()
        self.revision += 1

    def _check_parts(self, derived: Derived) -> None:
        waiting, seen = list(derived.parts), set()
        while waiting:
            part = waiting.pop()
            if part and part in (derived.oid, derived.array_oid):
                raise errors.DataError(
                    f"type {derived.name} would contain itself", sqlstate="42P17"
                )
            if part not in seen:
                seen.add(part)
                other = self._derived.get(part)
                waiting += other.parts if other is not None else ()
                waiting += (self._array_elements[part],) if part in self._array_elements else ()

    def _oid_of(self, name: str) -> int:
        from pgwire.types.names import resolve_type_name, split_type_name

        resolved = resolve_type_name(name)
        if resolved is not None:
            return resolved[0]
        parts = split_type_name(name)
        oid = self._names.get(parts[0]) if parts is not None else None
        if oid is not None and parts is not None and parts[1]:
            derived = self._derived.get(oid)
            oid = derived.array_oid if derived is not None else self.by_oid(oid).array_oid
        if not oid:
            raise errors.ProgrammingError(
                f"type {name!r} is not known to this connection",
                sqlstate="42704",
                hint="Types that are not built in are known once load_types has looked them up.",
            )
        return oid

    def _load(self, family: str) -> bool:
        """Make the codecs of a family known; whether they were not known before."""
        if family in self._loaded:
            return False
        module = import_module(f"pgwire.types.{family}")
        codecs: tuple[Codec, ...] = getattr(module, "CODECS", ())
        derived: tuple[Derived, ...] = getattr(module, "DERIVED", ())
        for codec in codecs:
            if codec.oid not in self._by_oid:  # what the user has registered stays
                self._by_oid[codec.oid] = codec
                self._by_name.setdefault(codec.name, codec)
                if codec.array_oid:
                    self._array_elements.setdefault(codec.array_oid, codec.oid)
        for made in derived:
            if made.oid not in self._by_oid:
                self._derived.setdefault(made.oid, made)
                self._names.setdefault((made.name,), made.oid)
                self._array_elements.setdefault(made.array_oid, made.oid)
        self._loaded.add(family)
        return True


# Type families are imported when one of their types is first met: decimal, datetime, json and uuid
# are most of what importing all of them would cost.
_FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "bits": ("bit", "varbit"),
    "boolean": ("bool",),
    "bytea": ("bytea",),
    "composite": ("record",),
    "datetime": ("date", "timestamp", "timestamptz"),
    "floating": ("float4", "float8"),
    "geometric": ("point", "line", "lseg", "box", "circle", "path", "polygon"),
    "integer": ("int2", "int4", "int8", "oid", "xid", "cid", "xid8"),
    "interval": ("interval",),
    "json": ("json", "jsonb"),
    "lsn": ("pg_lsn",),
    "money": ("money",),
    "network": ("inet", "cidr", "macaddr", "macaddr8"),
    "numeric": ("numeric",),
    "ranges": (
        *("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"),
        *("int4multirange", "int8multirange", "nummultirange"),
        *("datemultirange", "tsmultirange", "tstzmultirange"),
    ),
    "regtypes": (
        *("regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper"),
        *("regoperator", "regproc", "regprocedure", "regrole", "regtype"),
    ),
    "snapshots": ("pg_snapshot", "txid_snapshot", "tid"),
    "text": (
        *("text", "varchar", "bpchar", "name", "xml", "char", "refcursor", "void", "jsonpath"),
    ),
    "textsearch": ("tsvector", "tsquery"),
    "timeofday": ("time", "timetz"),
    "uuid": ("uuid",),
    "vectors": ("int2vector", "oidvector"),
}
_FAMILY_BY_NAME: Final = {name: family for family, names in _FAMILIES.items() for name in names}
_FAMILY_BY_OID: Final = {OIDS[name][0]: family for name, family in _FAMILY_BY_NAME.items()}
_FAMILY_BY_ARRAY_OID: Final = {
    OIDS[name][1]: family for name, family in _FAMILY_BY_NAME.items() if OIDS[name][1]
}


# What leaves its type to the server. Text only: nobody knows the type, so nobody its binary form.
def _literal_encoder(context: Context) -> Encoder:
    inner = inner_context(context)

    def build(value: object) -> bytes:
        from pgwire.types.rangecodec import literal

        def encode_bound(bound: object) -> bytes:
            return default_registry.for_value(bound)[1].text_encoder(inner)(bound)

        return literal(value, encode_bound)

    return nested_text_encoder(context, build)


_LITERAL: Final = Codec(
    LITERAL, 0, text_decoder=text_decoder, text_encoder=_literal_encoder, verbatim=True
)


@cache
def _literal_array() -> Codec:
    return _array_codec(_LITERAL)


def _array_codec(element: Codec) -> Codec:
    from pgwire.types.array import array_codec  # imported when there are arrays

    return array_codec(element)


_COPIED: Final = (
    *("_by_oid", "_by_name", "_array_elements", "_derived", "_loaded", "_names", "_classes"),
    "_registered",
)
_MAXIMUM_RESOLVED: Final = 1000  # names that are kept; "numeric(10,2)" and its like are many

default_registry: Final = Registry()
"""The registry of connections that are given none."""
