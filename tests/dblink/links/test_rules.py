"""Names and numbers, held against the words of the rules."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink.links import LinkError, rules

LOWER, DIGITS = string.ascii_lowercase, string.digits
ANYTHING = st.text(st.characters(codec="utf-8"))
NEARLY = st.text(LOWER + DIGITS + "_A-é\n", max_size=66)


def accepts(check: object, *arguments: object) -> bool:
    try:
        check(*arguments)  # type: ignore[operator]
    except LinkError as error:
        assert error.status == 400
        return False
    return True


@given(NEARLY | ANYTHING)
def test_link_names(name: str) -> None:
    right = (
        1 <= len(name) <= 64
        and set(name) <= set(LOWER + DIGITS + "_")
        and name[0] in LOWER
        and name[-1] in LOWER + DIGITS
    )
    assert accepts(rules.check_link_name, name) is right


@pytest.mark.parametrize("name", ["a", "a1", "a_1", "a" * 64, "a" + "_" * 62 + "1"])
def test_link_names_at_the_edge(name: str) -> None:
    assert rules.check_link_name(name) == name


@given(ANYTHING | st.text(string.printable, max_size=66))
def test_client_tokens(token: str) -> None:
    right = 1 <= len(token) <= 64 and all(" " <= c <= "~" for c in token)
    assert accepts(rules.check_client_token, token) is right


@given(ANYTHING | st.text("aé\0", max_size=70))
def test_names_of_databases(name: str) -> None:
    right = 1 <= len(name.encode()) <= 63 and "\0" not in name
    assert accepts(rules.check_name, name, "SourceDBName") is right


@pytest.mark.parametrize("check", [rules.check_password, lambda t: rules.check_name(t, "x")])
@pytest.mark.parametrize("text", ["", "\0", "a\0b", "\udcff", "a\ud800"])
def test_what_no_database_can_hold(check: object, text: str) -> None:
    assert not accepts(check, text)


def test_notes() -> None:
    assert rules.check_note(None, "VpcId") is None
    assert rules.check_note("é" * 1024, "VpcId") == "é" * 1024
    for wrong in ("x" * 1025, "\0", "\udcff"):
        assert not accepts(rules.check_note, wrong, "VpcId")


@given(st.integers() | st.booleans())
def test_quotas(quota: int) -> None:
    right = not isinstance(quota, bool) and 0 <= quota <= 10000
    assert accepts(rules.check_quota, quota) is right


@given(st.ip_addresses(), st.integers(-10, 70000))
def test_addresses(address: object, port: int) -> None:
    assert accepts(rules.check_address, str(address), port) is (1 <= port <= 65535)
    if 1 <= port <= 65535:
        assert rules.check_address(str(address), str(port)) == (str(address), port)


@pytest.mark.parametrize("port", ["", "0", "+1", " 1", "1.0", "1e3", "٣", "65536", "099999"])
def test_ports_that_are_none(port: str) -> None:
    assert not accepts(rules.check_address, "10.0.0.1", port)


@pytest.mark.parametrize("address", ["", "db", "10.0.0", "10.0.0.1/8", "010.0.0.1", "::1%"])
def test_addresses_that_are_none(address: str) -> None:
    assert not accepts(rules.check_address, address, 5432)
