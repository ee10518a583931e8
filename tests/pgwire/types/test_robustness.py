"""Whatever bytes a peer sends, a decoder gives a value or raises DataError; and values go round."""

import datetime
import json
import math
import uuid
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pgwire import errors
from pgwire.types.codec import Codec
from pgwire.types.context import Context
from pgwire.types.interval import Interval
from pgwire.types.registry import _FAMILIES, default_registry

# One of those that are made alike.
ALIKE = {
    *(name for name in _FAMILIES["regtypes"] if name != "regclass"),
    *("varchar", "name", "xml", "refcursor", "void", "int4", "int8", "xid", "cid", "int8range"),
    *("varbit", "cidr", "macaddr8", "lseg", "circle", "polygon", "txid_snapshot", "oidvector"),
    *("int4range", "numrange", "tsrange", "int8multirange", "nummultirange", "tsmultirange"),
}
SCALARS = [name for names in _FAMILIES.values() for name in names if name not in ALIKE]
PARSED = (
    *("bit", "date", "timestamp", "timestamptz", "time", "timetz", "interval", "tid", "pg_lsn"),
    *("pg_snapshot", "inet", "macaddr", "point", "line", "box", "path", "tsvector", "tsquery"),
    *("int2vector", "regclass", "char"),
)
CODECS = [default_registry.by_name(name) for name in SCALARS]
CODECS += [
    default_registry.by_name(f"{name}[]")
    for name in ("int4", "text", "box", "timestamptz", "json", "numeric", "bytea", "tsquery")
]
ORACLE = Path(__file__).resolve().parents[2] / "data" / "types_oracle.jsonl"
SAMPLES: dict[int, list[bytes]] = {}
for line in map(json.loads, ORACLE.read_text(encoding="utf-8").splitlines()):
    if line["binary"] is not None:
        SAMPLES.setdefault(line["oid"], []).append(bytes.fromhex(line["binary"]))
CONTEXTS = (
    Context(),
    Context("cp932", "SQL, DMY", "sql_standard", "Europe/Berlin", "text"),
    Context("pgwire_sql_ascii", "Postgres, MDY", "iso_8601", "../nowhere"),
    Context("iso8859-1", "German, DMY", "postgres_verbose", "<+05>-05"),
)
PIECES = st.lists(
    st.sampled_from(
        (
            *(b"{", b"}", b'"', b"\\", b",", b"NULL", b"1", b"-", b".", b":", b" ", b"[0:1]="),
            *(b"00", b"2024-02-30", b"99:99:99", b" BC", b"+15", b"infinity", b"NaN", b"P1Y"),
            *(b"e9", b"@ ", b"mons", b"ago", b"01/02/2003 04:05:06 CET", b"\xff"),
            *(b"Mon Jan 01 00:00:00 2000 XYZ", b"(", b")", b"<", b">", b"[", b"]", b"1.5e300"),
            *(b"/", b"::", b"10.0.0.1", b"/33", b"%eth0", b"08:", b"'a'", b"&", b"|", b"!", b":*A"),
        )
    ),
    max_size=8,
).map(b"".join)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@given(data=st.binary(max_size=64) | PIECES, context=st.sampled_from(CONTEXTS))
@example(data=b"", context=CONTEXTS[0])
@example(data=b"\x00\x00\x00\x06" + b"\x7f" * 60, context=CONTEXTS[0])
def test_bytes_of_any_kind(codec: Codec, data: bytes, context: Context) -> None:
    for decode in (codec.text_decoder(context), codec.binary_decoder(context)):
        try:
            decode(data)
        except errors.DataError as error:
            assert error.sqlstate is not None and len(str(error)) < 500


@pytest.mark.parametrize(
    "codec", [codec for codec in CODECS if codec.oid in SAMPLES], ids=lambda codec: codec.name
)
@settings(max_examples=30)
@given(data=st.data())
def test_a_damaged_value(codec: Codec, data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(SAMPLES[codec.oid]))
    start = data.draw(st.integers(0, len(sample)))
    stop = data.draw(st.integers(start, min(len(sample), start + 4)))
    damaged = sample[:start] + data.draw(st.binary(max_size=4)) + sample[stop:]
    for context in (CONTEXTS[0], CONTEXTS[1]):
        for cut in (damaged, damaged[:start]):
            try:
                codec.binary_decoder(context)(cut)
            except errors.DataError as error:
                assert error.sqlstate is not None and len(str(error)) < 500


@pytest.mark.parametrize("name", PARSED)
@settings(max_examples=40)
@given(
    pieces=st.lists(
        st.sampled_from(
            (
                *("(", ")", "<", ">", "[", "]", "{", "}", "'a'", "b", "&", "|", "!", "<->", "<2>"),
                *(
                    ":",
                    "/",
                    ",",
                    ".",
                    "-",
                    " ",
                    "1",
                    "23",
                    "1.5e300",
                    "NaN",
                    "FF",
                    "é",
                    "\\",
                    ":*A",
                ),
                *("10.0.0.1", "::1", "08:00:2b:01:02:03", "1:2:", "infinity", "true", "\0"),
            )
        ),
        max_size=7,
    )
)
def test_text_of_any_kind_in_binary_format(name: str, pieces: list[str]) -> None:
    """It is refused here, or it is a value which shows as text that means the same."""
    codec = default_registry.by_name(name)
    assert codec.binary_encoder is not None
    encode, decode = codec.binary_encoder(CONTEXTS[0]), codec.binary_decoder(CONTEXTS[0])
    try:
        binary = encode("".join(pieces))
    except errors.DataError:
        return
    with suppress(errors.DataError):  # infinity
        value = decode(binary)
        # Of equal operators in a row a tsquery does not show which binds its operands.
        assert name in ("tsquery", "interval") or encode(value) == binary


UTC = datetime.timezone.utc  # noqa: UP017
OFFSETS = st.integers(-15 * 3600, 15 * 3600).map(
    lambda seconds: datetime.timezone(datetime.timedelta(seconds=seconds))
)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "bool": st.booleans(),
    "bytea": st.binary(max_size=20),
    "int2": st.integers(-(2**15), 2**15 - 1),
    "int4": st.integers(-(2**31), 2**31 - 1),
    "int8": st.integers(-(2**63), 2**63 - 1),
    "oid": st.integers(0, 2**32 - 1),
    # Six digits are what every normal single holds.
    "float4": st.floats(width=32, allow_nan=False, allow_subnormal=False).map(
        lambda value: float(f"{value:.6g}")
    ),
    "float8": st.floats(allow_nan=False),
    "numeric": st.decimals(allow_nan=False)
    | st.decimals(min_value=-(10**30), max_value=10**30, places=12, allow_nan=False),
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    "date": st.dates(),
    "time": st.times(),
    "timetz": st.times(timezones=OFFSETS),
    "timestamp": st.datetimes(),
    "timestamptz": st.datetimes(timezones=OFFSETS),
    "interval": st.timedeltas()
    | st.builds(
        Interval,
        st.integers(1, 2**31 - 1),
        st.integers(-(2**31), 2**31 - 1),
        st.integers(-(2**63), 2**63 - 1),
    ),
    "uuid": st.uuids(),
    "jsonb": st.dictionaries(
        st.text("abé\\\"'{", max_size=3), st.none() | st.integers() | st.text('é\\"', max_size=4)
    ),
}


def fits(name: str, value: object) -> bool:
    if name == "numeric":
        assert isinstance(value, Decimal)
        if not value.is_finite():
            return True
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)
        return exponent >= -16383 and value.adjusted() < 131072
    if name == "float4":
        assert isinstance(value, float)
        return math.isinf(value) or value == 0 or 1.2e-38 < abs(value) < 3.4e38
    return True


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("form", ["text", "binary"])
@given(data=st.data())
def test_round_trip(name: str, form: str, data: st.DataObject) -> None:
    context = Context(unrepresentable="text")
    value = data.draw(VALUES[name].filter(lambda value: fits(name, value)))
    codec = default_registry.by_name(name)
    if form == "text":
        again = codec.text_decoder(context)(codec.text_encoder(context)(value))
    else:
        assert codec.binary_encoder is not None
        again = codec.binary_decoder(context)(codec.binary_encoder(context)(value))
    if isinstance(value, Decimal) and isinstance(again, Decimal) and value.is_zero():
        value = abs(value)  # numeric has no negative zero
        again = abs(again)
    if isinstance(again, str) and isinstance(value, datetime.datetime):
        # In UTC it is before the year 1 or after 9999.
        assert (
            not datetime.datetime(1, 1, 2, tzinfo=UTC)
            < value
            < datetime.datetime(9999, 12, 31, tzinfo=UTC)
        )
        return
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bool", 1),
        ("int4", 1.5),
        ("float8", Decimal(1)),
        ("numeric", 1.5),
        ("bytea", [1]),
        ("uuid", b"x" * 16),
        ("date", datetime.datetime(2000, 1, 1)),
        ("time", datetime.datetime(2000, 1, 1)),
        ("timestamp", 5),
        ("timestamptz", datetime.date(2000, 1, 1)),
        ("interval", 5),
        ("text", 5),
        ("char", b"a"),
        ("int4[]", 5),
        ("jsonb", {1, 2}),
        ("inet", uuid.UUID(int=0)),
    ],
)
def test_a_python_type_that_does_not_fit(name: str, value: object) -> None:
    codec = default_registry.by_oid(869) if name == "inet" else default_registry.by_name(name)
    for make in (codec.text_encoder, codec.binary_encoder):
        if make is not None:
            with pytest.raises(errors.ProgrammingError) as caught:
                make(Context())(value)
            assert type(value).__name__ in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("int2", 2**15),
        ("int8", -(2**63) - 1),
        ("oid", -1),
        ("float4", 1e300),
        ("float8", 10**400),
        ("numeric", Decimal("1E200000")),
        ("numeric", Decimal("1E-20000")),
        ("date", "6000000-01-01"),
        ("timestamp", "300000-01-01 00:00:00"),
        ("timestamptz", "2000-01-01 00:00:00"),
        ("timestamptz", datetime.datetime(2000, 1, 1)),
        ("timestamp", datetime.datetime(2000, 1, 1, tzinfo=UTC)),
        ("time", datetime.time(1, tzinfo=UTC)),
        ("timetz", datetime.time(1)),
        ("interval", Interval(2**31)),
        ("char", "ab"),
        ("jsonb", {"x": math.nan}),
        ("text", "a\0b"),
    ],
)
def test_a_value_beyond_the_type(name: str, value: object) -> None:
    codec = default_registry.by_name(name)
    assert codec.binary_encoder is not None
    with pytest.raises(errors.DataError):
        codec.binary_encoder(Context())(value)
