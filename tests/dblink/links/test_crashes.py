"""A process that dies at any step leaves a link that is there, or is not, when the next one has
put it in order, and a request that can be made again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dblink
import pgwire
from dblink.links import LinkCatalogue, LinkError
from tests.dblink.kit import eventually
from tests.dblink.links.kit import PASSWORD, World

TOP = Path(__file__).resolve().parents[3]

Die = Callable[[str, int], str]

WHOLE = ["mapping app", "mapping postgres", "server dblink_test", "wrapper dblink_fdw"]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")


@pytest.fixture(scope="module")
def victim() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.dblink.links.victim"],
        cwd=TOP,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
    assert process.returncode == 0


@pytest.fixture
def die(victim: subprocess.Popen[str], each_world: World) -> Die:
    """Do something in a process that dies at a step; what that came to."""

    def die(do: str, step: int) -> str:
        assert victim.stdin is not None and victim.stdout is not None
        task = {"where": each_world.where, "do": do, "at": step, "password": PASSWORD}
        victim.stdin.write(json.dumps(task) + "\n")
        victim.stdin.flush()
        return victim.stdout.readline().strip()

    return die


def each_step(die: Die, do: str) -> Iterator[int]:
    """Die at the first step, the second, … until there are no more."""
    for step in range(200):
        said = die(do, step)
        if said == "done":
            assert step > 10  # it was counted at all
            return
        assert said == "killed", said
        yield step
    raise AssertionError("there is no end")


def put_in_order(world: World) -> None:
    """What a program does when it begins. The server may take a moment to see who has died."""
    with LinkCatalogue(world.where) as next_one:
        eventually(lambda: all(repair.reason is None for repair in next_one.reconcile()))


def is_there(world: World) -> bool:
    """Whether the link is there: on both sides, whole and of use, or on neither."""
    catalogue = world.catalogue
    if not catalogue.links():
        with pytest.raises(LinkError, match="NotFound"):
            catalogue.link("pc-a", "dblink_test")
        assert world.left() == []
        assert catalogue.quota_used() == {"pc-a": 0, "pc-b": 0}
        return False
    assert sorted(world.left()) == WHOLE
    assert catalogue.quota_used() == {"pc-a": 1, "pc-b": 1}
    with dblink.Session(world.server.conninfo("shop")) as session:
        assert session.dblink("dblink_test", "SELECT count(*) FROM item").scalar() == 1
    return True


def nobody_works(world: World) -> bool:
    with pgwire.connect(world.server.conninfo()) as admin:
        return not admin.query(
            "SELECT FROM pg_stat_activity WHERE application_name = 'dblink links'"
            " AND datname IN ('shop', 'stock')"
        ).rows


def test_while_creating(each_world: World, die: Die) -> None:
    seen = set()
    for _ in each_step(die, "create"):
        put_in_order(each_world)
        there = is_there(each_world)
        seen.add(there)
        if there:
            each_world.catalogue.delete_link("pc-a", "dblink_test")
    assert seen == {True, False}


def test_while_creating_and_the_request_is_made_again(each_world: World, die: Die) -> None:
    for _ in each_step(die, "create"):
        eventually(lambda: nobody_works(each_world))
        each_world.create(roles=["app"], client_token="t1")
        assert is_there(each_world)
        each_world.catalogue.delete_link("pc-a", "dblink_test")


def test_while_deleting(each_world: World, die: Die) -> None:
    seen = set()
    each_world.create(roles=["app"])
    for _ in each_step(die, "delete_link"):
        put_in_order(each_world)
        there = is_there(each_world)
        seen.add(there)
        if not there:
            each_world.create(roles=["app"])
    assert seen == {True, False}


def test_while_restarting(each_world: World, die: Die) -> None:
    each_world.create(roles=["app"])
    for _ in each_step(die, "restart_link"):
        put_in_order(each_world)
        assert is_there(each_world)


def test_a_link_whose_source_is_gone_stays_until_it_is_back(each_world: World, die: Die) -> None:
    with pgwire.connect(each_world.server.conninfo()) as admin:
        step = 0
        while not each_world.catalogue.links() and die("create", step) == "killed":
            states = [repair.outcome for repair in _away(each_world, admin)]
            if states:
                assert states == ["unreachable"]
                (left,) = each_world.catalogue.links(unfinished=True)
                assert left.state == "creating"
                assert each_world.catalogue.quota_used()["pc-a"] == 1
                break
            step += 1
    put_in_order(each_world)
    is_there(each_world)


def _away(world: World, admin: pgwire.Connection) -> list:
    """What can be put in order while nobody can connect to the source database."""
    admin.execute("ALTER DATABASE shop WITH ALLOW_CONNECTIONS false")
    try:
        eventually(lambda: nobody_works(world))
        return world.catalogue.reconcile()
    finally:
        admin.execute("ALTER DATABASE shop WITH ALLOW_CONNECTIONS true")
