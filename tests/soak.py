"""A long run of tasks that fail in every odd way, on workers that die: nothing hangs, nothing is
lost, nothing leaks.

    python tests/soak.py                          every engine under every start method, 10,000 tasks each (some minutes)
    python tests/soak.py executor:fork loky:loky  some of them: executor, healing, pool or loky, with a start method
    python tests/soak.py --tasks 1000             fewer tasks; memory is judged from 5,000 on
    python tests/soak.py --snapshots 100          instead, so many snapshots of a process with 50 busy threads and 1,000 tasks

A tenth of the tasks fails, in the ways of KINDS in turn; one in a thousand ends its worker, by
SIGKILL, SIGSEGV and os._exit in turn. KeepTraceProcessPoolExecutor and KeepTraceLokyExecutor break
then, and are made anew; KeepTracePool goes on, and so does "healing", the executor with
on_death="replace", in which one task in a hundred ends its worker and many of the good ones are
killed at a random moment. Tasks that were lost with a broken executor are submitted again, until
each has its own answer. Then as many tasks as a third of that, without deaths: now the workers live
long enough for their memory to be judged.

Each engine has a process of its own. What is checked:
- Every task is answered, within LIMIT seconds, by what it returned or raised: its type, what it carries, its outermost frame with
  the task's number in its variables. The one whose worker died is told how that was, and that it was this task.
- At the end there are as many threads, file descriptors, child processes and semaphores with names as after a short run before it; after the process's end, no process of its session and no file in its TMPDIR.
- The memory (resident set) of the parent, and of each worker of the second part, in the last third of the time against the first
  third, a tenth at the beginning left out: the medians differ by less than MOST_GROWTH.

Linux. It prints what it measured as a table, and ends with 1 if something was violated.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import concurrent.futures
import ctypes
import faulthandler
import gc
import importlib
import json
import multiprocessing
import multiprocessing.synchronize
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor, WorkerDied

WORKERS = 2
WINDOW = 12  # tasks that are submitted and not answered yet
LIMIT = 60.0  # for the answer of one task (seconds)
END = 20.0  # for what is left to go, once the run is over (seconds)
MOST_GROWTH = 2.0  # of a process, between the thirds; caches that fill, and the allocator (MB)
JUDGED_FROM = 5000  # tasks; with fewer, caches that still fill are more than the noise
# glibc gives large blocks back at once, so that what is measured is what is held
STEADY_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "100000", "MALLOC_TRIM_THRESHOLD_": "100000"}
ENGINES = (
    "executor:fork",
    "executor:spawn",
    "executor:forkserver",
    "healing:fork",
    "healing:spawn",
    "healing:forkserver",
    "pool:fork",
    "pool:spawn",
    "pool:forkserver",
    "loky:loky",
)

# --------------------------------------------------------------------------------------------------------------------
# The tasks. Each way to fail is a function of the task's number, and what must arrive is checked by another.


class NeedsArguments(Exception):
    def __init__(self, number: int, *, reason: str) -> None:
        super().__init__(f"{number}: {reason}")
        self.number = number


class BadReduce(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("no")


class BadSetstate(Exception):
    def __setstate__(self, state: Any) -> None:
        raise RuntimeError("no")


class BadHooks(Exception):
    __eq__ = __bool__ = __str__ = __repr__ = lambda self, *args: sys.exit(3)  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class Falsy(Exception):
    def __bool__(self) -> bool:
        return False


class OwnBase(BaseException):
    pass


class BadArrival:
    def __reduce__(self) -> Any:
        return int, ("no number",)


class BadDeparture:
    def __reduce__(self) -> Any:
        raise RuntimeError("cannot leave")


def raise_chained(number: int) -> None:
    try:
        number / 0
    except ZeroDivisionError as error:
        raise ValueError(number) from error


def raise_local(number: int) -> None:
    class Local(LookupError):
        pass

    raise Local(number)


def raise_holding(make: Callable[[], Any]) -> Callable[[int], None]:
    def act(number: int) -> None:
        exc = RuntimeError(number)
        exc.held = make()  # type: ignore[attr-defined]
        raise exc

    return act


def raise_(make: Callable[[int], BaseException]) -> Callable[[int], None]:
    def act(number: int) -> None:
        raise make(number)

    return act


def raise_group(number: int) -> None:
    raise ExceptionGroup(
        "outer",
        [ExceptionGroup("inner", [NeedsArguments(number, reason="x"), Falsy(1)]), KeyError(number)],
    )


def recurse(number: int) -> int:
    return recurse(number) + 1


def raise_long_chain(number: int) -> None:
    exc: BaseException | None = None
    for link in range(200):
        told = ValueError(number, link)
        told.__cause__ = exc
        exc = told
    assert exc is not None
    raise exc


def raise_circle(number: int) -> None:
    first, second = ValueError(number), KeyError(number)
    first.__cause__, second.__cause__ = second, first
    first.itself = first  # type: ignore[attr-defined]
    raise first


def has_number(exc: Any, number: int) -> bool:
    return bool(exc.args == (number,))


Check = Callable[[Any, int], bool]
_HUGE = 2_000_000

# kind → what the task does, the type that must arrive, what else must hold
KINDS: dict[str, tuple[Callable[[int], Any], str, Check]] = {
    "chained": (raise_chained, "ValueError", lambda exc, number: has_number(exc, number) and type(exc.__cause__) is ZeroDivisionError),
    "needs arguments": (raise_(lambda number: NeedsArguments(number, reason="r")), "NeedsArguments", lambda exc, number: exc.number == number),
    "__reduce__ raises": (raise_(BadReduce), "BadReduce", has_number),
    "__setstate__ raises": (raise_(BadSetstate), "BadSetstate", has_number),
    "hooks raise": (raise_(BadHooks), "BadHooks", has_number),
    "holds a lock": (raise_holding(threading.Lock), "RuntimeError", has_number),
    "holds a generator": (raise_holding(lambda: (each for each in "ab")), "RuntimeError", has_number),
    "holds a file": (raise_holding(lambda: open(os.devnull)), "RuntimeError", has_number),
    "holds a lambda": (raise_holding(lambda: lambda: 1), "RuntimeError", has_number),
    "holds what cannot arrive": (raise_holding(BadArrival), "RuntimeError", has_number),
    "local class": (raise_local, "Local", lambda exc, number: isinstance(exc, LookupError) and has_number(exc, number)),
    "falsy": (raise_(Falsy), "Falsy", has_number),
    "KeyboardInterrupt": (raise_(KeyboardInterrupt), "KeyboardInterrupt", has_number),
    "SystemExit": (raise_(SystemExit), "SystemExit", lambda exc, number: exc.code == number),
    "GeneratorExit": (raise_(GeneratorExit), "GeneratorExit", has_number),
    "own BaseException": (raise_(OwnBase), "OwnBase", has_number),
    "CancelledError": (raise_(asyncio.CancelledError), "CancelledError", has_number),
    "StopIteration": (raise_(StopIteration), "StopIteration", lambda exc, number: exc.value == number),
    "MemoryError": (raise_(MemoryError), "MemoryError", has_number),
    "OSError": (raise_(lambda number: OSError(2, "none", f"file{number}")), "FileNotFoundError", lambda exc, number: exc.filename == f"file{number}"),
    "BrokenProcessPool": (raise_(BrokenProcessPool), "BrokenProcessPool", has_number),
    "group": (raise_group, "ExceptionGroup", lambda exc, number: exc.exceptions[0].exceptions[0].number == number),
    "recursion": (recurse, "RecursionError", lambda exc, number: True),
    "long chain": (raise_long_chain, "ValueError", lambda exc, number: exc.__cause__.args == (number, 198)),
    "circle": (raise_circle, "ValueError", lambda exc, number: exc.__cause__.__cause__ is exc),
    "huge": (raise_(lambda number: ValueError(number, bytes(_HUGE))), "ValueError", lambda exc, number: exc.args[0] == number and len(exc.args[1]) == _HUGE),
    "result that cannot leave": (lambda number: BadDeparture(), "", lambda exc, number: "cannot leave" in str(exc)),
    "result that cannot arrive": (lambda number: BadArrival(), "ValueError", lambda exc, number: "no number" in str(exc)),
    "argument that cannot leave": (lambda number: None, "", lambda exc, number: "cannot leave" in f"{exc!r} {exc.__cause__}"),
    "argument that cannot arrive": (lambda number: None, "ValueError", lambda exc, number: "no number" in str(exc)),
}  # fmt: skip
# A death at a random moment: in the task, as its result is sent, or in a later task.
LATER = "later"
LATEST = 0.01  # (seconds)
CARGO: dict[str, Callable[[], Any]] = {
    "argument that cannot leave": BadDeparture,
    "argument that cannot arrive": BadArrival,
    "large": lambda: bytes(100_000),
    LATER: lambda: bytes(100_000),
}
NO_TASK_FRAME = {
    *CARGO,
    "result that cannot leave",
    "result that cannot arrive",
}  # not the task raises
DEATHS = {"SIGKILL": -signal.SIGKILL, "SIGSEGV": -signal.SIGSEGV, "exit": 7}


def work(number: int, kind: str, cargo: Any = None) -> Any:
    """The task."""
    if kind == "exit":
        os._exit(7)
    if kind == "SIGSEGV":
        ctypes.string_at(0)
    if kind == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(LIMIT)
    if kind == LATER:
        kill = threading.Timer(random.uniform(0, LATEST), os.kill, (os.getpid(), signal.SIGKILL))
        kill.daemon = True
        kill.start()
    if kind in ("large", LATER):
        return number, cargo
    if kind:
        return KINDS[kind][0](number)
    return number


def kinds(count: int, deaths: bool, every: int, later: bool) -> Iterator[str]:
    """What each of `count` tasks does. With deaths, one in `every` tasks is one; later: half of them
    at random moments.
    """
    failing, dying = tuple(KINDS), tuple(DEATHS)
    if later:
        dying += (LATER,) * len(dying)
    for number in range(count):
        if deaths and number % every == every // 2:
            yield dying[number // every % len(dying)]
        elif number % 10 == 5:
            yield failing[number // 10 % len(failing)]
        else:
            yield "large" if number % 50 == 1 else ""


def wrong(number: int, kind: str, result: Any, exc: BaseException | None) -> str | None:
    """Why this is not the answer of that task; None if it is."""
    if not kind or kind in ("large", LATER):
        expected = (number, bytes(100_000)) if kind else number
        return None if exc is None and result == expected else f"gave {result!r:.50}, {type(exc)}"
    if exc is None:
        return f"gave {result!r:.50}, and no exception"
    if kind in DEATHS:
        codes = [death.exitcode for death in exc.deaths if f"work({number}," in str(death.tasks)]  # type: ignore[attr-defined]
        return None if codes == [DEATHS[kind]] else f"tells {exc.deaths}"  # type: ignore[attr-defined]
    _, name, check = KINDS[kind]
    if name and type(exc).__name__ != name:
        return f"raised {type(exc).__name__}"
    if not check(exc, number):
        return f"raised a {name} that is not as it was"
    if kind not in NO_TASK_FRAME:
        frames = []
        entry = BaseException.__dict__["__traceback__"].__get__(exc)
        while entry is not None and len(frames) < 10:
            frames.append(entry.tb_frame)
            entry = entry.tb_next
        if not any(
            frame.f_code.co_name == "work" and frame.f_locals.get("number") == number
            for frame in frames
        ):
            return f"raised a {name} without the frame of the task"
    return None


def tells(exc: Any, number: int) -> bool:
    """Whether a worker's death is told to be that of this task."""
    return any(f"work({number}," in str(death.tasks) for death in exc.deaths)


# --------------------------------------------------------------------------------------------------------------------
# The engines, all with submit().


def open_engine(engine: str, method: str) -> Any:
    if engine == "loky":
        from keeptrace.concurrent.loky import KeepTraceLokyExecutor

        return KeepTraceLokyExecutor(WORKERS)
    context = multiprocessing.get_context(method)
    if engine == "pool":
        return KeepTracePool(WORKERS, context=context)
    on_death: Any = "replace" if engine == "healing" else "break"
    return KeepTraceProcessPoolExecutor(WORKERS, context, on_death=on_death)


def submit(pool: Any, *call: Any) -> Callable[[], Any]:
    """Submits a task; gives the function that waits for its answer."""
    if isinstance(pool, KeepTracePool):
        waiting = pool.apply_async(work, call)
        return lambda: waiting.get(LIMIT)
    future = pool.submit(work, *call)
    return lambda: answer_of(future)


def answer_of(future: Any) -> Any:
    concurrent.futures.wait([future], LIMIT)
    return future.result(0)


def close(pool: Any) -> None:
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    if isinstance(pool, KeepTracePool):
        pool.close()
        pool.join()
    else:
        pool.shutdown()
    faulthandler.cancel_dump_traceback_later()


def workers_of(pool: Any) -> list[int]:
    return (
        [process.pid for process in pool._pool]
        if isinstance(pool, KeepTracePool)
        else list(pool._processes)
    )


# --------------------------------------------------------------------------------------------------------------------
# One run, in a process of its own.


class Run:
    def __init__(self, engine: str, method: str) -> None:
        self.engine, self.method = engine, method
        self.violations: list[str] = []
        self.heals = engine in ("pool", "healing")
        self.broken = self.repeated = self.struck = 0
        self.memory: dict[int, list[float]] = {}  # pid → resident MB, in the order of time

    def tasks(self, count: int, deaths: bool, watch_workers: bool) -> None:
        every = min(1000, count)
        if self.engine == "healing":
            every = 100
        todo = collections.deque(enumerate(kinds(count, deaths, every, self.engine == "healing")))
        later = sum(kind == LATER for _, kind in todo)
        waiting: collections.deque[tuple[int, str, Callable[[], Any]]] = collections.deque()
        look_every = max(1, count // 300)
        answered = 0
        pool = open_engine(self.engine, self.method)
        while todo or waiting:
            lost: list[tuple[int, str]] = []
            while todo and len(waiting) < WINDOW and not lost:
                number, kind = todo.popleft()
                try:
                    waiting.append(
                        (number, kind, submit(pool, number, kind, CARGO.get(kind, lambda: None)()))
                    )
                except (BrokenProcessPool, WorkerDied):
                    lost.append((number, kind))
            if waiting:
                number, kind, ask = waiting.popleft()
                if self.answer(number, kind, ask):
                    answered += 1
                    if kind in DEATHS and not self.heals:
                        lost += [(-1, "")]
                else:
                    lost.append((number, kind))
                if answered % look_every == 0:
                    self.look([os.getpid(), *(workers_of(pool) if watch_workers else [])])
            # it is broken: those that wait have been answered, by their own result or by that it is
            # broken
            if lost:
                for number, kind, ask in waiting:
                    if not self.answer(number, kind, ask):
                        lost.append((number, kind))
                    else:
                        answered += 1
                waiting.clear()
                close(pool)
                pool = None
                pool = open_engine(self.engine, self.method)
                self.broken += 1
                again = [each for each in lost if each[0] >= 0]
                self.repeated += len(again)
                todo.extendleft(reversed(again))
        close(pool)
        if answered != count:
            self.violations.append(f"{count} tasks, {answered} answers")
        if self.struck > later:
            self.violations.append(f"{later} deaths at random moments, {self.struck} tasks lost")
        if self.heals and self.broken:
            self.violations.append(f"broke {self.broken} times")

    def answer(self, number: int, kind: str, ask: Callable[[], Any]) -> bool:
        """Looks at a task's answer; gives False if it was lost with others."""
        result = exc = None
        try:
            result = ask()
        except BaseException as problem:
            exc = problem
        if isinstance(exc, (TimeoutError, concurrent.futures.TimeoutError)):
            faulthandler.dump_traceback()
            raise SystemExit(
                f"HANGS: task {number} ({kind or 'good'}) was not answered within {LIMIT} seconds"
            )
        if hasattr(exc, "deaths") and not (kind in DEATHS and tells(exc, number)):
            if self.engine != "healing" or not isinstance(exc, WorkerDied):
                return False
            if not tells(exc, number) or exc.deaths[0].exitcode != -signal.SIGKILL:
                self.violations.append(f"task {number} ({kind or 'good'}) was lost with another")
            self.struck += 1  # by a death of LATER
            return True
        found = wrong(number, kind, result, exc)
        if found is not None:
            self.violations.append(f"task {number} ({kind or 'good'}) {found}")
        return True

    def look(self, pids: list[int]) -> None:
        for pid in pids:
            try:
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except (OSError, IndexError):
                continue
            self.memory.setdefault(pid, []).append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def growth(values: list[float]) -> tuple[float, float]:
    """The median of the last third, and how much more that is than that of the first; a tenth at
    the beginning is left out.
    """
    values = values[len(values) // 10 :]
    third = max(1, len(values) // 3)
    first, last = statistics.median(values[:third]), statistics.median(values[-third:])
    return last, last - first


names: set[str] = set()  # of the semaphores that this process made, as they are in /dev/shm


def note_semaphores(engine: str) -> None:
    """Other programs have theirs there, too, so ours are noted by their names."""
    module: Any = (
        multiprocessing.synchronize
        if engine != "loky"
        else importlib.import_module("loky.backend.synchronize")
    )
    make = module.SemLock._make_name

    def noted() -> str:
        name: str = make()
        names.add(f"sem.{name.lstrip('/')}")
        return name

    module.SemLock._make_name = staticmethod(noted)


def held() -> dict[str, int]:
    """What the process holds."""
    gc.collect()
    return {
        "threads": len(os.listdir("/proc/self/task")),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "children": len(multiprocessing.active_children()),
        "semaphores": len(names.intersection(os.listdir("/dev/shm"))),
    }


def one(engine: str, method: str, count: int) -> dict[str, Any]:
    note_semaphores(engine)
    warm = Run(engine, method)
    # each way to fail once, and a death
    warm.tasks(max(10 * len(KINDS), count // 4), deaths=True, watch_workers=False)
    before = held()
    run = Run(engine, method)
    began = time.monotonic()
    run.tasks(count, deaths=True, watch_workers=False)
    parent = growth(run.memory.pop(os.getpid()))
    steady = Run(engine, method)
    steady.tasks(count // 3, deaths=False, watch_workers=True)
    again = growth(steady.memory.pop(os.getpid()))
    workers = [growth(values) for values in steady.memory.values() if len(values) > 50]
    took = time.monotonic() - began
    violations = warm.violations + run.violations + steady.violations
    deadline = time.monotonic() + END
    after = held()
    while any(after[name] > before[name] for name in before) and time.monotonic() < deadline:
        time.sleep(0.1)
        after = held()
    for name, value in after.items():
        if value > before[name]:
            violations.append(f"{name}: {before[name]} before, {value} after")
    if violations:
        faulthandler.dump_traceback()
    if steady.broken:
        violations.append("broke although no worker died")
    if count >= JUDGED_FROM:
        for what, (_, more) in [
            ("parent", parent),
            ("parent without deaths", again),
            *(("worker", each) for each in workers),
        ]:
            if more > MOST_GROWTH:
                violations.append(
                    f"the memory of the {what} grows: {more:+.1f} MB from the first third to the last"
                )
    return {
        "tasks": count + count // 3, "broken": run.broken, "repeated": run.repeated, "seconds": took, "parent": parent, "again": again,
        "worker": max(workers, key=lambda each: each[1]) if workers else (0.0, 0.0), "workers": len(workers),
        "held": after, "violations": violations,
    }  # fmt: skip


# --------------------------------------------------------------------------------------------------------------------
# All of them.


def in_session(session: int) -> list[int]:
    """The processes of a session."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            # Asked first: the file of each process of the machine takes twenty times as long to read.
            if os.getsid(pid) != session:
                continue
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:  # gone meanwhile
            continue
        if state != "Z":
            found.append(pid)
    return found


def run_one(engine: str, count: int, limit: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        report, place = Path(folder, "report.json"), Path(folder, "tmp")
        place.mkdir()
        start = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import soak; sys.exit(soak.main())"
        command = [
            sys.executable,
            "-c",
            start,
            "--tasks",
            str(count),
            "--report",
            str(report),
            engine,
        ]
        with open(Path(folder, "stderr"), "w+") as stderr:
            env = {**os.environ, **STEADY_MEMORY, "TMPDIR": str(place)}
            process = subprocess.Popen(command, env=env, stderr=stderr, start_new_session=True)
            try:
                code: int | str = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = f"no end within {limit:.0f} seconds"
            deadline = time.monotonic() + END
            while (left := in_session(process.pid)) and time.monotonic() < deadline and code == 0:
                time.sleep(0.1)
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            process.wait()
            stderr.seek(0)
            told = stderr.read()
        found: dict[str, Any] = (
            json.loads(report.read_text()) if report.exists() else {"violations": []}
        )
        if code != 0:
            found["violations"].append(f"exit: {code}")
        if left and code == 0:
            found["violations"].append(f"processes left: {left}")
        if code == 0 and any(place.iterdir()):
            found["violations"].append(f"files left: {[file.name for file in place.iterdir()]}")
        if found["violations"]:
            found["violations"].append(f"its last words were:\n{told[-4000:]}")
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "engines",
        nargs="*",
        default=list(ENGINES),
        metavar="engine:method",
        help=", ".join(ENGINES),
    )
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=1200.0, help="seconds for one engine")
    parser.add_argument("--snapshots", type=int, help="snapshots of a busy process, instead")
    parser.add_argument("--report", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.snapshots:
        from test_snapshots import take_under_load  # imports pytest

        begin = time.monotonic()
        take_under_load(chosen.snapshots)
        print(
            f"{chosen.snapshots} snapshots in {time.monotonic() - begin:.0f} s: all answers are right"
        )
        return 0
    if chosen.report:
        engine, _, method = chosen.engines[0].partition(":")
        Path(chosen.report).write_text(json.dumps(one(engine, method, chosen.tasks)))
        return 0
    print(
        f"Python {sys.version.split()[0]}, {len(KINDS)} ways to fail, {WORKERS} workers; memory in MB, and its growth between thirds"
    )
    print(
        f"{'engine':20} {'tasks':>6} {'breaks':>6} {'again':>5} {'s':>5} {'parent':>13} {'no deaths':>13} {'worker':>13}  left over"
    )
    bad = 0
    for engine in chosen.engines:
        found = run_one(engine, chosen.tasks, chosen.limit)
        if "parent" in found:
            memory = "".join(
                f" {size:7.1f} {more:+5.1f}"
                for size, more in (found["parent"], found["again"], found["worker"])
            )
            row = f"{found['tasks']:6} {found['broken']:6} {found['repeated']:5} {found['seconds']:5.0f}{memory}"
        else:
            row = "did not come to its end"
        print(f"{engine:20} {row}  {len(found['violations']) or 'nothing'}", flush=True)
        for violation in found["violations"]:
            print(f"  VIOLATION: {violation}", flush=True)
        bad += len(found["violations"])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
