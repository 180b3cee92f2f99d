"""Measuring on a shared machine: only ratios of alternating runs are taken seriously.

Rules:
 1. Compared works run in turn, in rounds; each round draws a new order. A ratio is the median of
    the rounds' ratios, so a slow second of the machine touches both sides.
 2. Work within a process is timed in processor time of all its threads: neither other programs nor
    waiting for a disk count. Work across processes (the pool) is timed by the clock.
 3. Every figure is a median with its quartiles. Nothing is averaged, nothing is left out.
 4. The garbage collector is off during a timed run, and runs between the rounds.
 5. A failing work is shown as failed, with its exception; a work that takes too long is stopped,
    and shown as stopped.
"""

from __future__ import annotations

import gc
import math
import random
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Spread(NamedTuple):
    """Median and quartiles of some runs, in the unit of the runs."""

    median: float
    low: float
    high: float
    runs: int


class Timed:
    """A piece of work that takes its own time, such as one in another process. call() gives
    seconds.
    """

    def __init__(self, call: Callable[[], float]) -> None:
        self.call = call


class Failed(NamedTuple):
    why: str


class OutOfTime(BaseException):
    """The work did not end in the time it had."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises OutOfTime in the block after so many seconds. In the main thread of a POSIX system;
    elsewhere it does nothing.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    # again and again: the work may swallow the first one
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def once(work: Callable[[], Any] | Timed) -> float:
    """Seconds of processor time that the work takes, see rule 2."""
    if isinstance(work, Timed):
        return work.call()
    begin = time.process_time()
    work()
    return time.process_time() - begin


def alternate(
    works: dict[str, Callable[[], Any] | Timed],
    seconds: float,
    least: int = 3,
    most: int = 2_000,
    patience: float = 20.0,
) -> dict[str, list[float] | Failed]:
    """The times of each work, in seconds, a run for each round.

    seconds: for all runs of a work, by the clock. After that time, a work takes no part in further
        rounds, but every work has `least` runs, unless a single run takes longer.
    patience: seconds after which a run is stopped.
    """
    runners = [_Runner(work, seconds, patience) for work in works.values()]
    for runner in runners:
        runner.warm_up()
    order = list(runners)
    draw = random.Random(17)
    gc.collect()
    gc.disable()
    collected = time.perf_counter()
    try:
        for number in range(most):
            draw.shuffle(order)
            order = [runner for runner in order if runner.goes_on(number >= least)]
            for runner in order:
                runner.run()
            if not order:
                break
            if time.perf_counter() - collected > 0.1:
                gc.collect()
                collected = time.perf_counter()
    finally:
        gc.enable()
        gc.collect()
    return {name: runner.times for name, runner in zip(works, runners)}


class _Runner:
    """One of the works that alternate() runs in turn. times: in seconds, or why the work failed."""

    def __init__(self, work: Callable[[], Any] | Timed, seconds: float, patience: float) -> None:
        self.times: list[float] | Failed = []
        self._work = work
        self._seconds = seconds
        self._patience = patience
        self._spent = 0.0

    def warm_up(self) -> None:
        """A first run, not counted: caches, imports. A slow work has no time for a second run."""
        took, clock = self._timed()
        if not isinstance(took, Failed) and clock < self._patience / 10:
            took, clock = self._timed()
        if isinstance(took, Failed):
            self.times = took
        elif clock > 4 * self._seconds:
            self.times = [took]
            self._spent = math.inf

    def goes_on(self, has_least: bool) -> bool:
        """Whether the work takes part in further rounds. has_least: after the least number."""
        if isinstance(self.times, Failed) or self._spent == math.inf:
            return False
        return self._spent < self._seconds or not has_least

    def run(self) -> None:
        """A run that counts."""
        took, clock = self._timed()
        if isinstance(took, Failed):
            self.times = took
        elif not isinstance(self.times, Failed):
            self.times.append(took)
            self._spent += clock

    def _timed(self) -> tuple[float | Failed, float]:
        """The time of a run, and the seconds by the clock."""
        begin = time.perf_counter()
        took = _guarded(self._work, self._patience)
        return took, time.perf_counter() - begin


def _guarded(work: Callable[[], Any] | Timed, patience: float) -> float | Failed:
    try:
        with at_most(patience):
            return once(work)
    except OutOfTime:
        return Failed(f"over {patience:.0f} s")
    except (
        BaseException
    ) as problem:  # whatever a peer raises, a SystemExit out of a __repr__ among it
        if isinstance(problem, KeyboardInterrupt) and not problem.args:
            raise
        return Failed(type(problem).__name__)


def spread(runs: list[float]) -> Spread:
    if len(runs) < 2:
        return Spread(runs[0], runs[0], runs[0], len(runs))
    low, median, high = statistics.quantiles(runs, n=4, method="inclusive")
    return Spread(median, low, high, len(runs))


def ratio(ours: list[float] | Failed, theirs: list[float] | Failed) -> Spread | None:
    """How many times as long `ours` takes: the rounds' ratios; None if either failed."""
    if isinstance(ours, Failed) or isinstance(theirs, Failed):
        return None
    return spread([our / their for our, their in zip(ours, theirs)])


def median(runs: list[float] | Failed) -> float | None:
    return None if isinstance(runs, Failed) else statistics.median(runs)


# -- for people


def duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{_three(seconds / scale)} {unit}"
    return f"{_three(seconds / 1e-9)} ns"


def size(count: float) -> str:
    for unit, scale in (("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{_three(count / scale)} {unit}"
    return f"{count:.0f} B"


def times(number: float | None) -> str:
    return "–" if number is None else f"{_three(number)}×"


def shown(runs: list[float] | Failed) -> str:
    """Median, with the quartiles where there are enough runs."""
    if isinstance(runs, Failed):
        return f"fails: {runs.why}" if not runs.why.startswith("over") else runs.why
    found = spread(runs)
    if found.runs < 4:
        return duration(found.median)
    low, high = found.low / found.median, found.high / found.median
    return f"{duration(found.median)} ({_three(low)}–{_three(high)})"


def _three(number: float) -> str:
    """Three digits, or two behind the point."""
    return (
        f"{number:.0f}"
        if number >= 99.5
        else f"{number:.1f}"
        if number >= 9.95
        else f"{number:.2f}"
        if number >= 0.1
        else f"{number:.2g}"
    )
