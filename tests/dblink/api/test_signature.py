"""Signatures: what is signed, and what is refused before and after it is compared."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink.api import signature
from dblink.api.signature import Request, canonical_query, examine, sign, string_to_sign, verify
from dblink.links.errors import FAILURES, LinkError
from tests.dblink.api.kit import NOW

SECRET = "secret of AK1"
HOST = "127.0.0.1:6480"
FORM = "application/x-www-form-urlencoded"

# Header values that survive HTTP, and text that parameters can hold.
values = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), max_size=20)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
parameters = st.dictionaries(texts.filter(bool), texts, max_size=6)
others = st.dictionaries(st.sampled_from(["user-agent", "accept", "x-acs-action"]), values)


def request(
    query: dict[str, str] | None = None, body: bytes = b"", method: str = "POST", **options: Any
) -> Request:
    query = query or {}
    options = {"now": NOW, "nonce": "n1", **options}
    sent = sign("AK1", SECRET, host=HOST, query=query, body=body, method=method, **options)
    return Request(method, list(query.items()), sent, body)


def accept(signed: Request, secret: str = SECRET, now: Any = NOW) -> signature.Signed:
    said = examine(signed, now)
    verify(signed, said, secret)
    return said


def refused(signed: Request, told: str, code: str = "IncompleteSignature", now: Any = NOW) -> str:
    with pytest.raises(LinkError) as info:
        accept(signed, now=now)
    assert info.value.code == code
    assert told in info.value.message
    return info.value.message


def changed(signed: Request, **headers: str | None) -> Request:
    """The request with other headers; None: without that."""
    whole = {**signed.headers, **{n.replace("_", "-"): v for n, v in headers.items()}}
    return signed._replace(headers={n: v for n, v in whole.items() if v is not None})


@given(parameters, st.binary(max_size=50), others)
def test_what_is_signed_is_accepted(
    query: dict[str, str], body: bytes, headers: dict[str, str]
) -> None:
    said = accept(request(query, body, headers={**headers, "Content-Type": FORM}))
    assert (said.key_id, said.nonce) == ("AK1", "n1")
    assert said.until == NOW + timedelta(seconds=901)


@given(parameters, texts)
def test_every_change_is_found(query: dict[str, str], text: str) -> None:
    good = request(query)
    more = [*good.query, (text + "!", text)]
    refused(good._replace(query=more), "The string to sign is", "SignatureDoesNotMatch")
    refused(good._replace(method="GET"), "string to sign", "SignatureDoesNotMatch")
    with pytest.raises(LinkError, match="SignatureDoesNotMatch"):
        accept(good, SECRET + "x")


def test_the_order_of_parameters_does_not_matter() -> None:
    good = request({"b": "1", "a": "2", "B": "3"})
    accept(good._replace(query=good.query[::-1]))
    assert canonical_query(good.query) == "B=3&a=2&b=1"


def test_what_is_written_as_it_is_and_what_is_not() -> None:
    assert canonical_query([("a b", "*~-_.+/ä&=")]) == "a%20b=%2A~-_.%2B%2F%C3%A4%26%3D"
    assert canonical_query([]) == ""


def test_an_example_by_hand() -> None:
    headers = {"host": "h", "x-acs-date": "2026-03-02T09:30:00Z"}
    text = string_to_sign(Request("GET", [("A", "ü")], headers, b"x=1"), ["host", "x-acs-date"])
    body = hashlib.sha256(b"x=1").hexdigest()
    written = (
        f"GET\n/\nA=%C3%BC\nhost:h\nx-acs-date:2026-03-02T09:30:00Z\n\nhost;x-acs-date\n{body}"
    )
    assert text == f"ACS3-HMAC-SHA256\n{hashlib.sha256(written.encode()).hexdigest()}"
    assert signature.signature("text", "key") == (
        "6afa9046a9579cad143a384c1b564b9a250d27d6f6a63f9f20bf3a7594c9e2c6"
    )


def test_a_wrong_signature_is_told_our_string_and_no_secret() -> None:
    good = request()
    bad = changed(good, authorization=good.headers["authorization"][:-1] + "0")
    if bad == good:  # it happens to end so
        bad = changed(good, authorization=good.headers["authorization"][:-1] + "1")
    message = refused(bad, "The string to sign is", "SignatureDoesNotMatch")
    assert string_to_sign(good, examine(good, NOW).headers) in message
    assert SECRET not in message
    assert signature.signature(message.partition("is: ")[2], SECRET) not in message


@pytest.mark.parametrize(
    "name", ["host", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"]
)
def test_what_every_request_has(name: str) -> None:
    good = request()
    refused(changed(good, **{name.replace("-", "_"): None}), f"the header {name} is missing.")


def unsigned(signed: Request, name: str) -> Request:
    """The request as somebody has signed it who left that header out."""
    names = sorted(n for n in signed.headers if n not in (name, "authorization"))
    text = string_to_sign(signed, names)
    value = (
        f"{signature.ALGORITHM} Credential=AK1,SignedHeaders={';'.join(names)},"
        f"Signature={signature.signature(text, SECRET)}"
    )
    return changed(signed, authorization=value)


@pytest.mark.parametrize(
    "name",
    ["host", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256", "x-acs-action",
     "x-acs-version", "x-acs-anything", "content-type"],
)  # fmt: skip
def test_what_means_something_must_be_signed(name: str) -> None:
    more = {"x-acs-action": "a", "x-acs-version": "v", "x-acs-anything": "1", "content-type": FORM}
    good = request(body=b"a=1", headers=more)
    refused(unsigned(good, name), f"the header {name} is not among the signed ones.")


def test_what_means_nothing_may_be_unsigned() -> None:
    accept(unsigned(request(headers={"accept": "*/*", "user-agent": "x"}), "user-agent"))
    accept(unsigned(request(headers={"content-type": FORM}), "content-type"))  # no body


def test_a_header_that_is_signed_was_sent() -> None:
    good = request(headers={"accept": "x"})
    refused(changed(good, accept=None), "the header accept is signed, but was not sent.")


@pytest.mark.parametrize(
    "name", ["x-acs-security-token", "x-acs-accesskey-id", "x-acs-bearer-token"]
)
def test_there_are_no_temporary_credentials(name: str) -> None:
    refused(request(headers={name: "x"}), f"{name} belongs to temporary credentials")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "acs3-hmac-sha256 Credential=AK1,SignedHeaders=host,Signature=" + "0" * 64,
        "ACS3-HMAC-SM3 Credential=AK1,SignedHeaders=host,Signature=" + "0" * 64,
        "ACS3-HMAC-SHA256 Credential=AK1,SignedHeaders=Host,Signature=" + "0" * 64,
        "ACS3-HMAC-SHA256 Credential=AK1,SignedHeaders=,Signature=" + "0" * 64,
        "ACS3-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=" + "0" * 64,
        "ACS3-HMAC-SHA256 Credential=A K,SignedHeaders=host,Signature=" + "0" * 64,
        "ACS3-HMAC-SHA256 Credential=" + "A" * 129 + ",SignedHeaders=host,Signature=" + "0" * 64,
        "ACS3-HMAC-SHA256 Credential=AK1,SignedHeaders=host,Signature=" + "0" * 63,
        "ACS3-HMAC-SHA256 Credential=AK1,SignedHeaders=host,Signature=" + "A" * 64,
        "ACS3-HMAC-SHA256 Credential=AK1,SignedHeaders=host,Signature=" + "0" * 64 + "\n",
        "ACS3-HMAC-SHA256 Credential=AK1,SignedHeaders=host;" + ";" * 50_000 + ",Signature=",
    ],
)  # fmt: skip
def test_an_authorization_that_is_none(value: str) -> None:
    refused(changed(request(), authorization=value), "the header Authorization must be")


def test_without_authorization() -> None:
    refused(changed(request(), authorization=None), "the header Authorization is missing.")


@pytest.mark.parametrize("names", ["host;host", "x-acs-date;host"])
def test_signed_headers_are_in_order_and_once(names: str) -> None:
    value = f"{signature.ALGORITHM} Credential=AK1,SignedHeaders={names},Signature=" + "0" * 64
    refused(changed(request(), authorization=value), "each header once, in the order")


@pytest.mark.parametrize(
    "date",
    ["", "2026-03-02 09:30:00Z", "2026-03-02T09:30:00", "2026-03-02T09:30:00+00:00",
     "2026-02-30T09:30:00Z", "2026-03-02T09:30:00.5Z", "٢٠٢٦-03-02T09:30:00Z", "x" * 5000],
)  # fmt: skip
def test_a_date_that_is_none(date: str) -> None:
    message = "must be a moment like" if date.isascii() else "is not ASCII"
    refused(changed(request(), x_acs_date=date), message)


@pytest.mark.parametrize("seconds", [-900, 900])
def test_within_the_window(seconds: int) -> None:
    accept(request(), now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-900.1, 900.1, -10_000_000, 10_000_000])
def test_outside_of_the_window(seconds: float) -> None:
    late = NOW + timedelta(seconds=seconds)
    refused(request(), "more than 900 s", "InvalidTimeStamp.Expired", late)


@pytest.mark.parametrize("nonce", ["", "a b", "x" * 129, "\x7f"])
def test_a_nonce_that_is_none(nonce: str) -> None:
    told = "is not ASCII" if nonce == "\x7f" else "must have 1 to 128 visible ASCII characters"
    refused(request(nonce=nonce), told)


@pytest.mark.parametrize("digest", ["", "UNSIGNED-PAYLOAD", "ä", "0" * 64])
def test_the_hash_of_the_body_is_compared(digest: str) -> None:
    bad = request(body=b"a=1", headers={"x-acs-content-sha256": digest, "content-type": FORM})
    told = "is not the SHA-256 of the body" if digest.isascii() else "is not ASCII"
    refused(bad, told)
    upper = hashlib.sha256(b"a=1").hexdigest().upper()
    refused(request(body=b"a=1", headers={"x-acs-content-sha256": upper}), "is not")


def test_another_body_with_the_same_headers() -> None:
    good = request(body=b"a=1", headers={"content-type": FORM})
    refused(good._replace(body=b"a=2"), "is not the SHA-256 of the body")


def test_all_that_can_come_of_it_is_in_the_table() -> None:
    assert {"IncompleteSignature", "SignatureDoesNotMatch"} <= FAILURES.keys()
