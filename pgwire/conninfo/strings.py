"""Take connection strings apart and put them together. Manual: 32.1.1, PQconninfoParse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pgwire.conninfo.options import OPTIONS
from pgwire.conninfo.text import decode, encode, option_text, scheme_length
from pgwire.errors import ConninfoError

# The grammars are imported when a string of their kind comes: options by keyword need neither.
if TYPE_CHECKING:
    from pgwire.conninfo.uri import Part

__all__ = ["invalid_option", "make", "parse", "settle"]


def parse(text: str) -> dict[str, str]:
    """What a connection string says: keyword -> value, only for the options it names.

    Arguments:
        text: ``keyword=value …`` or a ``postgresql://`` URI. Values are not checked here, and
            neither defaults nor files nor the environment are looked at.

    Returns the options in the order of `OPTIONS`. Bytes that are not UTF-8 stand as surrogates
    (surrogateescape).

    Raises ConninfoError with libpq's message. Like libpq's it may quote the part of the string that
    is wrong, so show it to nobody who may not see the string itself.

    Manual: 32.1.1 Connection Strings.
    """
    raw = encode(text)
    found: dict[str, str] = {}
    if scheme_length(raw):
        from pgwire.conninfo import uri

        for part in uri.parts(raw):
            keyword, value = _decoded(part)
            if not _store(found, keyword, value):
                raise ConninfoError(f'invalid URI query parameter: "{keyword}"')
    else:
        from pgwire.conninfo import keyvalue

        for pair in keyvalue.pairs(raw):
            keyword = decode(pair.keyword)
            if not _store(found, keyword, decode(pair.value)):
                raise invalid_option(keyword)
    return {keyword: found[keyword] for keyword in OPTIONS if keyword in found}


def make(conninfo: str | None = None, /, **options: object) -> str:
    """One ``keyword=value …`` string of a connection string and options that override it.

    Arguments:
        conninfo: a connection string of either form.
        options: values are str, int, float, bool (1 or 0) or paths; None means not given. An empty
            string is kept: it overrides.

    Raises ConninfoError for a bad string, an unknown keyword or a value with a null character;
    TypeError for a value of another type.
    """
    from pgwire.conninfo import keyvalue

    settings = parse(conninfo) if conninfo is not None else {}
    for keyword, value in options.items():
        if keyword not in OPTIONS:
            raise invalid_option(keyword)
        if value is not None:
            settings[keyword] = option_text(keyword, value)
    return " ".join(f"{keyword}={keyvalue.quote(value)}" for keyword, value in settings.items())


def settle(conninfo: str | None, options: Mapping[str, object]) -> dict[str, str]:
    """What a connection string and single options say together, as PQconnectdbParams combines them.

    Unlike in `make`, an option that is None or empty is passed over. Raises what `make` raises.
    """
    settings = parse(conninfo) if conninfo is not None else {}
    for keyword, value in options.items():
        if value is None or value == "":
            continue
        if keyword not in OPTIONS:
            raise invalid_option(keyword)
        settings[keyword] = option_text(keyword, value)
    return settings


def invalid_option(keyword: str) -> ConninfoError:
    """The error for an unknown keyword."""
    return ConninfoError(f'invalid connection option "{keyword}"')


def _decoded(part: Part) -> tuple[str, str]:
    from pgwire.conninfo import uri

    if not part.in_query:
        return decode(part.keyword), decode(uri.percent_decode(part.value))
    keyword = decode(uri.percent_decode(part.keyword))
    value = decode(uri.percent_decode(part.value))
    # JDBC's way to ask for TLS.
    return ("sslmode", "require") if (keyword, value) == ("ssl", "true") else (keyword, value)


def _store(found: dict[str, str], keyword: str, value: str) -> bool:
    """Whether there is such an option; the last value of an option stays."""
    if keyword == "requiressl":  # of PostgreSQL before 7.4, still understood in strings
        keyword, value = "sslmode", "require" if value.startswith("1") else "prefer"
    if keyword not in OPTIONS:
        return False
    found[keyword] = value
    return True
