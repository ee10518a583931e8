from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

import dblink
import pgwire
from dblink.events import WaitEvent
from tests.dblink.kit import listener, raises

PASSWORD = "the-s3cret"


@pytest.fixture
def events() -> list[tuple[str, str | None, bool]]:
    """What `on_wait` has been told: name, connection, whether the wait is over."""
    return []


@pytest.fixture
def watched(remote: str, events: list[tuple[str, str | None, bool]]) -> Iterator[dblink.Session]:
    def on_wait(event: WaitEvent) -> None:
        if event.duration is not None:
            assert event.duration >= 0
        events.append((event.name, event.connection, event.duration is not None))

    with dblink.Session(privileged=True, on_wait=on_wait) as session:
        session.dblink_connect("c", remote)
        events.clear()
        yield session


def both(name: str, connection: str | None) -> list[tuple[str, str | None, bool]]:
    return [(name, connection, False), (name, connection, True)]


def test_wait_events(
    watched: dblink.Session, events: list[tuple[str, str | None, bool]], remote: str
) -> None:
    watched.dblink_connect(remote)
    watched.dblink_connect("d", remote)
    assert events == both("DblinkConnect", None) + both("DblinkConnect", "d")
    events.clear()
    watched.dblink(remote, "SELECT 1")
    assert events == both("DblinkGetConnect", None) + both("DblinkGetResult", None)
    events.clear()
    watched.dblink("c", "SELECT 1")
    watched.dblink_exec("d", "SET work_mem = '1MB'")
    watched.dblink_send_query("d", "SELECT 1")
    watched.dblink_get_result("d")
    assert events == (
        both("DblinkGetResult", "c") + both("DblinkGetResult", "d") + both("DblinkGetResult", "d")
    )


def test_a_wait_ends_with_an_error_too(
    watched: dblink.Session, events: list[tuple[str, str | None, bool]]
) -> None:
    with raises("22012"):
        watched.dblink("c", "SELECT 1/0")
    with listener() as server:
        host, port = server.getsockname()
    with raises("08001"):  # nobody listens any more
        watched.dblink_connect(f"host={host} port={port}")
    assert events == both("DblinkGetResult", "c") + both("DblinkConnect", None)


def test_what_an_event_looks_like() -> None:
    event = WaitEvent("DblinkConnect", "c")
    assert repr(event) == "<WaitEvent DblinkConnect on 'c': waiting>"
    event.duration = 0.25
    assert repr(event) == "<WaitEvent DblinkConnect on 'c': 0.250000 s>"


def test_waits_are_logged(session: dblink.Session, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "dblink"):
        session.dblink("c", "SELECT 1")
    (record,) = caplog.records
    assert record.name == "dblink" and record.levelno == logging.DEBUG
    assert record.getMessage().startswith("DblinkGetResult on connection 'c' took ")


def test_no_secret_is_told(
    remote: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    with (
        caplog.at_level(logging.DEBUG),
        dblink.Session(
            privileged=True,
            on_notice=lambda notice: told.append(notice.render()),
            on_remote_notice=lambda notice, name: told.append(f"{notice.render()} {name}"),
            on_wait=lambda event: told.append(repr(event)),
        ) as session,
    ):
        with listener() as server:
            host, port = server.getsockname()
        # Nobody listens there any more.
        secret = f"password={PASSWORD}"
        uri = f"postgresql://u:{PASSWORD}@{host}:{port}/db?connect_timeout=2"
        session.dblink_connect("c", f"{remote} {secret}")
        session.dblink(f"{remote} {secret}", "SELECT 1")
        session.dblink_exec(f"{remote} {secret}", "DO $$ BEGIN RAISE NOTICE 'x'; END $$")
        session.dblink_exec(f"{remote} {secret}", "SELECT 1/0", False)
        for place in (
            f"host={host} port={port} connect_timeout=2 {secret}",
            uri,
            f"{remote} dbname=nosuch {secret}",
            f"{remote} {secret} nosuch_option=1",
            f"{remote} {secret} sslkeylogfile=/x",
        ):
            with pytest.raises(pgwire.Error) as caught:
                session.dblink_connect("d", place)
            told.append(f"{caught.value} {caught.value!r}")
            told.append(str(caught.value.detail))
        told += map(repr, (session, session.dblink("c", "SELECT 1")))
    told += [record.getMessage() for record in caplog.records]
    told += capfd.readouterr()
    assert len(told) > 20
    assert not [text for text in told if PASSWORD in text]
