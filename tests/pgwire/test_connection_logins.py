"""How a session begins on a real server: ways of authentication, parameters of the startup."""

from __future__ import annotations

import base64
import getpass
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest

import pgwire
from pgwire import errors
from pgwire.testing import Binaries, Cluster

PASSWORD = "pässword ' \\ €"
METHODS = {
    "trusted": "trust",
    "clear": "password",
    "hashed": "md5",
    "proved": "scram-sha-256",
    "barred": "reject",
}


@pytest.fixture(scope="module")
def server(binaries: Binaries) -> Iterator[Cluster]:
    """A server where the name of the role decides how it is authenticated."""
    hba = ["local all postgres trust"]
    for role, method in METHODS.items():
        hba += [f"local all {role} {method}", f"host all {role} 127.0.0.1/32 {method}"]
    with Cluster(binaries, hba=hba) as cluster:
        with pgwire.connect(cluster.conninfo()) as connection:
            quoted = PASSWORD.replace("'", "''")
            for role, method in METHODS.items():
                kind = "md5" if method == "md5" else "scram-sha-256"
                connection.execute(f"SET password_encryption = '{kind}'")
                connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{quoted}'")
            connection.execute("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII'")
            connection.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'")
        yield cluster


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@pytest.mark.parametrize("role", ["trusted", "clear", "hashed", "proved"])
def test_a_right_password_lets_in(server: Cluster, role: str, tcp: bool) -> None:
    conninfo = server.conninfo(user=role, password=PASSWORD, tcp=tcp)
    with pgwire.connect(conninfo) as connection:
        assert connection.query("SELECT session_user").scalar() == role
        assert connection.info.password_used is (role != "trusted")
        assert connection.info.user == role


@pytest.mark.parametrize("role", ["clear", "hashed", "proved"])
def test_a_wrong_password_does_not(server: Cluster, role: str) -> None:
    with pytest.raises(errors.error_class("28P01")) as caught:
        pgwire.connect(server.conninfo(user=role, password="wrong-secret"))
    assert f'FATAL:  password authentication failed for user "{role}"' in str(caught.value)
    assert "wrong-secret" not in str(caught.value)
    with pytest.raises(errors.OperationalError, match="no password supplied"):
        pgwire.connect(server.conninfo(user=role), environ={})


def test_a_wrong_password_of_the_password_file_is_told(server: Cluster, tmp_path: Path) -> None:
    passfile = tmp_path / "pass"
    passfile.write_text("*:*:*:proved:wrong-secret\n")
    passfile.chmod(0o600)
    with pytest.raises(errors.error_class("28P01")) as caught:
        pgwire.connect(server.conninfo(user="proved", passfile=str(passfile)))
    assert f'password retrieved from file "{passfile}"' in str(caught.value)
    assert "wrong-secret" not in str(caught.value)


def test_a_rejected_role(server: Cluster) -> None:
    with pytest.raises(errors.error_class("28000"), match=r"FATAL:  pg_hba\.conf rejects"):
        pgwire.connect(server.conninfo(user="barred"))


@pytest.mark.parametrize(
    ("role", "demand", "lets_in"),
    [
        ("proved", "scram-sha-256", True),
        ("proved", "md5,scram-sha-256", True),
        ("proved", "!password", True),
        ("proved", "!scram-sha-256", False),
        ("hashed", "scram-sha-256", False),
        ("clear", "!password", False),
        ("trusted", "none", True),
        ("trusted", "scram-sha-256", False),
        ("trusted", "!none", False),
    ],
)
def test_require_auth(server: Cluster, role: str, demand: str, lets_in: bool) -> None:
    conninfo = server.conninfo(user=role, password=PASSWORD, require_auth=demand)
    if lets_in:
        pgwire.connect(conninfo).close()
    else:
        with pytest.raises(errors.OperationalError, match=f'requirement "{demand}" failed'):
            pgwire.connect(conninfo)


def test_keys_stand_in_for_the_password(server: Cluster) -> None:
    salt = b"sixteen bytes..."
    salted = hashlib.pbkdf2_hmac("sha256", b"secret", salt, 1)
    keys = [hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key")]
    stored = hashlib.sha256(keys[0]).digest()
    text = [base64.b64encode(data).decode() for data in (salt, stored, *keys)]
    verifier = f"SCRAM-SHA-256$1:{text[0]}${text[1]}:{text[3]}"
    with pgwire.connect(server.conninfo()) as connection:
        connection.execute(f"ALTER ROLE proved PASSWORD '{verifier}'")
        try:
            # One iteration, as PostgreSQL 16 lets administrators choose.
            pgwire.connect(server.conninfo(user="proved", password="secret")).close()
            with pytest.raises(errors.OperationalError, match="scram_min_iterations"):
                pgwire.connect(
                    server.conninfo(user="proved", password="secret"), scram_min_iterations=4096
                )
            keyed = {"scram_client_key": text[2], "scram_server_key": text[3]}
            pgwire.connect(server.conninfo(user="proved"), **keyed).close()
            wrong = {"scram_client_key": text[3], "scram_server_key": text[3]}
            with pytest.raises(errors.error_class("28P01")):
                pgwire.connect(server.conninfo(user="proved"), **wrong)
        finally:
            quoted = PASSWORD.replace("'", "''")
            connection.execute(f"ALTER ROLE proved PASSWORD '{quoted}'")


def test_parameters_of_the_startup(server: Cluster) -> None:
    with pgwire.connect(
        server.conninfo(),
        application_name="tést",
        options='-c work_mem=77kB -c search_path="a\\ b"',
        environ={"PGTZ": "Asia/Tokyo", "PGDATESTYLE": "SQL, DMY"},
    ) as connection:
        shown = [
            connection.query_text(f"SHOW {name}")[0][0]
            for name in ("work_mem", "search_path", "TimeZone", "DateStyle", "client_encoding")
        ]
        assert shown == ["77kB", '"a b"', "Asia/Tokyo", "SQL, DMY", "UTF8"]
        # Not ASCII: until version 15 the server shows ?, later the bytes.
        assert connection.info.parameters["application_name"].startswith(("t?", "t\\x"))
        assert connection.info.server_version // 10000 == server.binaries.major
        assert connection.info.process_id > 0
        assert connection.info.protocol_version == "3.0"


@pytest.mark.parametrize("value", ["a\0b", "x\0user\0admin"])
@pytest.mark.parametrize("option", ["application_name", "options", "dbname", "user", "password"])
def test_a_nul_is_refused_before_a_byte_is_sent(server: Cluster, option: str, value: str) -> None:
    arguments = {"user": "clear", "password": "x", option: value}
    before = server.log().count("connection")
    with pytest.raises(errors.Error):
        pgwire.connect(server.conninfo(), **arguments)
    assert server.log().count("connection") == before


def test_another_client_encoding(server: Cluster) -> None:
    with pgwire.connect(server.conninfo(client_encoding="LATIN1")) as connection:
        assert connection.info.parameters["client_encoding"] == "LATIN1"
        assert list(connection.query("SELECT 'é', ascii('é'), $1::text", ["ü"])) == [
            ("é", 233, "ü")
        ]
        with pytest.raises(errors.DataError, match="'€'"):
            connection.query("SELECT '€'")
        with pytest.raises(errors.DataError):
            connection.query("SELECT $1::text", ["€"])
        with pytest.raises(errors.error_class("22P05")):
            connection.query("SELECT U&'\\20AC'")  # the server cannot write it in LATIN1
        assert connection.query("SELECT 1").scalar() == 1
        connection.execute("SET client_encoding = UTF8")
        assert connection.query("SELECT '€'").scalar() == "€"


def test_databases_in_other_encodings(server: Cluster) -> None:
    with pgwire.connect(server.conninfo(dbname="latin")) as connection:
        assert connection.query("SELECT 'é'").scalar() == "é"
    with pgwire.connect(server.conninfo(dbname="ascii", client_encoding="SQL_ASCII")) as connection:
        assert connection.query("SELECT octet_length('é'), 'é'")[0] == (2, "é")
        value = connection.query("SELECT convert_from('\\xff61', 'SQL_ASCII')").scalar()
        assert value == "\udcffa"
        assert connection.query("SELECT octet_length($1::text)", [value]).scalar() == 2


def test_requirepeer(server: Cluster) -> None:
    import os
    import pwd

    owner = pwd.getpwuid(os.stat(server.data).st_uid).pw_name
    pgwire.connect(server.conninfo(requirepeer=owner)).close()
    stranger = "nobody" if owner != "nobody" else getpass.getuser()
    with pytest.raises(errors.OperationalError, match=f'requirepeer specifies "{stranger}", but'):
        pgwire.connect(server.conninfo(requirepeer=stranger))


def test_what_this_version_cannot_do_is_refused(server: Cluster) -> None:
    with pytest.raises(errors.NotSupportedError, match="sslcertmode=require"):
        pgwire.connect(server.conninfo(tcp=True, sslcertmode="require"))
    pgwire.connect(server.conninfo(sslmode="require")).close()  # no TLS on a socket anyhow
