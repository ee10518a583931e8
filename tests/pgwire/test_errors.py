import ast
import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire import errors, sqlstates

FIELDS = {
    "S": "FEHLER",
    "V": "ERROR",
    "C": "23505",
    "M": "duplicate key",
    "D": "Key (a)=(1) already exists.",
    "H": "Use another.",
    "P": "8",
    "W": "PL/pgSQL function f() line 3",
    "s": "public",
    "t": "t",
    "c": "a",
    "d": "integer",
    "n": "t_pkey",
    "F": "nbtinsert.c",
    "L": "664",
    "R": "_bt_check_unique",
    "?": "unknown fields are ignored",
}


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("28P01", sqlstates.InvalidPassword),
        ("42P01", sqlstates.UndefinedTable),
        ("57014", sqlstates.QueryCanceled),
        ("XX000", sqlstates.InternalError_),
        ("23ZZZ", errors.IntegrityError),
        ("21ZZZ", errors.DataError),
        ("ZZ000", errors.DatabaseError),
        ("", errors.DatabaseError),
    ],
)
def test_error_class(sqlstate: str, expected: type[errors.DatabaseError]) -> None:
    assert errors.error_class(sqlstate) is expected


def test_every_class_knows_its_sqlstate_and_pep249_class() -> None:
    assert len(sqlstates.SQLSTATES) > 220
    for sqlstate, cls in sqlstates.SQLSTATES.items():
        assert cls("x").sqlstate == cls("x").diagnostics.sqlstate == sqlstate
        assert issubclass(cls, sqlstates.SQLSTATE_CLASSES[sqlstate[:2]])
        assert cls.__base__ is sqlstates.SQLSTATE_CLASSES[sqlstate[:2]]


def test_the_classes_are_made_once_and_look_like_any_other() -> None:
    found = sqlstates.UniqueViolation
    assert found is sqlstates.SQLSTATES["23505"] is errors.error_class("23505")
    assert (found.__module__, found.__qualname__) == ("pgwire.sqlstates", "UniqueViolation")
    assert found.__doc__ == "23505: unique_violation."
    assert "UniqueViolation" in dir(sqlstates) and len(dir(sqlstates)) == len(set(dir(sqlstates)))
    assert "23ZZZ" not in sqlstates.SQLSTATES
    with pytest.raises(AttributeError, match=r"'pgwire\.sqlstates' has no attribute 'Unique'"):
        sqlstates.Unique  # type: ignore[attr-defined]  # noqa: B018


def test_threads_agree_on_a_class() -> None:
    code = """
import sys, threading
from pgwire import sqlstates
sys.setswitchinterval(1e-6)
names = [name for name in dir(sqlstates) if name[0].isupper() and not name.isupper()]
found = []
start = threading.Barrier(4)
def look():
    start.wait()
    found.append([getattr(sqlstates, name) for name in names])
threads = [threading.Thread(target=look) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(names) > 220 and all(one == found[0] for one in found) and len(found) == 4
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_stub_declares_what_there_is() -> None:
    stub = ast.parse(Path(sqlstates.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    declared = {
        node.name: (ast.unparse(node.bases[0]), ast.get_docstring(node))
        for node in stub.body
        if isinstance(node, ast.ClassDef)
    }
    assert declared == {
        cls.__name__: (cls.__mro__[1].__name__, cls.__doc__) for cls in sqlstates.SQLSTATES.values()
    }


def test_an_error_offers_what_the_server_said() -> None:
    diagnostics = errors.Diagnostics.from_fields(FIELDS)
    error = errors.from_diagnostics(diagnostics)
    assert type(error) is sqlstates.UniqueViolation
    assert isinstance(error, errors.IntegrityError)
    assert error.message == "duplicate key"
    assert (error.severity, diagnostics.localized_severity) == ("ERROR", "FEHLER")
    assert (error.detail, error.hint) == ("Key (a)=(1) already exists.", "Use another.")
    assert (error.schema, error.table, error.column) == ("public", "t", "a")
    assert (error.datatype, error.constraint, error.position) == ("integer", "t_pkey", 8)
    assert (diagnostics.file, diagnostics.line) == ("nbtinsert.c", "664")
    assert str(error) == (
        "duplicate key\nDETAIL:  Key (a)=(1) already exists.\nHINT:  Use another.\n"
        "CONTEXT:  PL/pgSQL function f() line 3"
    )


def test_an_unknown_sqlstate_stays_on_the_error() -> None:
    error = errors.from_diagnostics(errors.Diagnostics(message="m", sqlstate="42ZZZ"))
    assert type(error) is errors.ProgrammingError
    assert error.sqlstate == "42ZZZ"


def test_an_error_without_any_field_is_still_one() -> None:
    error = errors.from_diagnostics(errors.Diagnostics.from_fields({}))
    assert type(error) is errors.DatabaseError
    assert (error.sqlstate, str(error)) == (None, "")
    assert error.diagnostics.render() == ""


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "9" * 5000, "\u0661", "1.5"])
def test_a_position_that_is_none(text: str) -> None:
    assert errors.Diagnostics.from_fields({"P": text}).position is None


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies(way) -> None:  # type: ignore[no-untyped-def]
    for error in (
        errors.from_diagnostics(errors.Diagnostics.from_fields(FIELDS)),
        errors.ProtocolError("broken"),
        errors.DataError("bad", sqlstate="22007", detail="d", hint="h", context="c"),
        errors.InterfaceError(),
    ):
        again = way(error)
        assert type(again) is type(error)
        assert (str(again), again.sqlstate) == (str(error), error.sqlstate)
        assert again.diagnostics == error.diagnostics


def test_defaults() -> None:
    assert errors.ProtocolError("x").sqlstate == "08P01"
    assert errors.ProtocolError("x", sqlstate="08003").sqlstate == "08003"
    assert errors.ProtocolError.sqlstate == "08P01"
    assert errors.InterfaceError("x").sqlstate is None


def test_the_tree_is_pep_249s() -> None:
    for name in ("Data", "Operational", "Integrity", "Internal", "Programming", "NotSupported"):
        assert issubclass(getattr(errors, f"{name}Error"), errors.DatabaseError)
    assert issubclass(errors.DatabaseError, errors.Error)
    assert not issubclass(errors.InterfaceError, errors.DatabaseError)
    assert not issubclass(errors.Warning, errors.Error)


def test_render_is_libpqs_text() -> None:
    diagnostics = errors.Diagnostics.from_fields(FIELDS)
    assert diagnostics.render("select 1/0") == (
        "FEHLER:  duplicate key\n"
        "LINE 1: select 1/0\n"
        "               ^\n"
        "DETAIL:  Key (a)=(1) already exists.\n"
        "HINT:  Use another.\n"
        "CONTEXT:  PL/pgSQL function f() line 3"
    )
    assert diagnostics.render().startswith("FEHLER:  duplicate key at character 8\nDETAIL:")


def test_render_of_an_internal_query() -> None:
    diagnostics = errors.Diagnostics(
        severity="ERROR", message="m", internal_position=3, internal_query="a b", context="c"
    )
    assert diagnostics.render("select f()") == (
        "ERROR:  m\nLINE 1: a b\n          ^\nQUERY:  a b\nCONTEXT:  c"
    )


def test_the_context_of_a_notice_is_not_shown() -> None:
    notice = errors.Diagnostics(severity="NOTICE", message="m", hint="h", context="c")
    assert notice.render() == "NOTICE:  m\nHINT:  h"


@given(
    st.dictionaries(st.sampled_from("SVCMDHPpqWstcdnFLRx"), st.text(max_size=8)),
    st.none() | st.text(max_size=80),
)
def test_no_fields_are_too_odd_to_show(fields: dict[str, str], query: str | None) -> None:
    diagnostics = errors.Diagnostics.from_fields(fields)
    assert diagnostics.render(query).count(fields.get("M", "")) >= 1
    assert str(errors.from_diagnostics(diagnostics)).startswith(fields.get("M", ""))
