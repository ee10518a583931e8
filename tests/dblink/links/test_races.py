"""Many who want the same at once: quotas hold, nobody gets half of anything."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from dblink.links import LinkCatalogue, LinkError, Target
from tests.dblink.links.kit import World

CLERK = Target("stock", "clerk", cluster="pc-b")


def at_once(world: World, jobs: list[Callable[[World], object]]) -> Counter[str]:
    """Do all jobs at the same moment, each with a catalogue of its own; how often which came of
    it: `done`, or the code of an error."""
    said: Counter[str] = Counter()
    broken: list[BaseException] = []
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[World], object]) -> None:
        try:
            with LinkCatalogue(world.where) as catalogue:
                own = World(catalogue, world.where, world.server)
                barrier.wait(30)
                try:
                    job(own)
                    said["done"] += 1
                except LinkError as error:
                    said[error.code] += 1
        except BaseException as error:
            broken.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken == []
    return said


def test_the_quota_of_a_source(each_world: World) -> None:
    each_world.catalogue.configure(quota=3)
    said = at_once(each_world, [lambda w, n=n: w.create(f"link{n}") for n in range(8)])  # type: ignore[misc]
    assert said == {"done": 3, "QuotaExceeded.DBLink": 5}
    assert each_world.catalogue.quota_used() == {"pc-a": 3, "pc-b": 3}


def test_the_quota_of_a_target(each_world: World) -> None:
    catalogue = each_world.catalogue
    catalogue.configure(quota=2)
    sources = [f"pc-{n}" for n in range(6)]
    for name in sources:
        catalogue.add_cluster(
            name, region="cn-hangzhou", account="a1", conninfo=each_world.server.conninfo()
        )
    jobs = [lambda w, n=n: w.create(f"from_{n[3:]}", n) for n in sources]
    said = at_once(each_world, jobs)  # type: ignore[arg-type]
    assert said == {"done": 2, "QuotaExceeded.DBLink": 4}
    assert catalogue.quota_used()["pc-b"] == 2


def test_one_name(each_world: World) -> None:
    said = at_once(each_world, [World.create] * 6)
    assert said["done"] == 1
    assert said.keys() <= {"done", "InvalidDBLinkName.Duplicate"}
    assert len(each_world.catalogue.links()) == 1


def test_one_name_in_two_databases(each_world: World) -> None:
    jobs: list[Callable[[World], object]] = [
        lambda w: w.create(),
        lambda w: w.create(database="stock"),
    ] * 3
    said = at_once(each_world, jobs)
    assert said["done"] == 1
    assert said.keys() <= {"done", "InvalidDBLinkName.Duplicate", "OperationDenied.DBLinkStatus"}
    (link,) = each_world.catalogue.links()
    other = "stock" if link.database == "shop" else "shop"
    assert each_world.left(other) == []


def test_one_token(each_world: World) -> None:
    said = at_once(each_world, [lambda w: w.create(client_token="t1")] * 6)
    assert said == {"done": 6}
    assert len(each_world.catalogue.links()) == 1


def test_deleting_at_once(each_world: World) -> None:
    each_world.create()
    said = at_once(each_world, [lambda w: w.catalogue.delete_link("pc-a", "dblink_test")] * 4)
    assert said == {"done": 1, "InvalidDBLinkName.NotFound": 3}
    assert each_world.left() == []


@pytest.mark.parametrize("seed", range(2))
def test_everything_at_once(each_world: World, seed: int) -> None:
    """Whatever comes of it, both sides agree in the end."""

    def job(seed: int) -> Callable[[World], None]:
        chance = random.Random(seed)

        def run(world: World) -> None:
            for _ in range(8):
                name = chance.choice(["one", "two"])
                do = chance.choice(["create", "delete_link", "restart_link", "reconcile"])
                try:
                    if do == "create":
                        target = replace(CLERK, cluster=chance.choice(["pc-a", "pc-b"]))
                        world.create(name, target=target)
                    elif do == "reconcile":
                        world.catalogue.reconcile()
                    else:
                        getattr(world.catalogue, do)("pc-a", name)
                except LinkError as error:
                    assert error.status != 500
                    assert error.code in {
                        "InvalidDBLinkName.Duplicate",
                        "InvalidDBLinkName.NotFound",
                        "OperationDenied.DBLinkStatus",
                    }, error

        return run

    at_once(each_world, [job(10 * seed + n) for n in range(4)])
    catalogue = each_world.catalogue
    assert catalogue.reconcile() == []
    names = [link.name for link in catalogue.links()]
    assert {f"server {name}" for name in names} == {
        one for one in each_world.left() if one.startswith("server")
    }
    for name in names:
        assert catalogue.test_link("pc-a", name).ok
