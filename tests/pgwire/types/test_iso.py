import pytest

from pgwire import errors
from pgwire.types.context import Context
from pgwire.types.iso import to_iso

KOLKATA = Context(date_style="Postgres, DMY", time_zone="Asia/Kolkata")
SQL = Context(date_style="SQL, DMY", interval_style="sql_standard")


@pytest.mark.parametrize(
    ("oid", "text", "context", "iso"),
    [
        (1082, "03/02/2020", SQL, "2020-02-03"),
        (1114, "03/02/2020 04:05:06", SQL, "2020-02-03 04:05:06"),
        (1184, "Mon 03 Feb 06:32:03 2020 IST", KOLKATA, "2020-02-03 06:32:03+05:30"),
        (1186, "-1 2:03:04", SQL, "-1 days -02:03:04"),
        (1182, "{03/02/2020,NULL,infinity}", SQL, "{2020-02-03,NULL,infinity}"),
        (1115, '[2:2]={"03/02/2020 04:05:06"}', SQL, '[2:2]={"2020-02-03 04:05:06"}'),
        (
            1185,
            '{{"Mon 03 Feb 06:32:03 2020 IST"},{NULL}}',
            KOLKATA,
            '{{"2020-02-03 06:32:03+05:30"},{NULL}}',
        ),
        (1187, "{1-2,0}", SQL, '{"1 year 2 mons",00:00:00}'),
        (25, "03/02/2020", SQL, "03/02/2020"),
        (1083, "04:05:06", SQL, "04:05:06"),
        (999999, "{", SQL, "{"),
    ],
)
def test_to_iso(oid: int, text: str, context: Context, iso: str) -> None:
    assert to_iso(oid, text.encode(), context) == iso.encode()


@pytest.mark.parametrize(
    ("oid", "text"), [(1082, "02/03/20"), (1182, "{02.03.2020}"), (1186, "x"), (1184, "\xff")]
)
def test_what_is_uncertain_is_refused(oid: int, text: str) -> None:
    with pytest.raises(errors.DataError):
        to_iso(oid, text.encode("latin-1"), SQL)
