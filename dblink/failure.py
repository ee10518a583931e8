"""How a failure of the remote side travels, and how the caller sees it."""

from __future__ import annotations

from pgwire import errors


class RemoteFailure(Exception):
    """Carries an `error` of the remote side from where it shows to where the call decides, by its
    `fail` flag, whether it is raised or becomes a notice."""

    def __init__(self, error: errors.DatabaseError) -> None:
        super().__init__(error)
        self.error = error


def as_seen_by_caller(
    error: errors.DatabaseError, action: str, connection: str
) -> errors.DatabaseError:
    """`error` as C dblink raises it again: SQLSTATE, message, detail and hint of the remote server,
    the context lines of the server first and then one of our own. `connection` is the label of
    the connection. What C dblink drops (position, table, constraint, …) rides along.
    """
    remote = error.diagnostics
    sqlstate = remote.sqlstate or "08006"
    own = f"while {action[:511]} on {connection}"
    fields = {name: getattr(remote, name) for name in remote.__slots__}
    fields["sqlstate"] = sqlstate
    fields["severity"] = fields["localized_severity"] = "ERROR"
    fields["context"] = own if remote.context is None else f"{remote.context}\n{own}"
    diagnostics = errors.Diagnostics(**fields)
    return errors.error_class(sqlstate)(diagnostics.message, diagnostics=diagnostics)
