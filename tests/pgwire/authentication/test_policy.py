"""require_auth and channel_binding: every demand against every way of asking, as libpq judges."""

from __future__ import annotations

import pytest

from pgwire.protocol.backend import (
    AuthenticationCryptPassword,
    AuthenticationGSS,
    AuthenticationKerberosV5,
    AuthenticationOk,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSCMCredential,
    AuthenticationSSPI,
)
from pgwire.protocol.frontend import SASLInitialResponse, SASLResponse, StartupMessage
from pgwire.protocol.message import Message
from pgwire.testing.logins import cleartext, md5, scram
from pgwire.testing.script import Peer, Script, expect, greeting, login, send
from tests.pgwire.authentication.kit import PASSWORD, ours, theirs
from tests.pgwire.libpq import LibPQ


def asks(message: Message) -> Script:
    return [expect(StartupMessage), send(message)]


SERVERS: dict[str, Script] = {
    "nothing": login(),
    "password": cleartext(PASSWORD),
    "md5": md5(PASSWORD),
    "scram": scram(PASSWORD),
    "gss": asks(AuthenticationGSS()),
    "sspi": asks(AuthenticationSSPI()),
    "oauth": asks(AuthenticationSASL([b"OAUTHBEARER"])),
    "oauth first": scram(PASSWORD, mechanisms=("OAUTHBEARER", "SCRAM-SHA-256")),
    "scram first": scram(PASSWORD, mechanisms=("SCRAM-SHA-256", "OAUTHBEARER")),
    "plus": scram(PASSWORD, mechanisms=("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")),
    "unknown mechanism": asks(AuthenticationSASL([b"GS2-KRB5", b"scram-sha-256"])),
    "no mechanism": asks(AuthenticationSASL([])),
    "kerberos": asks(AuthenticationKerberosV5()),
    "crypt": asks(AuthenticationCryptPassword()),
    "scm": asks(AuthenticationSCMCredential()),
}

DEMANDS = (
    None,
    "none",
    "password",
    "md5",
    "gss",
    "sspi",
    "scram-sha-256",
    "oauth",
    "password,md5",
    "scram-sha-256,none",
    "scram-sha-256,oauth",
    "gss,sspi",
    "!none",
    "!password",
    "!password,!md5",
    "!scram-sha-256",
    "!oauth",
    "!scram-sha-256,!oauth",
    "!gss,!sspi,!none",
)

# A libpq with GSSAPI goes on where ours must stop; the server's next word is then its error.
WITHOUT_GSS = {
    "gss": "GSSAPI authentication not supported",
    "sspi": "SSPI authentication not supported",
}


@pytest.mark.parametrize("demand", DEMANDS)
@pytest.mark.parametrize("name", SERVERS)
def test_every_demand(libpq18: LibPQ, name: str, demand: str | None) -> None:
    for binding in ("disable", "prefer", "require"):
        options = {"sslmode": "disable", "password": PASSWORD, "channel_binding": binding}
        if demand is not None:
            options["require_auth"] = demand
        expected = theirs(libpq18, SERVERS[name], **options)
        if name in WITHOUT_GSS and not expected.startswith(("authentication method", "channel")):
            expected = WITHOUT_GSS[name]
        assert ours(SERVERS[name], **options) == expected, binding


def test_the_table_has_both_outcomes() -> None:
    options = {"sslmode": "disable", "password": PASSWORD}
    assert ours(SERVERS["scram"], **options, require_auth="scram-sha-256") == ""
    assert ours(SERVERS["scram"], **options, require_auth="md5") == (
        'authentication method requirement "md5" failed: server requested SASL authentication'
    )


@pytest.mark.parametrize(
    "demand", ["x", "md5,", "!md5,password", "password,!md5", "md5,md5", "!md5,!md5", "!!md5"]
)
def test_what_is_no_demand(libpq18: LibPQ, demand: str) -> None:
    message = ours(login(), require_auth=demand)
    assert message == theirs(libpq18, login(), require_auth=demand)
    assert message


def challenge(peer: Peer) -> None:
    """A good server-first message."""
    (first,) = [m for m in peer.received if isinstance(m, SASLInitialResponse)]
    nonce = (first.data or b"").partition(b"r=")[2]
    peer.send(AuthenticationSASLContinue(b"r=" + nonce + b"abc,s=c2FsdHNhbHRzYWx0,i=4096"))


SASL = [
    expect(StartupMessage),
    send(AuthenticationSASL([b"SCRAM-SHA-256"])),
    expect(SASLInitialResponse),
]
UNPROVED: dict[str, Script] = {
    "Ok instead of the challenge": [*SASL, greeting()],
    "Ok instead of the server's proof": [*SASL, challenge, expect(SASLResponse), greeting()],
}


@pytest.mark.parametrize("demand", [None, "scram-sha-256,none"])
@pytest.mark.parametrize("name", UNPROVED)
def test_a_server_that_proves_nothing(libpq18: LibPQ, name: str, demand: str | None) -> None:
    """The one deliberate difference: libpq lets the session begin."""
    options = {"sslmode": "disable", "password": PASSWORD}
    if demand is not None:
        options["require_auth"] = demand
    assert theirs(libpq18, UNPROVED[name], **options) == ""
    assert ours(UNPROVED[name], **options) == (
        "server sent AuthenticationOk in the middle of SCRAM authentication: it has not proved "
        "that it knows the password"
    )


@pytest.mark.parametrize("name", ["nothing", "password", "md5", "scram", "oauth", "plus"])
def test_no_password(libpq18: LibPQ, name: str) -> None:
    script = SERVERS[name]
    assert ours(script, sslmode="disable") == theirs(libpq18, script, sslmode="disable")


def test_ok_without_a_question_satisfies_no_method() -> None:
    for demand in ("md5", "!none"):
        assert ours([expect(StartupMessage), send(AuthenticationOk())], require_auth=demand) == (
            f'authentication method requirement "{demand}" failed: server did not complete '
            "authentication"
        )
