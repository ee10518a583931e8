"""I2 and I3: what cannot be sent is refused before it exists."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire import errors
from pgwire.protocol import backend, frontend, writer
from pgwire.protocol.constants import LARGE_MESSAGE_LIMIT, SMALL_MESSAGE_LIMIT
from pgwire.protocol.message import Message

NUL = b"a\0b"

WITH_NUL: dict[str, Callable[[], Message]] = {
    "query": lambda: frontend.Query(NUL),
    "statement": lambda: frontend.Parse(NUL, b""),
    "prepared query": lambda: frontend.Parse(b"", NUL),
    "portal": lambda: frontend.Bind(NUL, b"", (), (), ()),
    "bound statement": lambda: frontend.Bind(b"", NUL, (), (), ()),
    "described": lambda: frontend.Describe(b"S", NUL),
    "executed": lambda: frontend.Execute(NUL),
    "closed": lambda: frontend.Close(b"P", NUL),
    "password": lambda: frontend.PasswordMessage(NUL),
    "mechanism": lambda: frontend.SASLInitialResponse(NUL),
    "reason": lambda: frontend.CopyFail(NUL),
    "startup name": lambda: frontend.StartupMessage({NUL: b"x"}),
    "startup value": lambda: frontend.StartupMessage({b"application_name": b"x\0user\0admin"}),
    "tag": lambda: backend.CommandComplete(NUL),
    "error field": lambda: backend.ErrorResponse({"M": NUL}),
    "column": lambda: backend.RowDescription([backend.FieldDescription(NUL)]),
    "setting": lambda: backend.ParameterStatus(b"a", NUL),
    "payload": lambda: backend.NotificationResponse(1, b"a", NUL),
    "offered": lambda: backend.AuthenticationSASL((NUL,)),
    "unrecognized": lambda: backend.NegotiateProtocolVersion(3 << 16, (NUL,)),
}


@pytest.mark.parametrize("make", WITH_NUL.values(), ids=WITH_NUL)
def test_nul_in_a_string(make: Callable[[], Message]) -> None:
    with pytest.raises(errors.DataError, match="contains a NUL byte") as caught:
        make().encode()
    assert caught.value.sqlstate == "22021"


def test_the_error_names_the_startup_parameter_and_not_the_password() -> None:
    with pytest.raises(errors.DataError, match='startup parameter "application_name"'):
        frontend.StartupMessage({b"application_name": NUL}).encode()
    with pytest.raises(errors.DataError) as caught:
        frontend.PasswordMessage(b"hunter2\0").encode()
    assert "hunter2" not in str(caught.value)


BAD_NUMBERS: dict[str, tuple[Callable[[], Message], str]] = {
    "65536 parameters": (
        lambda: frontend.Bind(b"", b"", (), (b"",) * 65_536, ()),
        "number of parameters must be between 0 and 65535, not 65536",
    ),
    "65536 types": (lambda: frontend.Parse(b"", b"", (0,) * 65_536), "number of parameters must"),
    "65536 formats": (
        lambda: frontend.Bind(b"", b"", (0,) * 65_536, (), ()),
        "number of formats of parameters must",
    ),
    "65536 result formats": (
        lambda: frontend.Bind(b"", b"", (), (), (0,) * 65_536),
        "number of result formats must",
    ),
    "65536 arguments": (
        lambda: frontend.FunctionCall(1, (), (b"",) * 65_536),
        "number of arguments must",
    ),
    "65536 columns": (lambda: backend.DataRow((None,) * 65_536), "number of columns must"),
    "format": (lambda: frontend.Bind(b"", b"", (65_536,), (), ()), "format of parameters must"),
    "negative OID": (
        lambda: frontend.Parse(b"", b"", (23, -1)),
        "OID of a parameter type must be between 0 and 4294967295, not -1",
    ),
    "OID of 33 bits": (lambda: frontend.Parse(b"", b"", (1 << 32,)), "not 4294967296"),
    "row limit": (lambda: frontend.Execute(b"", 1 << 31), "row limit of Execute must"),
    "kind": (lambda: frontend.Describe(b"X", b""), 'kind in "D" message'),
    "long kind": (lambda: frontend.Close(b"SP", b""), 'kind in "C" message'),
    "empty startup name": (lambda: frontend.StartupMessage({b"": b"x"}), "empty name"),
    "empty mechanism": (lambda: backend.AuthenticationSASL((b"", b"A")), "empty name"),
    "salt": (lambda: backend.AuthenticationMD5Password(b"12345"), "must have 4 bytes"),
    "status": (lambda: backend.ReadyForQuery(b"X"), "invalid transaction status"),
    "field code": (lambda: backend.ErrorResponse({"MM": b""}), "invalid field code"),
    "field code 0": (lambda: backend.ErrorResponse({"\0": b""}), "invalid field code"),
    "wide field code": (lambda: backend.ErrorResponse({"€": b""}), "invalid field code"),
    "cancel key": (lambda: frontend.CancelRequest(1, b"k" * 257), "must have 1 to 256 bytes"),
    "no cancel key": (lambda: frontend.CancelRequest(1, b""), "must have 1 to 256 bytes"),
}


@pytest.mark.parametrize(("make", "message"), BAD_NUMBERS.values(), ids=BAD_NUMBERS)
def test_numbers_that_their_field_cannot_hold(make: Callable[[], Message], message: str) -> None:
    with pytest.raises(errors.ProgrammingError, match=message):
        make().encode()


def test_sixty_five_thousand_parameters_are_possible() -> None:
    encoded = frontend.Bind(b"", b"", (), (None,) * 65_535, ()).encode()
    assert encoded[9:11] == b"\xff\xff"
    assert len(frontend.Bind.decode(encoded[5:]).parameters) == 65_535


SMALL: dict[str, Callable[[int], Message]] = {
    "Describe": lambda n: frontend.Describe(b"S", b"x" * (n - 2)),
    "Close": lambda n: frontend.Close(b"P", b"x" * (n - 2)),
    "Execute": lambda n: frontend.Execute(b"x" * (n - 5)),
    "CopyFail": lambda n: frontend.CopyFail(b"x" * (n - 1)),
}


@pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)
def test_messages_that_a_server_wants_small(make: Callable[[int], Message]) -> None:
    largest = SMALL_MESSAGE_LIMIT - 4
    assert len(make(largest).encode()) == SMALL_MESSAGE_LIMIT + 1
    with pytest.raises(errors.DataError, match="too long: 10001 bytes, where PostgreSQL takes"):
        make(largest + 1).encode()


def test_password_and_startup_have_bounds_of_their_own() -> None:
    assert len(frontend.PasswordMessage(b"x" * 65_530).encode()) == 65_536
    with pytest.raises(errors.DataError, match="65536 bytes, where PostgreSQL takes 65535"):
        frontend.PasswordMessage(b"x" * 65_531).encode()
    with pytest.raises(errors.DataError, match="65536 bytes, where PostgreSQL takes 65535"):
        frontend.SASLResponse(b"x" * 65_532).encode()
    fitting = frontend.StartupMessage({b"a": b"x" * 9_992})
    assert frontend.decode_first_packet(fitting.encode()[4:]) == fitting
    with pytest.raises(errors.DataError, match="StartupMessage is too long"):
        frontend.StartupMessage({b"a": b"x" * 9_993}).encode()


def test_a_reply_that_would_lose_the_client_is_refused() -> None:
    backend.CommandComplete(b"x" * 29_995).encode()
    with pytest.raises(errors.DataError, match="30001 bytes, where PostgreSQL takes 30000"):
        backend.CommandComplete(b"x" * 29_996).encode()
    backend.NoticeResponse({"M": b"x" * 100_000}).encode()


@pytest.fixture(scope="module")
def gigabyte() -> Iterator[mmap.mmap]:
    """Two gibibytes that take no memory unless somebody touches them."""
    with mmap.mmap(-1, (1 << 31) + 16) as sparse:
        yield sparse


def test_values_beyond_the_limit_are_refused_untouched(gigabyte: Any) -> None:
    view: Any
    with memoryview(gigabyte) as view:
        for make in (
            lambda: frontend.Bind(b"", b"", (), (b"ok", view), ()),
            lambda: frontend.Query(view),
            lambda: frontend.CopyData(view),
            lambda: frontend.Parse(b"", view),
            lambda: frontend.FunctionCall(1, (), (view,)),
            lambda: backend.DataRow((view,)),
        ):
            with pytest.raises(errors.DataError, match="too long: 2147483664 bytes") as caught:
                make().encode()
            assert caught.value.sqlstate == "54000"
    with pytest.raises(errors.DataError, match="value 2 of parameters is too long"):
        frontend.Bind(b"", b"", (), (b"", gigabyte), ()).encode()


def test_values_that_fit_one_by_one_but_not_together(monkeypatch: pytest.MonkeyPatch) -> None:
    assert frontend.Bind.limit == LARGE_MESSAGE_LIMIT == (1 << 30) - 2
    monkeypatch.setattr(frontend.Bind, "limit", 1000)
    assert frontend.Bind(b"", b"", (), (b"x" * 491, b"y" * 489), ()).encode()[1:5] == b"\0\0\3\xe8"
    with pytest.raises(errors.DataError, match=r"Bind.* too long: 1001 bytes"):
        frontend.Bind(b"", b"", (), (b"x" * 491, b"y" * 490), ()).encode()


class Liar(bytes):
    """Says that it is short, and that it has no NUL; what goes out is what it really holds."""

    def __len__(self) -> int:
        return 1

    def __contains__(self, item: object) -> bool:
        return False

    def __bytes__(self) -> bytes:
        return b"x"

    def __add__(self, other: object) -> bytes:
        return b"x"


@given(st.binary(min_size=2, max_size=50))
def test_lengths_are_those_of_the_bytes_that_go_out(truth: bytes) -> None:
    lie = Liar(truth)
    assert frontend.CopyData(lie).encode() == frontend.CopyData(truth).encode()
    assert backend.DataRow((lie,)).encode() == backend.DataRow((truth,)).encode()
    honest = frontend.Bind(b"", b"", (), (truth, None), ())
    assert frontend.Bind(b"", b"", (), (lie, None), ()).encode() == honest.encode()
    assert (
        frontend.SASLInitialResponse(b"A", lie).encode()
        == frontend.SASLInitialResponse(b"A", truth).encode()
    )
    if b"\0" in truth:
        with pytest.raises(errors.DataError):
            frontend.Query(lie).encode()
    else:
        assert frontend.Query(lie).encode() == frontend.Query(truth).encode()


def test_bytes_of_every_kind() -> None:
    encoded = frontend.Query(b"select").encode()
    assert frontend.Query(bytearray(b"select")).encode() == encoded  # type: ignore[arg-type]
    assert frontend.Query(memoryview(b"_select_")[1:-1]).encode() == encoded  # type: ignore[arg-type]
    assert writer.plain(memoryview(b"abcdef")[::2], "x") == b"ace"
    with pytest.raises(TypeError):
        frontend.Query("select").encode()  # type: ignore[arg-type]
