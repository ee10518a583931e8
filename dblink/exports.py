"""Rows for other programs: CSV and JSON, written as the rows come."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TextIO

from dblink import messages
from dblink.result import ResultColumn
from pgwire.types.arraytext import ArrayText
from pgwire.types.catalog import DELIMITERS, OIDS, TYPES

Row = Sequence[str | None]

NUMBERS: Final = frozenset(
    OIDS[name][0] for name in ("int2", "int4", "int8", "float4", "float8", "numeric")
)
"""OIDs of the types whose text is a number."""


def write_csv(columns: Sequence[ResultColumn], rows: Iterable[Row], out: TextIO) -> None:
    """Write rows as COPY does in its CSV format, with a header: NULL is nothing at all, an empty
    string is `""`. Manual: COPY, CSV Format."""
    out.write(_csv_line([column.name for column in columns]))
    for row in rows:
        out.write(_csv_line(row))


def write_json(columns: Sequence[ResultColumn], rows: Iterable[Row], out: TextIO) -> None:
    """Write rows as one JSON array of objects, an object per line.

    Numbers, booleans, JSON and arrays are what they are in JSON too, NaN and infinities are
    strings, and so is the text of all other values. Manual: to_json.

    Raises DuplicateColumn (42701) if two columns have the same name, before anything is written.
    """
    names = [column.name for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise messages.make(
                "42701",
                f'two columns of the result are named "{name}", which JSON cannot tell apart',
                hint="Give them names of their own with AS.",
            )
    keys = [json.dumps(name, ensure_ascii=False) for name in names]
    encoders = [json_encoder(column.type_oid) for column in columns]
    separator = "[\n"
    for row in rows:
        members = (
            f"{key}: {'null' if value is None else encode(value)}"
            for key, encode, value in zip(keys, encoders, row, strict=True)
        )
        out.write(f"{separator}{{{', '.join(members)}}}")
        separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def json_encoder(type_oid: int) -> Callable[[str], str]:
    """What makes JSON of the server's text of a type."""
    if type_oid in NUMBERS:
        return _number
    if type_oid == _BOOL:
        return lambda value: "true" if value == "t" else "false"
    if type_oid in _JSON:
        # Outside of strings a line break is white space, and inside JSON has none.
        return lambda value: _LINE_BREAKS.sub(" ", value)
    if type_oid in _ELEMENTS:
        element, name = _ELEMENTS[type_oid]
        return _array_encoder(name, DELIMITERS.get(name, ","), json_encoder(element))
    return _string


_LINE_BREAKS = re.compile(r"[\r\n]+")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_BOOL = OIDS["bool"][0]
_JSON = frozenset((OIDS["json"][0], OIDS["jsonb"][0]))
_ELEMENTS: Final = {array: (element, name) for element, name, array in TYPES if array}


def _string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: str) -> str:
    return value if _JSON_NUMBER.fullmatch(value) else _string(value)


def _array_encoder(
    name: str, delimiter: str, encode_element: Callable[[str], str]
) -> Callable[[str], str]:
    text = ArrayText(f"{name}[]", delimiter)

    def decode(element: bytes) -> str:
        return encode_element(element.decode("utf-8", "surrogateescape"))

    def render(item: object) -> str:
        if isinstance(item, list):
            return f"[{', '.join(map(render, item))}]"
        return "null" if item is None else str(item)

    return lambda value: render(text.parse(value.encode("utf-8", "surrogateescape"), decode))


def _csv_line(values: Row) -> str:
    return ",".join(map(_csv_field, values)) + "\n"


_CSV_SPECIAL = re.compile(r'[",\r\n]')


def _csv_field(value: str | None) -> str:
    if value is None:
        return ""
    # A backslash and a full stop alone on a line would end the data for COPY.
    if value in ("", r"\.") or _CSV_SPECIAL.search(value):
        return '"' + value.replace('"', '""') + '"'
    return value
