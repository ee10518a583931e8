"""What comes as a call, however wrong it is, and what goes back."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink.functions import FUNCTIONS
from dblink.gateway import calls
from dblink.gateway.calls import Call, Malformed, Told
from pgwire import errors

N = "0123456789abcdef" * 2
EXEC = {
    "n": N,
    "v": 1,
    "f": "dblink_exec",
    "a": ["c", "SET x.y = 1"],
    "types": None,
    "bell": 1,
    "role": "alice",
    "proof": None,
    "iso": "read committed",
}


def payload(document: object, codec: str = "utf-8") -> bytes:
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    return base64.encodebytes(text.encode(codec))  # in lines, as encode() writes it


def test_a_call_is_read() -> None:
    call = calls.decode(payload(EXEC), "utf-8")
    assert isinstance(call, Call)
    assert (call.number, call.bell, call.role, call.snapshots) == (N, 1, "alice", True)
    assert call.function is FUNCTIONS["dblink_exec"]
    assert call.arguments == ("c", "SET x.y = 1")
    assert not call.declared


@pytest.mark.parametrize("level", ["repeatable read", "serializable", "something new", None])
def test_whoever_does_not_say_that_it_sees_commits_is_taken_not_to(level: str | None) -> None:
    call = calls.decode(payload({**EXEC, "iso": level}), "utf-8")
    assert isinstance(call, Call) and not call.snapshots


def test_the_encoding_is_that_of_the_database() -> None:
    document = {**EXEC, "a": ["c", "SELECT 'ä€'"]}
    call = calls.decode(payload(document, "iso8859-15"), "iso8859-15")
    assert isinstance(call, Call) and call.arguments[1] == "SELECT 'ä€'"


def test_declared_columns_are_read() -> None:
    types = [["integer", 23], ['"We ird".t', 4_000_000_000]]
    document = {**EXEC, "f": "dblink", "types": types}
    call = calls.decode(payload(document), "utf-8")
    assert isinstance(call, Call) and call.declared
    assert call.types == (("integer", 23), ('"We ird".t', 4_000_000_000))


def test_rows_that_were_asked_for_are_texts_of_records_or_lists() -> None:
    document = {"n": N, "v": 1, "rows": ['(1,"a ""b""",,"")', ["x", None]], "bell": None}
    told = calls.decode(payload(document), "utf-8")
    assert isinstance(told, Told)
    assert told.rows == [("1", 'a "b"', None, ""), ("x", None)]


WRONG = {
    "another version": {"v": 2},
    "an unknown function": {"f": "pg_read_file"},
    "a method of the session that is no function": {"f": "close", "a": []},
    "no function": {"f": None},
    "too few arguments": {"a": []},
    "too many arguments": {"a": ["a", "b", True, "c"]},
    "a number for a text": {"a": ["c", 1]},
    "NULL, which a strict function never gets": {"a": ["c", None]},
    "a zero character": {"a": ["c", "a\0b"]},
    "half a character": {"a": ["c", "\ud800"]},
    "arguments that are no list": {"a": {"0": "c"}},
    "a bell that there is not": {"bell": 2},
    "a bell that is no number": {"bell": True},
    "no role": {"role": None},
    "a proof that is none": {"proof": N},
    "too many parts": {"a": ["c", []] + [[]] * 700_000},
    "rows that are no list": {"rows": 1},
    "a row that is no record": {"rows": ["(1"]},
    "no columns declared": {"f": "dblink"},
    "too many columns": {"f": "dblink", "types": [["text", 25]] * 2000},
    "an OID out of range": {"f": "dblink", "types": [["text", -1]]},
    "an OID that is none": {"f": "dblink", "types": [["text", "25"]]},
    "an integer out of range": {"f": "dblink_fetch", "a": ["c", 2**31], "types": [["text", 25]]},
    "an array with an object in it": {
        "f": "dblink_build_sql_delete",
        "a": ["t", "1", 1, [{"a": "b"}]],
    },
    "an array too deep": {"f": "dblink_build_sql_delete", "a": ["t", "1", 1, [[[[[[["x"]]]]]]]]},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_what_is_no_call_is_refused_and_can_be_told(changes: dict[str, object]) -> None:
    document = json.dumps({**EXEC, **changes})
    with pytest.raises(Malformed) as info:
        calls.decode(payload(document), "utf-8")
    assert info.value.number == N


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"not base64!",
        b"AAAA",
        payload("[]"),
        payload("[" * 100_000),
        payload('{"n": ' * 5_000),
        payload({**EXEC, "n": "short"}),
        payload({**EXEC, "n": N.upper()}),
        payload("1" * 10_000),
        base64.b64encode(b"\xff\xfe"),
    ],
    ids=lambda sent: repr(sent[:16]),
)
def test_what_has_no_number_is_refused(sent: bytes) -> None:
    with pytest.raises(Malformed) as info:
        calls.decode(sent, "utf-8")
    assert info.value.number is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*EXEC, "rows"]), JSON))
def test_nothing_else_is_raised(changes: dict[str, object]) -> None:
    document = json.dumps({**EXEC, **changes})
    try:
        message = calls.decode(payload(document), "utf-8")
    except Malformed:
        return
    assert isinstance(message, Call | Told)


@given(st.binary())
def test_nothing_else_is_raised_of_bytes(sent: bytes) -> None:
    with pytest.raises(Malformed):
        calls.decode(sent, "utf-8")


@given(st.integers(0, 4096))
def test_the_number_is_found_in_the_beginning(length: int) -> None:
    beginning = payload({**EXEC, "a": ["c", "x" * 5000]})[:length]
    found = calls.number_in(beginning)
    assert found == (N if length >= 60 else None) or 40 < length < 60


def test_answers() -> None:
    notice = errors.Diagnostics(message="told", severity="NOTICE", sqlstate="00000")
    assert json.loads(calls.answer(calls.value("OK"), [notice])) == {
        "value": "OK",
        "notices": [{"sqlstate": "00000", "message": "told", "detail": None, "hint": None}],
    }
    assert calls.value(["a", 'b"c', "NULL", "", "d,e"]) == {"value": '{a,"b\\"c","NULL","","d,e"}'}
    assert calls.value(None) == {"value": None}
    assert calls.rows([(1, "a", None)]) == {"rows": [["1", "a", None]]}


@pytest.mark.parametrize("sqlstate", [None, "", "42P0", "42p01", "ÄÖÜ00"])
def test_an_error_always_has_a_sqlstate(sqlstate: str | None) -> None:
    error = errors.Diagnostics(message="\ud800", sqlstate=sqlstate)
    told = json.loads(calls.answer(calls.failure(error)))["error"]
    assert told["sqlstate"] == "XX000"
    assert told["message"] == "?"
