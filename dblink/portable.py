"""Text that means the same to every session, and what turns DataRow messages into rows of it.

A remote server writes dates and intervals in styles of its own. Whoever passes its text on, to an
input function of another session, has to put them in the one style that every session reads alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from dblink import messages
from pgwire.rows.batches import batch_decoder
from pgwire.rows.column import Column
from pgwire.rows.decoder import Decoder, Row, decode_rows
from pgwire.types.arraytext import quote_element
from pgwire.types.context import Context
from pgwire.types.iso import to_iso
from pgwire.types.registry import default_registry

TEXT = 25
NAME = 19
TEXT_TYPES = frozenset((25, 1043, 705, 1042))

_DATETIME_TYPES = frozenset(
    (1082, 1114, 1184, 1186, 1182, 1115, 1185, 1187)  # date … interval, and their arrays
)
DATETIME_RANGES = frozenset((3908, 3910, 3912, 3909, 3911, 3913, 4533, 4534, 4535))
# … and the arrays of multiranges
_MAY_HOLD_DATES = _DATETIME_TYPES | DATETIME_RANGES | {6152, 6153, 6155}
FIRST_USER_OID = 16384
"""Types below it are the same on every server."""

# What looks like a date in any DateStyle, and what an ISO one looks like.
_DATE = re.compile(r"\d+[-./]\d+[-./]\d+")
_ISO_DATE = re.compile(r"\d{4,}-\d\d-\d\d")
_WEEKDAY = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ")

RowConverter = Callable[[bytes], list[Row]]
TextConverter = Callable[[bytes], list[tuple[str | None, ...]]]


class Portable:
    """Values as text that means the same to every session, for whoever passes them on."""

    __slots__ = ("rows", "styles", "untouched")

    def __init__(
        self,
        remote: Sequence[Column],
        declared: Sequence[int] | None,
        context: Context,
        *,
        certain: bool,
    ) -> None:
        """`declared`: the OIDs of the types that the values are for, if these are known. `context`
        says how the remote server writes; `certain`, whether it surely wrote these rows so."""
        styled = context.date_style.startswith("ISO") and context.interval_style == "postgres"
        oids = [0] * len(remote) if declared is None else declared
        how = [
            TEXT
            if (styled and certain) or oid in TEXT_TYPES or oid == NAME
            else portable_text(column, context)
            for column, oid in zip(remote, oids, strict=True)
        ]
        self.rows: TextConverter = converter(how, context)  # type: ignore[assignment]
        """Turns runs of DataRow messages into tuples of text."""
        self.untouched = context.encoding == "utf-8" and all(
            way == TEXT and not column.format for column, way in zip(remote, how, strict=True)
        )
        """Whether the messages hold this very text, in UTF-8."""
        self.styles: dict[str, str] = {}
        """Settings under which the input functions have to read it. None, as a rule: but where a
        date, or what may hold one, is declared for a column that is none, nobody knows what there
        is to rewrite, and C dblink reads it as the remote server would."""
        if any(
            (oid in _MAY_HOLD_DATES or oid >= FIRST_USER_OID)
            and (column.type_oid not in _MAY_HOLD_DATES or column.format)
            for column, oid in zip(remote, oids, strict=True)
        ):
            self.styles = read_as_remote(context)


def portable(
    remote: Sequence[Column],
    declared: Sequence[int] | None,
    context: Context,
    *,
    certain: bool,
) -> Portable:
    """See `Portable`; results of the same types share one."""
    return _portable(
        tuple([(column.type_oid, column.format) for column in remote]),
        None if declared is None else tuple(declared),
        context,
        certain,
        default_registry.revision,
    )


@lru_cache(maxsize=64)
def _portable(
    shape: tuple[tuple[int, int], ...],
    declared: tuple[int, ...] | None,
    context: Context,
    certain: bool,
    revision: int,
) -> Portable:
    remote = [Column("", type_oid, format=format) for type_oid, format in shape]
    return Portable(remote, declared, context, certain=certain)


def read_as_remote(context: Context) -> dict[str, str]:
    """The settings of a session that reads dates and intervals as the remote server would.

    Input heeds the order of day and month only. The other half of DateStyle, how dates are
    written, becomes ISO, in which nobody can go wrong.
    """
    return {
        "DateStyle": "ISO, " + context.date_style.rpartition(" ")[2],
        "IntervalStyle": context.interval_style,
    }


def converter(how: Sequence[int | Decoder], context: Context) -> RowConverter:
    """A function that decodes each field by the text of a built-in type (its OID), or by a function
    of ours. Without the latter whole batches are decoded at once."""
    oids = [way for way in how if isinstance(way, int)]
    if len(oids) == len(how):
        return in_batches([Column("", oid) for oid in oids], context)
    decoders = [
        default_registry.by_oid(way).text_decoder(context) if isinstance(way, int) else way
        for way in how
    ]
    return lambda frames: decode_rows(frames, 0, len(frames), decoders)


def in_batches(columns: Sequence[Column], context: Context) -> RowConverter:
    """A function that decodes rows of these columns, whole batches at once."""
    decode = batch_decoder(columns, default_registry, context)

    def convert(frames: bytes) -> list[Row]:
        rows, stop = decode(frames, 0, len(frames))
        assert stop == len(frames)  # a run is cut at the ends of messages
        return rows

    return convert


def portable_text(column: Column, context: Context) -> int | Decoder:
    """Text that means the same under every DateStyle: dates of a server that does not write ISO
    are rewritten, and refused where their text is ambiguous, or is not ISO where it must be."""
    if column.type_oid in _DATETIME_TYPES:
        oid = column.type_oid
        return lambda value: to_iso(oid, value, context).decode()
    if column.type_oid in DATETIME_RANGES:
        text = default_registry.by_oid(TEXT).text_decoder(context)
        return lambda value: _iso_range(str(text(value)), context)
    return TEXT


def _iso_range(text: str, context: Context) -> str:
    """`text`, a range or multirange of dates, if it is certain how it is to be read."""
    dates = _DATE.findall(text)
    iso = all(map(_ISO_DATE.fullmatch, dates)) and not _WEEKDAY.search(text)
    if not (iso and context.date_style.startswith("ISO")):
        raise messages.make(
            "22007",
            f"a range of dates in DateStyle {context.date_style} cannot be read safely",
            hint="SET DateStyle = ISO on the remote connection, or declare the column as text.",
        )
    return text


def text_of(value: object) -> str | None:
    """What a function of dblink's returns, as PostgreSQL writes it: None, text, an integer, or an
    array of text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        elements = [quote_element(str(item).encode(), b",") for item in value]
        return (b"{" + b",".join(elements) + b"}").decode()
    return str(value)
