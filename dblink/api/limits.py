"""How much callers may ask for: so many requests a second, so many at work at once."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_FOLDED: Final = 64
"""Bits of an IPv6 address that tell callers apart: one of them has all addresses of a network."""


class Buckets:
    """A bucket of tokens for each caller: a request takes one, and they come back with time.

    Of callers that are not heard of for long enough nothing is known: their buckets would be full.
    Thread-safe.

    Args:
        rate: tokens that come back in a second.
        burst: tokens of a full bucket.
        callers: buckets that are remembered; beyond that those longest unused are given up.
        clock: seconds, ever growing.
    """

    def __init__(
        self,
        rate: float,
        burst: float,
        *,
        callers: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._burst = max(1.0, burst)
        self._callers = callers
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, caller: str) -> float:
        """Take a token of `caller`'s. Returns 0, or the seconds after which there is one again."""
        with self._lock:
            now = self._clock()
            tokens, then = self._buckets.pop(caller, (self._burst, now))
            tokens = min(self._burst, tokens + (now - then) * self._rate)
            wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
            self._buckets[caller] = (tokens if wait else tokens - 1, now)
            self._forget(now)
            return wait

    def _forget(self, now: float) -> None:
        """Give up the oldest: those that are full again, two at a time, so that what one request
        adds is more than made up for; and those that are too many."""
        for _ in range(2):
            _, (tokens, then) = next(iter(self._buckets.items()))
            full = tokens + (now - then) * self._rate >= self._burst
            if not full and len(self._buckets) <= self._callers:
                return
            self._buckets.popitem(last=False)
            if not self._buckets:
                return


class AtWork:
    """Counts what is at work: in all, and for each caller. Thread-safe.

    Args:
        total: requests at once.
        each: requests at once of one caller.
    """

    def __init__(self, total: int, each: int) -> None:
        self._total = total
        self._each = each
        self._lock = threading.Lock()
        self._count = 0
        self._callers: dict[str, int] = {}

    def enter(self) -> bool:
        """Begin with a request. False if there are as many as there may be."""
        with self._lock:
            if self._count >= self._total:
                return False
            self._count += 1
            return True

    def leave(self) -> None:
        """A request that has entered is done."""
        with self._lock:
            self._count -= 1

    def enter_for(self, caller: str) -> bool:
        """Begin with a request of `caller`'s. False if it has as many as it may have."""
        with self._lock:
            count = self._callers.get(caller, 0)
            if count >= self._each:
                return False
            self._callers[caller] = count + 1
            return True

    def leave_for(self, caller: str) -> None:
        """A request of `caller`'s that has entered is done."""
        with self._lock:
            count = self._callers[caller] - 1
            if count:
                self._callers[caller] = count
            else:
                del self._callers[caller]


def caller_at(address: str | None) -> str:
    """The caller behind an address: of IPv6 its network."""
    try:
        known = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(known, ipaddress.IPv6Address):
        if known.ipv4_mapped is not None:
            return str(known.ipv4_mapped)
        return str(ipaddress.ip_network((known, _FOLDED), strict=False))
    return str(known)
