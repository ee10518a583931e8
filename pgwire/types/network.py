"""inet and cidr as the classes of Python's ipaddress module, macaddr and macaddr8 as str.

An inet without a netmask is an IPv4Address or IPv6Address, one with a netmask an IPv4Interface or
IPv6Interface: PostgreSQL does not tell ``192.0.2.1/32`` from ``192.0.2.1``, and shows the latter.
A cidr is an IPv4Network or IPv6Network. Hardware addresses are written as the server does,
``08:00:2b:01:02:03``. Manual: 8.9 "Network Address Types".
"""

from __future__ import annotations

import re
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

from pgwire import errors
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
    text_encoder,
    wrong_type,
)

__all__ = ["CODECS"]

_Address = IPv4Address | IPv6Address  # an interface is one, too
_Network = IPv4Network | IPv6Network

# Binary form: family, bits of the netmask, whether it is a cidr, length of the address, address.
_IPV4, _IPV6 = 2, 3
_PREFIX = re.compile(r"\d{1,3}", re.ASCII)


def _inet_from_text(data: bytes) -> object:
    text = ascii_text("inet", data)
    _, slash, prefix = text.partition("/")
    try:
        if "%" in text or (slash and not _PREFIX.fullmatch(prefix)):
            raise ValueError
        if ":" in text:
            return IPv6Interface(text) if slash else IPv6Address(text)
        return IPv4Interface(text) if slash else IPv4Address(text)
    except ValueError:
        raise bad_text("inet", data) from None


def _cidr_from_text(data: bytes) -> object:
    text = ascii_text("cidr", data)
    _, _, prefix = text.partition("/")
    try:
        if "%" in text or not _PREFIX.fullmatch(prefix):
            raise ValueError
        return IPv6Network(text) if ":" in text else IPv4Network(text)
    except ValueError:
        raise bad_text("cidr", data) from None


def _inet_to_text(value: object) -> str | None:
    if not isinstance(value, _Address | _Network):
        return None
    _check_scope(value)
    return str(value)


def _cidr_to_text(value: object) -> str | None:
    if not isinstance(value, _Network):
        return None
    _check_scope(value)
    return str(value)


def _check_scope(value: _Address | _Network) -> None:
    address = value.network_address if isinstance(value, _Network) else value
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise errors.DataError(
            f"{value} has a scope, which inet and cidr cannot hold", sqlstate="22P02"
        )


def _parts(name: str, data: bytes) -> tuple[int, int, int]:
    """Length of the address in bytes, bits of the netmask, the address."""
    if len(data) < 4:
        raise bad_binary(name)
    family, bits, _, length = data[:4]
    expected = 4 if family == _IPV4 else 16
    if (
        family not in (_IPV4, _IPV6)
        or length != expected
        or len(data) != 4 + length
        or bits > 8 * length
    ):
        raise bad_binary(name)
    return length, bits, int.from_bytes(data[4:], "big")


def _inet_from_binary(data: bytes) -> object:
    length, bits, address = _parts("inet", data)
    if length == 4:
        return IPv4Address(address) if bits == 32 else IPv4Interface((address, bits))
    return IPv6Address(address) if bits == 128 else IPv6Interface((address, bits))


def _cidr_from_binary(data: bytes) -> object:
    length, bits, address = _parts("cidr", data)
    try:
        return IPv4Network((address, bits)) if length == 4 else IPv6Network((address, bits))
    except ValueError:  # bits to the right of the netmask
        raise bad_binary("cidr") from None


def _inet_to_binary(value: object) -> bytes:
    if isinstance(value, str):
        value = _inet_from_text(value.encode("ascii", "replace"))
    if isinstance(value, _Network):
        return _binary(value.network_address, value.prefixlen, cidr=False)
    if isinstance(value, IPv4Interface | IPv6Interface):
        return _binary(value, value.network.prefixlen, cidr=False)
    if isinstance(value, _Address):
        return _binary(value, value.max_prefixlen, cidr=False)
    raise wrong_type("inet", value)


def _cidr_to_binary(value: object) -> bytes:
    if isinstance(value, str):
        value = _cidr_from_text(value.encode("ascii", "replace"))
    if not isinstance(value, _Network):
        raise wrong_type("cidr", value)
    return _binary(value.network_address, value.prefixlen, cidr=True)


def _binary(address: _Address, bits: int, *, cidr: bool) -> bytes:
    _check_scope(address)
    packed = address.packed
    return bytes((_IPV4 if len(packed) == 4 else _IPV6, bits, cidr, len(packed))) + packed


# macaddr and macaddr8

_SEPARATORS = re.compile("[:.-]")


def _mac_text_decoder(name: str, length: int) -> Decoder:
    form = re.compile("[0-9a-f]{2}" + ":[0-9a-f]{2}" * (length - 1))

    def decode(data: bytes) -> str:
        text = ascii_text(name, data)
        if not form.fullmatch(text):
            raise bad_text(name, text)
        return text

    return decode


def _mac_binary_decoder(name: str, length: int) -> Decoder:
    def decode(data: bytes) -> str:
        if len(data) != length:
            raise bad_binary(name)
        return data.hex(":")

    return decode


def _mac_binary_encoder(name: str, length: int) -> Encoder:
    digits = re.compile(f"[0-9A-Fa-f]{{{2 * length}}}")

    def encode(value: object) -> bytes:
        if not isinstance(value, str):
            raise wrong_type(name, value)
        bare = _SEPARATORS.sub("", value)
        if not digits.fullmatch(bare):
            raise bad_text(name, value)
        return bytes.fromhex(bare)

    return encode


def _mac_codec(name: str, length: int) -> Codec:
    return builtin_codec(
        name,
        text_decoder=always(_mac_text_decoder(name, length)),
        text_encoder=text_encoder(name, lambda value: None),
        binary_decoder=always(_mac_binary_decoder(name, length)),
        binary_encoder=always(_mac_binary_encoder(name, length)),
        preferred=BINARY,
    )


CODECS = (
    builtin_codec(
        "inet",
        text_decoder=always(_inet_from_text),
        text_encoder=text_encoder("inet", _inet_to_text),
        binary_decoder=always(_inet_from_binary),
        binary_encoder=always(_inet_to_binary),
        preferred=BINARY,
    ),
    builtin_codec(
        "cidr",
        text_decoder=always(_cidr_from_text),
        text_encoder=text_encoder("cidr", _cidr_to_text),
        binary_decoder=always(_cidr_from_binary),
        binary_encoder=always(_cidr_to_binary),
        preferred=BINARY,
    ),
    _mac_codec("macaddr", 6),
    _mac_codec("macaddr8", 8),
)
