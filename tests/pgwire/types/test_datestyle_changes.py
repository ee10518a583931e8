"""DateStyle that changes while rows are on their way: never a day for a month."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

import pgwire
from pgwire import errors
from pgwire.testing.cluster import Cluster

STYLES = ("ISO, MDY", "SQL, MDY", "SQL, DMY", "Postgres, MDY", "Postgres, DMY", "German, DMY")
DAY = datetime.date(2020, 2, 3)
MOMENT = datetime.datetime(2020, 2, 3, 4, 5, 6)
LATER = datetime.datetime(2020, 2, 5)
VALUES: dict[str, Any] = {
    "date '2020-02-03'": DAY,
    "timestamp '2020-02-03 04:05:06'": MOMENT,
    "timestamptz '2020-02-03 04:05:06+00'": MOMENT.replace(tzinfo=datetime.UTC),
    "array[date '2020-02-03']": [DAY],
    "array[timestamp '2020-02-03 04:05:06']": [MOMENT],
    "tsrange('2020-02-03 04:05:06', '2020-02-05')": pgwire.Range(MOMENT, LATER),
    "array[tsrange('2020-02-03 04:05:06', '2020-02-05')]": [pgwire.Range(MOMENT, LATER)],
    "row(timestamp '2020-02-03 04:05:06')": (MOMENT,),
    "array[timestamp '2020-02-03 04:05:06'::stamp]": [MOMENT],
}


@pytest.mark.parametrize("before", STYLES)
def test_by_the_statement_itself_in_the_extended_protocol(cluster: Cluster, before: str) -> None:
    with pgwire.connect(
        host=cluster.host, port=cluster.port, user="postgres", dbname="postgres"
    ) as connection:
        connection.query("CREATE DOMAIN pg_temp.stamp AS timestamp")
        connection.load_types("pg_temp.stamp")
        select = ", ".join(VALUES).replace("stamp]", "pg_temp.stamp]")
        for after in STYLES:
            connection.query(f"SET DateStyle = '{before}'")
            sql = f"SELECT set_config('DateStyle', '{after}', false), {select}"
            try:
                row = connection.query(sql, ()).rows[0]
            except errors.DataError as error:
                # A timestamp of its own, in the text of another style.
                assert before.startswith("ISO") and error.sqlstate == "22007"
            else:
                assert row == (after, *VALUES.values())


@pytest.mark.parametrize("before", STYLES)
@pytest.mark.parametrize("how", ["SELECT set_config('DateStyle', '{}', false), {}", "{}; {}"])
def test_by_the_statement_itself_or_before_it_in_one_string(
    cluster: Cluster, before: str, how: str
) -> None:
    with pgwire.connect(
        host=cluster.host, port=cluster.port, user="postgres", dbname="postgres"
    ) as connection:
        for after in STYLES:
            for value, wanted in VALUES.items():
                if "row(" in value or "stamp]" in value:
                    continue
                first = after if "config" in how else f"SET DateStyle = '{after}'"
                second = value if "config" in how else f"SELECT {value}"
                connection.query(f"SET DateStyle = '{before}'")
                try:
                    row = connection.query(how.format(first, second)).rows[0]
                except errors.DataError as error:
                    assert error.sqlstate == "22007"
                    assert before != after
                else:
                    assert row[-1] == wanted
                # It is in step, and under the new style nothing is in doubt.
                assert connection.query(f"SELECT {value}").scalar() == wanted


def test_a_change_without_dates_is_no_matter(cluster: Cluster) -> None:
    with pgwire.connect(
        host=cluster.host, port=cluster.port, user="postgres", dbname="postgres"
    ) as connection:
        connection.query("SET DateStyle = 'SQL, DMY'")
        sql = "SELECT set_config('DateStyle', 'SQL, MDY', false), 1, date '2020-02-03' WHERE {}"
        assert connection.query(sql.format("false")).rows == []
        connection.query("SET DateStyle = 'SQL, DMY'")
        assert connection.query_text(sql.format("true")) == [("SQL, MDY", "1", "02/03/2020")]
        assert connection.query("SELECT set_config('DateStyle', 'German', false), 5").rows == [
            ("German, DMY", 5)
        ]
