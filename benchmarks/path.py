"""What is there of ours on the way of a task that succeeds, beside what the standard library has in
its place?

The whole way of a task through a pool takes a hundred microseconds, and varies by a tenth from one
moment to the next. So here the pieces that are ours are measured alone, each beside the piece of
the engine's that it replaces, in one process and on real pipes: taking a task off the queue in the
worker, and waiting for a result and taking it in the parent. Everything else that a succeeding task
passes is the engine's own code.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import process as engine
from functools import partial
from multiprocessing.reduction import ForkingPickler
from typing import Any

from ._answer import Answer, Table, main
from ._measure import Failed, Timed, alternate, duration, ratio, spread, times

_MESSAGES = 50  # a run: less than a pipe has room for


def _no_op(number: int) -> int:
    return number


def _timed(fill: Callable[[], None], take: Callable[[], Any]) -> Timed:
    """The processor time of taking one message off, of those that were put in before the clock
    started.
    """

    def run() -> float:
        for _ in range(_MESSAGES):
            fill()
        begin = time.process_time()
        for _ in range(_MESSAGES):
            take()
        return (time.process_time() - begin) / _MESSAGES

    return Timed(run)


def _tasks(context: Any) -> dict[str, Timed]:
    """In the worker: the engine's queue, as it is, and as concurrent/process_pool/queues.py makes
    it.
    """
    from keeptrace.concurrent.deaths.black_box import BlackBox
    from keeptrace.concurrent.process_pool.queues import _take

    data = bytes(ForkingPickler.dumps(engine._CallItem(17, _no_op, (17,), {})))
    plain, ours = context.Queue(), context.Queue()
    box = BlackBox()
    box.open()  # as a worker does

    def take() -> Any:
        return _take(engine, ours, ours._reader.fileno(), os.getppid(), box.words, None)

    def fill(queue: Any) -> Callable[[], None]:
        def put() -> None:
            queue._sem.acquire()
            queue._writer.send_bytes(data)

        return put

    return {
        "plain": _timed(fill(plain), lambda: plain.get(block=True)),
        "keeptrace": _timed(fill(ours), take),
    }


def _results(context: Any) -> dict[str, Timed]:
    """In the parent: the manager threads' way to wait for a result and to take it. Neither thread
    runs, and there are no workers.
    """
    from keeptrace.concurrent.process_pool.executor import KeepTraceProcessPoolExecutor
    from keeptrace.concurrent.process_pool.manager import ManagerThread

    data = bytes(ForkingPickler.dumps(engine._ResultItem(17, result=17)))
    found = {}
    for name, cls, thread in (
        ("plain", engine.ProcessPoolExecutor, engine._ExecutorManagerThread),
        ("keeptrace", KeepTraceProcessPoolExecutor, ManagerThread),
    ):
        executor = cls(1, mp_context=context)
        manager = thread(executor)
        manager.executor = executor  # which it knows by a weak reference alone
        found[name] = _timed(
            partial(executor._result_queue._writer.send_bytes, data),
            manager.wait_result_broken_or_wakeup,
        )
    return found


def run(quick: bool) -> Answer:
    answer = Answer("path", "What is there of ours on the way of a task that succeeds?")
    answer.says.append(
        "Processor time of the pieces of KeepTraceProcessPoolExecutor that each task passes, and "
        "of the pieces of the engine that they replace, on the same messages; all the rest of the "
        "way is the engine's."
    )
    context = multiprocessing.get_context()
    table = Table("A task", ["piece", "plain", "keeptrace", "ratio"])
    for piece, make in (
        ("worker: the next task off the queue", _tasks),
        ("parent: waiting for a result, and taking it", _results),
    ):
        runs = alternate(make(context), 1.0 if quick else 5.0)
        plain_runs, our_runs = runs["plain"], runs["keeptrace"]
        assert not isinstance(plain_runs, Failed) and not isinstance(our_runs, Failed)
        plain, ours = spread(plain_runs), spread(our_runs)
        found = ratio(runs["keeptrace"], runs["plain"])
        assert found is not None
        shown = f"{times(found.median)} ({found.low:.2f}–{found.high:.2f})"
        table.rows.append([piece, duration(plain.median), duration(ours.median), shown])
        answer.numbers[f"{piece.partition(':')[0]}/ratio"] = found.median
    answer.tables.append(table)
    return answer


if __name__ == "__main__":
    main(run)
