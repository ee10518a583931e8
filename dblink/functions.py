"""The catalogue of the documented functions: names, overloads, types, results. Manual: F.12.

The session's methods, the completeness test against pg_proc and the documentation read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from dblink import messages

TEXT, BOOLEAN, INTEGER = "text", "boolean", "integer"
TEXT_ARRAY, INT2VECTOR, RECORD = "text[]", "int2vector", "record"


class Overload:
    """One signature: `arguments` maps what each argument means to its SQL type, in order."""

    __slots__ = ("arguments",)

    def __init__(self, arguments: Mapping[str, str]) -> None:
        self.arguments = dict(arguments)

    def __repr__(self) -> str:
        return ", ".join(f"{name} {sql_type}" for name, sql_type in self.arguments.items())


class Function:
    """A documented function.

    `overloads`; `returns` its SQL result type and `returns_set` whether it gives rows; `columns`
    those of its OUT parameters or result type, empty if the caller declares them; `strict`
    whether a NULL argument gives NULL, or no rows, with nothing done; `security_definer`
    whether it runs as its owner. All are volatile and parallel restricted.
    """

    __slots__ = (
        "columns",
        "name",
        "overloads",
        "returns",
        "returns_set",
        "security_definer",
        "strict",
        "summary",
    )

    volatility: Final = "v"
    parallel: Final = "r"

    def __init__(
        self,
        name: str,
        summary: str,
        overloads: Sequence[Mapping[str, str]],
        returns: str,
        *,
        columns: Mapping[str, str] | None = None,
        returns_set: bool = False,
        strict: bool = True,
        security_definer: bool = False,
    ) -> None:
        self.name = name
        self.summary = summary
        self.overloads = tuple(map(Overload, overloads))
        self.returns = returns
        self.returns_set = returns_set
        self.columns = dict(columns or {})
        self.strict = strict
        self.security_definer = security_definer


def _with_fail(arguments: Mapping[str, str]) -> list[dict[str, str]]:
    """The four shapes of most functions: without and with a connection, without and with fail."""
    shapes = []
    for connection in ({}, {"connname": TEXT}):
        shapes += [
            {**connection, **arguments},
            {**connection, **arguments, "fail_on_error": BOOLEAN},
        ]
    return shapes


_KEYED = {"relname": TEXT, "primary_key_attnums": INT2VECTOR, "num_primary_key_atts": INTEGER}
_SOURCE, _TARGET = {"src_pk_att_vals_array": TEXT_ARRAY}, {"tgt_pk_att_vals_array": TEXT_ARRAY}
_CONNECT = [{"connstr": TEXT}, {"connname": TEXT, "connstr": TEXT}]

FUNCTIONS: Final[dict[str, Function]] = {
    function.name: function
    for function in (
        Function("dblink_connect", "opens a persistent connection", _CONNECT, TEXT),
        Function(
            "dblink_connect_u",
            "opens a persistent connection, insecurely",
            _CONNECT,
            TEXT,
            security_definer=True,
        ),
        Function(
            "dblink_disconnect",
            "closes a persistent connection",
            [{}, {"connname": TEXT}],
            TEXT,
        ),
        Function(
            "dblink",
            "executes a query in a remote database",
            _with_fail({"sql": TEXT}),
            RECORD,
            returns_set=True,
        ),
        Function(
            "dblink_exec",
            "executes a command in a remote database",
            _with_fail({"sql": TEXT}),
            TEXT,
        ),
        Function(
            "dblink_open",
            "opens a cursor in a remote database",
            _with_fail({"cursorname": TEXT, "sql": TEXT}),
            TEXT,
        ),
        Function(
            "dblink_fetch",
            "returns rows from an open cursor in a remote database",
            _with_fail({"cursorname": TEXT, "howmany": INTEGER}),
            RECORD,
            returns_set=True,
        ),
        Function(
            "dblink_close",
            "closes a cursor in a remote database",
            _with_fail({"cursorname": TEXT}),
            TEXT,
        ),
        Function(
            "dblink_get_connections",
            "returns the names of all open named connections",
            [{}],
            TEXT_ARRAY,
            strict=False,
        ),
        Function(
            "dblink_error_message",
            "gets last error message on the named connection",
            [{"connname": TEXT}],
            TEXT,
        ),
        Function(
            "dblink_send_query",
            "sends an async query to a remote database",
            [{"connname": TEXT, "sql": TEXT}],
            INTEGER,
        ),
        Function(
            "dblink_is_busy",
            "checks if connection is busy with an async query",
            [{"connname": TEXT}],
            INTEGER,
        ),
        Function(
            "dblink_get_notify",
            "retrieves async notifications on a connection",
            [{}, {"connname": TEXT}],
            RECORD,
            columns={"notify_name": TEXT, "be_pid": INTEGER, "extra": TEXT},
            returns_set=True,
        ),
        Function(
            "dblink_get_result",
            "gets an async query result",
            [{"connname": TEXT}, {"connname": TEXT, "fail_on_error": BOOLEAN}],
            RECORD,
            returns_set=True,
        ),
        Function(
            "dblink_cancel_query",
            "cancels any active query on the named connection",
            [{"connname": TEXT}],
            TEXT,
        ),
        Function(
            "dblink_get_pkey",
            "returns the positions and field names of a relation's primary key fields",
            [{"relname": TEXT}],
            "dblink_pkey_results",
            columns={"position": INTEGER, "colname": TEXT},
            returns_set=True,
        ),
        Function(
            "dblink_build_sql_insert",
            "builds an INSERT statement using a local tuple, replacing the primary key field "
            "values with alternative supplied values",
            [{**_KEYED, **_SOURCE, **_TARGET}],
            TEXT,
        ),
        Function(
            "dblink_build_sql_delete",
            "builds a DELETE statement using supplied values for primary key field values",
            [{**_KEYED, **_TARGET}],
            TEXT,
        ),
        Function(
            "dblink_build_sql_update",
            "builds an UPDATE statement using a local tuple, replacing the primary key field "
            "values with alternative supplied values",
            [{**_KEYED, **_SOURCE, **_TARGET}],
            TEXT,
        ),
    )
}
"""The documented functions by name, in the order of the manual."""

UNDOCUMENTED: Final = frozenset(("dblink_current_query", "dblink_fdw_validator"))
"""Functions that the C extension has beside them: a relic, and the wrapper's validator."""

Arguments = dict[str, object]


def bind(name: str, args: Sequence[object], fail: bool | None = None) -> Arguments | None:
    """Which overload of the function `name` a call means, and the arguments by their meaning.

    `fail` is the flag as a keyword argument. The missing optional flag is filled in with true.
    Returns None if the function is strict and an argument is None: then nothing is to be done.
    Raises UndefinedFunction (42883) if no overload fits.
    """
    function = FUNCTIONS[name]
    for overload in function.overloads:
        if fail is None and len(overload.arguments) != len(args):
            continue
        positional = dict(overload.arguments)
        if fail is not None and positional.pop("fail_on_error", None) is None:
            continue
        if len(positional) != len(args):
            continue
        if all(map(_fits, args, positional.values())):
            break
    else:
        raise _no_such_call(function, args, fail)
    bound = dict(zip(positional, args, strict=True))
    if "fail_on_error" in overload.arguments and fail is not None:
        bound["fail_on_error"] = fail
    if function.strict and None in bound.values():
        return None
    bound.setdefault("fail_on_error", True)
    return bound


def _fits(value: object, sql_type: str) -> bool:
    if value is None:
        return True
    if sql_type == TEXT:
        return isinstance(value, str)
    if sql_type == BOOLEAN:
        return isinstance(value, bool)
    if sql_type == INTEGER:
        return isinstance(value, int) and not isinstance(value, bool)
    if sql_type == INT2VECTOR:
        return isinstance(value, str | Sequence)
    return isinstance(value, Sequence) and not isinstance(value, str)


_SQL_TYPES = {bool: BOOLEAN, int: INTEGER, str: "text", list: "array", tuple: "array"}


def _no_such_call(function: Function, args: Sequence[object], fail: bool | None) -> Exception:
    given = [
        "unknown" if value is None else _SQL_TYPES.get(type(value), type(value).__name__)
        for value in args
    ]
    if fail is not None:
        given.append("fail => boolean")
    return messages.make(
        "42883",
        f"function {function.name}({', '.join(given)}) does not exist",
        hint="It is called as "
        + " or ".join(f"{function.name}({overload!r})" for overload in function.overloads)
        + ".",
    )
