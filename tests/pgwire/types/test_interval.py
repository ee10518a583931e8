import copy
import datetime
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire import errors
from pgwire.types.context import Context
from pgwire.types.interval import Interval, iso_interval
from pgwire.types.intervalstyles import interval_text, parse_interval
from pgwire.types.registry import default_registry

H, M, S = 3_600_000_000, 60_000_000, 1_000_000
CODEC = default_registry.by_name("interval")

# Written by PostgreSQL 18 in the four styles.
WRITTEN = [
    ((0, 0, 0), "00:00:00", "@ 0", "0", "PT0S"),
    ((0, 1, 0), "1 day", "@ 1 day", "1 0:00:00", "P1D"),
    (
        (14, 3, 4 * H + 5 * M + 6_789_000),
        "1 year 2 mons 3 days 04:05:06.789",
        "@ 1 year 2 mons 3 days 4 hours 5 mins 6.789 secs",
        "+1-2 +3 +4:05:06.789",
        "P1Y2M3DT4H5M6.789S",
    ),
    (
        (-14, 3, -(4 * H + 5 * M + 6_789_000)),
        "-1 years -2 mons +3 days -04:05:06.789",
        "@ 1 year 2 mons -3 days 4 hours 5 mins 6.789 secs ago",
        "-1-2 +3 -4:05:06.789",
        "P-1Y-2M3DT-4H-5M-6.789S",
    ),
    ((-11, 0, 0), "-11 mons", "@ 11 mons ago", "-0-11", "P-11M"),
    ((0, -1, -2 * H), "-1 days -02:00:00", "@ 1 day 2 hours ago", "-1 2:00:00", "P-1DT-2H"),
    ((0, 1, -250_000), "1 day -00:00:00.25", "@ 1 day -0.25 secs", "+0-0 +1 -0:00:00.25",
     "P1DT-0.25S"),
    ((0, -1, 250_000), "-1 days +00:00:00.25", "@ 1 day -0.25 secs ago", "+0-0 -1 +0:00:00.25",
     "P-1DT0.25S"),
    ((0, 0, -S), "-00:00:01", "@ 1 sec ago", "-0:00:01", "PT-1S"),
    ((1, -1, 0), "1 mon -1 days", "@ 1 mon -1 days", "+0-1 -1 +0:00:00", "P1M-1D"),
    ((-1, 0, H), "-1 mons +01:00:00", "@ 1 mon -1 hours ago", "-0-1 +0 +1:00:00", "P-1MT1H"),
    ((0, 0, 100 * H), "100:00:00", "@ 100 hours", "100:00:00", "PT100H"),
    ((2_136_000_000, 0, 0), "178000000 years", "@ 178000000 years", "178000000-0",
     "P178000000Y"),
]  # fmt: skip


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: row[1])
def test_all_styles(row: tuple[tuple[int, int, int], str, str, str, str]) -> None:
    fields, *texts = row
    assert [parse_interval(text) for text in texts] == [fields] * 4
    assert interval_text(*fields) == texts[0]
    assert {iso_interval(text) for text in texts} == {texts[0]}


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "@", "@ ", "@ ago", "@ 1", "@ 1 week", "P", "PT", "P1", "P1DT", "1", "1 day "),
        *("1 days 2", "1 day  2:03:04", "1:2:3", "--1", "1-2 3 4:05:06", "1 -0:00:01"),
        *("9" * 30 + " days", "99999999999 days", "9999999999 mons", "1 dayx", "mon", "٣ days"),
    ],
)
def test_no_interval(text: str) -> None:
    with pytest.raises(errors.DataError):
        CODEC.text_decoder(Context())(text.encode())


@given(
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1),
)
def test_text_law(months: int, days: int, microseconds: int) -> None:
    assert parse_interval(interval_text(months, days, microseconds)) == (
        months,
        days,
        microseconds,
    )


@given(st.timedeltas())
def test_a_timedelta_keeps_its_length(value: datetime.timedelta) -> None:
    interval = Interval.from_timedelta(value)
    assert interval.timedelta() == value
    assert interval.days * interval.microseconds >= 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 day 00:00:01", datetime.timedelta(1, 1)),
        ("-00:00:00.5", datetime.timedelta(microseconds=-500_000)),
        ("1 mon", Interval(1)),
        ("2000000000 days", Interval(0, 2_000_000_000)),
    ],
)
def test_decoded(text: str, value: object) -> None:
    assert CODEC.text_decoder(Context())(text.encode()) == value
    assert CODEC.binary_encoder is not None
    assert CODEC.binary_decoder(Context())(CODEC.binary_encoder(Context())(value)) == value
    assert CODEC.binary_encoder(Context())(text) == CODEC.binary_encoder(Context())(value)


@pytest.mark.parametrize("text", ["infinity", "-infinity"])
def test_infinity(text: str) -> None:
    assert CODEC.binary_encoder is not None
    as_text, binary = Context(unrepresentable="text"), CODEC.binary_encoder(Context())(text)
    for decoder, data in ((CODEC.text_decoder, text.encode()), (CODEC.binary_decoder, binary)):
        assert decoder(as_text)(data) == text
        with pytest.raises(errors.DataError, match=f'"{text}"') as caught:
            decoder(Context())(data)
        assert caught.value.sqlstate == "22008" and "unrepresentable" in str(caught.value.hint)


def test_interval_class() -> None:
    interval = Interval(14, 3, 5)
    assert str(interval) == "1 year 2 mons 3 days 00:00:00.000005"
    assert repr(interval) == "Interval(months=14, days=3, microseconds=5)"
    assert interval == Interval(14, 3, 5) != Interval(14, 3, 6)
    assert interval != (14, 3, 5)
    assert Interval(1) != Interval(0, 30)
    assert len({interval, copy.copy(interval), pickle.loads(pickle.dumps(interval))}) == 1
    with pytest.raises(errors.DataError):
        interval.timedelta()
    with pytest.raises(errors.DataError):
        Interval(0, 2**31 - 1).timedelta()
    with pytest.raises(AttributeError):
        interval.days = 4
    with pytest.raises(AttributeError):
        del interval.days
