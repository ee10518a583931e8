"""Names of the built-in types as SQL writes them, both ways.

Manual: chapter 8 "Data Types", and format_type in 9.27.4 "System Catalog Information Functions".
"""

from __future__ import annotations

import re
from typing import Final

from pgwire.types.catalog import SQL_NAMES, TYPES

__all__ = ["format_type", "resolve_type_name", "split_type_name"]


def format_type(oid: int, typmod: int | None = -1) -> str:
    """The name of a type as PostgreSQL's format_type gives it.

    Arguments:
        oid: of a built-in type or of an array over one; any other gives ``???``.
        typmod: the type modifier, -1 for none. None is format_type's NULL; it differs for
            ``character`` and ``bit``, which without a modifier are not the types of that name.
    """
    if oid == 0:
        return "-"
    if oid in _ELEMENTS:
        return format_type(_ELEMENTS[oid], typmod) + "[]"
    name = _NAMES.get(oid)
    if name is None:
        return "???"
    given = typmod is not None and typmod >= 0
    if typmod == -1 and name in ("bpchar", "bit"):
        return '"bit"' if name == "bit" else name
    modifier = _modifier(name, typmod) if typmod is not None and given else ""
    if name == "interval":
        return name + modifier
    if name in SQL_NAMES:
        first, space, rest = SQL_NAMES[name].partition(" ")
        # The precision of a time stands in the middle, all else at the end.
        if rest.endswith("time zone"):
            return first + modifier + space + rest
        return SQL_NAMES[name] + modifier
    return (f'"{name}"' if name in _KEYWORDS else name) + modifier


def resolve_type_name(text: str) -> tuple[int, int] | None:
    """OID and type modifier (-1: none) of a built-in type by its name in SQL.

    It takes what SQL takes: ``int``, ``varchar(10)``, ``timestamp(3) with time zone``,
    ``pg_catalog.int4``, ``interval day to second``, ``"char"``, ``text[]``. None if there is no
    such built-in type, or its modifier is out of range.
    """
    tokens = _tokens(text)
    if not tokens:
        return None
    tokens, is_array = _strip_array(tokens)
    resolved = _resolve(tokens)
    if resolved is None or not is_array:
        return resolved
    array = _ARRAYS.get(resolved[0], 0)
    return (array, resolved[1]) if array else None


def split_type_name(text: str) -> tuple[tuple[str, ...], bool] | None:
    """The name in ``schema.name(3)[]``, as ("schema", "name"), and whether it is an array over it.

    What is not quoted is folded to lower case; a modifier is left out, as it is no part of the
    type. None if it is no name of a type.
    """
    tokens, is_array = _strip_array(_tokens(text))
    if not tokens:
        return None
    names: list[str] = []
    for position, token in enumerate(tokens):
        if token == "(" and names and position % 2:
            words, _, rest = _split(tokens[position - 1 :])
            if words is None or rest:
                return None
            break
        if position % 2:
            if token != ".":
                return None
        elif token.startswith('"'):
            names.append(token[1:-1].replace('""', '"'))
        elif token[0].isalpha() or token[0] == "_":
            names.append(token)
        else:
            return None
    return (tuple(names), is_array) if tokens[-1] != "." else None


_NAMES: Final = {oid: name for oid, name, _ in TYPES}
_OIDS: Final = {name: oid for oid, name, _ in TYPES}
_ARRAYS: Final = {oid: array for oid, _, array in TYPES if array}
_ELEMENTS: Final = {array: oid for oid, _, array in TYPES if array}
_KEYWORDS: Final = frozenset(("any", "char"))  # among the types without a name in the standard

# Names that only the grammar knows -> name in pg_type. Those of the catalogue need no entry.
_ALIASES: Final = {
    **{sql_name: name for name, sql_name in SQL_NAMES.items()},
    "char": "bpchar",
    "char varying": "varchar",
    "dec": "numeric",
    "decimal": "numeric",
    "int": "int4",
    "national char": "bpchar",
    "national char varying": "varchar",
    "national character": "bpchar",
    "national character varying": "varchar",
    "nchar": "bpchar",
    "nchar varying": "varchar",
    "time": "time",
    "timestamp": "timestamp",
}
# These mean a length of 1 when they stand without one; "bpchar" and "varbit" do not.
_LENGTH_ONE: Final = frozenset(
    ("bit", "char", "character", "national char", "national character", "nchar")
)
_TIMES: Final = {"time": "timetz", "timestamp": "timestamptz"}
_HEADER: Final = 4  # bytes of a varlena header: counted in the modifiers of varchar and numeric
_MAXIMUM_LENGTH: Final = 10_485_760

# Fields of an interval as bits of its modifier.
_FULL_RANGE, _FULL_PRECISION = 0x7FFF, 0xFFFF
_FIELDS: Final = {
    "year": 1 << 2,
    "month": 1 << 1,
    "day": 1 << 3,
    "hour": 1 << 10,
    "minute": 1 << 11,
    "second": 1 << 12,
}
_RANGES: Final = {
    **{bit: name for name, bit in _FIELDS.items()},
    (1 << 2) | (1 << 1): "year to month",
    (1 << 3) | (1 << 10): "day to hour",
    (1 << 3) | (1 << 10) | (1 << 11): "day to minute",
    (1 << 3) | (1 << 10) | (1 << 11) | (1 << 12): "day to second",
    (1 << 10) | (1 << 11): "hour to minute",
    (1 << 10) | (1 << 11) | (1 << 12): "hour to second",
    (1 << 11) | (1 << 12): "minute to second",
}
_RANGE_BITS: Final = {name: bits for bits, name in _RANGES.items()}

_TOKEN: Final = re.compile(r'\s*(?:("(?:[^"]|"")+")|([^\W\d][\w$]*)|([+-]?\d+)|([][().,]))')


def _modifier(name: str, typmod: int) -> str:
    if name in ("bpchar", "varchar"):
        return f"({typmod - _HEADER})"
    if name == "numeric":
        packed = typmod - _HEADER
        scale = ((packed & 0x7FF) ^ 1024) - 1024  # eleven bits, signed
        return f"({(packed >> 16) & 0xFFFF},{scale})"
    if name == "interval":
        fields = _RANGES.get(typmod >> 16 & _FULL_RANGE, "")
        precision = typmod & _FULL_PRECISION
        text = f" {fields}" if fields else ""
        return text if precision == _FULL_PRECISION else f"{text}({precision})"
    return f"({typmod})"


def _tokens(text: str) -> list[str]:
    """Lower-case words, quoted names with their quotes, numbers, punctuation; [] if it is none."""
    tokens: list[str] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            return []
        quoted, word, number, sign = match.groups()
        tokens.append(quoted or (word.lower() if word else number or sign))
        position = match.end()
    return tokens


def _strip_array(tokens: list[str]) -> tuple[list[str], bool]:
    """Without ``[]``, ``[3]``, ``ARRAY`` and ``ARRAY[3]`` at the end."""
    is_array = False
    while tokens and tokens[-1] == "]":
        bound = len(tokens) >= 3 and tokens[-2].isdigit()
        if tokens[-3 if bound else -2 :][:1] != ["["]:
            return [], False
        del tokens[-3 if bound else -2 :]
        is_array = True
    if len(tokens) > 1 and tokens[-1] == "array":
        del tokens[-1]
        is_array = True
    return tokens, is_array


def _resolve(tokens: list[str]) -> tuple[int, int] | None:
    if tokens[:2] in (["pg_catalog", "."], ['"pg_catalog"', "."]):
        return _catalogued(tokens[2:])
    if not tokens or tokens[0].startswith('"'):
        return _catalogued(tokens)
    if tokens[0] == "interval":
        return _interval(tokens[1:])
    words, arguments, rest = _split(tokens)
    if words is None:
        return None
    name = " ".join(words)
    if len(words) == 1 and name in _TIMES and rest in (_WITH_ZONE, _WITHOUT_ZONE):
        name = _TIMES[name] if rest == _WITH_ZONE else name
    elif rest:
        return None
    if name == "float":
        return _float(arguments)
    length_one = name in _LENGTH_ONE and arguments is None
    return _named(_ALIASES.get(name, name), [1] if length_one else arguments)


_WITH_ZONE, _WITHOUT_ZONE = ["with", "time", "zone"], ["without", "time", "zone"]


def _catalogued(tokens: list[str]) -> tuple[int, int] | None:
    """A name of pg_type, perhaps quoted, which the grammar does not look at."""
    words, arguments, rest = _split(tokens)
    if words is None or len(words) != 1 or rest:
        return None
    name = words[0]
    if name.startswith('"'):
        name = name[1:-1].replace('""', '"')
    return _named(name, arguments)


def _split(tokens: list[str]) -> tuple[list[str] | None, list[int] | None, list[str]]:
    """The words, the arguments in parentheses (None: no parentheses) and what follows them."""
    end = next((i for i, token in enumerate(tokens) if token in _WORD_ENDS), len(tokens))
    words, arguments = tokens[:end], None
    if tokens[end : end + 1] == ["("]:
        close = tokens.index(")", end) if ")" in tokens[end:] else -1
        inside = tokens[end + 1 : close] if close > 0 else []
        numbers, commas = inside[::2], inside[1::2]
        if len(inside) % 2 == 0 or set(commas) - {","} or not all(map(_is_number, numbers)):
            return None, None, []
        arguments = [int(number) for number in numbers]
        end = close + 1
    return (words or None), arguments, tokens[end:]


_WORD_ENDS: Final = frozenset(("(", ")", "[", "]", ".", ",", "with", "without"))


def _is_number(token: str) -> bool:
    return token.lstrip("+-").isdecimal() and len(token) < 12


def _interval(tokens: list[str]) -> tuple[int, int] | None:
    oid = _OIDS["interval"]
    words, arguments, rest = _split(tokens)
    fields = " ".join(words or [])
    if rest or (arguments is not None and len(arguments) != 1):
        return None
    if fields not in _RANGE_BITS and words is not None:
        return None
    # A precision may only follow the seconds, or stand alone.
    if arguments is not None and words is not None and words[-1] != "second":
        return None
    if not tokens:
        return oid, -1
    if words is None and arguments is None:
        return None
    precision = _FULL_PRECISION if arguments is None else arguments[0]
    if arguments is not None and precision < 0:
        return None
    bits = _RANGE_BITS.get(fields, _FULL_RANGE)
    return oid, bits << 16 | (precision if arguments is None else min(precision, 6))


def _float(arguments: list[int] | None) -> tuple[int, int] | None:
    if arguments is None:
        return _OIDS["float8"], -1
    if len(arguments) != 1 or not 1 <= arguments[0] <= 53:
        return None
    return _OIDS["float4" if arguments[0] <= 24 else "float8"], -1


def _named(name: str, arguments: list[int] | None) -> tuple[int, int] | None:
    """A type of the catalogue, an array by its name there (``_int4``), with its modifier."""
    oid = _OIDS.get(name)
    if oid is None and name.startswith("_"):
        oid = _ARRAYS.get(_OIDS.get(name[1:], 0))
        name = name[1:]
    if oid is None:
        return None
    if arguments is None:
        return oid, -1
    typmod = _typmod(name, arguments)
    return (oid, typmod) if typmod is not None else None


def _typmod(name: str, arguments: list[int]) -> int | None:
    first = arguments[0]
    if name == "numeric":
        scale = arguments[1] if len(arguments) == 2 else 0
        if len(arguments) > 2 or not 1 <= first <= 1000 or not -1000 <= scale <= 1000:
            return None
        return (first << 16 | scale & 0x7FF) + _HEADER
    if len(arguments) != 1:
        return None
    if name in ("bpchar", "varchar"):
        return first + _HEADER if 1 <= first <= _MAXIMUM_LENGTH else None
    if name in ("bit", "varbit"):
        return first if 1 <= first <= 8 * _MAXIMUM_LENGTH else None
    if name in ("time", "timetz", "timestamp", "timestamptz"):
        return min(first, 6) if first >= 0 else None
    return None
