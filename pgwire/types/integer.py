"""int2, int4, int8, oid, xid, cid, xid8 as int.

Manual: 8.1.1 "Integer Types", 8.19 "Object Identifier Types".
"""

from __future__ import annotations

from pgwire.types.codec import (
    BINARY,
    Codec,
    Decoder,
    always,
    bad_text,
    builtin_codec,
    out_of_range,
    struct_decoder,
    struct_encoder,
    text_encoder,
)

__all__ = ["CODECS"]


def _text_decoder(name: str) -> Decoder:
    def decode(data: bytes) -> int:
        try:
            return int(data)
        except ValueError:
            raise bad_text(name, data) from None

    return decode


def _to_text(value: object) -> str | None:
    if not isinstance(value, int):
        return None
    if value.bit_length() > 64:
        raise out_of_range("integer")  # of any size; and Python writes no int of 5000 digits
    # int() first: the repr of a bool or of an IntEnum is not a number.
    return str(int(value))


def _codec(name: str, sql_name: str, layout: str) -> Codec:
    return builtin_codec(
        name,
        text_decoder=always(_text_decoder(sql_name)),
        text_encoder=text_encoder(sql_name, _to_text),
        binary_decoder=struct_decoder(sql_name, "!" + layout),
        binary_encoder=struct_encoder(sql_name, "!" + layout, int),
        layout=layout,
        preferred=BINARY,
    )


CODECS = (
    _codec("int2", "smallint", "h"),
    _codec("int4", "integer", "i"),
    _codec("int8", "bigint", "q"),
    _codec("oid", "oid", "I"),
    _codec("xid", "xid", "I"),
    _codec("cid", "cid", "I"),
    _codec("xid8", "xid8", "Q"),
)
