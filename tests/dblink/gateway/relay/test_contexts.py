"""Contexts: C dblink's words in place of our functions' lines, whatever else stands there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink.functions import FUNCTIONS
from dblink.gateway.contexts import concerns, rewritten

OURS = [
    "PL/pgSQL function dblink_gateway.raise_from(jsonb) line 12 at RAISE",
    'SQL statement "SELECT dblink_gateway.raise_from(answer)"',
    "PL/pgSQL function dblink_gateway.call(text,jsonb,text[]) line 7 at PERFORM",
    'PL/pgSQL assignment "answer := dblink_gateway.call(function, arguments, types)"',
]
LAST = "PL/pgSQL function dblink_exec(text,text) line 5 at assignment"
REMOTE = 'while executing command on dblink connection named "c"'
THEIRS = [
    "SQL statement \"SELECT dblink_exec('c', 'x')\"",
    "PL/pgSQL function mine(text) line 1 at PERFORM",
]


def body(context: list[str] | None, codec: str = "utf-8", **fields: str) -> bytes:
    values = {"S": "ERROR", "V": "ERROR", "C": "42601", "M": "syntax error", **fields}
    if context is not None:
        values["W"] = "\n".join(context)
    values["R"] = "exec_stmt_raise"
    return b"".join([k.encode() + v.encode(codec) + b"\0" for k, v in values.items()]) + b"\0"


def remote(sqlstate: str, message: str, detail: str | None, hint: str | None) -> str | None:
    assert (sqlstate, message, detail, hint) == ("42601", "syntax error", None, None)
    return REMOTE


def own(sqlstate: str, message: str, detail: str | None, hint: str | None) -> str | None:
    return ""


def nobody(sqlstate: str, message: str, detail: str | None, hint: str | None) -> str | None:
    return None


def test_the_remote_context_takes_the_place_of_ours() -> None:
    assert rewritten(body([*OURS, LAST]), "utf-8", remote) == body([REMOTE])
    assert rewritten(body([*OURS, LAST, *THEIRS]), "utf-8", remote) == body([REMOTE, *THEIRS])


@pytest.mark.parametrize("context_of", [own, nobody])
def test_an_error_without_a_remote_context_has_none(context_of: object) -> None:
    assert rewritten(body([*OURS, LAST]), "utf-8", context_of) == body(None)  # type: ignore[arg-type]
    assert rewritten(body([LAST, *THEIRS]), "utf-8", context_of) == body(THEIRS)  # type: ignore[arg-type]


def test_what_our_functions_have_called_stays() -> None:
    # A CHECK of a domain, for one: C dblink has that context, too, and the position in its query.
    check = ["PL/pgSQL function positive(integer) line 3 at RAISE", 'SQL statement "SELECT 1"']
    before = body([*check, *OURS, LAST, *THEIRS], p="3", q="SELECT 1")
    after = body([*check, *THEIRS], p="3", q="SELECT 1")
    assert rewritten(before, "utf-8", nobody) == after


def test_the_position_in_a_query_of_ours_goes() -> None:
    before = body([*OURS, LAST], p="8", q="SELECT c1::int /* dblink_gateway */ FROM t")
    assert rewritten(before, "utf-8", nobody) == body(None)


@pytest.mark.parametrize(
    "context",
    [
        None,
        THEIRS,
        ['SQL statement "SELECT dblink_gateway.x"', "PL/pgSQL function mine(text) line 1 at RAISE"],
        ["PL/pgSQL function my_dblink(text,text) line 1 at RAISE"],
        ["PL/pgSQL function dblink_exec(integer) line 1 at RAISE"],
        ['SQL function "dblink_exec(text,text)" statement 1'],
        ['PL/pgSQL assignment "x := dblink_exec(text,text)"'],
        ["while executing command on unnamed dblink connection"],
    ],
)
def test_what_is_not_ours_stays_as_it_is(context: list[str] | None) -> None:
    assert rewritten(body(context), "utf-8", remote) is None


@pytest.mark.parametrize(
    "line",
    [
        "PL/pgSQL-Funktion dblink_exec(text,text) Zeile 5 bei Zuweisung",
        "fonction PL/pgSQL dblink_exec(text,text), ligne 5, à affectation",
        "función PL/pgSQL dblink_exec(text,text) en la línea 5 en asignación",
        "PL/pgSQL関数dblink_exec(text,text)の5行目 - 代入",
        "функция PL/pgSQL dblink_exec(text,text), строка 5, оператор присваивание",
        "在赋值的第5行的PL/pgSQL函数dblink_exec(text,text)",
        "PL/pgSQL function public.dblink_exec(text,text) line 5 at assignment",
        'PL/pgSQL function "my ""schema".dblink_exec(text,text) line 5 at assignment',
        "PL/pgSQL function dblink_exec(text,text) while casting return value to its type",
        "PL/pgSQL function dblink_exec(pg_catalog.text,pg_catalog.text,boolean) line 3 at RETURN",
        'PL/pgSQL function "dblink_exec"("text","text",boolean) line 3 at RETURN',
        'PL/pgSQL function "a b"."dblink_exec"("pg_catalog"."text",boolean) line 3 at RETURN',
        "PL/pgSQL function dblink_build_sql_delete(text,int2vector,integer,text[]) line 1",
        'PL/pgSQL function dblink_build_sql_delete("text","int2vector",integer,"text"[]) line 1',
        "PL/pgSQL function dblink_fdw_validator(text[],oid) line 4 at PERFORM",
    ],
)
def test_the_line_is_known_in_any_language(line: str) -> None:
    assert rewritten(body([*OURS, line, *THEIRS]), "utf-8", remote) == body([REMOTE, *THEIRS])


def test_every_documented_function_is_known() -> None:
    for name, function in FUNCTIONS.items():
        for overload in function.overloads:
            signature = f"{name}({','.join(overload.arguments.values())})"
            line = f"PL/pgSQL function {signature} line 2 at RETURN QUERY"
            assert rewritten(body([line]), "utf-8", own) == body(None), signature


def test_a_remote_context_that_the_clients_encoding_has_not() -> None:
    told = 'while executing query on dblink connection named "Ж"'
    new = rewritten(body([*OURS, LAST]), "latin-1", lambda *fields: told)
    assert new == body([told.replace("Ж", "?")])


def test_any_encoding_comes_back_as_it_was() -> None:
    before = body([*OURS, LAST, "été"], codec="latin-1", D="ça")
    after = body([REMOTE, "été"], codec="latin-1", D="ça")
    assert rewritten(before, "latin-1", lambda *fields: REMOTE) == after
    # What is in no encoding at all, too.
    damaged = body([LAST, "X"]).replace(b"X\0", b"\xff\xfe\0")
    assert rewritten(damaged, "utf-8", own) == body(["X"]).replace(b"X\0", b"\xff\xfe\0")


lines = st.sampled_from([*OURS, LAST, *THEIRS]) | st.text(max_size=20).map(
    lambda t: t.replace("\0", "").replace("\n", "")
)


@given(st.lists(lines, max_size=8))
def test_only_lines_of_ours_are_taken_out(context: list[str]) -> None:
    before = body(context)
    after = rewritten(before, "utf-8", nobody)
    if after is None:
        assert LAST not in context
        return
    kept = after.split(b"\0W")[1].split(b"\0")[0].decode().split("\n") if b"\0W" in after else []
    last = context.index(LAST)
    assert kept[len(kept) - len(context[last + 1 :]) :] == context[last + 1 :]
    first = kept[: len(kept) - len(context[last + 1 :])]
    assert first == context[: len(first)]
    assert not any("dblink_gateway" in line for line in first)


@given(st.binary(max_size=200))
def test_nothing_raises(data: bytes) -> None:
    assert concerns(data) is (b"dblink" in data)
    rewritten(data, "utf-8", own)
