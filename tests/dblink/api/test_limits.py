"""Buckets of tokens, and what is at work."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink.api.limits import AtWork, Buckets, caller_at


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket() -> None:
    clock = Clock()
    buckets = Buckets(2, 3, clock=clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b") == 0  # has one of his own
    clock.now += 0.25
    assert buckets.take("a") == pytest.approx(0.25)  # to ask costs nothing
    clock.now += 0.25
    assert [buckets.take("a") for _ in range(2)] == [0, 0.5]
    clock.now += 1e9
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 0.4)), max_size=80))
def test_nobody_gets_more_than_his_rate(asked: list[tuple[str, float]]) -> None:
    clock = Clock()
    buckets = Buckets(2, 3, clock=clock)
    got: dict[str, list[float]] = {}
    for caller, passed in asked:
        clock.now += passed
        if not buckets.take(caller):
            got.setdefault(caller, []).append(clock.now)
    for times in got.values():
        for number, begin in enumerate(times):
            for more, end in enumerate(times[number:], 1):
                assert more <= 3 + 2 * (end - begin) + 1e-6


def test_memory_is_bounded() -> None:
    clock = Clock()
    buckets = Buckets(1, 2, callers=50, clock=clock)
    for number in range(1000):
        buckets.take(str(number))
    assert len(buckets) == 50
    # Who is new takes no bucket away that is not the one longest unused.
    assert [buckets.take("999") for _ in range(2)] == [0, 1]
    clock.now += 10
    for number in range(60):
        buckets.take(f"new{number % 2}")
    assert len(buckets) == 2  # the others are full again, and forgotten


def test_at_work() -> None:
    work = AtWork(2, 1)
    assert [work.enter() for _ in range(3)] == [True, True, False]
    work.leave()
    assert work.enter()
    assert [work.enter_for("a"), work.enter_for("a"), work.enter_for("b")] == [True, False, True]
    work.leave_for("a")
    assert work.enter_for("a")


def test_threads_do_not_disturb_each_other() -> None:
    buckets, work = Buckets(1e-9, 100), AtWork(1000, 1000)
    taken: list[float] = []

    def take() -> None:
        for _ in range(50):
            taken.append(buckets.take("a"))
            assert work.enter() and work.enter_for("a")
            work.leave_for("a")
            work.leave()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), taken.count(0)) == (400, 100)
    assert work._count == 0 and work._callers == {}


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, ""),
        ("/tmp/socket", ""),
    ],
)
def test_callers(address: str | None, caller: str) -> None:
    assert caller_at(address) == caller
