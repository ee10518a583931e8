"""Enumerated types as str, or as members of a class. Manual: 8.7 "Enumerated Types"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pgwire import errors
from pgwire.types.codec import BINARY, Codec, Decoder, Encoder, str_encoder, wrong_type
from pgwire.types.context import Context
from pgwire.types.text import text_decoder, unknown_codec

if TYPE_CHECKING:
    from enum import Enum

__all__ = ["enum_codec"]


def enum_codec(
    name: str,
    oid: int,
    array_oid: int,
    labels: Sequence[str] = (),
    cls: type[Enum] | None = None,
) -> Codec:
    """The codec of an enumerated type: its labels as str, or as the members of `cls`.

    A label is the value of a member, or, if not all labels are values, its name.

    Raises:
        ProgrammingError: `cls` lacks a member for one of the `labels`.
    """
    if cls is None:
        plain = unknown_codec(name, oid, array_oid)
        return Codec(
            name,
            oid,
            array_oid,
            text_decoder=plain.text_decoder,
            text_encoder=plain.text_encoder,
            binary_decoder=plain.text_decoder,
            binary_encoder=plain.text_encoder,
            verbatim=True,
        )
    members = _members(name, labels, cls)
    decoder = _decoder(name, members)
    encoder = _encoder(name, {member: label for label, member in members.items()})
    return Codec(
        name,
        oid,
        array_oid,
        text_decoder=decoder,
        text_encoder=encoder,
        binary_decoder=decoder,
        binary_encoder=encoder,
        preferred=BINARY,
    )


def _members(name: str, labels: Sequence[str], cls: type[Enum]) -> dict[str, Any]:
    by_value = {member.value: member for member in cls if isinstance(member.value, str)}
    if all(label in by_value for label in labels):
        return {label: by_value[label] for label in labels}
    by_name: Mapping[str, Any] = cls.__members__
    by_name = by_name if any(label in by_name for label in labels) else by_value
    missing = [label for label in labels if label not in by_name]
    if missing:
        raise errors.ProgrammingError(
            f"{cls.__qualname__} has no member of the value or name {missing[0]!r}, "
            f"a label of enum type {name}",
            sqlstate="42804",
        )
    return {label: by_name[label] for label in labels}


def _decoder(name: str, members: dict[str, Any]) -> Callable[[Context], Decoder]:
    def make(context: Context) -> Decoder:
        decode_label = text_decoder(context)

        def decode(data: bytes) -> object:
            label = decode_label(data)
            try:
                return members[label]
            except KeyError:
                raise errors.DataError(
                    f'enum type {name} had no label "{label[:63]}" when its class was registered',
                    sqlstate="22P02",
                ) from None

        return decode

    return make


def _encoder(name: str, labels: dict[Any, str]) -> Callable[[Context], Encoder]:
    def make(context: Context) -> Encoder:
        encode_str = str_encoder(context)

        def encode(value: object) -> bytes:
            try:
                label = labels.get(value)
            except TypeError:
                label = None
            if label is None:
                if not isinstance(value, str):
                    raise wrong_type(name, value)
                label = value
            return encode_str(label)

        return encode

    return make
