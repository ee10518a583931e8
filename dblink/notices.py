"""Where notices go: dblink's own, and those of the remote servers."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pgwire import errors

logger = logging.getLogger("dblink")

NoticeHandler = Callable[[errors.Diagnostics], None]
RemoteNoticeHandler = Callable[[errors.Diagnostics, str | None], None]


class Notices:
    """Gives each notice to its handler, if there is one, and to the log."""

    __slots__ = ("on_notice", "on_remote_notice")

    def __init__(
        self, on_notice: NoticeHandler | None, on_remote_notice: RemoteNoticeHandler | None
    ) -> None:
        self.on_notice = on_notice
        self.on_remote_notice = on_remote_notice

    def own(self, notice: errors.Diagnostics) -> None:
        """A notice of dblink's own: an error that the caller did not want raised, for one."""
        logger.info("%s %s: %s", notice.severity, notice.sqlstate, notice.message)
        if self.on_notice is not None:
            self.on_notice(notice)

    def remote(self, notice: errors.Diagnostics, connection: str | None) -> None:
        """A notice of the server that the connection of that name (None: no name) leads to."""
        logger.info(
            "%s %s on connection %r: %s",
            notice.severity,
            notice.sqlstate,
            connection,
            notice.message,
        )
        if self.on_remote_notice is not None:
            self.on_remote_notice(notice, connection)


def notice(message: str, sqlstate: str = "00000") -> errors.Diagnostics:
    """A notice with this text."""
    return errors.Diagnostics(message=message, severity="NOTICE", sqlstate=sqlstate)
