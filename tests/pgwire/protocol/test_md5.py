from __future__ import annotations

import hashlib

import pytest

from pgwire import errors
from pgwire.protocol.md5 import md5_response


def test_vector() -> None:
    assert md5_response(b"u", b"p", b"salt") == b"md5c827f95590aef08f2d04ac5e8d94d9c3"


def test_bytes_are_hashed_as_they_are() -> None:
    inner = hashlib.md5("pässwörtûser".encode("latin-1")).hexdigest()
    expected = "md5" + hashlib.md5(inner.encode() + b"\0\xff\1\2").hexdigest()
    user, password = "ûser".encode("latin-1"), "pässwört".encode("latin-1")
    assert md5_response(user, password, b"\0\xff\1\2") == expected.encode()


def test_a_platform_without_md5(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(data: bytes) -> None:
        raise ValueError("disabled for FIPS")

    monkeypatch.setattr(hashlib, "md5", refuse)
    with pytest.raises(errors.OperationalError, match="could not encrypt password: disabled"):
        md5_response(b"u", b"hunter2", b"salt")
