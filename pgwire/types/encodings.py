"""PostgreSQL's character set names and the Python codecs for them.

Manual: 23.3 "Character Set Support", table "PostgreSQL Character Sets".
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from pgwire import errors

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ASCII_UNSAFE", "ENCODINGS", "SQL_ASCII", "python_codec"]

SQL_ASCII: Final = "pgwire_sql_ascii"
"""Codec of SQL_ASCII, of which the server knows only that it is some superset of ASCII: UTF-8,
and what is not UTF-8 survives as lone surrogates (Python's surrogateescape), so that any text
comes back as the same bytes."""

ENCODINGS: Final[dict[str, str | None]] = {
    "BIG5": "big5",
    "EUC_CN": "gb2312",
    "EUC_JIS_2004": "euc_jis_2004",
    "EUC_JP": "euc_jp",
    "EUC_KR": "cp949",
    "EUC_TW": None,
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO_8859_5": "iso8859-5",
    "ISO_8859_6": "iso8859-6",
    "ISO_8859_7": "iso8859-7",
    "ISO_8859_8": "iso8859-8",
    "JOHAB": "johab",
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
    "LATIN1": "iso8859-1",
    "LATIN2": "iso8859-2",
    "LATIN3": "iso8859-3",
    "LATIN4": "iso8859-4",
    "LATIN5": "iso8859-9",
    "LATIN6": "iso8859-10",
    "LATIN7": "iso8859-13",
    "LATIN8": "iso8859-14",
    "LATIN9": "iso8859-15",
    "LATIN10": "iso8859-16",
    "MULE_INTERNAL": None,
    "SHIFT_JIS_2004": "shift_jis_2004",
    "SJIS": "cp932",
    "SQL_ASCII": SQL_ASCII,
    "UHC": "cp949",
    "UTF8": "utf-8",
    "WIN866": "cp866",
    "WIN874": "cp874",
    "WIN1250": "cp1250",
    "WIN1251": "cp1251",
    "WIN1252": "cp1252",
    "WIN1253": "cp1253",
    "WIN1254": "cp1254",
    "WIN1255": "cp1255",
    "WIN1256": "cp1256",
    "WIN1257": "cp1257",
    "WIN1258": "cp1258",
}
"""Name in the manual -> Python codec; None where Python has none.

Where Python has several, the one that reads most of the server's characters as the server means
them. EUC_KR has the superset cp949, as Python's euc_kr writes syllables beyond the standard in a
way that the server takes for other characters; what cp949 writes for them it refuses.
"""

_ALIASES: Final[dict[str, str]] = {
    "ABC": "WIN1258",
    "ALT": "WIN866",
    "ISO88591": "LATIN1",
    "ISO88592": "LATIN2",
    "ISO88593": "LATIN3",
    "ISO88594": "LATIN4",
    "ISO88599": "LATIN5",
    "ISO885910": "LATIN6",
    "ISO885913": "LATIN7",
    "ISO885914": "LATIN8",
    "ISO885915": "LATIN9",
    "ISO885916": "LATIN10",
    "KOI8": "KOI8R",
    "MSKANJI": "SJIS",
    "SHIFTJIS": "SJIS",
    "TCVN": "WIN1258",
    "TCVN5712": "WIN1258",
    "UNICODE": "UTF8",
    "VSCII": "WIN1258",
    "WIN": "WIN1251",
    "WIN932": "SJIS",
    "WIN936": "GBK",
    "WIN949": "UHC",
    "WIN950": "BIG5",
    "WINDOWS866": "WIN866",
    "WINDOWS874": "WIN874",
    "WINDOWS932": "SJIS",
    "WINDOWS936": "GBK",
    "WINDOWS949": "UHC",
    "WINDOWS950": "BIG5",
    "WINDOWS1250": "WIN1250",
    "WINDOWS1251": "WIN1251",
    "WINDOWS1252": "WIN1252",
    "WINDOWS1253": "WIN1253",
    "WINDOWS1254": "WIN1254",
    "WINDOWS1255": "WIN1255",
    "WINDOWS1256": "WIN1256",
    "WINDOWS1257": "WIN1257",
    "WINDOWS1258": "WIN1258",
}

ASCII_UNSAFE: Final = frozenset(
    ("big5", "cp932", "cp949", "cp950", "gb18030", "gbk", "johab", "shift_jis", "shift_jis_2004")
)
"""Codecs in which a byte below 0x80 may be part of a longer character, so that their bytes must
not be searched for quotes or backslashes."""


def python_codec(name: str) -> str:
    """Name of the Python codec for a PostgreSQL encoding.

    Like the server it looks only at letters and digits and ignores case: ``utf-8`` is ``UTF8``.

    Raises:
        NotSupportedError: PostgreSQL has no such encoding, or Python has no codec for it.
    """
    key = _key(name)
    found = _BY_KEY.get(key)
    if found is None:
        reason = "Python has no codec for it" if key in _BY_KEY else "unknown to PostgreSQL"
        raise errors.NotSupportedError(f'encoding "{name}" cannot be used: {reason}')
    return found


def _key(name: str) -> str:
    return "".join(character for character in name if character.isalnum()).upper()


def _encode(text: str, error_handling: str = "strict") -> tuple[bytes, int]:
    if error_handling == "strict":
        error_handling = "surrogateescape"
    return codecs.utf_8_encode(text, error_handling)


def _decode(data: Buffer, error_handling: str = "strict") -> tuple[str, int]:
    if error_handling == "strict":
        error_handling = "surrogateescape"
    return codecs.utf_8_decode(data, error_handling, True)


def _find_codec(name: str) -> codecs.CodecInfo | None:
    return codecs.CodecInfo(_encode, _decode, name=SQL_ASCII) if name == SQL_ASCII else None


# A codec of its own and not an error handler beside a codec's name: so nobody who encodes or
# decodes needs to know of SQL_ASCII.
codecs.register(_find_codec)

_BY_KEY: Final = {_key(name): codec for name, codec in ENCODINGS.items()}
_BY_KEY.update((alias, ENCODINGS[name]) for alias, name in _ALIASES.items())
