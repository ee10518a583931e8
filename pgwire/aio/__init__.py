"""The asyncio body of connections: `connect_async` and what it gives."""

from pgwire.aio.connection import AsyncConnection, connect_async
from pgwire.aio.reply import AsyncReply

__all__ = ["AsyncConnection", "AsyncReply", "connect_async"]
