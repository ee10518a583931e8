"""A call of a scenario as the SQL that a user would type."""

from __future__ import annotations

from collections.abc import Sequence

from dblink.functions import FUNCTIONS, RECORD, Overload
from tests.dblink.differential.steps import Argument, Step


def statement_of(step: Step, args: Sequence[Argument]) -> str:
    """The SELECT that calls the function of `step` with `args`; one row, or the rows it gives."""
    function = FUNCTIONS[step.function]
    given = [*args] if step.fail is None else [*args, step.fail]
    overload = next(o for o in function.overloads if _fits(o, given))
    shown = ", ".join(
        _literal(value, sql_type)
        for value, sql_type in zip(given, overload.arguments.values(), strict=True)
    )
    expression = f"{step.function}({shown})"
    if not function.returns_set:
        return f"SELECT {expression}"
    columns = f" AS t({step.columns})" if function.returns == RECORD and step.columns else ""
    return f"SELECT * FROM {expression}{columns}"


def _fits(overload: Overload, args: Sequence[Argument]) -> bool:
    types = list(overload.arguments.values())
    return len(types) == len(args) and all(map(_is_of, args, types))


def _is_of(value: Argument, sql_type: str) -> bool:
    if isinstance(value, bool) or sql_type == "boolean":
        return value is None or (isinstance(value, bool) and sql_type == "boolean")
    return value is None or isinstance(value, int) == (sql_type == "integer")


def _literal(value: Argument, sql_type: str) -> str:
    if value is None:
        text = "NULL"
    elif isinstance(value, bool | int):
        return str(value).lower()
    elif isinstance(value, list):
        text = f"ARRAY[{', '.join(_literal(item, 'text') for item in value)}]"
    else:
        text = "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
    return f"{text}::{sql_type}"
