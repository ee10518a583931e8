"""What ``client_encoding=auto`` stands for. Manual: 32.1.2, 23.3.1."""

from __future__ import annotations

from typing import Final

__all__ = ["locale_encoding"]

_NAMES: Final = {
    "utf-8": "UTF8",
    **{
        f"iso8859-{part}": f"LATIN{number}"
        for number, part in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), 1)
    },
    **{f"iso8859-{part}": f"ISO_8859_{part}" for part in (5, 6, 7, 8)},
    **{f"cp{page}": f"WIN{page}" for page in (866, 874, *range(1250, 1259))},
    "koi8-r": "KOI8R",
    "koi8-u": "KOI8U",
    "euc_jp": "EUC_JP",
    "euc_jis_2004": "EUC_JIS_2004",
    "euc_kr": "EUC_KR",
    "gb2312": "EUC_CN",
    "big5": "BIG5",
    "gbk": "GBK",
    "gb18030": "GB18030",
    "johab": "JOHAB",
    "shift_jis": "SJIS",
    "shift_jis_2004": "SHIFT_JIS_2004",
    "cp949": "UHC",
}
"""Python's name of an encoding -> PostgreSQL's."""


def locale_encoding() -> str:
    """PostgreSQL's name of the locale's encoding (LC_CTYPE); SQL_ASCII if it has none for it."""
    import codecs
    import locale

    try:
        return _NAMES.get(codecs.lookup(locale.getencoding()).name, "SQL_ASCII")
    except LookupError:
        return "SQL_ASCII"
