"""Which failures go on to the next address or host, and which end it all: as the real libpq 18.

Each case runs twice on scripted servers made alike, once for ours and once for libpq, and compares
the messages line by line. The ports of the two runs differ; they are shown by number of server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from pgwire.protocol.backend import (
    AuthenticationOk,
    AuthenticationSASL,
    ErrorResponse,
    ParameterStatus,
    ReadyForQuery,
)
from pgwire.protocol.frontend import Query, SSLRequest, StartupMessage, Terminate
from pgwire.testing.logins import cleartext, fatal
from pgwire.testing.script import (
    PARAMETERS,
    Script,
    ScriptedServer,
    close,
    expect,
    greeting,
    login,
    send,
)
from tests.pgwire.libpq import LibPQ
from tests.pgwire.targets.kit import closed_port, conninfo, ours, silent, theirs

STARTING = fatal("the database system is starting up", "57P03")
NO_DATABASE = fatal('database "db" does not exist', "3D000")
NO_ENTRY = fatal('no pg_hba.conf entry for host "127.0.0.1", user "alice"', "28000")
PLAIN_ERROR = ErrorResponse({"S": b"ERROR", "C": b"XX000", "M": b"no", "H": b"try again"})
BARE_ERROR = ErrorResponse({"M": b"no severity at all"})
NO_TLS: Script = [expect(SSLRequest), send(b"N")]
READ_ONLY = {"default_transaction_read_only": "on", "in_hot_standby": "off"}
STANDBY = {"default_transaction_read_only": "off", "in_hot_standby": "on"}
PRIMARY = {"default_transaction_read_only": "off", "in_hot_standby": "off"}


def refuses(message: ErrorResponse) -> Script:
    return [expect(StartupMessage), send(message), close()]


def reports(parameters: dict[str, str]) -> Script:
    return login({**PARAMETERS, **parameters})


def takes_leave(parameters: dict[str, str]) -> Script:
    return [reports(parameters), expect(Terminate)]


DEAD = "dead"
SILENT = "silent"
# A server is its scripts, one per connection, or what there is instead of one.
Server = Sequence[Script] | str

# name -> servers, options. What is after the last server that is reached must not be reached.
CASES: dict[str, tuple[Sequence[Server], dict[str, object]]] = {
    "nobody": ([DEAD], {}),
    "nobody twice": ([DEAD, DEAD], {}),
    "nobody, then a server": ([DEAD, [login()]], {}),
    "starting up, then a server": ([[refuses(STARTING)], [login()]], {}),
    "starting up twice": ([[refuses(STARTING)], [refuses(STARTING)]], {}),
    "starting up, prefer": ([[refuses(STARTING)], [login()]], {"sslmode": "prefer"}),
    "starting up, allow": ([[refuses(STARTING)], [login()]], {"sslmode": "allow"}),
    "starting up after Ok": (
        [[[expect(StartupMessage), send(AuthenticationOk(), STARTING), close()]], [login()]],
        {},
    ),
    "refused": ([[refuses(NO_ENTRY)], [login()]], {}),
    "refused, allow": ([[refuses(NO_ENTRY), NO_TLS], [login()]], {"sslmode": "allow"}),
    "refused, prefer": ([[refuses(NO_ENTRY)], [login()]], {"sslmode": "prefer"}),
    "refused with ERROR": ([[refuses(PLAIN_ERROR)], [login()]], {}),
    "refused with ERROR, allow": (
        [[refuses(PLAIN_ERROR), NO_TLS], [login()]],
        {"sslmode": "allow"},
    ),
    "refused without severity": ([[refuses(BARE_ERROR)], [login()]], {}),
    "no such database, allow": (
        [[[expect(StartupMessage), send(AuthenticationOk(), NO_DATABASE), close()]], [login()]],
        {"sslmode": "allow"},
    ),
    "refused after parameters": (
        [
            [
                [
                    expect(StartupMessage),
                    send(AuthenticationOk(), ParameterStatus(b"a", b"b"), NO_ENTRY),
                    close(),
                ]
            ],
            [login()],
        ],
        {},
    ),
    "the end at once": ([[close()], [login()]], {}),
    "the end after the startup": ([[[expect(StartupMessage), close()]], [login()]], {}),
    "the end after Ok": (
        [[[expect(StartupMessage), send(AuthenticationOk()), close()]], [login()]],
        {},
    ),
    "an unknown mechanism": (
        [[[expect(StartupMessage), send(AuthenticationSASL([b"X"]))]], [login()]],
        {},
    ),
    "TLS is required": ([[NO_TLS], [login()]], {"sslmode": "require"}),
    "an error instead of TLS": (
        [[[expect(SSLRequest), send(NO_ENTRY), close()]], [login()]],
        {"sslmode": "prefer"},
    ),
    "TLS breaks, prefer": (
        [[[expect(SSLRequest), send(b"S"), close()], login()]],
        {"sslmode": "prefer"},
    ),
    "silence, then a server": ([SILENT, [login()]], {"connect_timeout": 1}),
    "silence twice": ([SILENT, SILENT], {"connect_timeout": 1}),
    "silence, allow": ([SILENT, [login()]], {"connect_timeout": 1, "sslmode": "allow"}),
    "read-only": (
        [[takes_leave(READ_ONLY)], [takes_leave(STANDBY)], [login(PARAMETERS | PRIMARY)]],
        {"target_session_attrs": "read-write"},
    ),
    "all read-only": (
        [[takes_leave(READ_ONLY)], [takes_leave(STANDBY)]],
        {"target_session_attrs": "read-write"},
    ),
    "none read-only": ([[takes_leave(PRIMARY)]], {"target_session_attrs": "read-only"}),
    "no primary": ([[takes_leave(STANDBY)], DEAD], {"target_session_attrs": "primary"}),
    "no standby": ([[takes_leave(PRIMARY)], DEAD], {"target_session_attrs": "standby"}),
    "a standby is preferred, there is none": (
        [DEAD, [takes_leave(PRIMARY), login()]],
        {"target_session_attrs": "prefer-standby"},
    ),
    "a standby is preferred, nobody": ([DEAD], {"target_session_attrs": "prefer-standby"}),
    "the probe fails": (
        [
            [[login(), expect(Query), send(PLAIN_ERROR, ReadyForQuery(b"I")), expect(Terminate)]],
            [login(PARAMETERS | PRIMARY)],
        ],
        {"target_session_attrs": "read-write"},
    ),
    "all probes fail": (
        [[[login(), expect(Query), send(PLAIN_ERROR, ReadyForQuery(b"I")), expect(Terminate)]]],
        {"target_session_attrs": "standby"},
    ),
    "the server ends in the probe": (
        [[[login(), expect(Query), close()]], [login(PARAMETERS | PRIMARY)]],
        {"target_session_attrs": "read-write"},
    ),
    "keepalives are no integer": ([[close()], [close()]], {"keepalives_idle": "x"}),
}


@pytest.mark.parametrize("name", CASES)
def test_failures(name: str, libpq18: LibPQ) -> None:
    servers, options = CASES[name]
    found = run(servers, options, ours)
    expected = run(servers, options, lambda conninfo: theirs(libpq18, conninfo))
    assert found == expected


def run(
    servers: Sequence[Server], options: dict[str, object], connect: Callable[[str], str]
) -> tuple[str, list[int]]:
    """The message, ports by number of server, and how often each scripted server was reached."""
    with ExitStack() as stack:
        ports: list[int] = []
        scripted: list[ScriptedServer] = []
        for server in servers:
            if server is DEAD:
                ports.append(closed_port())
            elif server is SILENT:
                ports.append(stack.enter_context(silent()))
            else:
                assert not isinstance(server, str)
                scripted.append(stack.enter_context(ScriptedServer(*server)))
                ports.append(scripted[-1].port)
        message = connect(
            conninfo(*(("127.0.0.1", port) for port in ports), **{"sslmode": "disable", **options})
        )
        for number, port in enumerate(ports):
            message = message.replace(str(port), f"<{number}>")
        return message, [len(server.peers) for server in scripted]


# Lists of hosts and ports, with nobody or a greeting server at {port}.
LISTS = {
    "no such directory": "host=/nonexistent port={port}",
    "path too long": "host=/" + "x" * 200 + ",127.0.0.1 port=5432,{port}",
    "path too long, alone": "host=/" + "x" * 200,
    "abstract, nobody": "host=@nobody-listens-here",
    "port out of range": "host=127.0.0.1,127.0.0.1 port=0,{port}",
    "ports out of range": "host=127.0.0.1,127.0.0.1 port=0,65536",
    "port is no integer": "host=127.0.0.1,127.0.0.1,127.0.0.1 port={dead},x,{port}",
    "address cannot be parsed": "hostaddr=256.1.1.1,127.0.0.1 port={port}",
    "address is a name": "host=x hostaddr=localhost port={port}",
    "address beside host": "host=db1,db2 hostaddr=127.0.0.1,127.0.0.1 port={dead},{dead}",
    "short address": "host=127.1 port={dead}",
    "unknown name": "host=no-such-name.invalid port={port}",
    "unknown name, then a server": "host=no-such-name.invalid,127.0.0.1 port={port}",
    "IPv6": "host=::1 port={dead}",
    "counts of addresses": "host=a,b hostaddr=127.0.0.1 port={port}",
    "counts of ports": "host=a,b port=1,2,3",
    "one port for all": "host=/nonexistent,127.0.0.1 port={port}",
}


@pytest.mark.parametrize("name", LISTS)
def test_lists(name: str, libpq18: LibPQ) -> None:
    dead = closed_port()

    def run(connect: Callable[[str], str]) -> str:
        with ScriptedServer(login()) as server:
            text = LISTS[name].format(port=server.port, dead=dead)
            message = connect(f"{text} user=alice dbname=db sslmode=disable")
            return message.replace(str(server.port), "<port>")

    assert run(ours) == run(lambda conninfo: theirs(libpq18, conninfo))


def test_a_password_of_the_file_is_named(tmp_path: Path, libpq18: LibPQ) -> None:
    passfile = tmp_path / "pgpass"
    passfile.write_text("*:*:*:*:secret\n")
    passfile.chmod(0o600)
    options: dict[str, object] = {"passfile": passfile}
    for script, named in ((cleartext("other"), True), (refuses(fatal("no password")), False)):
        found = run([[script]], options, ours)
        assert (f'password retrieved from file "{passfile}"' in found[0]) is named
        assert found == run([[script]], options, lambda conninfo: theirs(libpq18, conninfo))


def test_each_address_has_its_own_time() -> None:
    """Two silent servers take one second each: the clock begins anew."""
    with silent() as first, silent() as second:
        text = conninfo(("127.0.0.1", first), ("127.0.0.1", second), connect_timeout=1)
        message = ours(text + " sslmode=disable")
    assert message.count("timeout expired") == 2


def test_greeting_is_complete() -> None:
    """The kit itself: who fits is taken, and nothing is asked."""
    with ScriptedServer([expect(StartupMessage), greeting(PARAMETERS | PRIMARY)]) as server:
        assert ours(server.conninfo(target_session_attrs="primary", sslmode="disable")) == ""
