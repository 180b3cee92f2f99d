"""A program that ends in some way while its pool is at something: the tests of test_ends.py run it.

    python ending.py KIND METHOD STATE END    e.g. executor fork idle kill

KIND: executor, healing, pool, loky (ours), or stock-executor, stock-pool, stock-loky. STATE: what
the workers are at: idle, working (it takes a moment), sending (a large result), stuck (for ever).
END: how the program ends then: return, kill, exit (os._exit), raise, break (a worker is killed),
wait (for the answer).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from typing import Any

BIG = 50_000_000


def task(state: str, started: str) -> Any:
    local = f"at {state}"
    open(started, "a").close()
    if state == "working":
        time.sleep(0.3)
    if state == "stuck":
        time.sleep(1000)
    return bytes(BIG) if state == "sending" else os.getpid()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def open_pool(kind: str, method: str) -> Any:
    if kind == "loky":
        from keeptrace.concurrent.loky import KeepTraceLokyExecutor

        return KeepTraceLokyExecutor(2)
    if kind == "stock-loky":
        import loky

        return loky.ProcessPoolExecutor(2)
    context = multiprocessing.get_context(method)
    if kind.startswith("stock"):
        from concurrent.futures import ProcessPoolExecutor

        return context.Pool(2) if kind == "stock-pool" else ProcessPoolExecutor(2, context)
    from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor

    if kind == "pool":
        return KeepTracePool(2, context=context)
    on_death: Any = "replace" if kind == "healing" else "break"
    return KeepTraceProcessPoolExecutor(2, context, on_death=on_death)


def main(kind: str, method: str, state: str, end: str) -> Any:
    pool = open_pool(kind, method)
    submit = (
        pool.submit
        if hasattr(pool, "submit")
        else lambda function, *args: pool.apply_async(function, args)
    )
    waiting = []
    for number in range(
        {"idle": 1, "stuck": 2}.get(state, 4)
    ):  # none of the stuck ones waits for the other's end
        started = f"started{number}"
        waiting.append(submit(task, state, started))
    answer = waiting[0].result if hasattr(waiting[0], "result") else waiting[0].get
    while not (os.path.exists("started0") and (state != "stuck" or os.path.exists("started1"))):
        time.sleep(0.01)
    if state == "idle":
        answer()
    if state == "sending":
        if end == "kill":
            os.kill(
                os.getpid(), signal.SIGSTOP
            )  # so that nobody reads what the workers send; then it is killed
        time.sleep(0.1)
    print("ready", flush=True)
    if end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if end == "exit":
        os._exit(5)
    if end == "raise":
        raise LookupError("the end")
    if end == "break":
        lost = submit(die)
        try:
            (lost.result if hasattr(lost, "result") else lost.get)()
        except Exception as problem:
            print(type(problem).__name__, flush=True)
    if end == "wait":
        answer()
    return pool  # which is alive as the interpreter ends


if __name__ == "__main__":
    kept = main(*sys.argv[1:])
