"""The argument `secure`: what it demands, and that nothing weakens it."""

from __future__ import annotations

from pathlib import Path

import pytest

import pgwire
from pgwire.conninfo import resolve
from pgwire.conninfo.preset import SECURE
from pgwire.errors import ConninfoError
from pgwire.protocol.frontend import SSLRequest
from pgwire.testing.script import ScriptedServer, close, expect, login, send


def test_what_it_demands() -> None:
    settings = resolve("host=h", secure=True, environ={})
    assert {keyword: settings[keyword] for keyword in SECURE} == {
        "sslmode": "verify-full",
        "channel_binding": "require",
        "require_auth": "scram-sha-256",
    }


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        *[("sslmode", mode) for mode in ("disable", "allow", "prefer", "require", "verify-ca")],
        ("channel_binding", "disable"),
        ("channel_binding", "prefer"),
        ("require_auth", "scram-sha-256,md5"),
        ("require_auth", "!password"),
        ("require_auth", "none"),
        ("require_auth", "oauth"),
    ],
)
def test_what_says_otherwise_is_refused_by_name(keyword: str, value: str) -> None:
    message = f'^{keyword} "{value}" may not be used with secure=True'
    with pytest.raises(ConninfoError, match=message):
        pgwire.connect("host=h", secure=True, environ={}, **{keyword: value})
    with pytest.raises(ConninfoError, match=message):
        pgwire.connect(f"host=h {keyword}={value}", secure=True, environ={})
    # In a URI it is no other.
    with pytest.raises(ConninfoError, match=message):
        pgwire.connect(f"postgresql://h?{keyword}={value}", secure=True, environ={})


def test_what_says_the_same_is_not() -> None:
    settings = resolve("host=h sslmode=verify-full", dict(SECURE), secure=True, environ={})
    assert settings["sslmode"] == "verify-full"


def test_the_environment_cannot_weaken_it(tmp_path: Path) -> None:
    services = tmp_path / "services"
    services.write_text("[s]\nsslmode=disable\nrequire_auth=none\nchannel_binding=disable\n")
    environ = {
        "PGSSLMODE": "disable",
        "PGREQUIREAUTH": "none",
        "PGCHANNELBINDING": "disable",
        "PGSERVICEFILE": str(services),
    }
    for conninfo in ("host=h", "host=h service=s"):
        settings = resolve(conninfo, secure=True, environ=environ)
        assert {keyword: settings[keyword] for keyword in SECURE} == SECURE


def test_a_server_without_tls(tmp_path: Path) -> None:
    with (
        ScriptedServer([expect(SSLRequest), send(b"N"), close()]) as server,
        pytest.raises(pgwire.OperationalError, match="SSL was required"),
    ):
        pgwire.connect(server.conninfo(), secure=True, environ={"HOME": str(tmp_path)})


def test_a_unix_socket_has_no_tls() -> None:
    with (
        ScriptedServer(login(), unix=True) as server,
        pytest.raises(pgwire.OperationalError, match="did not complete authentication"),
    ):
        pgwire.connect(server.conninfo(), secure=True, environ={})


def test_without_it_nothing_changes() -> None:
    settings = resolve("host=h", environ={})
    assert (settings["sslmode"], settings["channel_binding"]) == ("prefer", "prefer")
    assert "require_auth" not in settings
