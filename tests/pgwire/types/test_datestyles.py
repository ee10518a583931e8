import datetime

import pytest

from pgwire import errors
from pgwire.types.context import Context
from pgwire.types.datestyles import iso_date, iso_timestamp, iso_timestamptz
from pgwire.types.registry import default_registry

UTC = datetime.timezone.utc  # noqa: UP017


def context(style: str, zone: str = "UTC") -> Context:
    return Context(date_style=style, time_zone=zone)


@pytest.mark.parametrize(
    ("style", "text", "iso"),
    [
        ("ISO, MDY", "2020-02-03", "2020-02-03"),
        ("SQL, MDY", "02/03/2020", "2020-02-03"),
        ("SQL, YMD", "02/03/2020", "2020-02-03"),
        ("SQL, DMY", "03/02/2020", "2020-02-03"),
        ("Postgres, MDY", "02-03-2020", "2020-02-03"),
        ("Postgres, DMY", "03-02-2020", "2020-02-03"),
        ("German, MDY", "03.02.2020", "2020-02-03"),
        ("German, DMY", "03.02.2020 BC", "2020-02-03 BC"),
        ("SQL, DMY", "03/02/12020", "12020-02-03"),
        ("SQL, DMY", "infinity", "infinity"),
        ("German, DMY", "2020-02-03", "2020-02-03"),
    ],
)
def test_dates(style: str, text: str, iso: str) -> None:
    assert iso_date(text, context(style)) == iso


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("ISO, MDY", "02/03/2020"),
        ("SQL, MDY", "03.02.2020"),
        ("SQL, MDY", "17/02/2020"),  # there is no 17th month
        ("SQL, DMY", "02/17/2020"),
        ("German, DMY", "30.02.2020"),
        ("German, DMY", "03.02.0000"),
        ("Postgres, MDY", "2020-02-30"),
        ("ISO, MDY", "2020-13-01"),
        ("", "03.02.2020"),
        ("nonsense", "02/03/2020"),
    ],
)
def test_a_date_that_is_not_in_the_style(style: str, text: str) -> None:
    with pytest.raises(errors.DataError) as caught:
        iso_date(text, context(style))
    assert caught.value.sqlstate == "22007"
    assert text in str(caught.value) and style in str(caught.value)


@pytest.mark.parametrize(
    ("style", "text", "iso"),
    [
        ("SQL, MDY", "12/17/1997 07:37:16.5", "1997-12-17 07:37:16.5"),
        ("SQL, DMY", "17/12/1997 07:37:16 BC", "1997-12-17 07:37:16 BC"),
        ("Postgres, MDY", "Wed Dec 17 07:37:16 1997", "1997-12-17 07:37:16"),
        ("Postgres, DMY", "Wed 17 Dec 07:37:16 1997 BC", "1997-12-17 07:37:16 BC"),
        ("German, DMY", "17.12.1997 07:37:16", "1997-12-17 07:37:16"),
        ("SQL, DMY", "-infinity", "-infinity"),
    ],
)
def test_timestamps(style: str, text: str, iso: str) -> None:
    assert iso_timestamp(text, context(style)) == iso


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("Postgres, MDY", "Wed Foo 17 07:37:16 1997"),
        ("Postgres, MDY", "Wed Dec 17 07:37:61 1997"),
        ("SQL, MDY", "12/17/1997 07:37:16 PST"),
        ("ISO, MDY", "1997-12-17 07:37:16+00"),
        ("ISO, MDY", "1997-12-17"),
        ("ISO, MDY", ""),
    ],
)
def test_a_timestamp_that_is_not_in_the_style(style: str, text: str) -> None:
    with pytest.raises(errors.DataError):
        iso_timestamp(text, context(style))


@pytest.mark.parametrize(
    ("zone", "text", "offset"),
    [
        ("UTC", "02/03/2020 01:02:03 UTC", "+00"),
        ("Asia/Kolkata", "02/03/2020 01:02:03 IST", "+05:30"),
        ("Asia/Jerusalem", "02/03/2020 01:02:03 IST", "+02"),
        ("Europe/Dublin", "07/03/2020 01:02:03 IST", "+01"),
        ("America/Sao_Paulo", "02/03/2020 01:02:03 -03", "-03"),
        ("Europe/London", "02/03/2020 01:02:03 GMT", "+00"),
        ("Europe/London", "07/03/2020 01:02:03 BST", "+01"),
        ("nowhere", "02/03/2020 01:02:03 GMT", "+00"),
        ("nowhere", "02/03/2020 01:02:03+05:30", "+05:30"),
        ("nowhere", "02/03/2020 01:02:03+05:30:15", "+05:30:15"),
        # Five hours EAST of UTC, and called UTC.
        ("UTC-5", "02/03/2020 01:02:03 UTC", "+05"),
        ("<+05>-05", "02/03/2020 01:02:03 +05", "+05"),
        ("<-00>3:30", "02/03/2020 01:02:03 -00", "-03:30"),
        # Twice the same local time; the abbreviation says which.
        ("Europe/Berlin", "10/31/2021 02:30:00 CEST", "+02"),
        ("Europe/Berlin", "10/31/2021 02:30:00 CET", "+01"),
        # Where Python's years end.
        ("Europe/Berlin", "07/01/12021 00:00:00 CEST", "+02"),
        ("Europe/Berlin", "01/01/294276 00:00:00 CET", "+01"),
        ("Europe/Berlin", "03/15/0044 00:00:00 LMT BC", "+00:53:28"),
    ],
)
def test_zones(zone: str, text: str, offset: str) -> None:
    iso = iso_timestamptz(text, context("SQL, MDY", zone))
    clock = text.split(" ")[1][:8]  # the local time stays as it is, the offset follows it
    assert iso.removesuffix(" BC").endswith(f" {clock}{offset}")


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "02/03/2020 01:02:03 IST"),
        ("Europe/London", "02/03/2020 01:02:03 IST"),
        ("Europe/London", "02/03/2020 01:02:03 BST"),  # in winter
        ("Europe/Berlin", "03/28/2021 02:30:00 CET"),  # a time that the clocks skip
        ("../../etc/passwd", "02/03/2020 01:02:03 CET"),
        ("", "02/03/2020 01:02:03 CET"),
        ("UTC", "02/03/2020 01:02:03"),
        ("UTC", "02/03/2020 01:02:03 +16"),
    ],
)
def test_a_zone_that_is_not_certain_is_never_guessed(zone: str, text: str) -> None:
    with pytest.raises(errors.DataError) as caught:
        iso_timestamptz(text, context("SQL, MDY", zone))
    assert caught.value.sqlstate == "22007"


@pytest.mark.parametrize(
    ("name", "style", "text", "value"),
    [
        ("date", "German, DMY", "03.02.2020", datetime.date(2020, 2, 3)),
        (
            "timestamp",
            "Postgres, DMY",
            "Mon 03 Feb 01:02:03.5 2020",
            datetime.datetime(2020, 2, 3, 1, 2, 3, 500000),
        ),
        (
            "timestamptz",
            "ISO, MDY",
            "2020-02-03 01:02:03.000001+05:30:15",
            datetime.datetime(2020, 2, 2, 19, 31, 48, 1, tzinfo=UTC),
        ),
    ],
)
def test_decoded(name: str, style: str, text: str, value: object) -> None:
    decoded = default_registry.by_name(name).text_decoder(context(style))(text.encode())
    assert decoded == value
    if isinstance(decoded, datetime.datetime):
        assert decoded.tzinfo is (UTC if name == "timestamptz" else None)


@pytest.mark.parametrize(
    ("name", "style", "text", "iso"),
    [
        ("date", "German, DMY", "03.02.2020 BC", "2020-02-03 BC"),
        ("date", "ISO, MDY", "10000-01-01", "10000-01-01"),
        ("timestamp", "Postgres, MDY", "Fri Mar 15 00:00:00 0044 BC", "0044-03-15 00:00:00 BC"),
        ("timestamptz", "ISO, MDY", "0001-01-01 00:00:00+01", "0001-01-01 00:00:00+01"),
        ("timestamptz", "ISO, MDY", "-infinity", "-infinity"),
        ("time", "ISO, MDY", "24:00:00", "24:00:00"),
        ("timetz", "ISO, MDY", "24:00:00-15:59", "24:00:00-15:59"),
    ],
)
def test_what_python_cannot_hold_is_an_error_or_text(
    name: str, style: str, text: str, iso: str
) -> None:
    codec, strict = default_registry.by_name(name), context(style)
    assert codec.binary_encoder is not None
    lenient = strict.replace(unrepresentable="text")
    assert codec.text_decoder(lenient)(text.encode()) == iso
    binary = codec.binary_encoder(strict)(iso)
    for decode, data in (
        (codec.text_decoder(strict), text.encode()),
        (codec.binary_decoder(strict), binary),
    ):
        with pytest.raises(errors.DataError, match="does not fit into datetime") as caught:
            decode(data)
        assert caught.value.sqlstate == "22008" and "unrepresentable" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timestamp", "2020-02-30 00:00:00"),
        ("timestamp", "2020-01-01 24:00:01"),
        ("timestamp", "2020-W01-1 00:00:00"),
        ("timestamptz", "2020-01-01 00:00:00"),
        ("timestamptz", "2020-01-01 00:00:00+24"),
        ("time", "24:00:01"),
        ("time", "00:60:00"),
        ("time", "00:00:00+00"),
        ("timetz", "00:00:00"),
        ("date", "٢٠٢٠-01-01"),
    ],
)
def test_not_decoded(name: str, text: str) -> None:
    with pytest.raises(errors.DataError):
        default_registry.by_name(name).text_decoder(Context())(text.encode())


@pytest.mark.parametrize(
    ("name", "text", "binary"),
    [
        ("date", "infinity", "7fffffff"),
        ("date", "-infinity", "80000000"),
        ("date", "0001-01-01 BC", "fff4da8b"),
        ("timestamp", "infinity", "7fffffffffffffff"),
        ("timestamptz", "10000-01-01 00:00:00+00", "0380e70b913b8000"),
        ("time", "24:00:00", "000000141dd76000"),
        ("timetz", "24:00:00-15:59", "000000141dd760000000e0c4"),
    ],
)
def test_texts_that_python_cannot_hold_are_parameters_too(
    name: str, text: str, binary: str
) -> None:
    codec = default_registry.by_name(name)
    assert codec.text_encoder(Context())(text) == text.encode()
    assert codec.binary_encoder is not None
    assert codec.binary_encoder(Context())(text).hex() == binary
    assert codec.binary_decoder(Context(unrepresentable="text"))(bytes.fromhex(binary)) == text
