"""The client's side of SCRAM-SHA-256. RFC 5802, RFC 7677; manual: 54.3.1."""

from __future__ import annotations

import os
from _thread import allocate_lock
from collections.abc import Sequence
from typing import Final

from pgwire import errors
from pgwire.protocol.saslprep import saslprep

__all__ = ["SCRAM_SHA_256", "SCRAM_SHA_256_PLUS", "ScramClient", "forget_scram_keys"]

SCRAM_SHA_256: Final = b"SCRAM-SHA-256"
SCRAM_SHA_256_PLUS: Final = b"SCRAM-SHA-256-PLUS"

_KEY_LENGTH: Final = 32
_NONCE_LENGTH: Final = 18
_REMEMBERED: Final = 64
_MIXER: Final = b"pgwire: " + os.urandom(_KEY_LENGTH)


class _DerivedKeys:
    """ClientKey, StoredKey and ServerKey of the passwords that were used last. RFC 5802, section
    5.1, allows a client to keep them. It holds no password, and shows nothing."""

    __slots__ = ("_keys", "_lock")

    def __init__(self) -> None:
        self._keys: dict[bytes, _Keys] = {}
        self._lock = allocate_lock()

    def find(self, mark: bytes) -> _Keys | None:
        with self._lock:
            keys = self._keys.pop(mark, None)
            if keys is not None:
                self._keys[mark] = keys  # used last, dropped last
            return keys

    def keep(self, mark: bytes, keys: _Keys) -> None:
        with self._lock:
            self._keys[mark] = keys
            while len(self._keys) > _REMEMBERED:
                del self._keys[next(iter(self._keys))]

    def forget(self) -> None:
        with self._lock:
            self._keys.clear()

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<{len(self)} SCRAM keys>"


_Keys = tuple[bytes, bytes, bytes]
_derived: Final = _DerivedKeys()


def forget_scram_keys() -> None:
    """Forget the keys that have been derived from passwords.

    Hashing a password thousands of times, as SCRAM demands, takes most of the time of connecting.
    So the keys of the last 64 combinations of password, salt and iteration count stay in the
    memory of the process, and no password itself. Call this where they must not outlive their use,
    for example before a fork or when a password has been withdrawn; the next connection derives
    them anew. Manual: 54.3.1; RFC 5802, section 5.1.
    """
    _derived.forget()


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
        "_known",
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
        self._known: _Keys | None = None
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

    @property
    def at_hand(self) -> bool:
        """Whether `client_final` will not have to hash the password, since keys were given or are
        remembered."""
        if self._known is None:
            self._known = self._given_keys() or _derived.find(self._mark())
        return self._known is not None

    def client_final(self) -> bytes:
        """The data of SASLResponse. This is what takes time, unless the keys are `at_hand`: the
        password is hashed here."""
        self._advance(2)
        client_key, stored_key, server_key = self._keys()
        bound = _base64(self._gs2_header + self._channel_binding)
        final = b"c=" + bound + b",r=" + self._server_nonce
        message = b",".join((self._bare, self._server_first, final))
        self._signature = _hmac(server_key, message)
        signed = _hmac(stored_key, message)
        proof = (int.from_bytes(client_key) ^ int.from_bytes(signed)).to_bytes(_KEY_LENGTH)
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

    def _keys(self) -> _Keys:
        if not self.at_hand:
            import hashlib

            salted = hashlib.pbkdf2_hmac(
                "sha256", saslprep(self._password), self._salt, self._iterations
            )
            client_key, server_key = _hmac(salted, b"Client Key"), _hmac(salted, b"Server Key")
            self._known = client_key, _sha256(client_key), server_key
            _derived.keep(self._mark(), self._known)
        assert self._known is not None
        client_key, stored_key, server_key = self._known
        if self._client_key is not None:
            client_key, stored_key = self._client_key, _sha256(self._client_key)
        return client_key, stored_key, self._server_key or server_key

    def _given_keys(self) -> _Keys | None:
        if self._client_key is None or self._server_key is None:
            return None
        return self._client_key, _sha256(self._client_key), self._server_key

    def _mark(self) -> bytes:
        """What the keys of this password, salt and iteration count are remembered by."""
        numbers = b"%d %d " % (self._iterations, len(self._salt))
        return _hmac(_MIXER, numbers + self._salt + self._password)


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
    return _base64(os.urandom(_NONCE_LENGTH))


def _hmac(key: bytes, message: bytes) -> bytes:
    import hmac

    return hmac.digest(key, message, "sha256")


def _sha256(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(data).digest()
