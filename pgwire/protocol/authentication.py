"""The messages of authentication, both ways. Manual: 54.2.1, 54.3, 54.7.

The server's share one type byte, "R", and differ by the code that begins the body. The client's
share "p" and differ by nothing but the question before them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Self

from pgwire import errors
from pgwire.protocol import writer
from pgwire.protocol.message import BackendMessage, FrontendMessage
from pgwire.protocol.reader import Reader

__all__ = [
    "AUTHENTICATION",
    "Authentication",
    "AuthenticationCleartextPassword",
    "AuthenticationCryptPassword",
    "AuthenticationGSS",
    "AuthenticationGSSContinue",
    "AuthenticationKerberosV4",
    "AuthenticationKerberosV5",
    "AuthenticationMD5Password",
    "AuthenticationOk",
    "AuthenticationSASL",
    "AuthenticationSASLContinue",
    "AuthenticationSASLFinal",
    "AuthenticationSCMCredential",
    "AuthenticationSSPI",
    "GSSResponse",
    "PasswordMessage",
    "SASLInitialResponse",
    "SASLResponse",
    "decode_authentication",
]


class Authentication(BackendMessage):
    """What the server's authentication messages have in common; its `decode` finds out which."""

    __slots__ = ()
    type = b"R"
    code: ClassVar[int]

    def _parts(self) -> Sequence[bytes]:
        return (self.code.to_bytes(4), *self._data())

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        code = reader.uint32()
        message = AUTHENTICATION.get(code)
        if message is None:
            raise errors.ProtocolError(f"authentication method {code} not supported")
        if not issubclass(message, cls):
            raise errors.ProtocolError(f"authentication code {code} is not {cls.__name__}'s")
        return message._take_data(reader)

    def _data(self) -> tuple[bytes, ...]:
        return ()

    @classmethod
    def _take_data(cls, reader: Reader) -> Self:
        return cls()


class AuthenticationOk(Authentication):
    """The client is who it claims to be."""

    __slots__ = ()
    code = 0


class AuthenticationKerberosV4(Authentication):
    """Kerberos 4, gone since PostgreSQL 8.1."""

    __slots__ = ()
    code = 1


class AuthenticationKerberosV5(Authentication):
    """Kerberos 5 without GSSAPI, gone since PostgreSQL 9.4."""

    __slots__ = ()
    code = 2


class AuthenticationCleartextPassword(Authentication):
    """The server wants the password itself."""

    __slots__ = ()
    code = 3


class AuthenticationCryptPassword(Authentication):
    """A password hashed by crypt(3), gone since PostgreSQL 8.4."""

    __slots__ = ()
    code = 4


class AuthenticationMD5Password(Authentication):
    """The server wants the password's MD5 hash, salted with the four bytes of `salt`."""

    __slots__ = ("salt",)
    code = 5

    def __init__(self, salt: bytes) -> None:
        self.salt = salt

    def _data(self) -> tuple[bytes, ...]:
        salt = writer.plain(self.salt, "salt")
        if len(salt) != 4:
            raise errors.ProgrammingError(f"salt must have 4 bytes, not {len(salt)}")
        return (salt,)

    @classmethod
    def _take_data(cls, reader: Reader) -> Self:
        return cls(reader.take(4))


class AuthenticationSCMCredential(Authentication):
    """Credentials over a Unix socket, gone since PostgreSQL 9.1."""

    __slots__ = ()
    code = 6


class AuthenticationGSS(Authentication):
    """The server wants GSSAPI tokens."""

    __slots__ = ()
    code = 7


class _AuthenticationData(Authentication):
    __slots__ = ("data",)
    _secrets = frozenset(("data",))

    def __init__(self, data: bytes) -> None:
        self.data = data

    def _data(self) -> tuple[bytes, ...]:
        return (writer.plain(self.data, self.label),)

    @classmethod
    def _take_data(cls, reader: Reader) -> Self:
        return cls(reader.rest())


class AuthenticationGSSContinue(_AuthenticationData):
    """The next token of GSSAPI or SSPI."""

    __slots__ = ()
    code = 8


class AuthenticationSSPI(Authentication):
    """The server wants SSPI tokens."""

    __slots__ = ()
    code = 9


class AuthenticationSASL(Authentication):
    """The server offers these SASL `mechanisms`, the best first."""

    __slots__ = ("mechanisms",)
    code = 10

    def __init__(self, mechanisms: Iterable[bytes]) -> None:
        self.mechanisms = tuple(mechanisms)

    def _data(self) -> tuple[bytes, ...]:
        if b"" in self.mechanisms:
            raise errors.ProgrammingError("a SASL mechanism has an empty name")
        names = [writer.cstring(name, "name of a SASL mechanism") for name in self.mechanisms]
        return (*names, b"\0")

    @classmethod
    def _take_data(cls, reader: Reader) -> Self:
        mechanisms = []
        try:
            while name := reader.cstring():
                mechanisms.append(name)
        except errors.ProtocolError:
            raise errors.ProtocolError(
                "fe_sendauth: invalid authentication request from server: "
                "invalid list of authentication mechanisms"
            ) from None
        return cls(mechanisms)


class AuthenticationSASLContinue(_AuthenticationData):
    """The server's challenge, in the mechanism's own form."""

    __slots__ = ()
    code = 11


class AuthenticationSASLFinal(_AuthenticationData):
    """The server's last word in the exchange, in the mechanism's own form."""

    __slots__ = ()
    code = 12


AUTHENTICATION: dict[int, type[Authentication]] = {
    message.code: message
    for message in (
        *(AuthenticationOk, AuthenticationKerberosV4, AuthenticationKerberosV5),
        *(AuthenticationCleartextPassword, AuthenticationCryptPassword),
        *(AuthenticationMD5Password, AuthenticationSCMCredential, AuthenticationGSS),
        *(AuthenticationGSSContinue, AuthenticationSSPI, AuthenticationSASL),
        *(AuthenticationSASLContinue, AuthenticationSASLFinal),
    )
}
"""Code -> message."""


def decode_authentication(body: bytes | bytearray | memoryview) -> Authentication:
    """The authentication message with this `body`, which begins with its code.

    Raises ProtocolError for an unknown code and for a body that is not such a message's.
    """
    return Authentication.decode(body)


class PasswordMessage(FrontendMessage):
    """The password, or what `pgwire.protocol.md5` makes of it."""

    __slots__ = ("password",)
    _secrets = frozenset(("password",))
    type = b"p"

    def __init__(self, password: bytes) -> None:
        self.password = password

    def _parts(self) -> Sequence[bytes]:
        return (writer.cstring(self.password, "password"),)

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.cstring())


class SASLInitialResponse(FrontendMessage):
    """The client chooses `mechanism`; `data` is its first message, None if it has none."""

    __slots__ = ("data", "mechanism")
    _secrets = frozenset(("data",))
    type = b"p"

    def __init__(self, mechanism: bytes, data: bytes | None = None) -> None:
        self.mechanism = mechanism
        self.data = data

    def _parts(self) -> Sequence[bytes]:
        return (
            writer.cstring(self.mechanism, "name of a SASL mechanism"),
            *writer.length_and_value(self.data, self.label),
        )

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.cstring(), reader.value())


class _Token(FrontendMessage):
    __slots__ = ("data",)
    _secrets = frozenset(("data",))
    type = b"p"

    def __init__(self, data: bytes) -> None:
        self.data = data

    def _parts(self) -> Sequence[bytes]:
        return (writer.plain(self.data, self.label),)

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.rest())


class SASLResponse(_Token):
    """The client's answer to a challenge, in the mechanism's own form."""

    __slots__ = ()


class GSSResponse(_Token):
    """A token of GSSAPI or SSPI."""

    __slots__ = ()
