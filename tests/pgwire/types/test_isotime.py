import datetime

from hypothesis import given
from hypothesis import strategies as st

from pgwire.types import isotime

EPOCH = datetime.date(2000, 1, 1).toordinal()


@given(st.dates())
def test_days_are_pythons_where_python_has_them(day: datetime.date) -> None:
    days = day.toordinal() - EPOCH
    assert isotime.days_of(day.year, day.month, day.day) == days
    assert isotime.date_text(days) == day.isoformat()


# 4714-11-24 BC to 5874897-12-31: the range of PostgreSQL's date.
@given(st.integers(-2_451_545, 2_145_031_948))
def test_dates_of_all_years(days: int) -> None:
    assert isotime.parse_date(isotime.date_text(days)) == days


@given(st.integers(-211_813_488_000_000_000, 9_223_371_331_199_999_999))
def test_timestamps_of_all_years(microseconds: int) -> None:
    text = isotime.timestamp_text(microseconds)
    assert isotime.parse_timestamp(text) == (microseconds, None)
    zoned = isotime.timestamp_text(microseconds, "-03:30")
    assert isotime.parse_timestamp(zoned) == (microseconds, -12600)


@given(st.integers(-57_599, 57_599))
def test_offsets(seconds: int) -> None:
    assert isotime.parse_offset(isotime.offset_text(seconds)) == seconds


def test_known_days() -> None:
    assert isotime.date_text(-2_451_545) == "4714-11-24 BC"
    assert isotime.date_text(2_145_031_948) == "5874897-12-31"
    assert isotime.days_of(1900, 2, 29) is None
    assert isotime.days_of(0, 2, 29) is not None  # 1 BC is a leap year
    assert isotime.parse_date("0000-01-01") is None
