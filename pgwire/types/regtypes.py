"""regclass, regtype and their kin: the name of an object as str, its OID as int in binary format.

Only the server knows which object an OID is, so these types are asked for in text, where a name
arrives that it can read again: qualified and quoted as need be, ``-`` for the OID 0. Manual: 8.19
"Object Identifier Types".
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

from pgwire import errors
from pgwire.types.codec import (
    Codec,
    Encoder,
    always,
    builtin_codec,
    out_of_range,
    str_encoder,
    struct_decoder,
    wrong_type,
)
from pgwire.types.context import Context
from pgwire.types.text import text_decoder

__all__ = ["CODECS"]

_OID = Struct("!I")


def _text_encoder(context: Context) -> Encoder:
    encode_str = str_encoder(context)

    def encode(value: object) -> bytes:
        if isinstance(value, str):
            return encode_str(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(int(value)).encode("ascii")
        raise wrong_type("the name or OID of an object", value)

    return encode


def _binary_encoder(name: str) -> Encoder:
    def encode(value: object) -> bytes:
        if isinstance(value, str):
            if not (value.isascii() and value.isdigit()):
                raise errors.DataError(
                    f'in binary format a {name} is its OID, not a name: "{value[:100]}"',
                    sqlstate="22P03",
                    hint="Only the server can look up the name: send it in text format.",
                )
            value = int(value[:11])
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_type(name, value)
        try:
            return _OID.pack(value)
        except StructError:
            raise out_of_range(name) from None

    return encode


def _codec(name: str) -> Codec:
    return builtin_codec(
        name,
        text_decoder=text_decoder,
        text_encoder=_text_encoder,
        binary_decoder=struct_decoder(name, "!I"),
        binary_encoder=always(_binary_encoder(name)),
    )


CODECS = (
    _codec("regclass"),
    _codec("regcollation"),
    _codec("regconfig"),
    _codec("regdictionary"),
    _codec("regnamespace"),
    _codec("regoper"),
    _codec("regoperator"),
    _codec("regproc"),
    _codec("regprocedure"),
    _codec("regrole"),
    _codec("regtype"),
)
