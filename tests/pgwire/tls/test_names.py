"""Host names against certificates: the rules, without any certificate."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pgwire import errors
from pgwire.tls.names import check_names, is_address

LABELS = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=12)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
ANY = st.text("aB1.*-é\0 ", max_size=12)


def certificate(*dns: str, ips: tuple[str, ...] = (), name: str | None = None) -> dict[str, object]:
    subject = () if name is None else ((("commonName", name),),)
    names = (*(("DNS", one) for one in dns), *(("IP Address", one) for one in ips))
    return {"subject": subject, "subjectAltName": names}


def names(host: str, *dns: str, ips: tuple[str, ...] = (), name: str | None = None) -> bool:
    try:
        check_names(certificate(*dns, ips=ips, name=name), host)
    except errors.OperationalError:
        return False
    return True


@given(NAMES)
def test_a_name_is_itself_in_any_case(name: str) -> None:
    assume(not is_address(name))
    assert names(name.upper(), name.lower())
    assert names(name.lower(), "other", name.upper())
    assert names(name, name=name)
    assert not names(name, name + "x")
    assert not names(name, "x" + name)
    assert not names(name, name + ".")


@given(LABELS, NAMES)
def test_a_wildcard_is_one_label(label: str, domain: str) -> None:
    assume(not is_address(f"{label}.{domain}"))
    pattern = f"*.{domain}"
    assert names(f"{label}.{domain}", pattern)
    assert names(f"{label}.{domain}", name=pattern)
    assert not names(f"x.{label}.{domain}", pattern)
    assert not names(f".{domain}", pattern)
    assert not names(domain, pattern) or domain == pattern
    assert not names(f"{label}.{domain}", f"x*.{domain}")
    assert not names(f"{label}.{domain}", f"{label}.*")


@given(ANY, ANY)
def test_nothing_else_matches(pattern: str, host: str) -> None:
    lowered = [
        s.translate(str.maketrans(string.ascii_uppercase, string.ascii_lowercase))
        for s in (pattern, host)
    ]
    expected = lowered[0] == lowered[1]
    if lowered[0].startswith("*.") and len(pattern) > 2:
        expected = expected or bool(
            re.fullmatch(r"[^.]+" + re.escape(lowered[0][1:]), lowered[1], re.DOTALL)
        )
    expected = expected and bool(host) and "\0" not in pattern
    assert names(host, pattern) is expected


@given(st.ip_addresses())
def test_addresses_are_compared_as_addresses(address: object) -> None:
    assert names(str(address), ips=(str(address),))
    assert names(str(address), str(address))  # a DNS name that looks like it, as libpq takes it
    assert names(str(address), name=str(address))
    assert names(str(address), "other", name=str(address))  # names of another kind do not count
    assert not names(str(address), ips=("192.0.2.255",), name="x") or str(address) == "192.0.2.255"


@pytest.mark.parametrize(
    ("host", "ip", "same"),
    [
        ("127.1", "127.0.0.1", True),
        ("0x7f.1", "127.0.0.1", True),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("::1", "::2", False),
        ("::ffff:127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "<invalid>", False),
    ],
)
def test_addresses(host: str, ip: str, same: bool) -> None:
    assert names(host, ips=(ip,)) is same


def test_an_address_hides_the_common_name_from_addresses_only() -> None:
    assert not names("127.0.0.1", ips=("127.0.0.2",), name="127.0.0.1")
    assert names("db", ips=("127.0.0.2",), name="db")
    assert not names("db", "other", name="db")


def test_long_common_names_are_compared_whole() -> None:
    # CVE-2012-0867: only the first 32 characters counted.
    long = "a" * 40
    assert not names(long + ".evil.test", name=long)
    assert not names(long[:32], name=long)
    assert names(long, name=long)


@pytest.mark.parametrize("kind", ["dns", "name"])
def test_embedded_null(kind: str) -> None:
    forged = "db.example.test\0.evil.test"
    told = certificate(forged) if kind == "dns" else certificate(name=forged)
    with pytest.raises(errors.OperationalError, match="embedded null"):
        check_names(told, "db.example.test")


def test_only_ascii_is_folded() -> None:
    assert not names("bücher.test", "BÜCHER.test")
    assert not names("\N{KELVIN SIGN}.test", "k.test")
    assert not names("bücher.test", "xn--bcher-kva.test")  # IDNA is left to whoever names the host


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (certificate("a"), 'certificate for "a" does not match host name "db"'),
        (certificate("a", "b"), 'for "a" (and 1 other name) does not match host name "db"'),
        (certificate("a", "b", "c"), 'for "a" (and 2 other names) does not match host name "db"'),
        (certificate(), "could not get server's host name from server certificate"),
    ],
)
def test_messages(told: dict[str, object], text: str) -> None:
    with pytest.raises(errors.OperationalError, match=re.escape(text)):
        check_names(told, "db")


def test_without_a_host_name_nothing_is_verified() -> None:
    with pytest.raises(errors.OperationalError, match="host name must be specified"):
        check_names(certificate(""), "")
