"""json and jsonb as what json.loads makes of them. Manual: 8.14 "JSON Types".

A str given as a parameter is JSON text, as with every type; to send a JSON string, give its
JSON text: ``json.dumps("x")``.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from pgwire import errors
from pgwire.types.codec import (
    Decoder,
    Encoder,
    bad_binary,
    bad_text,
    builtin_codec,
    out_of_range,
    str_encoder,
    wrong_type,
)
from pgwire.types.context import Context
from pgwire.types.text import text_decoder

__all__ = ["CODECS"]

_JSONB_VERSION = b"\1"


def _decoder(name: str, prefix: bytes = b"") -> Callable[[Context], Decoder]:
    def make(context: Context) -> Decoder:
        decode_str = text_decoder(context)

        def decode(data: bytes) -> object:
            if prefix and not data.startswith(prefix):
                raise bad_binary(name)
            text = decode_str(data[len(prefix) :])
            try:
                return json.loads(text)
            except json.JSONDecodeError:
                raise bad_text(name, text) from None
            except ValueError as error:  # int() takes some thousand digits
                raise errors.DataError(
                    f"a number in a value of type {name} does not fit into a Python int: {error}",
                    sqlstate="22003",
                ) from None
            except RecursionError:
                raise out_of_range(name) from None  # nested deeper than Python's stack goes

        return decode

    return make


def _encoder(name: str, prefix: bytes = b"") -> Callable[[Context], Encoder]:
    def make(context: Context) -> Encoder:
        encode_str = str_encoder(context)

        def encode(value: object) -> bytes:
            if isinstance(value, str):
                return prefix + encode_str(value)
            try:
                text = json.dumps(value, ensure_ascii=False, allow_nan=False)
            except TypeError:
                raise wrong_type(name, value) from None
            except (ValueError, RecursionError):
                # NaN or an infinity, an object within itself, or too deep.
                raise out_of_range(name) from None
            return prefix + encode_str(text)

        return encode

    return make


CODECS = (
    builtin_codec(
        "json",
        text_decoder=_decoder("json"),
        text_encoder=_encoder("json"),
        binary_decoder=_decoder("json"),
        binary_encoder=_encoder("json"),
    ),
    builtin_codec(
        "jsonb",
        text_decoder=_decoder("jsonb"),
        text_encoder=_encoder("jsonb"),
        binary_decoder=_decoder("jsonb", _JSONB_VERSION),
        binary_encoder=_encoder("jsonb", _JSONB_VERSION),
    ),
)
