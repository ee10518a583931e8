"""The hash of a certificate, for channel binding: every algorithm, and bytes that are none."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire import errors
from pgwire.protocol.binding import hash_name, server_end_point
from tests.pgwire.tls.certificates import self_signed

SIGNATURES = [
    *(
        (key, name, "")
        for key in ("ec", "rsa")
        for name in ("sha224", "sha256", "sha384", "sha512")
    ),
    *((key, name, "") for key in ("ec", "rsa") for name in ("sha3_256", "sha3_512")),
    *(("rsa", name, name) for name in ("sha224", "sha256", "sha384", "sha512")),
]


@pytest.mark.parametrize(("key", "name", "pss"), SIGNATURES)
def test_the_hash_is_the_signatures(key: str, name: str, pss: str) -> None:
    certificate = self_signed("db", key=key, hash_name=name, pss=pss).der
    assert hash_name(certificate) == name
    assert server_end_point(certificate) == hashlib.new(name, certificate).digest()


# Nobody signs with these any more, nor does `cryptography`: the object identifiers in place of one.
SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("06092a864886f70d010104", "sha256"),  # MD5
        ("06092a864886f70d010105", "sha256"),  # SHA-1
        ("06092a864886f70d01010f", "sha512_224"),
        ("06092a864886f70d010110", "sha512_256"),
    ],
)
def test_old_and_rare_hashes(rsa_certificate: bytes, identifier: str, name: str) -> None:
    changed = rsa_certificate.replace(SHA256_WITH_RSA, bytes.fromhex(identifier))
    assert changed != rsa_certificate
    assert hash_name(changed) == name


@pytest.mark.parametrize(("key", "called"), [("ed25519", "Ed25519"), ("ed448", "Ed448")])
def test_signatures_without_a_hash_are_named(key: str, called: str) -> None:
    with pytest.raises(errors.OperationalError, match=f"signed with {called}"):
        server_end_point(self_signed("db", key=key).der)


def test_an_unknown_signature_is_told(rsa_certificate: bytes) -> None:
    changed = rsa_certificate.replace(SHA256_WITH_RSA, bytes.fromhex("06092a864886f70d01017f"))
    with pytest.raises(errors.OperationalError, match="2a864886f70d01017f"):
        server_end_point(changed)


@pytest.fixture(scope="module")
def rsa_certificate() -> bytes:
    return self_signed("db", key="rsa").der


EC_CERTIFICATE = self_signed("db").der
PSS_CERTIFICATE = self_signed("db", key="rsa", pss="sha384").der


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    _only_our_errors(data)


@given(st.data(), st.sampled_from([EC_CERTIFICATE, PSS_CERTIFICATE]))
def test_damaged_certificates(data: st.DataObject, certificate: bytes) -> None:
    position = data.draw(st.integers(0, len(certificate) - 1))
    _only_our_errors(certificate[:position])
    damaged = bytearray(certificate)
    damaged[position] = data.draw(st.integers(0, 255))
    _only_our_errors(bytes(damaged))


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x80", b"\x30\xff" + b"\xff" * 127])
def test_lengths_that_lie(data: bytes) -> None:
    with pytest.raises(errors.ProtocolError, match="not one"):
        server_end_point(data)


def _only_our_errors(data: bytes) -> None:
    with suppress(errors.OperationalError):  # ProtocolError is one, too
        server_end_point(data)
