from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pgwire.conninfo import OPTIONS, ConninfoError, make, parse

CORPUS = Path(__file__).parents[2] / "data" / "conninfo_corpus.jsonl"

KEYWORDS = st.sampled_from(sorted(OPTIONS))
# All that a C string can hold, bytes that are not UTF-8 included.
C_STRINGS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.binary().map(lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")),
)


def outcome(text: str) -> dict[str, str] | str:
    try:
        return parse(text)
    except ConninfoError as error:
        return str(error)


def test_corpus() -> None:
    """1108 strings, each with what libpq 18 makes of it, messages included."""
    lines = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 1108
    wrong = [
        (line["input"], found, expected)
        for line in lines
        if (found := outcome(line["input"]))
        != (expected := line["parsed"] if line["ok"] else line["error"])
    ]
    assert not wrong


def test_parse_gives_the_order_of_the_table() -> None:
    assert list(parse("port=1 host=a user=b")) == ["user", "host", "port"]


@pytest.mark.parametrize("text", ["host=a\0b", "\0", "postgresql://a\0b"])
def test_parse_refuses_null(text: str) -> None:
    with pytest.raises(ConninfoError, match="null character"):
        parse(text)


def test_parse_refuses_a_surrogate_that_stands_for_no_byte() -> None:
    with pytest.raises(ConninfoError, match="surrogate"):
        parse("host=\ud800")


def test_long_strings_do_not_exhaust_the_stack() -> None:
    length = 200_000
    assert parse("password=" + "\\x" * length) == {"password": "x" * length}
    assert parse("password='" + "\\'" * length + "'") == {"password": "'" * length}
    assert parse("postgresql://" + "," * length)["host"] == "," * length
    assert parse("postgresql://" + "%41" * length) == {"host": "A" * length}


@given(st.text())
@example("postgresql://%")
@example("=")
@example("a='\\")
def test_parse_raises_nothing_else(text: str) -> None:
    for candidate in (text, "postgresql://" + text, "host=" + text):
        try:
            settings = parse(candidate)
        except ConninfoError:
            continue
        assert settings.keys() <= OPTIONS.keys()


@given(st.dictionaries(KEYWORDS, C_STRINGS))
def test_make_then_parse(options: dict[str, str]) -> None:
    # Escaped bytes that together are UTF-8 come back as the characters they are.
    exact = {
        keyword: value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
        for keyword, value in options.items()
    }
    assert parse(make(**options)) == exact


def test_make_quotes_only_what_needs_it() -> None:
    assert make(host="/tmp", dbname="my db", user="o'neil", password="a\\b", options="") == (
        "host=/tmp dbname='my db' user='o\\'neil' password='a\\\\b' options=''"
    )


def test_make_options_override_the_string() -> None:
    assert parse(make("host=a port=1", host="b")) == {"host": "b", "port": "1"}
    assert parse(make("postgresql://u@a:1/d", dbname="e")) == {
        "user": "u",
        "host": "a",
        "port": "1",
        "dbname": "e",
    }
    assert make("user=u", host=None) == "user=u"
    assert make("user=u", user="") == "user=''"
    assert make() == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(5432, "5432"), (True, "1"), (False, "0"), (2.0, "2"), (2.5, "2.5"), (Path("/a"), "/a")],
)
def test_make_takes_python_values(value: object, text: str) -> None:
    assert parse(make(port=value)) == {"port": text}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hots": "a"}, 'invalid connection option "hots"'),
        ({"requiressl": "1"}, 'invalid connection option "requiressl"'),
        ({"Host": None}, 'invalid connection option "Host"'),
        ({"host": "a\0b"}, 'value of connection option "host" must not contain a null character'),
        ({"host": Path("a\0b")}, 'value of connection option "host" must not contain a null char'),
        ({"host": "\ud800"}, 'value of connection option "host" contains a surrogate'),
    ],
)
def test_make_names_what_is_wrong(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConninfoError) as caught:
        make(**options)
    assert str(caught.value).startswith(message)


def test_make_does_not_show_the_value_that_is_wrong() -> None:
    with pytest.raises(ConninfoError) as caught:
        make(password="secret\0")
    assert "secret" not in str(caught.value)


def test_make_refuses_other_types() -> None:
    with pytest.raises(TypeError, match='"host" must be str'):
        make(host=["a", "b"])
