"""target_session_attrs and load_balance_hosts with a real primary and its streaming standby."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

import pgwire
from pgwire import errors
from pgwire.protocol.backend import CommandComplete, DataRow, ReadyForQuery, RowDescription
from pgwire.protocol.description import FieldDescription
from pgwire.protocol.frontend import Query, Terminate
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from pgwire.testing.script import PARAMETERS, Script, ScriptedServer, expect, login, send
from tests.pgwire.libpq import LibPQ
from tests.pgwire.targets.kit import closed_port, ours, theirs


class Pair(NamedTuple):
    primary: Cluster
    standby: Cluster

    def conninfo(self, order: str, **options: object) -> str:
        """A connection string: `p` primary, `s` standby, `x` nobody, in this order."""
        ports = {"p": self.primary.port, "s": self.standby.port, "x": closed_port()}
        values = {
            "host": ",".join(["127.0.0.1"] * len(order)),
            "port": ",".join(str(ports[kind]) for kind in order),
            "user": "postgres",
            "dbname": "postgres",
            **options,
        }
        return " ".join(f"{keyword}='{value}'" for keyword, value in values.items())

    def reached(self, conninfo: str) -> str:
        """Which of them a connection leads to, or the error."""
        try:
            with pgwire.connect(conninfo, environ={}) as connection:
                ((recovering,),) = connection.query("SELECT pg_is_in_recovery()").rows
        except errors.Error as error:
            return error.message
        return "s" if recovering else "p"


@pytest.fixture(scope="module")
def pair(tls_binaries: Binaries) -> Iterator[Pair]:
    with Cluster(tls_binaries) as primary, primary.standby() as standby:
        yield Pair(primary, standby)


FITS = {
    "any": {"p": "p", "s": "s", "xps": "p", "xsp": "s"},
    "read-write": {"sp": "p", "xsp": "p", "ps": "p"},
    "read-only": {"ps": "s", "xps": "s", "sp": "s"},
    "primary": {"sp": "p", "xsp": "p"},
    "standby": {"ps": "s", "xps": "s"},
    "prefer-standby": {"ps": "s", "sp": "s", "p": "p", "xp": "p", "pxp": "p"},
}


@pytest.mark.parametrize("wanted", FITS)
def test_the_server_that_fits_is_taken(pair: Pair, wanted: str) -> None:
    for order, expected in FITS[wanted].items():
        conninfo = pair.conninfo(order, target_session_attrs=wanted)
        assert (order, pair.reached(conninfo)) == (order, expected)


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        ("read-write", "sxs"),
        ("read-only", "pp"),
        ("primary", "s"),
        ("standby", "xp"),
        ("prefer-standby", "xx"),
    ],
)
def test_nothing_fits(pair: Pair, libpq18: LibPQ, wanted: str, order: str) -> None:
    conninfo = pair.conninfo(order, target_session_attrs=wanted)
    message = ours(conninfo)
    assert message
    assert message == theirs(libpq18, conninfo)


def test_read_only_by_default_is_read_only(pair: Pair) -> None:
    read_only = {"options": "-c default_transaction_read_only=on"}
    writes = pair.conninfo("ps", target_session_attrs="read-write", **read_only)
    assert "session is read-only" in pair.reached(writes)
    reads = pair.conninfo("ps", target_session_attrs="read-only", **read_only)
    assert pair.reached(reads) == "p"
    assert pair.reached(pair.conninfo("sp", target_session_attrs="primary", **read_only)) == "p"


def test_the_standby_streams(pair: Pair) -> None:
    """What the primary writes arrives: the standby is no copy that stands still."""
    with pgwire.connect(pair.conninfo("p"), environ={}) as primary:
        primary.query_all("CREATE TABLE streamed (); SELECT pg_switch_wal()")
    deadline = pgwire.Stopwatch(20)
    with pgwire.connect(pair.conninfo("s"), environ={}) as standby:
        while not standby.query("SELECT to_regclass('streamed') IS NOT NULL").rows[0][0]:
            assert not deadline.expired
            standby.query("SELECT pg_sleep(0.01)")


def test_load_is_balanced(pair: Pair) -> None:
    """100 connections that all go one way: 2^-99."""
    conninfo = pair.conninfo("ps", load_balance_hosts="random")
    assert {pair.reached(conninfo) for _ in range(100)} == {"p", "s"}
    fixed = pair.conninfo("ps", load_balance_hosts="disable")
    assert {pair.reached(fixed) for _ in range(10)} == {"p"}


def answers(value: bytes) -> Script:
    return [
        expect(Query),
        send(
            RowDescription([FieldDescription(b"x", type_oid=25)]),
            DataRow([value]),
            CommandComplete(b"SHOW"),
            ReadyForQuery(b"I"),
        ),
    ]


@pytest.mark.parametrize(
    ("wanted", "value", "fits"),
    [
        ("read-write", b"off", True),
        ("read-write", b"on", False),
        ("read-only", b"on", True),
        ("read-only", b"off", False),
        ("primary", b"f", True),
        ("primary", b"t", False),
        ("standby", b"t", True),
        ("standby", b"f", False),
        ("prefer-standby", b"t", True),
    ],
)
def test_old_servers_are_asked(wanted: str, value: bytes, fits: bool, libpq18: LibPQ) -> None:
    """A server before 14 reports neither parameter."""
    asked = {}
    for name, connect in (("ours", ours), ("theirs", lambda text: theirs(libpq18, text))):
        script = [login(PARAMETERS | {"server_version": "13.9"}), answers(value), expect(Terminate)]
        with ScriptedServer(script) as server:
            text = server.conninfo(target_session_attrs=wanted, sslmode="disable")
            message = connect(text).replace(str(server.port), "port")
            asked[name] = message, [m.sql for m in server.peers[0].received if type(m) is Query]
    assert asked["ours"] == asked["theirs"]
    assert (asked["ours"][0] == "") is fits
