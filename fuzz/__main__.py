"""Runs the fuzzers: `python -m fuzz [--seconds N] [--seed N] [HARNESS …]`.

Inputs that bring new behaviour (another exception, another line raising it) join the corpus of
the run. A finding is written to `fuzz/found/` with the way to replay it, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from fuzz.harnesses import HARNESSES, seeds
from fuzz.mutate import mutated

FOUND = Path(__file__).parent / "found"


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("harness", nargs="*", help=f"of {', '.join(HARNESSES)}; all by default")
    parser.add_argument("--seconds", type=float, default=10, help="for each harness")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run")
    parser.add_argument("--replay", type=Path, help="run one input, of the harness named, and stop")
    options = parser.parse_args()
    unknown = set(options.harness) - HARNESSES.keys()
    if unknown:
        parser.error(f"no harness {', '.join(sorted(unknown))}: choose of {', '.join(HARNESSES)}")
    if options.replay is not None:
        for name in options.harness:
            HARNESSES[name](options.replay.read_bytes())
        return 0
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    found = [
        name
        for name in options.harness or HARNESSES
        if not run(name, HARNESSES[name], options.seconds, random.Random(f"{seed} {name}"))
    ]
    return 1 if found else 0


def run(
    name: str, harness: Callable[[bytes], None], seconds: float, random_: random.Random
) -> bool:
    """Fuzz one harness; whether it held."""
    corpus = seeds(name)
    seen: set[tuple[int, ...]] = set()
    runs, end = 0, monotonic() + seconds
    for data in corpus:
        if not _holds(name, harness, data):
            return False
    while monotonic() < end:
        data = mutated(random_.choice(corpus), corpus, random_)
        runs += 1
        trace = _trace(harness, data) if runs % 8 == 0 else None
        if trace is None:
            if not _holds(name, harness, data):
                return False
        elif trace not in seen:
            seen.add(trace)
            corpus.append(data)
    print(f"{name}: {runs} inputs, {len(corpus)} kept, nothing found")
    return True


def _trace(harness: Callable[[bytes], None], data: bytes) -> tuple[int, ...] | None:
    """Which functions a run entered, in order and without repeats; None if it did not hold."""
    entered: dict[int, None] = {}

    def profile(frame: object, event: str, argument: object) -> None:
        if event == "call":
            entered[hash(frame.f_code)] = None  # type: ignore[attr-defined]

    sys.setprofile(profile)
    try:
        harness(data)
    except Exception:
        return None
    finally:
        sys.setprofile(None)
    return tuple(entered)


def _holds(name: str, harness: Callable[[bytes], None], data: bytes) -> bool:
    try:
        harness(data)
    except Exception:
        FOUND.mkdir(exist_ok=True)
        path = FOUND / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        traceback.print_exc()
        print(f"{name}: FOUND {data[:200]!r}; replay: python -m fuzz {name} --replay {path}")
        return False
    return True


sys.exit(main())
