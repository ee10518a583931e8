"""The client's side of SCRAM-SHA-256. RFC 5802, RFC 7677; manual: 54.3.1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pgwire import errors
from pgwire.protocol.saslprep import saslprep

SCRAM_SHA_256: Final = b"SCRAM-SHA-256"
SCRAM_SHA_256_PLUS: Final = b"SCRAM-SHA-256-PLUS"

_KEY_LENGTH: Final = 32
_NONCE_LENGTH: Final = 18


class ScramClient:
    """One exchange; call `client_first`, `receive_first`, `client_final`, `verify_final` in turn.

    `password` is as the user gave it. `mechanisms` are those the server offers; `mechanism` is the
    one chosen. `min_iterations` and `max_iterations` bound how often the server may ask for the
    password to be hashed: a million rounds take about half a second of one processor.
    `client_key` and `server_key`, 32 bytes each, stand in for the password if both are given.
    `channel_binding` is the `tls-server-end-point` data of the connection, None where there is no
    TLS or none can be bound. `nonce` is for test vectors only.

    Raises OperationalError if none of the mechanisms can be used or a key is missing.
    """

    __slots__ = (
        "_bare",
        "_channel_binding",
        "_client_key",
        "_gs2_header",
        "_iterations",
        "_max_iterations",
        "_min_iterations",
        "_nonce",
        "_password",
        "_salt",
        "_server_first",
        "_server_key",
        "_server_nonce",
        "_signature",
        "_step",
        "finished",
        "mechanism",
    )

    def __init__(
        self,
        password: bytes,
        *,
        mechanisms: Sequence[bytes],
        min_iterations: int = 1,
        max_iterations: int = 1_000_000,
        client_key: bytes | None = None,
        server_key: bytes | None = None,
        channel_binding: bytes | None = None,
        nonce: bytes | None = None,
    ) -> None:
        self._gs2_header, self.mechanism = _choose(mechanisms, channel_binding)
        bound = self.mechanism == SCRAM_SHA_256_PLUS and channel_binding is not None
        self._channel_binding = channel_binding if bound and channel_binding else b""
        for name, key in (("client", client_key), ("server", server_key)):
            if key is not None and len(key) != _KEY_LENGTH:
                raise errors.OperationalError(f"invalid SCRAM {name} key length: {len(key)}")
        if not password and (client_key is None or server_key is None):
            raise errors.OperationalError("fe_sendauth: no password supplied")
        self._password = password
        self._client_key = client_key
        self._server_key = server_key
        self._min_iterations = min_iterations
        self._max_iterations = max_iterations
        self._nonce = _new_nonce() if nonce is None else nonce
        # The server takes the user name of the StartupMessage and ignores one that stands here.
        self._bare = b"n=,r=" + self._nonce
        self._server_first = b""
        self._server_nonce = b""
        self._salt = b""
        self._iterations = 0
        self._signature = b""
        self._step = 0
        self.finished = False

    def __repr__(self) -> str:
        return f"<ScramClient {self.mechanism.decode()}, step {self._step} of 4>"

    def client_first(self) -> bytes:
        """The data of SASLInitialResponse."""
        self._advance(0)
        return self._gs2_header + self._bare

    def receive_first(self, data: bytes) -> None:
        """Take the data of AuthenticationSASLContinue: nonce, salt, number of iterations.

        Raises ProtocolError if it is malformed, OperationalError if the server asks for more or
        fewer iterations than allowed. Nothing has been hashed by then.
        """
        self._advance(1)
        _check_text(data)
        nonce, rest = _attribute(data, b"r")
        if not nonce.startswith(self._nonce):
            raise errors.ProtocolError("invalid SCRAM response (nonce mismatch)")
        salt, rest = _attribute(rest, b"s")
        iterations, _ = _attribute(rest, b"i")  # what follows are extensions: not ours
        self._salt = _base64_decode(salt, "salt")
        self._iterations = self._checked(iterations)
        self._server_nonce = nonce
        self._server_first = data

    def client_final(self) -> bytes:
        """The data of SASLResponse. This is what takes time: the password is hashed here."""
        self._advance(2)
        client_key, server_key = self._keys()
        stored_key = _sha256(client_key)
        bound = _base64(self._gs2_header + self._channel_binding)
        final = b"c=" + bound + b",r=" + self._server_nonce
        message = b",".join((self._bare, self._server_first, final))
        self._signature = _hmac(server_key, message)
        signed = _hmac(stored_key, message)
        proof = bytes(a ^ b for a, b in zip(client_key, signed, strict=True))
        return final + b",p=" + _base64(proof)

    def verify_final(self, data: bytes) -> None:
        """Take the data of AuthenticationSASLFinal, by which the server proves that it knows the
        password too; sets `finished`.

        Raises OperationalError if it does not prove it or reports an error, ProtocolError if the
        message is malformed or comes too early.
        """
        import hmac

        self._advance(3)
        _check_text(data)
        if data[:1] == b"e":
            text = _attribute(data, b"e")[0].decode("utf-8", "backslashreplace")
            raise errors.OperationalError(
                "error received from server in SCRAM exchange: "
                + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
            )
        value, _ = _attribute(data, b"v")
        signature = _base64_decode(value, "server signature")
        if len(signature) != _KEY_LENGTH:
            raise _malformed("invalid server signature")
        if not hmac.compare_digest(signature, self._signature):
            raise errors.OperationalError("incorrect server signature")
        self.finished = True

    def _advance(self, step: int) -> None:
        # Steps out of turn are the server's doing: the client only follows its messages.
        if self._step != step:
            raise errors.ProtocolError(
                "AuthenticationSASLFinal received from server, but SASL authentication was not "
                "completed"
                if step == 3
                else "unexpected message from server in SCRAM exchange"
            )
        self._step += 1

    def _checked(self, text: bytes) -> int:
        digits = text.lstrip(b"0")
        if not text.isdigit() or not digits:
            raise _malformed("invalid iteration count")
        # Not converted before it is known to be short: a server may send any number of digits.
        iterations = int(digits) if len(digits) < 20 else self._max_iterations + 1
        if iterations > self._max_iterations:
            raise errors.OperationalError(
                f"server asks for {digits[:20].decode()} SCRAM iterations, "
                f"more than the {self._max_iterations} that are allowed (scram_max_iterations)"
            )
        if iterations < self._min_iterations:
            raise errors.OperationalError(
                f"server asks for {iterations} SCRAM iterations, "
                f"fewer than the {self._min_iterations} that are demanded (scram_min_iterations)"
            )
        return iterations

    def _keys(self) -> tuple[bytes, bytes]:
        client_key, server_key = self._client_key, self._server_key
        if client_key is None or server_key is None:
            import hashlib

            salted = hashlib.pbkdf2_hmac(
                "sha256", saslprep(self._password), self._salt, self._iterations
            )
            client_key = client_key or _hmac(salted, b"Client Key")
            server_key = server_key or _hmac(salted, b"Server Key")
        return client_key, server_key


def _choose(mechanisms: Sequence[bytes], channel_binding: bytes | None) -> tuple[bytes, bytes]:
    # The GS2 header says "y" when the client could bind the channel and thinks the server could
    # not: a server that did offer it then knows that somebody stands in between.
    if channel_binding is not None and SCRAM_SHA_256_PLUS in mechanisms:
        return b"p=tls-server-end-point,,", SCRAM_SHA_256_PLUS
    if SCRAM_SHA_256 in mechanisms:
        return b"n,," if channel_binding is None else b"y,,", SCRAM_SHA_256
    raise errors.OperationalError(
        "none of the server's SASL authentication mechanisms are supported"
    )


def _check_text(data: bytes) -> None:
    if not data:
        raise _malformed("empty message")
    if b"\0" in data:
        raise _malformed("length mismatch")


def _attribute(data: bytes, name: bytes) -> tuple[bytes, bytes]:
    """The value of the attribute `name`, which must come first, and what follows its comma."""
    if data[:1] != name:
        raise _malformed(f'attribute "{name.decode()}" expected')
    if data[1:2] != b"=":
        raise _malformed(f'expected character "=" for attribute "{name.decode()}"')
    value, _, rest = data[2:].partition(b",")
    return value, rest


def _malformed(what: str) -> errors.ProtocolError:
    return errors.ProtocolError(f"malformed SCRAM message ({what})")


def _base64_decode(data: bytes, what: str) -> bytes:
    import binascii

    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        raise _malformed(f"invalid {what}") from None


def _base64(data: bytes) -> bytes:
    import binascii

    return binascii.b2a_base64(data, newline=False)


def _new_nonce() -> bytes:
    import os

    return _base64(os.urandom(_NONCE_LENGTH))


def _hmac(key: bytes, message: bytes) -> bytes:
    import hmac

    return hmac.digest(key, message, "sha256")


def _sha256(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(data).digest()
