from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink.functions import FUNCTIONS, UNDOCUMENTED, bind
from dblink.session import Session
from pgwire import sqlstates

# What a value of each SQL type may be, and what it may not.
EXAMPLES: dict[str, tuple[object, object]] = {
    "text": ("t", 1),
    "boolean": (False, 0),
    "integer": (7, True),
    "int2vector": ("1 2", 3),
    "text[]": (["a", None], "a"),
}

OVERLOADS = [
    pytest.param(function, overload, id=f"{function.name}({overload!r})")
    for function in FUNCTIONS.values()
    for overload in function.overloads
]


@pytest.mark.parametrize(("function", "overload"), OVERLOADS)
def test_every_overload_is_found_and_its_arguments_get_their_meaning(function, overload) -> None:
    args = [EXAMPLES[sql_type][0] for sql_type in overload.arguments.values()]
    bound = bind(function.name, args)
    assert bound is not None
    flag = bound.pop("fail_on_error")
    expected = dict(zip(overload.arguments, args, strict=True))
    assert flag is expected.pop("fail_on_error", True)
    assert bound == expected


@pytest.mark.parametrize(("function", "overload"), OVERLOADS)
def test_the_flag_may_be_a_keyword(function, overload) -> None:
    if "fail_on_error" not in overload.arguments:
        return
    args = [EXAMPLES[t][0] for n, t in overload.arguments.items() if n != "fail_on_error"]
    for flag in (True, False):
        assert bind(function.name, args, flag) == bind(function.name, [*args, flag])
    with pytest.raises(sqlstates.UndefinedFunction):
        bind(function.name, [*args, True], True)


@pytest.mark.parametrize(("function", "overload"), OVERLOADS)
def test_a_null_argument_means_that_nothing_is_done(function, overload) -> None:
    args = [EXAMPLES[sql_type][0] for sql_type in overload.arguments.values()]
    for position in range(len(args)):
        with_null = [*args]
        with_null[position] = None
        assert bind(function.name, with_null) is None


@pytest.mark.parametrize(("function", "overload"), OVERLOADS)
def test_an_argument_of_another_type_is_refused(function, overload) -> None:
    types = list(overload.arguments.values())
    for position, sql_type in enumerate(types):
        args = [EXAMPLES[t][0] for t in types]
        args[position] = EXAMPLES[sql_type][1]
        with pytest.raises(sqlstates.UndefinedFunction) as caught:
            bind(function.name, args)
        assert caught.value.sqlstate == "42883"
        assert function.name in caught.value.message
        assert caught.value.hint is not None and repr(overload) in caught.value.hint


@pytest.mark.parametrize("name", FUNCTIONS)
def test_too_many_arguments(name: str) -> None:
    with pytest.raises(sqlstates.UndefinedFunction):
        bind(name, ["x"] * 9)


def test_a_flag_where_there_is_none() -> None:
    with pytest.raises(sqlstates.UndefinedFunction) as caught:
        bind("dblink_is_busy", ["c"], True)
    assert caught.value.message == ("function dblink_is_busy(text, fail => boolean) does not exist")


def test_an_integer_is_no_flag_and_a_flag_no_integer() -> None:
    with pytest.raises(sqlstates.UndefinedFunction):
        bind("dblink", ["select 1", 1])
    with pytest.raises(sqlstates.UndefinedFunction):
        bind("dblink_fetch", ["c", True])
    assert bind("dblink_fetch", ["c", 5, False]) == {
        "cursorname": "c",
        "howmany": 5,
        "fail_on_error": False,
    }


def test_a_text_that_looks_like_a_flag_stays_a_text() -> None:
    assert bind("dblink_close", ["c", "false"]) == {
        "connname": "c",
        "cursorname": "false",
        "fail_on_error": True,
    }


values = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.floats())


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(values, max_size=6), st.none() | st.booleans())
def test_any_call_is_bound_or_refused(name: str, args: list[object], fail: bool | None) -> None:
    try:
        bound = bind(name, args, fail)
    except sqlstates.UndefinedFunction:
        return
    if bound is None:
        assert None in args
        return
    names = [n for n in bound if n != "fail_on_error"]
    overloads = [list(o.arguments) for o in FUNCTIONS[name].overloads]
    assert any([n for n in o if n != "fail_on_error"] == names for o in overloads)
    assert isinstance(bound["fail_on_error"], bool)


def test_the_session_has_a_method_for_every_function() -> None:
    for name in FUNCTIONS:
        assert callable(getattr(Session, name))
    assert not [name for name in UNDOCUMENTED if hasattr(Session, name)]


def test_strict_calls_of_the_session_do_nothing() -> None:
    with Session() as session:
        assert session.dblink_connect(None) is None
        assert session.dblink_connect_u("c", None) is None
        assert session.dblink_disconnect(None) is None
        assert session.dblink(None, "select 1").fetchall() == []
        assert session.dblink_exec("c", None) is None
        assert session.dblink_open("c", None) is None
        assert session.dblink_fetch("c", None).fetchall() == []
        assert session.dblink_close(None) is None
        assert session.dblink_get_connections() is None
        assert session.dblink_error_message(None) is None
        assert session.dblink_send_query("c", None) is None
        assert session.dblink_is_busy(None) is None
        assert session.dblink_get_notify(None) == []
        assert session.dblink_get_result("c", None).fetchall() == []
        assert session.dblink_cancel_query(None) is None
        assert session.dblink_get_pkey(None) == []
        assert session.dblink_build_sql_insert("t", "1", 1, None, ["1"]) is None
        assert session.dblink_build_sql_delete("t", None, 1, ["1"]) is None
        assert session.dblink_build_sql_update("t", "1", None, ["1"], ["1"]) is None


def test_a_bad_column_list_is_an_error_even_of_a_strict_call() -> None:
    # As in SQL, where the list is part of the statement's syntax.
    with Session() as session, pytest.raises(sqlstates.SyntaxError):
        session.dblink(None, columns="a")
