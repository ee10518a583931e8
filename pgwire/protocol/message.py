"""What all messages have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from pgwire.protocol import writer
from pgwire.protocol.constants import BACKEND_LIMITS, FRONTEND_LIMITS, MAX_LENGTH
from pgwire.protocol.reader import Reader

__all__ = ["BackendMessage", "Bodiless", "FrontendMessage", "Message", "Record"]


class Record:
    """Fields in `__slots__`, compared and shown one by one; secret ones are shown as `…`."""

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()
    _secrets: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = cls.__dict__.get("__slots__", ())
        cls._fields = cls._fields + ((own,) if isinstance(own, str) else tuple(own))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._fields)

    __hash__ = None  # type: ignore[assignment]  # the fields can be set

    def __repr__(self) -> str:
        shown = [
            f"{name}={'…' if name in self._secrets else repr(getattr(self, name))}"
            for name in self._fields
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


class Message(Record):
    """A message: its fields are what the manual's section 54.7 lists for it.

    Text is `bytes` in client_encoding, both ways. `type` is the type byte, empty for the packets
    that have none; `limit` the largest length word that the other end takes.
    """

    __slots__ = ()
    type: ClassVar[bytes] = b""
    limit: ClassVar[int] = MAX_LENGTH
    label: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        letter = cls.type.decode("latin-1")
        cls.label = f'"{letter}" message ({cls.__name__})' if letter else cls.__name__

    def encode(self) -> bytes:
        """The whole message, type byte and length included.

        Raises DataError for text with a NUL and for anything longer than the other end takes,
        ProgrammingError for a number that its field cannot hold; both name the culprit.
        """
        return writer.frame(self.type, self._parts(), self.limit, self.label)

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """The message with this `body`, which is what follows the length word.

        Raises ProtocolError if the body is not exactly such a message.
        """
        reader = Reader(body, cls.label)
        message = cls._take(reader)
        reader.finish()
        return message

    def _parts(self) -> Sequence[bytes]:
        # The body, in pieces.
        raise NotImplementedError

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        # The message whose fields stand at the front of `reader`; the caller looks for a rest.
        raise NotImplementedError


class FrontendMessage(Message):
    """A message that a client sends."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.type:
            cls.limit = FRONTEND_LIMITS[cls.type[0]]


class BackendMessage(Message):
    """A message that a server sends."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.type:
            cls.limit = BACKEND_LIMITS[cls.type[0]]


class Bodiless(Message):
    """A message that says all it has to say by its type byte."""

    __slots__ = ()

    def _parts(self) -> Sequence[bytes]:
        return ()

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """The message with this `body`; as `Message.decode`, and quicker."""
        return super().decode(body) if body else cls()

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls()
