"""The connections of a session: names, resolution, opening and closing."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pgwire
from dblink import events, foreign, messages, security
from dblink.local import Local
from dblink.names import truncate
from dblink.notices import Notices, notice
from dblink.remote import Remote
from pgwire import errors

if TYPE_CHECKING:
    from pgwire.flows.attempts import Vetter


class Connections:
    """The named connections and the unnamed one.

    A name counts by its first 63 bytes, as in C dblink; but a longer one finds a connection only
    if the connection was opened under exactly that name. Otherwise a connection string could
    meet a connection that happens to be called like its beginning.
    """

    def __init__(
        self,
        local: Local | None,
        privileges: security.Privileges,
        notices: Notices,
        on_wait: events.WaitHandler | None,
        *,
        vet: Vetter | None = None,
        secrets: bool = True,
    ) -> None:
        """See `Session`."""
        self._local = local
        self._privileges = privileges
        self._notices = notices
        self._on_wait = on_wait
        self._vet = vet
        self._secrets = secrets
        self._named: dict[str, Remote] = {}
        self._given: dict[str, str] = {}  # truncated name -> the name it was opened under
        self.unnamed: Remote | None = None

    def names(self) -> list[str]:
        """The names of the named connections."""
        return list(self._named)

    def find(self, name: str | None) -> Remote | None:
        """The open connection `name` (None: the unnamed one), if there is one."""
        if name is None:
            return self.unnamed
        key = truncate(name)
        if key != name and self._given.get(key) != name:
            return None
        return self._named.get(key)

    def get(self, name: str | None) -> Remote:
        """Like `find`; raises 08003 if there is no such connection."""
        remote = self.find(name)
        if remote is None:
            raise messages.connection_not_available(name)
        return remote

    def open(self, name: str | None, connstr: str, *, insecure: bool) -> None:
        """dblink_connect, or dblink_connect_u if `insecure`."""
        arguments = 1 if name is None else 2
        owner = self._privileges.connect_u_owner(arguments) if insecure else None
        if name is None:
            if self.unnamed is not None:
                self.unnamed.check_free()
            remote = self._dial(connstr, None, events.DBLINK_CONNECT, owner, insecure=insecure)
            previous, self.unnamed = self.unnamed, remote
            if previous is not None:
                previous.close()
            return
        key = truncate(name)
        if key != name:
            told = f'identifier "{name}" will be truncated to "{key}"'
            self._notices.own(notice(told, sqlstate="42622"))
        if key in self._named:
            raise messages.duplicate_connection_name()
        self._named[key] = self._dial(connstr, key, events.DBLINK_CONNECT, owner, insecure=insecure)
        self._given[key] = name

    def open_transient(self, connstr: str) -> Remote:
        """A connection for one call."""
        remote = self._dial(connstr, None, events.DBLINK_GET_CONNECT, None, insecure=False)
        remote.transient = True
        return remote

    def close(self, name: str | None) -> None:
        """dblink_disconnect. Raises 08003 if there is no such connection."""
        remote = self.get(name)
        remote.check_free()
        if name is None:
            self.unnamed = None
        else:
            key = truncate(name)
            del self._named[key], self._given[key]
        remote.close()

    def close_all(self) -> None:
        """The end of the session."""
        remotes = [*self._named.values()]
        if self.unnamed is not None:
            remotes.append(self.unnamed)
        self._named, self._given, self.unnamed = {}, {}, None
        with ExitStack() as stack:
            for remote in remotes:
                stack.callback(remote.close)

    def _dial(
        self, connstr: str, name: str | None, event: str, owner: str | None, *, insecure: bool
    ) -> Remote:
        text = foreign.foreign_server_conninfo(self._local, connstr, owner)
        if text is None:
            text = connstr
        privileged = insecure or self._privileges.superuser()
        security.check_before_connecting(text, privileged, secrets=self._secrets)
        notices = self._notices
        with events.waiting(self._on_wait, event, name):
            try:
                connection = pgwire.connect(
                    text,
                    on_notice=lambda told: notices.remote(told, name),
                    environ=security.environment(privileged),
                    ambient=self._secrets,
                    vet=self._vet,
                    client_encoding="UTF8",
                )
            except pgwire.Error as error:
                raise messages.could_not_connect(error.message) from error
            try:
                if not privileged and not connection.info.password_used:
                    raise messages.password_not_used()
                remote = Remote(connection, name, self._on_wait)
                remote.prepare()
            except errors.TimeoutExpired as error:
                connection.close()
                failed = f"{connection.info.server} failed: timeout expired"
                raise messages.could_not_connect(failed) from error
            except BaseException:
                connection.close()  # nobody knows of it yet
                raise
        return remote
