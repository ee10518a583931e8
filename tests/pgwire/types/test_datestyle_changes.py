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
