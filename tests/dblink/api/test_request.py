"""Requests that can be read in one way, and those that cannot."""

from __future__ import annotations

from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink.api.request import (
    FORM,
    MAX_BODY,
    MAX_NAME,
    MAX_PARAMETERS,
    Head,
    Request,
    head_of,
    read,
    wants_xml,
)
from dblink.links.errors import LinkError
from tests.dblink.api.test_signature import parameters

Headers = list[tuple[bytes, bytes]]
AS_FORM: Headers = [(b"Content-Type", FORM.encode())]


def head(query: bytes = b"", headers: Headers | None = None, **changes: object) -> Head:
    whole = head_of("POST", b"/", query, [(b"Host", b"h"), *(headers or [])])
    return whole._replace(**changes)  # type: ignore[arg-type]


def ask(query: bytes = b"", body: bytes = b"", headers: Headers | None = None) -> Request:
    return read(head(query, AS_FORM if headers is None else headers), body)


def refused(code: str, told: str, made: Head, body: bytes = b"") -> None:
    with pytest.raises(LinkError) as info:
        read(made, body)
    assert info.value.code == code
    assert told in info.value.message


@given(parameters, parameters, st.booleans())
def test_parameters_of_query_and_form(
    query: dict[str, str], form: dict[str, str], plus: bool
) -> None:
    form = {name: value for name, value in form.items() if name not in query}
    how = quote_plus if plus else quote
    got = ask(urlencode(query, quote_via=how).encode(), urlencode(form, quote_via=how).encode())
    assert got.parameters == {**query, **form}
    assert dict(got.signable.query) == query


def test_action_and_version_stand_in_parameters_or_headers() -> None:
    named: Headers = [(b"X-Acs-Action", b"A"), (b"x-acs-version", b"V")]
    for got in (
        ask(b"Action=A&Version=V"),
        ask(b"", b"Action=A&Version=V"),
        ask(headers=named),
        ask(b"Action=A&Version=V", headers=named),
    ):
        assert (got.action, got.version) == ("A", "V")
    assert (ask().action, ask().version) == ("", "")
    for query in (b"Action=B", b"Action=", b"Version=W"):
        refused("InvalidParameter", "is another than that of the header", head(query, named))


def test_without_a_value_it_is_empty() -> None:
    assert ask(b"a&b=&&c=1").parameters == {"a": "", "b": "", "c": "1"}
    assert ask(b"a=b=c;d=e").parameters == {"a": "b=c;d=e"}


@pytest.mark.parametrize(
    ("query", "body"),
    [
        (b"A=1&A=1", b""),
        (b"A=1&%41=2", b""),
        (b"", b"A=1&A=2"),
        (b"A=1", b"A=1"),
        (b"A=1", b"%41=2"),
        (b"A", b"A=2"),
    ],
)
def test_nothing_is_given_twice(query: bytes, body: bytes) -> None:
    refused("InvalidParameter", "The parameter A is given twice.", head(query, AS_FORM), body)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"a=%00", "has a zero byte in it"),
        (b"%00=a", "has a zero byte in it"),
        (b"a=%ff", "is not UTF-8"),
        (b"%ff=a", "a name is not UTF-8"),
        (b"a=%ed%a0%80", "is not UTF-8"),
        (b"a=%c0%80", "is not UTF-8"),
        (b"a=\xe4", "is not UTF-8"),
        (b"a=%", "two hexadecimal digits"),
        (b"a=%4", "two hexadecimal digits"),
        (b"a=%u0041", "two hexadecimal digits"),
        (b"=a", "must have a name of 1 to"),
        (b"a" * (MAX_NAME + 1), "must have a name of 1 to"),
        (b"a=" + b"b" * 4097, "has more than 4096 characters"),
        (b"a&" * MAX_PARAMETERS, "is one too many"),
        (b"&" * 60_000, "is one too many"),
    ],
)
def test_text_that_is_no_parameters(text: bytes, told: str) -> None:
    refused("InvalidParameter", told, head(text))
    refused("InvalidParameter", told, head(b"", AS_FORM), text)


def test_parameters_are_counted_together() -> None:
    half = "&".join(f"q{number}" for number in range(60)).encode()
    refused("InvalidParameter", "one too many", head(half, AS_FORM), half.replace(b"q", b"b"))


def test_messages_are_short_whatever_is_quoted() -> None:
    with pytest.raises(LinkError) as info:
        read(head(b"n" * 10_000), b"")
    assert len(info.value.message) < 300


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "post", "X" * 999])
def test_methods(method: str) -> None:
    refused("UnsupportedHTTPMethod", "Use GET or POST", head(method=method))


@pytest.mark.parametrize("path", [b"", b"//", b"/x", b"/%2F", b"/.", b"*", b"http://h/", b"h:80"])
def test_paths(path: bytes) -> None:
    refused("InvalidPath", "requests go to /", head(path=path))


@pytest.mark.parametrize(
    "kind",
    [b"", b"application/json", b"text/plain", b"multipart/form-data; boundary=x",
     FORM.encode() + b"; charset=latin-1", FORM.encode() + b"x", b"application/octet-stream"],
)  # fmt: skip
def test_a_body_that_is_no_form(kind: bytes) -> None:
    told = "must be application/x-www-form-urlencoded"
    refused("UnsupportedContentType", told, head(b"", [(b"content-type", kind)]), b"a=1")
    # Where there is none, it does not matter what it would be.
    assert read(head(b"a=1", [(b"content-type", kind)]), b"").parameters == {"a": "1"}


@pytest.mark.parametrize(
    "kind", [FORM, FORM.upper(), f"{FORM};charset=UTF-8", f'{FORM}; charset="utf-8"']
)
def test_a_body_that_is_one(kind: str) -> None:
    got = read(head(b"", [(b"content-type", kind.encode())]), b"a=1")
    assert got.parameters == {"a": "1"}


def test_a_compressed_body() -> None:
    refused("UnsupportedContentType", "", head(b"", [(b"content-encoding", b"gzip")]))


@pytest.mark.parametrize(
    "name",
    [b"Host", b"Authorization", b"Content-Type", b"Content-Length", b"X-Acs-Action", b"x-acs-x"],
)
def test_headers_that_mean_something_come_once(name: bytes) -> None:
    twice = [(b"h", b"1"), (name, b"1"), (name.lower(), b"1")]
    shown = name.decode().lower()
    made = head_of("POST", b"/", b"", twice)
    refused("InvalidParameter", f"The parameter {shown} is sent twice.", made)


def test_other_headers_are_signed_as_the_service_does() -> None:
    got = read(head(b"", [(b"a", b" 2 "), (b"A", b"1"), (b"a", b"10")]), b"")
    assert got.signable.headers["a"] == "1,10,2"


def test_how_large_a_request_may_be() -> None:
    most = b"&".join(b"p%d=" % n + b"b" * 4000 for n in range(16))
    assert len(most) <= MAX_BODY
    ask(b"", most)
    refused("RequestEntityTooLarge", "65536", head(b"", AS_FORM), b"a" * (MAX_BODY + 1))
    for length in (b"65537", b"9" * 5000):
        refused("RequestEntityTooLarge", "65536", head(b"", [(b"content-length", length)]))


@pytest.mark.parametrize(
    ("query", "accept", "xml"),
    [
        (b"", None, False),
        (b"", b"*/*", False),
        (b"", b"text/xml", True),
        (b"", b"application/xml;q=0.9, application/json", True),
        (b"", b"application/json, text/xml", False),
        (b"", b"text/html,application/xml;q=0.9", True),
        (b"Format=XML", b"application/json", True),
        (b"Format=json", b"text/xml", False),
        (b"Format=yaml", b"text/xml", True),
        (b"Format=%", b"text/xml", True),
        (b"Format=XML&x=%", None, False),
    ],
)
def test_which_answer_is_wanted(query: bytes, accept: bytes | None, xml: bool) -> None:
    made = head(query, [] if accept is None else [(b"accept", accept)])
    assert wants_xml(made) is xml
    assert wants_xml(made, {"Format": "xml"}) is True
