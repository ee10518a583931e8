"""In which transactions, and within what, the statements of a place run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Wrap = Callable[[Sequence[str]], str]


def _script(*statements: str) -> str:
    # A command of psql's own ends with its line.
    return "".join(s + ("\n" if s.startswith("\\") else ";\n") for s in statements)


def _plain(statements: Sequence[str]) -> str:
    return _script(*statements)


def _transaction(characteristics: str) -> Wrap:
    return lambda statements: _script(f"BEGIN {characteristics}", *statements, "COMMIT")


def _savepoint(characteristics: str) -> Wrap:
    """Each statement twice, the first one undone; psql undoes what fails, too."""
    return lambda statements: _script(
        "\\set ON_ERROR_ROLLBACK on",
        f"BEGIN {characteristics}",
        *(
            part
            for statement in statements
            for part in ("SAVEPOINT s", statement, "ROLLBACK TO s", statement)
        ),
        "COMMIT",
        "\\unset ON_ERROR_ROLLBACK",
    )


def _default(isolation: str) -> Wrap:
    """Each statement in a transaction of its own."""
    return lambda statements: _script(
        f"SET default_transaction_isolation = '{isolation}'",
        *statements,
        "RESET default_transaction_isolation",
    )


def _exception_block(characteristics: str) -> Wrap:
    """Queries run by PL/pgSQL, whose handler reports what it sees of an error."""
    return lambda statements: _script(
        f"BEGIN {characteristics}",
        *(_caught(s) if s.startswith(("SELECT", "WITH", "(")) else s for s in statements),
        "COMMIT",
    )


def _caught(query: str) -> str:
    return f"""DO $do$
DECLARE r record; state text; message text; detail text; hint text;
BEGIN
  FOR r IN EXECUTE $query${query.replace(chr(92) + ";", ";")}$query$ LOOP
    RAISE NOTICE '%', left(r::text, 200);
    EXIT WHEN left(r::text, 3) = '(9,';
  END LOOP;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
    detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RAISE NOTICE 'caught: % | % | % | %', state, message, detail, hint;
END $do$"""


MODES: dict[str, Wrap] = {
    "no transaction block": _plain,
    "no transaction block, serializable": _default("serializable"),
    **{
        isolation.lower() + (", read only" if access else ""): _transaction(
            f"ISOLATION LEVEL {isolation}{access}"
        )
        for isolation in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
        for access in ("", " READ ONLY")
    },
    "savepoints": _savepoint(""),
    "savepoints, repeatable read": _savepoint("ISOLATION LEVEL REPEATABLE READ"),
    "exception blocks": _exception_block(""),
    "exception blocks, serializable": _exception_block("ISOLATION LEVEL SERIALIZABLE"),
    "exception blocks, repeatable read, read only": _exception_block(
        "ISOLATION LEVEL REPEATABLE READ READ ONLY"
    ),
}
