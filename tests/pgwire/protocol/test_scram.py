from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scramp import ScramException, ScramMechanism

import pgwire.protocol.scram as remembered
from pgwire import errors
from pgwire.protocol.scram import ScramClient, forget_scram_keys

PLAIN = (b"SCRAM-SHA-256",)
BOTH = (b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256")
NONCE = b"rOprNGfwEbeRWgbNEkqO"
SALT = base64.b64encode(b"0123456789abcdef")


def client(password: bytes = b"pencil", **options: Any) -> ScramClient:
    return ScramClient(password, **{"mechanisms": PLAIN, "nonce": NONCE, **options})


def begun(password: bytes = b"pencil", **options: Any) -> ScramClient:
    scram = client(password, **options)
    scram.client_first()
    return scram


def first(iterations: bytes = b"4096", nonce: bytes = NONCE + b"more", salt: bytes = SALT) -> bytes:
    return b"r=" + nonce + b",s=" + salt + b",i=" + iterations


def named(scram: ScramClient) -> ScramClient:
    """With a user name, which RFC 5802 and scramp demand; PostgreSQL's clients leave it out."""
    scram._bare = scram._bare.replace(b"n=,", b"n=user,")
    return scram


def server_signature(password: bytes, scram_first: bytes, final: bytes) -> bytes:
    """The definition of RFC 5802 section 3, apart from the code under test."""
    attributes = dict(part.split(b"=", 1) for part in scram_first.split(b","))
    salted = hashlib.pbkdf2_hmac(
        "sha256", password, base64.b64decode(attributes[b"s"]), int(attributes[b"i"])
    )
    message = b"n=,r=" + NONCE + b"," + scram_first + b"," + final.rpartition(b",p=")[0]
    key = hmac.digest(salted, b"Server Key", "sha256")
    return b"v=" + base64.b64encode(hmac.digest(key, message, "sha256"))


def test_the_exchange_of_rfc_7677() -> None:
    scram = named(client())
    assert scram.client_first() == b"n,,n=user,r=" + NONCE
    scram.receive_first(
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert scram.client_final() == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert not scram.finished
    scram.verify_final(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert scram.finished


passwords = st.text(st.characters(codec="latin-1", exclude_categories=["C"]), min_size=1).filter(
    str.strip
)


@settings(max_examples=10)
@example("pa\u00a0ss\u00adw\u00f6rd", 4096, b"0123456789abcdef", False)
@example("password", 4096, b"0123456789abcdef", True)
@given(passwords, st.integers(4096, 5000), st.binary(min_size=16, max_size=20), st.booleans())
def test_scramps_server_lets_us_in_and_is_believed(
    password: str, iterations: int, salt: bytes, tls: bool
) -> None:
    mechanism = ScramMechanism("SCRAM-SHA-256-PLUS" if tls else "SCRAM-SHA-256")
    try:
        information = mechanism.make_auth_info(password, iteration_count=iterations, salt=salt)
    except ScramException:
        return  # a password that RFC 4013 refuses: PostgreSQL takes it as it is
    binding = ("tls-server-end-point", b"certificate hash") if tls else None
    server = mechanism.make_server(lambda user: information, channel_binding=binding)
    scram = named(
        ScramClient(
            password.encode(), mechanisms=BOTH, channel_binding=binding[1] if binding else None
        )
    )
    assert scram.mechanism == mechanism.name.encode()
    server.set_client_first(scram.client_first().decode())
    scram.receive_first(server.get_server_first().encode())
    server.set_client_final(scram.client_final().decode())
    scram.verify_final(server.get_server_final().encode())
    assert scram.finished


def test_scramps_server_refuses_a_wrong_password() -> None:
    mechanism = ScramMechanism("SCRAM-SHA-256")
    information = mechanism.make_auth_info("right")
    server = mechanism.make_server(lambda user: information)
    scram = named(ScramClient(b"wrong", mechanisms=PLAIN))
    server.set_client_first(scram.client_first().decode())
    scram.receive_first(server.get_server_first().encode())
    with pytest.raises(ScramException, match="invalid-proof"):
        server.set_client_final(scram.client_final().decode())


@pytest.mark.parametrize(
    ("mechanisms", "binding", "mechanism", "header"),
    [
        (PLAIN, None, b"SCRAM-SHA-256", b"n,,"),
        (BOTH, None, b"SCRAM-SHA-256", b"n,,"),
        (PLAIN, b"x", b"SCRAM-SHA-256", b"y,,"),
        (BOTH, b"x", b"SCRAM-SHA-256-PLUS", b"p=tls-server-end-point,,"),
        (tuple(reversed(BOTH)), b"x", b"SCRAM-SHA-256-PLUS", b"p=tls-server-end-point,,"),
    ],
)
def test_choice_of_the_mechanism(
    mechanisms: tuple[bytes, ...], binding: bytes | None, mechanism: bytes, header: bytes
) -> None:
    scram = client(mechanisms=mechanisms, channel_binding=binding)
    assert scram.mechanism == mechanism
    assert scram.client_first() == header + b"n=,r=" + NONCE
    scram.receive_first(first())
    bound = header + (b"x" if mechanism.endswith(b"PLUS") else b"")
    assert scram.client_final().startswith(b"c=" + base64.b64encode(bound) + b",r=")


@pytest.mark.parametrize("mechanisms", [(), (b"OAUTHBEARER",), (b"SCRAM-SHA-256-PLUS",)])
def test_no_mechanism_in_common(mechanisms: tuple[bytes, ...]) -> None:
    with pytest.raises(errors.OperationalError, match="SASL authentication mechanisms are"):
        client(mechanisms=mechanisms)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"\(empty message\)"),
        (first() + b"\0", r"\(length mismatch\)"),
        (b"m=ext," + first(), r'\(attribute "r" expected\)'),
        (b"e=other-error", r'\(attribute "r" expected\)'),
        (b"r", r'\(expected character "=" for attribute "r"\)'),
        (b"rOprN", r'\(expected character "=" for attribute "r"\)'),
        (b"r=" + NONCE, r'\(attribute "s" expected\)'),
        (b"r=" + NONCE + b",i=4096,s=" + SALT, r'\(attribute "s" expected\)'),
        (b"r=" + NONCE + b",s=" + SALT, r'\(attribute "i" expected\)'),
        (first(nonce=b"other"), r"invalid SCRAM response \(nonce mismatch\)"),
        (first(nonce=NONCE[:-1]), r"\(nonce mismatch\)"),
        (first(nonce=b""), r"\(nonce mismatch\)"),
        (first(salt=b"W22ZaJ0SNY7soEsUEjb6gQ="), r"\(invalid salt\)"),
        (first(salt=b"!!!!"), r"\(invalid salt\)"),
        (first(b""), r"\(invalid iteration count\)"),
        (first(b"0"), r"\(invalid iteration count\)"),
        (first(b"000"), r"\(invalid iteration count\)"),
        (first(b"-1"), r"\(invalid iteration count\)"),
        (first(b"+1"), r"\(invalid iteration count\)"),
        (first(b"4_096"), r"\(invalid iteration count\)"),
        (first(b"4096x"), r"\(invalid iteration count\)"),
    ],
)
def test_malformed_first_messages(data: bytes, message: str) -> None:
    with pytest.raises(errors.ProtocolError, match=message):
        begun().receive_first(data)


@pytest.mark.parametrize(
    ("data", "nonce"),
    [
        (first(), NONCE + b"more"),
        (first(nonce=NONCE), NONCE),
        (first(b"1"), NONCE + b"more"),
        (first(b"00004096"), NONCE + b"more"),
        (first() + b",x=extension", NONCE + b"more"),
        (first(nonce=NONCE + b"x" * 1_000_000), NONCE + b"x" * 1_000_000),
    ],
)
def test_unusual_first_messages_that_are_taken(data: bytes, nonce: bytes) -> None:
    scram = begun()
    scram.receive_first(data)
    final = scram.client_final()
    assert b",r=" + nonce + b",p=" in final
    scram.verify_final(server_signature(b"pencil", data, final))
    assert scram.finished


@pytest.mark.parametrize("iterations", [b"1000001", b"10000000", b"9" * 30, b"9" * 1_000_000])
def test_too_many_iterations_are_refused_before_hashing(
    iterations: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(hashlib, "pbkdf2_hmac")
    with pytest.raises(errors.OperationalError, match="more than the 1000000 that are allowed"):
        begun().receive_first(first(iterations))


def test_bounds_of_iterations() -> None:
    begun(max_iterations=4096).receive_first(first(b"4096"))
    begun(min_iterations=4096).receive_first(first(b"4096"))
    with pytest.raises(errors.OperationalError, match=r"for 4097 .* more than the 4096 "):
        begun(max_iterations=4096).receive_first(first(b"4097"))
    with pytest.raises(errors.OperationalError, match=r"for 4095 .* fewer than the 4096 "):
        begun(min_iterations=4096).receive_first(first(b"4095"))


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", errors.ProtocolError, r"\(empty message\)"),
        (b"v=x\0", errors.ProtocolError, r"\(length mismatch\)"),
        (b"x=1", errors.ProtocolError, r'\(attribute "v" expected\)'),
        (b"v", errors.ProtocolError, r'\(expected character "=" for attribute "v"\)'),
        (b"v=", errors.ProtocolError, r"\(invalid server signature\)"),
        (b"v=AAAA", errors.ProtocolError, r"\(invalid server signature\)"),
        (b"v=A", errors.ProtocolError, r"\(invalid server signature\)"),
        (b"v=" + base64.b64encode(b"x" * 32), errors.OperationalError, "incorrect server sig"),
        (
            b"e=invalid-proof",
            errors.OperationalError,
            "error received from server in SCRAM exchange: invalid-proof$",
        ),
        (b"e=a\x1b[31m\xff", errors.OperationalError, r"exchange: a\\x1b\[31m\\xff$"),
    ],
)
def test_final_messages_that_prove_nothing(
    data: bytes, error: type[errors.Error], message: str
) -> None:
    scram = begun()
    scram.receive_first(first())
    scram.client_final()
    with pytest.raises(error, match=message) as caught:
        scram.verify_final(data)
    assert type(caught.value) is error
    assert not scram.finished


def test_the_servers_signature_covers_this_exchange() -> None:
    scram = begun()
    scram.receive_first(first())
    final = scram.client_final()
    signature = server_signature(b"pencil", first(), final)
    other = server_signature(b"pencil", first(nonce=NONCE + b"less"), final)
    assert other != signature
    with pytest.raises(errors.OperationalError, match="incorrect server signature"):
        scram.verify_final(other)


def test_steps_out_of_turn() -> None:
    scram = client()
    with pytest.raises(errors.ProtocolError, match="unexpected message"):
        scram.receive_first(first())
    scram.client_first()
    with pytest.raises(errors.ProtocolError, match="was not completed"):
        scram.verify_final(b"v=x")
    scram.receive_first(first())
    with pytest.raises(errors.ProtocolError, match="was not completed"):
        scram.verify_final(b"v=x")
    with pytest.raises(errors.ProtocolError, match="unexpected message"):
        scram.receive_first(first())


def test_keys_stand_in_for_the_password() -> None:
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode(SALT), 4096)
    keys = {
        "client_key": hmac.digest(salted, b"Client Key", "sha256"),
        "server_key": hmac.digest(salted, b"Server Key", "sha256"),
    }
    by_password, by_keys = begun(), begun(b"", **keys)
    for scram in (by_password, by_keys):
        scram.receive_first(first())
    final = by_password.client_final()
    assert by_keys.client_final() == final
    by_keys.verify_final(server_signature(b"pencil", first(), final))
    for name in keys:
        with pytest.raises(errors.OperationalError, match="no password supplied"):
            client(b"", **{**keys, name: None})
        with pytest.raises(errors.OperationalError, match=r"invalid SCRAM \w+ key length: 31"):
            client(b"", **{**keys, name: b"x" * 31})
    with pytest.raises(errors.OperationalError, match="no password supplied"):
        client(b"")


def test_passwords_that_cannot_be_prepared_are_used_as_they_are() -> None:
    for password in (b"\xff\xfe", "a\u0627".encode(), "\ue000".encode()):
        scram = begun(password)
        scram.receive_first(first())
        scram.verify_final(server_signature(password, first(), scram.client_final()))
        assert scram.finished


def test_nonces_are_fresh_and_nothing_secret_is_shown() -> None:
    nonces = {ScramClient(b"hunter2", mechanisms=PLAIN).client_first() for _ in range(10)}
    assert len(nonces) == 10
    assert all(len(nonce) == len(b"n,,n=,r=") + 24 for nonce in nonces)
    assert repr(client(b"hunter2")) == "<ScramClient SCRAM-SHA-256, step 0 of 4>"


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_anything_a_server_says_is_an_error_or_an_exchange(one: bytes, two: bytes) -> None:
    scram = begun()
    with pytest.raises(errors.OperationalError):
        scram.receive_first(one)
    scram = begun()
    scram.receive_first(first(b"1"))
    scram.client_final()
    with pytest.raises(errors.OperationalError):
        scram.verify_final(two)


class Keys:
    """A password that is used again and again, and how often it has been hashed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hashed = 0
        derive = hashlib.pbkdf2_hmac

        def counting(*arguments: object) -> bytes:
            self.hashed += 1
            return derive(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(hashlib, "pbkdf2_hmac", counting)
        forget_scram_keys()

    def final(self, password: bytes, salt: bytes = b"salt", rounds: int = 2, **keys: Any) -> bytes:
        client = ScramClient(password, mechanisms=PLAIN, nonce=b"n", **keys)
        client.client_first()
        client.receive_first(b"r=nm,s=" + base64.b64encode(salt) + b",i=%d" % rounds)
        before, at_hand = self.hashed, client.at_hand
        final = client.client_final()
        assert at_hand == (self.hashed == before)
        return final


def test_a_password_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(monkeypatch)
    first = keys.final(b"secret")
    assert keys.final(b"secret") == first and keys.hashed == 1
    forget_scram_keys()
    assert keys.final(b"secret") == first and keys.hashed == 2


def test_other_passwords_salts_and_rounds_have_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(monkeypatch)
    cases = [
        (b"ab", b"c", 2),
        (b"b", b"ca", 2),
        (b"ab", b"c", 12),
        (b"ab", b"c ", 2),
        (b"a", b"c", 2),
    ]
    proofs = {keys.final(*case) for case in cases}
    assert len(proofs) == keys.hashed == len(cases)


def test_a_given_key_counts_before_a_remembered_one(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(monkeypatch)
    plain = keys.final(b"secret")
    other = keys.final(b"secret", client_key=bytes(32))
    assert other != plain and keys.final(b"secret") == plain and keys.hashed == 1
    assert keys.final(b"", client_key=bytes(32), server_key=bytes(32)) == other
    assert keys.hashed == 1


def test_what_is_remembered_is_bounded_and_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(monkeypatch)
    keys.final(b"kept")
    for number in range(100):
        keys.final(b"%d" % number)
        if number % 10 == 0:
            keys.final(b"kept")  # what is used stays
    assert keys.hashed == 101
    assert repr(remembered._derived) == "<64 SCRAM keys>"
    assert not any(b"kept" in mark for mark in remembered._derived._keys)
