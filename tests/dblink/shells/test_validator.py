"""The wrapper's validator says what that of C dblink 18 says."""

from __future__ import annotations

import pytest

import pgwire
from dblink.foreign import MAPPING_OPTIONS, SERVER_OPTIONS

OPTIONS = [
    *(f"{keyword}=x" for keyword in (*SERVER_OPTIONS, *sorted(MAPPING_OPTIONS))),
    *(
        "hos=1",
        "usr=1",
        "passwor=1",
        "x=1",
        "Host=a",
        "zzzzzzzzzzzz=1",
        "",
        "=",
        "hostt",
        "dbnam=d",
    ),
    *(
        "client_encoding=x",
        "client_encodin=1",
        "replication=1",
        "sslkeylogfile=x",
        "oauth_issuer=x",
    ),
    *("scram_client_key=x", "sslmod=require", "user name=x", "ppoorrtt=1", "hóst=1", "sslcrll=x"),
    *("keepalives_intervall=1", "ssl_min_protocol_versio=x", "load_balance_host=x", "use_scram=1"),
]
CATALOGUES = ["pg_foreign_server", "pg_user_mapping", "pg_foreign_data_wrapper", "pg_class"]


def said(connection: pgwire.Connection, option: str, catalogue: str) -> tuple[str | None, ...]:
    try:
        connection.query(
            "SELECT ext.dblink_fdw_validator($1::text[], $2::regclass)", ([option], catalogue)
        )
    except pgwire.DatabaseError as error:
        return error.sqlstate, error.message, error.detail, error.hint
    return ()


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_each_option_is_judged_as_by_c_dblink(
    c_database: str, database: str, catalogue: str
) -> None:
    with pgwire.connect(c_database) as original, pgwire.connect(database) as ours:
        major = int(original.info.parameters["server_version"].split(".")[0])
        for option in OPTIONS:
            expected = said(original, option, catalogue)
            found = said(ours, option, catalogue)
            keyword = option.partition("=")[0]
            if major < 16:  # other hints, and options that libpq did not have then
                newer = keyword in SERVER_OPTIONS and found == ()
                older = keyword not in SERVER_OPTIONS and expected == ()
                assert newer or older or found[:3] == expected[:3], option
            else:
                assert found == expected, option


def test_servers_and_mappings_are_checked(database: str) -> None:
    with pgwire.connect(database) as connection, connection.transaction():
        connection.execute("CREATE SERVER validated FOREIGN DATA WRAPPER dblink_fdw")
        connection.execute("ALTER SERVER validated OPTIONS (ADD host 'a', ADD port '1')")
        with pytest.raises(pgwire.DatabaseError) as caught, connection.transaction():
            connection.execute("ALTER SERVER validated OPTIONS (ADD prt '1')")
        assert caught.value.sqlstate == "HV00J"
        assert caught.value.message == 'invalid option "prt"'
        connection.execute(
            "CREATE USER MAPPING FOR PUBLIC SERVER validated OPTIONS (user 'u', password 'p')"
        )
        connection.execute("DROP SERVER validated CASCADE")


def test_no_option_is_as_good_as_any(database: str) -> None:
    with pgwire.connect(database) as connection:
        connection.query("SELECT ext.dblink_fdw_validator('{}', 'pg_class'::regclass)")
