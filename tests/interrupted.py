"""Programs with a pool that get Ctrl-C at a random moment: each must end, and leave no process
behind.

    python tests/interrupted.py                                   executors and Pools, 20 programs of each start method
    python tests/interrupted.py --programs 100 executor:fork stock-pool:spawn
    python tests/interrupted.py --steps 1 executor:fork           an interrupt at each step of the main thread, in turn
    python tests/interrupted.py --program executor:fork SEED      one program, as the others are run

A program makes pools for two seconds, submits tasks of several kinds, waits for them in several
ways, and leaves the pools in several ways; or it makes one pool and ends at once. SIGINT goes to
its whole process group, as a terminal sends it. A program that has not ended after BOUND seconds
hangs: the Python stacks of all its processes are written to the folder of --keep, and its processes
are killed.

With --steps, each of many lives of a pool is interrupted once, in the parent alone: at its first
step, its second and so on (or every seventh). A step is the start of a Python function and the
return of one that is written in C: there Python looks for signals. After the interrupt the pool is
left as by a user's `with`, and must end, with its workers.

executor and pool are ours, stock-executor and stock-pool the standard library's; loky is ours,
stock-loky is loky's.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import faulthandler
import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ending import open_pool
from soak import in_session

BOUND = 15.0  # for a program to end after the signal (seconds)
LEFT = 10.0  # for its processes to end after it (seconds)
CHURN = 2.0  # how long a program makes pools (seconds)
STEP = 10.0  # for a life that is interrupted at a step to end (seconds)
LATEST = 1.2  # the signal comes up to so long after the program is ready (seconds)
KINDS = [
    f"{kind}:{method}"
    for kind in ("executor", "pool")
    for method in ("fork", "spawn", "forkserver")
]

# --------------------------------------------------------------------------------------------------------------------
# The program. Its workers import this file as well, so they write their stacks, too, when they are asked.


def write_stacks_when_asked() -> None:
    global _stacks
    _stacks = open(os.path.join(os.environ["KEEPTRACE_STACKS"], f"stacks-{os.getpid()}"), "w")
    faulthandler.register(signal.SIGUSR1, _stacks, all_threads=True)


if "KEEPTRACE_STACKS" in os.environ:
    write_stacks_when_asked()
    os.register_at_fork(after_in_child=write_stacks_when_asked)


def quick(number: int) -> int:
    return number


def slow(number: int) -> int:
    time.sleep(0.05)
    return number


def large(number: int) -> bytes:
    return bytes(300_000)


def failing(number: int) -> None:
    local = [number] * 10
    raise ValueError(number, len(local))


TASKS: list[Callable[[int], Any]] = [quick, slow, large, failing]


def wait_for_executor(rng: random.Random, pool: Any, count: int) -> None:
    if rng.random() < 0.2:
        list(pool.map(quick, range(count)))
        return
    futures = [pool.submit(rng.choice(TASKS), number) for number in range(count)]
    way = rng.choice(["result", "wait", "as_completed", "nothing"])
    if way == "result":
        for future in futures:
            future.exception()
    elif way == "wait":
        concurrent.futures.wait(futures)
    elif way == "as_completed":
        for future in concurrent.futures.as_completed(futures):
            future.exception()


def wait_for_pool(rng: random.Random, pool: Any, count: int) -> None:
    way = rng.choice(["get", "map", "imap", "nothing"])
    if way == "map":
        pool.map(quick, range(count))
    elif way == "imap":
        list(pool.imap_unordered(quick, range(count), 2))
    else:
        answers = [pool.apply_async(rng.choice(TASKS), (number,)) for number in range(count)]
        for answer in answers if way == "get" else ():
            answer.wait()


def one_life(rng: random.Random, kind: str, method: str) -> Any:
    count = rng.choice([1, 4, 20, 100])
    pool = open_pool(kind, method)
    if hasattr(pool, "submit"):
        leave = rng.choice(["with", "shutdown", "no wait", "cancel", "drop"])
        if leave == "with":
            with pool:
                wait_for_executor(rng, pool, count)
            return None
        try:
            wait_for_executor(rng, pool, count)
        finally:
            if leave != "drop":
                how = {} if "loky" in kind else {"cancel_futures": leave == "cancel"}
                pool.shutdown(wait=leave != "no wait", **how)
        return None
    leave = rng.choice(["with", "close", "terminate", "drop"])
    if leave == "with":
        with pool:
            wait_for_pool(rng, pool, count)
        return None
    try:
        wait_for_pool(rng, pool, count)
    finally:
        if leave == "close":
            pool.close()
            pool.join()
        elif leave == "terminate":
            pool.terminate()
            pool.join()
    return None


def program(kind: str, method: str, seed: int) -> Any:
    rng = random.Random(seed)
    until = time.monotonic() + CHURN
    print("ready", flush=True)
    if rng.random() < 0.25:  # it ends at once, with a pool that is at work
        pool = open_pool(kind, method)
        (wait_for_executor if hasattr(pool, "submit") else wait_for_pool)(rng, pool, 10)
        return pool
    while time.monotonic() < until:
        one_life(rng, kind, method)
    return None


# --------------------------------------------------------------------------------------------------------------------
# An interrupt at each step.


def whole_life(kind: str, method: str) -> None:
    with open_pool(kind, method) as pool:
        if hasattr(pool, "submit"):
            futures = [pool.submit(quick, number) for number in range(3)]
            futures[0].result()
            concurrent.futures.wait(futures)
            list(pool.map(quick, range(2)))
            return
        try:
            answers = [pool.apply_async(quick, (number,)) for number in range(3)]
            answers[0].get()
            pool.map(quick, range(2))
            list(pool.imap(quick, range(2)))
        finally:
            pool.close()
            pool.join()


def interrupt_at(step: int, life: Callable[[], None]) -> bool:
    """Runs the life with an interrupt at its step; False if it has fewer steps."""
    steps = 0
    parent = os.getpid()

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal steps
        if event in ("call", "c_return") and os.getpid() == parent:
            steps += 1
            if steps == step:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGINT)

    sys.setprofile(count)
    try:
        life()
    except KeyboardInterrupt:
        pass
    finally:
        sys.setprofile(None)
    return steps >= step


def step_through(kind: str, method: str, first: int, every: int) -> None:
    """Prints each step that was survived; and `end`."""
    step = first
    while True:
        faulthandler.dump_traceback_later(STEP, exit=True)
        print(step, flush=True)
        if not interrupt_at(step, lambda: whole_life(kind, method)):
            break
        gc.collect()
        while multiprocessing.active_children():  # nobody has the pool any more
            time.sleep(0.01)
        step += every
    faulthandler.cancel_dump_traceback_later()
    print("end", flush=True)


def hanging_steps(
    kind: str, every: int, first: int = 1, keep: Path | None = None
) -> tuple[int, list[int]]:
    """The number of steps tried, and those of them that end in a hang."""
    hung: list[int] = []
    tried = 0
    while True:
        command = [sys.executable, __file__, "--from", str(first), "--steps", str(every), kind]
        done = subprocess.run(command, capture_output=True, text=True, start_new_session=True)
        lines = done.stdout.split()
        tried += len([line for line in lines if line.isdigit()])
        if done.returncode == 0 and lines[-1] == "end":
            return tried, hung
        if not lines:
            raise RuntimeError(done.stderr)
        hung.append(int(lines[-1]))
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{sys.version_info[1]}-{kind}-step{hung[-1]}").write_text(done.stderr)
        first = hung[-1] + every


# --------------------------------------------------------------------------------------------------------------------
# Who runs it.


@dataclass
class Outcome:
    seed: int
    hung: bool
    left: int  # processes of its own that outlived it
    stacks: str


def run(kind: str, seed: int, folder: Path) -> Outcome:
    """Runs one program and interrupts it. The folder gets its output."""
    where = folder / f"{kind.replace(':', '-')}-{seed}"
    where.mkdir(parents=True)
    env = {**os.environ, "KEEPTRACE_STACKS": str(where), "TMPDIR": str(folder)}
    command = [sys.executable, __file__, "--program", kind, str(seed)]
    with open(where / "err", "w") as err:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=err, env=env, start_new_session=True, text=True
        )
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        time.sleep(random.Random(-seed).uniform(0, LATEST))
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(BOUND)
            hung = False
        except subprocess.TimeoutExpired:
            hung = True
    return Outcome(seed, hung, *_ended(process, hung, where))


def _ended(process: subprocess.Popen[str], hung: bool, where: Path) -> tuple[int, str]:
    deadline = time.monotonic() + (0 if hung else LEFT)
    while (left := in_session(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        try:
            os.kill(pid, signal.SIGUSR1)
        except ProcessLookupError:
            pass
    time.sleep(0.5 if left else 0)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()
    stacks = [
        f"{path.name}\n{path.read_text()}"
        for path in sorted(where.glob("stacks-*"))
        if path.stat().st_size
    ]
    return len(left), "\n".join(stacks)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=KINDS)
    parser.add_argument("--programs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", type=Path, default=None, help="where the output of programs that hang is kept"
    )
    parser.add_argument("--steps", type=int, default=0, metavar="EVERY")
    parser.add_argument("--from", type=int, dest="first")
    parser.add_argument("--program", nargs=2, metavar=("KIND", "SEED"))
    given = parser.parse_args()
    if given.program:
        signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # a shell's background processes ignore it
        kind, _, method = given.program[0].partition(":")
        globals()["kept"] = program(kind, method, int(given.program[1]))
        return 0
    bad = 0
    if given.first:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        kind, _, method = given.kinds[0].partition(":")
        step_through(kind, method, given.first, given.steps)
        return 0
    for kind in given.kinds if given.steps else ():
        tried, hanging = hanging_steps(kind, given.steps, keep=given.keep)
        print(
            f"{sys.version_info[1]} {kind}: {len(hanging)} of {tried} steps hang {hanging}",
            flush=True,
        )
        bad += len(hanging)
    for kind in () if given.steps else given.kinds:
        with tempfile.TemporaryDirectory(prefix="kt") as folder:
            outcomes = [
                run(kind, seed, Path(folder))
                for seed in range(given.seed, given.seed + given.programs)
            ]
        wrong = [outcome for outcome in outcomes if outcome.hung or outcome.left]
        bad += len(wrong)
        hung = [outcome.seed for outcome in wrong if outcome.hung]
        left = [outcome.seed for outcome in wrong if not outcome.hung]
        version = ".".join(map(str, sys.version_info[:2]))
        print(
            f"{version} {kind}: {len(hung)} of {len(outcomes)} hung {hung}; {len(left)} left processes {left}",
            flush=True,
        )
        for outcome in wrong if given.keep else ():
            given.keep.mkdir(parents=True, exist_ok=True)
            (
                given.keep / f"{version}-{kind}-{outcome.seed}{'' if outcome.hung else '-left'}"
            ).write_text(outcome.stacks)
    return 1 if bad else 0


if __name__ == "__main__":
    multiprocessing.freeze_support()
    sys.exit(main())
