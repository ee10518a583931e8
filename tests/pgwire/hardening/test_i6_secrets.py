"""I6: no secret in the repr or text of anything, nor in an error and what it holds on to."""

from __future__ import annotations

import traceback

import pytest

import pgwire
from pgwire import errors
from pgwire.conninfo import resolve
from pgwire.flows.channel import Channel
from pgwire.flows.credentials import Credentials
from pgwire.protocol import backend, frontend
from pgwire.testing.logins import cleartext, fatal, md5, scram
from pgwire.testing.script import Script, ScriptedServer, close, expect, login, send

SECRET = "hunter2-geheim"
KEY = "QUJD" * 10 + "QUI="  # 32 bytes in Base64


def hidden(*shown: object) -> bool:
    text = " ".join(f"{thing!r} {thing!s}" for thing in shown)
    return SECRET not in text and KEY not in text and repr(SECRET.encode()) not in text


def test_messages_hide_what_they_carry() -> None:
    secret = SECRET.encode()
    assert hidden(
        frontend.PasswordMessage(secret),
        frontend.SASLInitialResponse(b"SCRAM-SHA-256", secret),
        frontend.SASLResponse(secret),
        frontend.GSSResponse(secret),
        frontend.CancelRequest(1, secret),
        backend.BackendKeyData(1, secret),
        backend.AuthenticationSASLContinue(secret),
        backend.AuthenticationSASLFinal(secret),
    )


def test_settings_and_credentials_hide_them() -> None:
    settings = resolve(
        "user=u",
        {"password": SECRET, "scram_client_key": KEY, "scram_server_key": KEY},
        environ={},
    )
    assert hidden(settings, *settings.targets, Credentials(b"u", SECRET.encode()))
    channel = Channel()
    channel.secret_key = SECRET.encode()
    assert hidden(channel, channel.state, channel.frames)


@pytest.mark.parametrize("way", [cleartext, md5, scram])
def test_a_session_hides_them(way: type) -> None:
    with (
        ScriptedServer(way(SECRET)) as server,
        pgwire.connect(server.conninfo(password=SECRET)) as connection,
    ):
        assert hidden(
            connection,
            connection.info,
            connection.info.parameters,
            connection._opened,
            connection._transport,
            connection._channel,
            connection.send("SELECT 1"),
            server.peers[0],
            server.peers[0].received,
        )


FAILURES: dict[str, Script] = {
    "refused": send(fatal("no")),
    "cleartext refused": cleartext("another"),
    "md5 refused": md5("another"),
    "scram refused": scram("another"),
    "lost": [expect(frontend.StartupMessage), close()],
    "lost after the password": [
        expect(frontend.StartupMessage),
        send(backend.AuthenticationCleartextPassword()),
        expect(frontend.PasswordMessage),
        close(),
    ],
    "nonsense": [expect(frontend.StartupMessage), send(b"nonsense")],
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failed_login_hides_them(name: str) -> None:
    with ScriptedServer(FAILURES[name]) as server:
        with pytest.raises(errors.Error) as caught:
            pgwire.connect(server.conninfo(), password=SECRET)
        told = "".join(traceback.format_exception(caught.value))
        assert hidden(told, caught.value)
        error: BaseException | None = caught.value
        while error is not None:
            assert hidden(error, error.args, vars(error), getattr(error, "diagnostics", None))
            error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "conninfo",
    [
        f"postgresql://u:{SECRET}@host:port/db",
        f"postgresql://u:{SECRET}@[::1/db",
        f"postgresql://u:{SECRET}@h/db?nonsense=1",
        f"postgresql://u:{SECRET}%zz@h/db",
        f"user=u password={SECRET} nonsense=1",
        f"user=u password='{SECRET}",
        f"user=u password={SECRET} port=x host=127.0.0.1",
    ],
)
def test_a_wrong_connection_string_hides_them(conninfo: str) -> None:
    with pytest.raises(errors.Error) as caught:
        pgwire.connect(conninfo, environ={})
    assert hidden("".join(traceback.format_exception_only(caught.value)), vars(caught.value))


def test_a_nul_in_a_password_is_refused_without_showing_it() -> None:
    with ScriptedServer([login()]) as server:
        with pytest.raises(errors.Error) as caught:
            pgwire.connect(server.conninfo(), password=SECRET + "\0")
        assert hidden(str(caught.value), vars(caught.value))
        pgwire.connect(server.conninfo()).close()  # nothing had been sent
