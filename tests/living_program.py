"""A program that runs until its standard input ends: a thread, tasks, and what an argument says."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time

import keeptrace


def stand(number: int) -> None:
    password = "hunter2xyzzy"  # noqa: F841  # seen by the snapshot
    doubled = 2 * number
    while doubled:
        time.sleep(0.05)


async def fetch(number: int) -> None:
    wanted = {"number": number}
    while wanted:
        await asyncio.sleep(0.05)


async def main() -> None:
    tasks = [asyncio.create_task(fetch(number), name=f"fetch-{number}") for number in range(3)]
    print("ready", os.getpid(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()


def computed() -> None:
    print("ready", os.getpid(), flush=True)
    sys.set_int_max_str_digits(0)
    while True:
        hash(str(7 ** (1 << 18)))


how = sys.argv[1]
if how != "unprepared":
    keeptrace.install(sys.argv[2], signal=signal.SIGUSR1)
if how == "blocked":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
elif how == "taken":
    signal.signal(signal.SIGUSR1, lambda number, frame: print("taken", flush=True))
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
if how == "forked" and os.fork():
    os.wait()
    print("parent goes on", flush=True)
else:
    threading.Thread(target=stand, args=(21,), name="stander", daemon=True).start()
    asyncio.run(main())
    print("right", flush=True)
    if how == "forked":
        os._exit(0)
