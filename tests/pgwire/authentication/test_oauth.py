"""OAUTHBEARER on the wire, with the real libpq as the judge.

The servers here follow scripts: a real one lets nobody in by OAuth without a validator module,
which PostgreSQL does not bring along. libpq gets the same token through its own hook.
"""

from __future__ import annotations

import json
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pgwire
from pgwire import errors
from pgwire.flows.oauth import OAuthClient, TokenRequest
from pgwire.protocol.backend import (
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
)
from pgwire.protocol.frontend import SASLInitialResponse, SASLResponse, StartupMessage
from pgwire.protocol.oauthbearer import issuer_of, read_refusal
from pgwire.testing.logins import fatal
from pgwire.testing.script import Script, ScriptedServer, close, expect, greeting, send
from tests.pgwire.authentication.kit import (
    ours,
    sasl_data,
    theirs,
    words,
)
from tests.pgwire.libpq import LibPQ

ISSUER = "https://issuer.example"
URI = f"{ISSUER}/.well-known/openid-configuration"
TOKEN = "geheim-secret.token~1=="
OPTIONS = {"oauth_issuer": ISSUER, "oauth_client_id": "client", "sslmode": "disable"}

ASK = [expect(StartupMessage), send(AuthenticationSASL([b"OAUTHBEARER"]))]
LET_IN: Script = [*ASK, expect(SASLInitialResponse), greeting()]
FAILED = fatal("OAuth bearer authentication failed", "28000")
END = (send(FAILED), close())


def refuse(refusal: dict[str, object] | bytes, *then: Script) -> Script:
    """A server that refuses what it is shown."""
    data = refusal if isinstance(refusal, bytes) else json.dumps(refusal).encode()
    answer = send(AuthenticationSASLContinue(data))
    return [*ASK, expect(SASLInitialResponse), answer, expect(SASLResponse), *(then or END)]


def says(**fields: object) -> dict[str, object]:
    return {"status": "invalid_token", "openid-configuration": URI, "scope": "openid", **fields}


class Issuer:
    """Gives a token, and remembers who has asked."""

    def __init__(self, token: object = TOKEN) -> None:
        self.token = token
        self.requests: list[TokenRequest] = []

    def __call__(self, request: TokenRequest) -> object:
        self.requests.append(request)
        return self.token


CONVERSATIONS: dict[str, tuple[list[Script], dict[str, str]]] = {
    "let in": ([refuse(says()), LET_IN], {}),
    "let in by require_auth": ([refuse(says()), LET_IN], {"require_auth": "oauth"}),
    "no scope": ([refuse(says(scope="")), LET_IN], {}),
    "own scope": ([refuse(says()), LET_IN], {"oauth_scope": "mine"}),
    "issuer with a path": (
        [
            refuse(
                says(**{"openid-configuration": f"{ISSUER}/.well-known/openid-configuration/a"})
            ),
            LET_IN,
        ],
        {"oauth_issuer": f"{ISSUER}/a"},
    ),
    "the other document": (
        [
            refuse(
                says(**{"openid-configuration": f"{ISSUER}/.well-known/oauth-authorization-server"})
            ),
            LET_IN,
        ],
        {},
    ),
    "the token is refused": ([refuse(says()), refuse(says())], {}),
    "another document for the token": (
        [
            refuse(says()),
            refuse(
                says(**{"openid-configuration": f"{ISSUER}/.well-known/oauth-authorization-server"})
            ),
        ],
        {},
    ),
    "refused twice": (
        [refuse(says()), refuse(says(), send(AuthenticationSASLContinue(b"")))],
        {},
    ),
    "more than was asked for": (
        [refuse(says()), [*ASK, expect(SASLInitialResponse), send(AuthenticationSASLFinal(b"x"))]],
        {},
    ),
    "let in without a token": ([LET_IN], {}),
    "let in without a token, by require_auth": ([LET_IN], {"require_auth": "oauth"}),
    "let in without a token, though": ([LET_IN], {"require_auth": "oauth,none"}),
    "gone": ([refuse(says()), [*ASK, close()]], {}),
    "gone at once": ([[*ASK, close()]], {}),
    "an error at once": ([[*ASK, expect(SASLInitialResponse), send(FAILED), close()]], {}),
    "no issuer": ([ASK], {"oauth_issuer": ""}),
    "no client": ([ASK], {"oauth_client_id": ""}),
    "document of another": (
        [ASK],
        {"oauth_issuer": "http://issuer.example/.well-known/openid-configuration"},
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversations(libpq18: LibPQ, name: str) -> None:
    scripts, more = CONVERSATIONS[name]
    # An option that libpq finds empty is one that was given.
    options = {key: value for key, value in {**OPTIONS, **more}.items() if value}
    issuer = Issuer()
    message = ours(*scripts, oauth_token=issuer, **options)
    with libpq18.bearer_token(TOKEN) as asked:
        assert message == theirs(libpq18, *scripts, **options)
    assert [(r.openid_configuration, r.scope) for r in issuer.requests] == asked


U = "openid-configuration"
REFUSALS: dict[str, dict[str, object] | bytes] = {
    "nothing": b"{}",
    "an array": b"[]",
    "a text": b'"x"',
    "a number": b"1",
    "another status": says(status="insufficient_scope"),
    "no status": {U: URI},
    "no document": {"status": "invalid_token"},
    "status is a number": says(status=1),
    "status is null": says(status=None),
    "status is an object": says(status={"a": 1}),
    "status is an array": says(status=["invalid_token"]),
    "document is a number": says(**{U: 1}),
    "scope is a number": says(scope=1),
    "twice": b'{"status":"invalid_token","status":"invalid_token"}',
    "status elsewhere": {"x": {"status": 1}, "status": "q"},
    "other fields twice": b'{"x":1,"x":2,"status":"q"}',
    "8 levels": b'{"a":' * 8 + b"1" + b"}" * 8,
    "9 levels": b'{"a":' * 9 + b"1" + b"}" * 9,
    "8 levels, arrays": b'{"a":' + b"[" * 7 + b"]" * 7 + b"}",
    "9 levels, arrays": b'{"a":' + b"[" * 8 + b"]" * 8 + b"}",
    "900 levels": b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
    "not UTF-8": b'{"status":"\xff"}',
    "a null": b'{"status":"\0"}',
    "http": says(**{U: URI.replace("https", "http")}),
    "capitals": says(**{U: URI.replace("https", "HTTPS")}),
    "a query": says(**{U: URI + "?x"}),
    "a fragment": says(**{U: URI + "#"}),
    "a hidden document": says(**{U: ISSUER + "/?/.well-known/openid-configuration"}),
    "a path behind": says(**{U: URI + "/x"}),
    "a slash behind": says(**{U: URI + "/"}),
    "no document's place": says(**{U: ISSUER + "/"}),
    "another suffix": says(**{U: URI + "-bad"}),
    "no suffix": says(**{U: ISSUER + "/.well-known/"}),
    "another issuer": says(**{U: URI.replace("issuer", "rogue")}),
    "in the middle": says(**{U: ISSUER + "/a/.well-known/openid-configuration/b"}),
    "at the end": says(**{U: ISSUER + "/a/.well-known/openid-configuration"}),
    "two of them": says(**{U: URI + "/.well-known/openid-configuration"}),
    "empty": says(**{U: ""}),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(libpq18: LibPQ, name: str) -> None:
    script = refuse(REFUSALS[name])
    issuer = Issuer()
    message = ours(script, oauth_token=issuer, **OPTIONS)
    with libpq18.bearer_token(TOKEN) as asked:
        assert message == theirs(libpq18, script, **OPTIONS)
    assert message
    assert not issuer.requests
    assert not asked


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"status":"a","x":NaN}', b'{"status":"\x1b[31m"}', b"{'a':1}", b"{} {}"]
)
def test_what_is_no_json(libpq18: LibPQ, data: bytes) -> None:
    """Two readers of JSON, each with its own words for what it cannot read."""
    prefix = "failed to parse server's error response: "
    assert theirs(libpq18, refuse(data), **OPTIONS).startswith(prefix)
    message = ours(refuse(data), oauth_token=Issuer(), **OPTIONS)
    assert message.startswith(prefix)
    assert message.isprintable()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read_refusal(data)
    except errors.ProtocolError as error:
        assert error.message


@given(st.text("ahtps:/.-?#wenlkouidcfgrz", max_size=30), st.sampled_from(["", URI, ISSUER]))
def test_an_issuer_and_its_document_belong_together(text: str, front: str) -> None:
    try:
        issuer = issuer_of(front + text)
    except errors.OperationalError:
        return
    assert issuer.lower().startswith("https://")
    assert "?" not in issuer
    assert "#" not in issuer


def test_what_goes_over_the_wire() -> None:
    scripts = [refuse(says()), LET_IN]
    with ScriptedServer(*scripts) as server:
        conninfo = server.conninfo(oauth_client_secret="geheim", **OPTIONS)
        issuer = Issuer()
        pgwire.connect(conninfo, environ={}, oauth_token=issuer).close()  # type: ignore[arg-type]
        first, second = server.peers
        assert sasl_data(first) == [b"n,,\x01auth=\x01\x01"]
        assert first.received[-1].data == b"\x01"  # type: ignore[attr-defined]
        assert sasl_data(second) == [b"n,,\x01auth=Bearer " + TOKEN.encode() + b"\x01\x01"]
    (request,) = issuer.requests
    assert request.issuer == ISSUER
    assert request.openid_configuration == URI
    assert request.client_id == "client"
    assert request.client_secret == "geheim"
    assert request.scope == "openid"
    assert "geheim" not in repr(request)


def test_a_known_document_is_not_asked_for(libpq18: LibPQ) -> None:
    """libpq then shows the token on its first connection, if its hook has one at once; ours never
    lets a server wait for somebody who issues tokens."""
    options = {**OPTIONS, "oauth_issuer": URI}
    issuer = Issuer()
    with ScriptedServer([ASK], LET_IN) as server:
        conninfo = server.conninfo(**options)
        pgwire.connect(conninfo, environ={}, oauth_token=issuer).close()  # type: ignore[arg-type]
        assert sasl_data(server.peers[0]) == []
        assert TOKEN.encode() in sasl_data(server.peers[1])[0]
    assert [(r.issuer, r.openid_configuration) for r in issuer.requests] == [(ISSUER, URI)]
    with libpq18.bearer_token(TOKEN) as asked:
        assert theirs(libpq18, LET_IN, **options) == ""
    assert asked == [(URI, None)]


def test_success_after_a_refusal(libpq18: LibPQ) -> None:
    """Deliberately stricter: libpq lets the session begin."""
    scripts = [refuse(says()), refuse(says(), greeting())]
    with libpq18.bearer_token(TOKEN):
        assert theirs(libpq18, *scripts, **OPTIONS) == ""
    assert ours(*scripts, oauth_token=Issuer(), **OPTIONS) == (
        "retrying connection with new bearer token\nserver sent additional OAuth data after error"
    )


def test_what_a_stranger_says_is_harmless() -> None:
    script = refuse(b'{"status":"\\u001b[31m\\u202e"}')
    message = ours(script, oauth_token=Issuer(), **OPTIONS)
    assert message == "server rejected OAuth bearer token: \\x1b[31m\\u202e"


def test_nobody_to_get_a_token() -> None:
    """libpq says the same of its own: there is no flow."""
    message = ours(ASK, **OPTIONS)
    assert message == (
        "server requires OAuth authentication, but no oauth_token was given to get a token with"
    )


@pytest.mark.parametrize("token", ["", "a b", "a\x01b", "ä", "a=b", "x" * 60_001, "a\n"])
def test_what_can_be_no_token(token: str) -> None:
    with (
        ScriptedServer(refuse(says())) as server,
        pytest.raises(errors.InterfaceError) as caught,
    ):
        pgwire.connect(server.conninfo(**OPTIONS), environ={}, oauth_token=lambda r: token)
    assert words(caught.value.message).splitlines() == [
        "retrying connection with new bearer token",
        "oauth_token returned what can be no bearer token",
    ]
    assert len(server.peers) == 1


@pytest.mark.parametrize("token", [None, b"token", 1])
def test_what_is_no_text(token: object) -> None:
    with pytest.raises(errors.InterfaceError, match="must return a str, not"):
        OAuthClient().take_token(token)


def test_a_coroutine_function_is_for_the_other_body() -> None:
    async def get(request: TokenRequest) -> str:
        return TOKEN

    with (
        ScriptedServer(refuse(says())) as server,
        pytest.raises(errors.InterfaceError, match=r"not coroutine; .* connect_async"),
    ):
        pgwire.connect(server.conninfo(**OPTIONS), environ={}, oauth_token=get)


def test_connect_timeout_does_not_run_while_a_token_is_got() -> None:
    def get(request: TokenRequest) -> str:
        assert server.peers[0].input  # it has been asked, and is gone
        time.sleep(1.1)
        return TOKEN

    with ScriptedServer(refuse(says()), LET_IN) as server:
        pgwire.connect(server.conninfo(connect_timeout=1, **OPTIONS), oauth_token=get).close()


def test_a_token_does_not_cross_a_network() -> None:
    def dial(target: object, seconds: float | None) -> socket.socket:
        return socket.create_connection((server.host, server.port))

    with (
        ScriptedServer(ASK) as server,
        pytest.raises(errors.OperationalError, match="over an unencrypted network connection"),
    ):
        # Nobody knows where a socket of the user's leads to.
        pgwire.connect(server.conninfo(**OPTIONS), oauth_token=lambda request: TOKEN, dial=dial)
    assert sasl_data(server.peers[0]) == []


def test_what_the_function_raises_is_raised() -> None:
    class NoLuck(Exception):
        pass

    def fail(request: TokenRequest) -> str:
        raise NoLuck("the user has closed the window")

    with (
        ScriptedServer(refuse(says())) as server,
        pytest.raises(NoLuck, match="closed the window"),
    ):
        pgwire.connect(server.conninfo(**OPTIONS), environ={}, oauth_token=fail)


def test_the_token_is_nowhere_to_be_seen() -> None:
    client = OAuthClient(issuer=ISSUER, client_id="c", client_secret="geheim", scope="s")
    client.take_token(TOKEN)
    assert "geheim" not in repr(client)
    message = ours(refuse(says()), refuse(says()), oauth_token=Issuer(), **OPTIONS)
    assert "geheim" not in message
    with ScriptedServer(refuse(says()), refuse(says())) as server:
        with pytest.raises(errors.Error) as caught:
            pgwire.connect(server.conninfo(**OPTIONS), oauth_token=lambda request: TOKEN)
        assert "geheim" not in str(vars(caught.value))
        assert "geheim" not in repr(server.peers[1].received)
