"""The parameters of a query as Parse and Bind want them: OIDs, formats, values.

Manual: 54.2.3 "Extended Query", 54.7 Parse and Bind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Any, Final

from pgwire import errors
from pgwire.types.catalog import OIDS
from pgwire.types.codec import BINARY, TEXT, Codec, Encoder, str_encoder, wrong_type
from pgwire.types.context import Context
from pgwire.types.parameters import is_uniform, value_and_type

if TYPE_CHECKING:
    from pgwire.types.registry import Registry

__all__ = ["ParameterEncoder", "encode_known", "encode_parameters", "parameter_encoder"]

Parameters = tuple[tuple[int, ...], tuple[int, ...], list[bytes | None]]
"""OIDs to declare (0: the server infers the type), formats, encoded values (None: NULL)."""

_Send = tuple[int, int, Any]  # OID, format, encoder of a value that is not None


class ParameterEncoder:
    """Encodes parameters for one registry and context, and remembers how, by their classes.

    Arguments:
        registry, context: of the connection. When a codec is registered a new encoder is needed:
            `parameter_encoder` gives the right one.
    """

    __slots__ = ("_by_class", "_by_oid", "_encoders", "_shapes", "context", "registry", "revision")

    def __init__(self, registry: Registry, context: Context) -> None:
        self.registry = registry
        self.context = context
        self.revision = registry.revision
        self._by_class = _exact_classes(registry, context)
        self._by_oid: dict[tuple[int, type], tuple[int, Encoder]] = {}
        self._encoders: dict[tuple[Codec, type], tuple[int, Encoder]] = {}
        self._shapes: dict[tuple[type, ...], tuple[tuple[int, ...], tuple[int, ...], Any]] = {}

    def encode(self, params: Sequence[object]) -> Parameters:
        """OIDs to declare in Parse, formats and values for Bind.

        An int is int4, int8 or numeric by its value. The type of None, of a str and of a list of
        nothing else is left to the server (0), and so is a range of numbers. Rows of the same
        classes get the very same tuples of OIDs and formats, unless a value asks for a wider type.

        Arguments:
            params: any Python values that have a type; a plain tuple is ``(value, type)``.

        Raises:
            ProgrammingError: no codec takes a value (it has the note "parameter $N"); `params`
                is no sequence of values, but a str, a dict or an iterator.
            DataError: its type cannot hold it; the same.
        """
        if type(params) not in _SEQUENCES:
            params = _listed(params)
        shape = self._shapes.get(tuple(map(type, params)))
        if shape is not None:
            oids, formats, encoders = shape
            try:
                return oids, formats, [e(v) for e, v in zip(encoders, params, strict=True)]
            except _OTHERWISE:
                pass  # looked at one by one
        return self._encode(params)

    def encode_known(
        self, params: Sequence[object], oids: Sequence[int]
    ) -> tuple[tuple[int, ...], list[bytes | None]]:
        """Formats and values for a prepared statement, whose server has told its parameters' types.

        A value goes as the type that is wanted, as far as its codec takes the class; a str goes as
        text of any type.

        Arguments:
            params: the values; ``(value, type)`` must name the type that is wanted.
            oids: of the types, from ParameterDescription.

        Raises:
            ProgrammingError: another number of parameters; a value of a class that the codec of
                the type does not take (the server might cast it if it were declared as what it
                is); a type named that is not the one wanted.
            DataError: the type cannot hold a value.
        """
        if len(params) != len(oids):
            raise errors.ProgrammingError(
                f"the statement has {len(oids)} parameters, {len(params)} were given",
                sqlstate="08P01",
            )
        formats: list[int] = []
        values: list[bytes | None] = []
        number = 0
        try:
            value: Any
            for number, (value, oid) in enumerate(zip(params, oids, strict=True), 1):  # noqa: B007
                kind = type(value)
                if kind is tuple:
                    value = self._wanted(value, oid)
                    kind = type(value)
                if value is None:
                    formats.append(TEXT)
                    values.append(None)
                    continue
                known = self._by_oid.get((oid, kind)) or self._learn(oid, kind)
                formats.append(known[0])
                values.append(known[1](value))
        except errors.Error as error:
            error.add_note(f"parameter ${number}")
            raise
        return tuple(formats), values

    def known(self, oid: int, kind: type) -> tuple[int, Encoder]:
        """Format and encoder of values of the class `kind` for a parameter of the type `oid`; what
        they are in `encode_known`. The encoder raises if the codec does not take the class."""
        return self._by_oid.get((oid, kind)) or self._learn(oid, kind)

    def _encode(self, params: Sequence[object]) -> Parameters:
        sends: list[_Send] = []
        values: list[bytes | None] = []
        number = 0
        uniform = True  # whether any row of these classes is sent like this one
        try:
            for number, value in enumerate(params, 1):  # noqa: B007
                send = self._by_class.get(type(value))
                if send is not None:
                    try:
                        values.append(send[2](value))
                    except _OTHERWISE:
                        send = None
                if send is None:
                    send = self._one(value)
                    uniform = uniform and send is self._by_class.get(type(value))
                    values.append(send[2](value))
                sends.append(send)
        except errors.Error as error:
            error.add_note(f"parameter ${number}")
            raise
        oids = tuple(send[0] for send in sends)
        formats = tuple(send[1] for send in sends)
        if uniform:
            if len(self._shapes) >= _MAXIMUM_SHAPES:
                self._shapes.clear()
            self._shapes[tuple(map(type, params))] = oids, formats, [send[2] for send in sends]
        return oids, formats, values

    def _one(self, value: Any) -> _Send:
        if value is None:
            return _NULL
        if type(value) is not tuple:
            kind = type(value)
            oid, codec = self.registry.for_value(value)
            send = (oid, *self._encoder(codec, kind))
            if is_uniform(kind) or self.registry.is_registered(kind):
                self._by_class.setdefault(kind, send)
            return send
        inner, name = value_and_type(value)
        codec = self.registry.resolve(name)
        if inner is None:
            return codec.oid, TEXT, _null
        format, encode = self._encoder(codec, type(inner))
        try:
            data = encode(inner)
        except errors.Error as error:
            # Only the server reads the str in a list, or gives a moment the session's time zone.
            if format == TEXT or error.sqlstate not in _ONLY_IN_TEXT:
                raise
            format, encode = TEXT, codec.text_encoder(self.context)
            data = encode(inner)
        return codec.oid, format, lambda value: data

    def _encoder(self, codec: Codec, kind: type) -> tuple[int, Encoder]:
        known = self._encoders.get((codec, kind))
        if known is None:
            # A str is what the server reads as a literal of any type.
            if codec.preferred == BINARY and codec.binary_encoder and not issubclass(kind, str):
                known = BINARY, codec.binary_encoder(self.context)
            else:
                known = TEXT, codec.text_encoder(self.context)
            if len(self._encoders) >= _MAXIMUM_SHAPES:
                self._encoders.clear()
            self._encoders[codec, kind] = known
        return known

    def _learn(self, oid: int, kind: type) -> tuple[int, Encoder]:
        if len(self._by_oid) >= _MAXIMUM_SHAPES:
            self._by_oid.clear()
        codec = self.registry.resolve(oid)
        if kind is bool and codec.name in _NUMBERS and self.registry.is_builtin(oid):
            # Declared as bool, the server would refuse it or write true; it is no 1 unasked.
            raise wrong_type(codec.name, True)
        known = self._encoder(codec, kind)
        self._by_oid[oid, kind] = known
        return known

    def _wanted(self, value: tuple[Any, ...], oid: int) -> Any:
        inner, name = value_and_type(value)
        given = self.registry.resolve(name)
        if given.oid != oid:
            wanted = self.registry.resolve(oid)
            raise errors.ProgrammingError(
                f"the value was given as {given.name}, but the statement's parameter is "
                f"{wanted.name}",
                sqlstate="42804",
            )
        return inner


def parameter_encoder(registry: Registry, context: Context) -> ParameterEncoder:
    """The encoder for a registry and a context, the same one as long as neither changes."""
    global _latest
    encoder = _latest
    if (
        encoder is None
        or encoder.registry is not registry
        or encoder.revision != registry.revision
        or (encoder.context is not context and encoder.context != context)
    ):
        encoder = registry.parameter_encoders.get(context)
        if encoder is None:
            if len(registry.parameter_encoders) >= _MAXIMUM_ENCODERS:
                registry.parameter_encoders.clear()
            encoder = registry.parameter_encoders[context] = ParameterEncoder(registry, context)
        _latest = encoder
    return encoder


def encode_parameters(params: Sequence[object], registry: Registry, context: Context) -> Parameters:
    """OIDs, formats and values of parameters: `ParameterEncoder.encode`."""
    return parameter_encoder(registry, context).encode(params)


def encode_known(
    params: Sequence[object], oids: Sequence[int], registry: Registry, context: Context
) -> tuple[tuple[int, ...], list[bytes | None]]:
    """Formats and values of parameters of known types: `ParameterEncoder.encode_known`."""
    return parameter_encoder(registry, context).encode_known(params, oids)


_MAXIMUM_SHAPES: Final = 500  # that are remembered; programs have a few dozen
_MAXIMUM_ENCODERS: Final = 8
_SEQUENCES: Final = frozenset((list, tuple))
_NUMBERS: Final = frozenset(
    ("int2", "int4", "int8", "oid", "xid", "cid", "xid8", "float4", "float8", "numeric")
)
_ONLY_IN_TEXT: Final = frozenset(("42804", "22007", "22P02", "22P03"))
"""What binary encoders raise for a value that they do not take, but whose text the server may."""

_latest: ParameterEncoder | None = None


def _listed(params: object) -> Sequence[object]:
    """Parameters that are neither a list nor a tuple, if they have an order and a number."""
    if isinstance(params, Sequence) and not isinstance(params, (str, bytes, bytearray, memoryview)):
        return tuple(params)
    raise errors.ProgrammingError(
        f"parameters are a list or a tuple of values, not {type(params).__qualname__}",
        sqlstate="42804",
        hint="A single value is given as [value].",
    )


def _null(value: object) -> None:
    return None


_NULL: Final[_Send] = (0, TEXT, _null)


# What the encoders of exact classes raise when a value must be sent in another way, or not at all.
_OTHERWISE: Final = (StructError, OverflowError, errors.Error)


def _exact_classes(registry: Registry, context: Context) -> dict[type, _Send]:
    """How values of exactly these classes are sent, if nobody has registered them, or a codec for
    their types."""
    fast: tuple[tuple[type, int, Callable[[Any], bytes]], ...] = (
        (int, OIDS["int4"][0], Struct("!i").pack),
        (float, OIDS["float8"][0], Struct("!d").pack),
        (bool, OIDS["bool"][0], {True: b"\1", False: b"\0"}.__getitem__),
        (bytes, OIDS["bytea"][0], bytes),
    )
    sends: dict[type, _Send] = {
        kind: (oid, BINARY, encode) for kind, oid, encode in fast if registry.is_builtin(oid)
    }
    sends[str] = 0, TEXT, str_encoder(context)
    sends[type(None)] = _NULL
    return {kind: send for kind, send in sends.items() if not registry.is_registered(kind)}
