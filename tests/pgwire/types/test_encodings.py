import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire import errors
from pgwire.types.context import Context
from pgwire.types.encodings import ASCII_UNSAFE, ENCODINGS, python_codec
from pgwire.types.registry import default_registry

USABLE = [name for name, codec in ENCODINGS.items() if codec is not None]


@pytest.mark.parametrize("name", USABLE)
def test_every_codec_exists_and_holds_ascii(name: str) -> None:
    codec = python_codec(name)
    plain = "".join(map(chr, range(32, 127)))
    # JOHAB writes a won sign where ASCII has the backslash; the byte is the same.
    assert plain.encode(codec, "replace").replace(b"?", b"\\", 0)[:60] == plain[:60].encode()
    assert codecs.lookup(codec)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UTF8", "utf-8"),
        ("utf-8", "utf-8"),
        ("Unicode", "utf-8"),
        ("latin_1", "iso8859-1"),
        ("ISO-8859-15", "iso8859-15"),
        ("iso 8859-5", "iso8859-5"),
        ("Windows-1252", "cp1252"),
        ("WIN", "cp1251"),
        ("koi8", "koi8-r"),
        ("Shift_JIS", "cp932"),
        ("EUC_JP", "euc_jp"),
    ],
)
def test_names(name: str, codec: str) -> None:
    assert python_codec(name) == codec


@pytest.mark.parametrize("name", ["", "MULE_INTERNAL", "EUC_TW", "latin11", "utf_8x", "zlib"])
def test_an_encoding_that_cannot_be_used_is_named(name: str) -> None:
    with pytest.raises(errors.NotSupportedError, match=f'"{name}"'):
        python_codec(name)


@pytest.mark.parametrize("name", USABLE)
def test_unsafe_encodings_are_known(name: str) -> None:
    codec = python_codec(name)
    if codec == "cp949" and name == "EUC_KR":
        return
    hidden = False
    for code in range(0x80, 0x10000):
        data = chr(code).encode(codec, "ignore")
        if len(data) > 1 and any(byte < 0x80 for byte in data):
            hidden = True
            break
    assert hidden == (codec in ASCII_UNSAFE)


@given(st.binary())
def test_sql_ascii_keeps_all_bytes(data: bytes) -> None:
    codec = python_codec("SQL_ASCII")
    assert data.decode(codec).encode(codec) == data


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_sql_ascii_is_utf8(text: str) -> None:
    codec = python_codec("SQL_ASCII")
    assert text.encode(codec) == text.encode()
    assert text.encode().decode(codec) == text


def test_sql_ascii_takes_error_handlers_too() -> None:
    assert b"a\xff".decode(python_codec("SQL_ASCII"), "backslashreplace") == "a\\xff"


def test_text_that_the_encoding_cannot_hold() -> None:
    text = default_registry.by_name("text")
    with pytest.raises(errors.DataError, match="iso8859-1") as caught:
        text.text_encoder(Context("iso8859-1"))("a€")
    assert caught.value.sqlstate == "22P05"
    with pytest.raises(errors.DataError, match="0xff at 1") as caught:
        text.text_decoder(Context())(b"a\xff")
    assert caught.value.sqlstate == "22021"
