"""What replies that are taken at once have in common: how they end, and what is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from pgwire.protocol.constants import BACKEND_LIMITS

if TYPE_CHECKING:
    from pgwire.rows.batches import BatchDecoder
    from pgwire.rows.column import Column
    from pgwire.rows.decoder import Row
    from pgwire.types.context import Context
    from pgwire.types.registry import Registry

READY_FOR_QUERY: Final = b"Z\0\0\0\5"
"""Type and length of a ReadyForQuery; its status follows."""

Whole: TypeAlias = "tuple[list[Row], tuple[Column, ...], str]"
"""The rows of a reply, their columns, and the command tag."""

_COMMAND_COMPLETE = b"C"[0]
_TAG_LIMIT: Final = BACKEND_LIMITS[_COMMAND_COMPLETE]


class Described:
    """What a RowDescription has said: the `columns`, the `decoder` of their rows, and the `ending`
    of the last such reply, CommandComplete and ReadyForQuery, with the tag in it."""

    __slots__ = ("_context", "_registry", "_revision", "columns", "decoder", "ending")

    def __init__(self, columns: tuple[Column, ...], registry: Registry, context: Context) -> None:
        # Only who asks for rows pays for importing what decodes them.
        from pgwire.rows.batches import batch_decoder

        self.columns = columns
        self.decoder: BatchDecoder = batch_decoder(columns, registry, context)
        self.ending: tuple[bytes, str] = (b"", "")
        self._registry = registry
        self._revision = registry.revision
        self._context = context

    def holds(self, registry: Registry, context: Context) -> bool:
        """Whether it is still so, with these codecs, in this context."""
        return (
            self._context is context
            and self._registry is registry
            and self._revision == registry.revision
        )


def command_tag(data: bytes | bytearray, start: int, end: int) -> bytes | None:
    """The tag, if data[start:end] is one CommandComplete and, to the last byte but its status,
    one ReadyForQuery; else None."""
    stop = end - 6
    length = stop - start - 1
    if (
        not 4 < length <= _TAG_LIMIT
        or data[start] != _COMMAND_COMPLETE
        or int.from_bytes(data[start + 1 : start + 5]) != length
        or data.find(0, start + 5) != stop - 1
        or not data.startswith(READY_FOR_QUERY, stop)
    ):
        return None
    return bytes(data[start + 5 : stop - 1])
