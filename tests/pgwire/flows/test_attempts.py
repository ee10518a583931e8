"""The order of attempts, without any network: what comes of each step is written down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from pgwire import errors
from pgwire.conninfo import resolve
from pgwire.flows.attempts import (
    Address,
    Connected,
    Converse,
    Dial,
    HangUp,
    LookUp,
    Step,
    Wish,
    connecting,
)
from pgwire.flows.channel import Channel
from pgwire.flows.secure import HandshakeFailed

REFUSED = errors.OperationalError("Connection refused")
EXPIRED = errors.TimeoutExpired("timeout expired")
LOST = errors.ConnectionLost("server closed the connection unexpectedly")
FAILED = HandshakeFailed("SSL error: certificate verify failed")
UNKNOWN = errors.OperationalError('could not translate host name "a" to address: no')


def server_error(sqlstate: str) -> errors.DatabaseError:
    said = errors.Diagnostics(severity="FATAL", sqlstate=sqlstate, message=sqlstate)
    return errors.from_diagnostics(said)


class FakeTransport:
    def __init__(self) -> None:
        self.channel = Channel()


def play(
    conninfo: str, names: Mapping[str, list[str]], outcomes: Iterator[object]
) -> tuple[list[str], object]:
    """What was done, in order, and what came of it: a Connected or the message of the error.

    Each Dial and each Converse takes the next of `outcomes`; names without addresses are unknown.
    """
    wish = Wish(resolve(conninfo, ambient=False), lambda target: object(), (1, 1))  # type: ignore[arg-type, return-value]
    steps = connecting(wish)
    done: list[str] = []
    given: object = None
    raised: errors.Error | None = None
    try:
        while True:
            step: Step = steps.send(given) if raised is None else steps.throw(raised)
            given, raised = None, None
            if isinstance(step, LookUp):
                done.append(f"look up {step.target.host}")
                given = [Address(2, a, a, private=True) for a in names[step.target.host]]
                if not given:
                    raised = UNKNOWN
            elif isinstance(step, Dial):
                done.append(f"dial {step.address.shown}{' anew' if step.restart else ''}")
                given = next(outcomes)
                if isinstance(given, errors.Error):
                    raised = given
                else:
                    given = FakeTransport()
            elif isinstance(step, Converse):
                given = next(outcomes)
                if isinstance(given, errors.Error):
                    raised = given
                    if given.diagnostics.severity == "FATAL":
                        step.transport.channel.refusal = given.diagnostics
                step.flow.close()
            elif isinstance(step, HangUp):
                done.append("hang up")
    except StopIteration as stop:
        assert isinstance(stop.value, Connected)
        return done, stop.value
    except errors.Error as error:
        return done, error.message


GOOD = (None, None)  # the login, then the question whether the session fits

CASES: dict[str, tuple[str, tuple[object, ...], list[str], bool]] = {
    "the first address": ("", ("dial", *GOOD), ["look up a", "dial 1 anew"], True),
    "the next address": (
        "",
        (REFUSED, "dial", *GOOD),
        ["look up a", "dial 1 anew", "dial 2 anew"],
        True,
    ),
    "the next host": (
        "",
        (REFUSED, EXPIRED, "dial", *GOOD),
        ["look up a", "dial 1 anew", "dial 2 anew", "look up b", "dial 3 anew"],
        True,
    ),
    "no time for the login": (
        "",
        ("dial", EXPIRED, "dial", *GOOD),
        ["look up a", "dial 1 anew", "hang up", "dial 2 anew"],
        True,
    ),
    "cannot connect now: no more addresses of this host": (
        "",
        ("dial", server_error("57P03"), "dial", *GOOD),
        ["look up a", "dial 1 anew", "hang up", "look up b", "dial 3 anew"],
        True,
    ),
    "a wrong password ends it": (
        "",
        ("dial", server_error("28P01")),
        ["look up a", "dial 1 anew", "hang up"],
        False,
    ),
    "the end of the connection ends it": (
        "",
        ("dial", LOST),
        ["look up a", "dial 1 anew", "hang up"],
        False,
    ),
    "a session that does not fit: the next host": (
        "target_session_attrs=primary",
        ("dial", None, "misfit", None, "dial", *GOOD),
        ["look up a", "dial 1 anew", "hang up", "look up b", "dial 3 anew"],
        True,
    ),
    "leaving may fail": (
        "target_session_attrs=primary",
        ("dial", None, "misfit", LOST, "dial", *GOOD),
        ["look up a", "dial 1 anew", "hang up", "look up b", "dial 3 anew"],
        True,
    ),
    "the second pass takes anybody": (
        "target_session_attrs=prefer-standby",
        ("dial", None, "misfit", None, "dial", None, "misfit", None, "dial", *GOOD),
        [
            *("look up a", "dial 1 anew", "hang up", "look up b", "dial 3 anew", "hang up"),
            *("look up a", "dial 1 anew"),
        ],
        True,
    ),
    "allow: refused in plain, then the same address with the same clock": (
        "sslmode=allow",
        ("dial", server_error("28000"), "dial", True, *GOOD),
        ["look up a", "dial 1 anew", "hang up", "dial 1"],
        True,
    ),
    "prefer: TLS fails, then plain": (
        "sslmode=prefer",
        ("dial", FAILED, "dial", *GOOD),
        ["look up a", "dial 1 anew", "hang up", "dial 1"],
        True,
    ),
    "prefer: no TLS, on the same connection": (
        "sslmode=prefer",
        ("dial", False, *GOOD),
        ["look up a", "dial 1 anew"],
        True,
    ),
    "prefer: refused without TLS, there is nothing left to try": (
        "sslmode=prefer",
        ("dial", False, server_error("28000")),
        ["look up a", "dial 1 anew", "hang up"],
        False,
    ),
    "require: TLS fails": (
        "sslmode=require",
        ("dial", FAILED),
        ["look up a", "dial 1 anew", "hang up"],
        False,
    ),
    "allow: a lost connection is no refusal": (
        "sslmode=allow",
        ("dial", LOST),
        ["look up a", "dial 1 anew", "hang up"],
        False,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_order(name: str) -> None:
    options, outcomes, expected, connected = CASES[name]
    text = f"host=a,b user=u sslmode=disable {options}"
    done, end = play(text, {"a": ["1", "2"], "b": ["3"]}, iter(outcomes))
    assert done == expected
    assert isinstance(end, Connected) is connected


def test_every_attempt_is_told() -> None:
    outcomes = iter([REFUSED, EXPIRED, "dial", server_error("57P03")])
    done, end = play(
        "host=a,b,c user=u sslmode=disable", {"a": [], "b": ["1", "2"], "c": ["3"]}, outcomes
    )
    assert done[-1] == "hang up"
    assert end == (
        'could not translate host name "a" to address: no\n'
        'connection to server at "b" (1), port 5432 failed: Connection refused\n'
        'connection to server at "b" (2), port 5432 failed: timeout expired\n'
        'connection to server at "c" (3), port 5432 failed: FATAL:  57P03'
    )


def test_load_balancing_shuffles_addresses_and_hosts() -> None:
    hosts, addresses = set(), set()
    for _ in range(80):
        done, _ = play(
            "host=a,b user=u sslmode=disable load_balance_hosts=random",
            {"a": ["1", "2"], "b": ["3"]},
            iter(["dial", *GOOD]),
        )
        hosts.add(done[0])
        addresses.add(done[1])
    assert hosts == {"look up a", "look up b"}
    assert addresses == {"dial 1 anew", "dial 2 anew", "dial 3 anew"}
