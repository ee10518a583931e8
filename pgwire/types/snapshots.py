"""pg_snapshot and txid_snapshot as `Snapshot`, tid as str.

Manual: 9.27.9 "Transaction ID and Snapshot Information Functions", 5.6 "System Columns" (ctid).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from struct import Struct, unpack_from
from struct import error as StructError

from pgwire.types.codec import (
    BINARY,
    Codec,
    Decoder,
    Encoder,
    always,
    ascii_text,
    bad_binary,
    bad_text,
    builtin_codec,
    out_of_range,
    text_encoder,
    wrong_type,
)

__all__ = ["CODECS", "Snapshot"]

_SNAPSHOT = re.compile(r"(\d{1,20}):(\d{1,20}):((?:\d{1,20}(?:,\d{1,20})*)?)", re.ASCII)
_HEADER = Struct("!iQQ")  # number of transactions in progress, xmin, xmax


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Which transactions were visible: all below `xmin`, none from `xmax` on, and of those
    between them all but `in_progress`. The numbers are those of xid8."""

    xmin: int
    xmax: int
    in_progress: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self.in_progress))}"


def _parse(name: str, text: str) -> Snapshot:
    match = _SNAPSHOT.fullmatch(text)
    if match is None:
        raise bad_text(name, text)
    listed = match[3].split(",") if match[3] else ()
    return Snapshot(int(match[1]), int(match[2]), tuple(map(int, listed)))


def _to_text(value: object) -> str | None:
    return str(value) if isinstance(value, Snapshot) else None


def _from_binary(name: str) -> Decoder:
    def decode(data: bytes) -> Snapshot:
        try:
            count, xmin, xmax = _HEADER.unpack_from(data)
        except StructError:
            raise bad_binary(name) from None
        if count < 0 or len(data) != _HEADER.size + 8 * count:
            raise bad_binary(name)
        return Snapshot(xmin, xmax, unpack_from(f"!{count}Q", data, _HEADER.size))

    return decode


def _to_binary(name: str) -> Encoder:
    def encode(value: object) -> bytes:
        if isinstance(value, str):
            value = _parse(name, value)
        if not isinstance(value, Snapshot):
            raise wrong_type(name, value)
        listed = value.in_progress
        try:
            return Struct(f"!iQQ{len(listed)}Q").pack(len(listed), value.xmin, value.xmax, *listed)
        except StructError:
            raise out_of_range(name) from None

    return encode


def _snapshot_codec(name: str) -> Codec:
    return builtin_codec(
        name,
        text_decoder=always(lambda data: _parse(name, ascii_text(name, data))),
        text_encoder=text_encoder(name, _to_text),
        binary_decoder=always(_from_binary(name)),
        binary_encoder=always(_to_binary(name)),
        preferred=BINARY,
    )


# tid: block and line pointer, "(0,1)"

_TID = re.compile(r"\((\d{1,10}),(\d{1,5})\)", re.ASCII)
_TID_LAYOUT = Struct("!IH")


def _tid_from_text(data: bytes) -> str:
    text = ascii_text("tid", data)
    if not _TID.fullmatch(text):
        raise bad_text("tid", text)
    return text


def _tid_from_binary(data: bytes) -> str:
    try:
        block, line = _TID_LAYOUT.unpack(data)
    except StructError:
        raise bad_binary("tid") from None
    return f"({block},{line})"


def _tid_to_binary(value: object) -> bytes:
    if not isinstance(value, str):
        raise wrong_type("tid", value)
    match = _TID.fullmatch(value)
    if match is None:
        raise bad_text("tid", value)
    try:
        return _TID_LAYOUT.pack(int(match[1]), int(match[2]))
    except StructError:
        raise out_of_range("tid") from None


CODECS = (
    _snapshot_codec("pg_snapshot"),
    _snapshot_codec("txid_snapshot"),
    builtin_codec(
        "tid",
        text_decoder=always(_tid_from_text),
        text_encoder=text_encoder("tid", lambda value: None),
        binary_decoder=always(_tid_from_binary),
        binary_encoder=always(_tid_to_binary),
        preferred=BINARY,
    ),
)
