"""Workers of the process-pool executor that die, and workers of both pools that hang."""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pool_tasks as tasks
import pytest
from waiting import ends, until

from keeptrace.concurrent import (
    KeepTracePool,
    KeepTraceProcessPoolExecutor,
    WorkerDeath,
    keep_trace,
)
from keeptrace.concurrent.deaths.calls import describe_call
from keeptrace.concurrent.deaths.fault_text import stack_of
from keeptrace.concurrent.process_pool import queues as _queues

# multiprocessing's own: loky registers two more when it is imported
METHODS = [
    method
    for method in ("fork", "spawn", "forkserver")
    if method in multiprocessing.get_all_start_methods()
]
HOWS = ["SIGTERM", "SIGABRT", "0"]


def executor(
    method: str, workers: int = 1, initializer: Any = tasks.no_faulthandler, *args: Any
) -> KeepTraceProcessPoolExecutor:
    return KeepTraceProcessPoolExecutor(
        workers, multiprocessing.get_context(method), initializer, args
    )


def killed_as_they_leave(pool: Any, file: Path) -> None:
    """Shuts a pool of two down. One worker has the lock that the other one waits for, and is killed when both should end."""
    other = pool.submit(tasks.wait_for, str(file))
    until(file.exists)
    pid = pool.submit(tasks.keep_the_lock).result(30)
    file.unlink()
    other.result(30)
    manager = pool._executor_manager_thread
    threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)).start()
    assert ends(pool.shutdown) and not manager.is_alive()


@pytest.mark.parametrize("method", METHODS[:2])
def test_killed_as_the_pool_shuts_down(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """shutdown() ends, though a worker is killed meanwhile that has the lock of the tasks. The stdlib's waits for ever."""
    monkeypatch.setattr(_queues, "_ENDS", 0.2)
    killed_as_they_leave(executor(method, 2), tmp_path / "busy")


@pytest.mark.skipif("fork" not in METHODS, reason="a process that has the pipes of all others")
def test_dies_with_tasks_on_their_way(tmp_path: Path) -> None:
    """Tasks wait for room in the pipe, whose end another process has, too: one that was forked meanwhile. The stdlib's pool hangs."""
    pool = executor("fork")
    running = pool.submit(tasks.hang, str(tmp_path / "here"))
    large = pool.submit(len, bytes(5_000_000))
    until((tmp_path / "here").exists)
    other = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    other.start()
    try:
        for process in list((pool._processes or {}).values()):
            process.kill()
        assert [type(future.exception(30)) for future in (running, large)] == [
            BrokenProcessPool
        ] * 2
        assert ends(pool.shutdown)
    finally:
        other.kill()
        other.join()


@pytest.mark.skipif("fork" not in METHODS, reason="a copy of all locks")
def test_forked_as_a_lock_is_held() -> None:
    """A process that is forked while an executor's thread is being woken ends all the same."""
    with executor("fork") as pool:
        assert pool.submit(tasks.double, 1).result(30) == 2
        with pool._executor_manager_thread_wakeup._lock:  # type: ignore[attr-defined]
            other = multiprocessing.get_context("fork").Process(target=tasks.pid)
            other.start()
        other.join(20)
        ended, _ = other.exitcode, other.kill()
        assert ended == 0


def test_interrupted_within_a_message() -> None:
    """A worker that is interrupted as it reads a task keeps the lock: the next one would take the rest of the message for one."""

    class Interrupted(Exception):
        pass

    def interrupt(*_: Any) -> None:
        raise Interrupted

    calls: Any = multiprocessing.get_context("fork").Queue()
    os.write(calls._writer.fileno(), struct.pack("!i", 100_000) + b"x")
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(Interrupted):
            _queues.receive(calls, calls._reader.fileno(), os.getppid(), None)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not calls._rlock.acquire(False)
    calls.close()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("method", METHODS)
def test_broken_pool_says_how(method: str, how: str) -> None:
    """BrokenProcessPool tells which worker died, how, at which call and where; each future gets an error of its own."""
    with executor(method) as pool:
        pool.submit(time.sleep, 0.3)  # until then all of these are submitted
        running = pool.submit(tasks.die, how, note="why")
        waiting = [pool.submit(tasks.double, number) for number in range(3)]
        errors = [future.exception(30) for future in (running, *waiting)]
        with pytest.raises(BrokenProcessPool, match="while it ran die"):
            pool.submit(tasks.double, 1)
    assert all(type(error) is BrokenProcessPool for error in errors)
    assert len({id(error) for error in errors}) == 4
    (death,) = errors[0].deaths
    assert death == errors[3].deaths[0]
    assert death.tasks == (f"die({how!r}, note='why')",)
    assert death.exitcode == (int(how) if how.isdigit() else -getattr(signal, how))
    assert death.signal == (None if how.isdigit() else how)
    text = "".join(traceback.format_exception(errors[0]))
    assert (
        f"Worker {death.pid} " in text
        and (f"exited with code {how}" if how.isdigit() else f"was killed by {how}") in text
    )
    if how in ("SIGSEGV", "SIGABRT"):
        frame = death.stack.tb_frame
        assert frame.f_code.co_filename == tasks.__file__ and frame.f_code.co_name == "die"
        assert "not known" in str(frame.f_locals) and "in die" in text
    else:
        assert death.stack is None


def test_exit_codes_have_names() -> None:
    """Codes that the system names are told by name."""
    assert str(WorkerDeath(5, 70)) == "Worker 5 exited with code 70 (EX_SOFTWARE)."
    assert str(WorkerDeath(5, -35)) in (
        "Worker 5 was killed by signal 35.",
        "Worker 5 was killed by SIGRTMIN+1.",
    )
    assert (
        str(WorkerDeath(5, None, ["f(1)", "f(2)"])) == "Worker 5 is gone while it ran f(1), f(2)."
    )


def test_death_pickles() -> None:
    """A death crosses to another process, with its stack."""
    text = 'Fatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n  File "a.py", line 3 in f\n'
    death = pickle.loads(pickle.dumps(WorkerDeath(5, -6, ["f()"], text)))
    assert death == WorkerDeath(5, -6, ["f()"], text) and death.stack.tb_lineno == 3


def test_chunks_are_told() -> None:
    """A worker that dies in a chunk of map() is told with the chunk's calls."""
    with executor("fork", 1) as pool:
        with pytest.raises(BrokenProcessPool) as info:
            list(pool.map(tasks.die_if_three, range(8), chunksize=8))
    assert info.value.deaths[0].tasks == (
        "die_if_three(0)",
        "die_if_three(1)",
        "die_if_three(2)",
        "5 more of this chunk",
    )


@pytest.mark.parametrize("method", METHODS)
def test_idle_worker_dies(method: str) -> None:
    """A worker that is killed while it does nothing is told without a task."""
    with executor(method) as pool:
        pid = pool.submit(tasks.pid).result(30)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(BrokenProcessPool) as info:
            for _ in range(100):
                pool.submit(tasks.double, 1).result(30)
                time.sleep(0.01)
    if hasattr(info.value, "deaths"):
        assert info.value.deaths[0].pid == pid
    else:  # raised by submit()
        assert f"Worker {pid} was killed by SIGKILL" in str(info.value)


@pytest.mark.parametrize("method", METHODS)
def test_failing_initializer(method: str, tmp_path: Path) -> None:
    """What the initializer raised is the cause, with its frames."""
    with executor(method, 2, tasks.touch_and_die, str(tmp_path)) as pool:
        error = pool.submit(tasks.double, 1).exception(30)
    assert type(error) is BrokenProcessPool and type(error.__cause__) is tasks.Refused
    innermost = list(traceback.walk_tb(error.__cause__.__traceback__))[-1][0]
    assert innermost.f_locals["folder"] == str(tmp_path)


def test_unpicklable_result_at_the_last_task() -> None:
    """With max_tasks_per_child, a result that cannot be unpickled still tells that its worker leaves."""
    context = multiprocessing.get_context("spawn")
    with KeepTraceProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        assert isinstance(pool.submit(tasks.give_unarriving).exception(30), ValueError)
        assert pool.submit(tasks.double, 4).result(30) == 8


def test_death_within_a_large_result() -> None:
    """A worker that is killed while its result is half sent breaks the pool; the stdlib's executor waits for ever."""
    for delay in (0.0, 0.01, 0.02, 0.03, 0.05):
        with executor("fork", 2) as pool:
            pid = pool.submit(tasks.pid).result(30)
            futures = [pool.submit(tasks.big, 30) for _ in range(4)]
            time.sleep(delay)
            os.kill(pid, signal.SIGKILL)
            for future in futures:
                error = future.exception(30)
                assert error is None or error.deaths[0].pid == pid


@pytest.mark.parametrize(("body", "pause"), [(0, 0.0), (0, 0.3), (1, 0.0)])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_death_between_header_and_body(method: str, body: int, pause: float) -> None:
    """A large result's header may be all that a killed worker sent; the stdlib's executor waits for the rest for ever."""
    with executor(method, 2) as pool:
        assert pool.submit(tasks.die_after_header, body, pause).exception(30).deaths


def test_a_result_on_its_way_is_not_lost_to_another_workers_death() -> None:
    """What a living worker sends in parts arrives, though another one dies meanwhile."""
    with executor("fork", 2) as pool:
        assert [pool.submit(time.sleep, 0.3) for _ in range(2)][1].result(
            30
        ) is None  # both workers are there
        sent, lost = pool.submit(tasks.send_slowly, 10, 0.1), pool.submit(tasks.die_after, 0.4)
        assert sent.result(30) == b"y" * 600_000 and lost.exception(30).deaths


def loky_executor() -> Any:
    pytest.importorskip("loky")
    from keeptrace.concurrent.loky import KeepTraceLokyExecutor

    return KeepTraceLokyExecutor(2)


@pytest.mark.parametrize(
    "open_pool", [lambda: executor("fork", 2), loky_executor], ids=["executor", "loky"]
)
def test_submitting_while_a_worker_dies(open_pool: Any) -> None:
    """Threads that submit meanwhile end with the pool's error, and every future that they got has an answer of its own."""
    with open_pool() as pool:
        futures = [
            pool.submit(tasks.die_after, 0.3),
            *(pool.submit(time.sleep, 5) for _ in range(3)),
        ]
        raised: list[BaseException] = []

        def submit() -> None:
            until = time.monotonic() + 60
            try:
                while time.monotonic() < until:
                    futures.append(pool.submit(tasks.double, 1))
                    if len(futures) > 2_000:  # the pool's own threads need the machine, too
                        time.sleep(0.01)
            except BaseException as problem:
                raised.append(problem)

        threads = [threading.Thread(target=submit) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(70)
        assert len(raised) == 2 and all(isinstance(problem, BrokenExecutor) for problem in raised)
        assert not wait(futures, 30).not_done
        told = [future.exception() for future in futures if future.exception() is not None]
        assert told and all(error.deaths for error in told)


def test_cancelled_futures_do_not_stop_the_telling() -> None:
    """Where futures were cancelled when a worker dies, all the others are told; the stdlib's executor forgets them on Python 3.11."""
    with executor("fork", 2) as pool:
        futures = [
            pool.submit(tasks.die_after, 0.3),
            *(pool.submit(time.sleep, 1) for _ in range(30)),
        ]
        cancelled = [future for future in futures[10:20] if future.cancel()]
        assert cancelled and not wait(futures, 30).not_done
        assert all(future.exception().deaths for future in futures if not future.cancelled())


def test_own_faulthandler_is_left_alone(tmp_path: Path) -> None:
    """Where the user enabled faulthandler, its text goes where it went; only the stack is missing on the error."""
    file = tmp_path / "crash.txt"
    with executor("fork", 1, tasks.own_faulthandler, str(file)) as pool:
        error = pool.submit(tasks.die, "SIGSEGV").exception(30)
    assert (
        "in die" in file.read_text()
        and error.deaths[0].stack is None
        and error.deaths[0].signal == "SIGSEGV"
    )


def test_descriptions_are_short_and_run_nothing() -> None:
    """The description of a call is bounded, and runs no code of the arguments' classes."""

    class Loud:
        def __repr__(self) -> str:
            raise AssertionError("was run")

    text = describe_call(
        tasks.add, (Loud(), "x" * 10_000, [1] * 10_000, *range(50)), {"key": Loud()}
    )
    assert text.startswith("add(<") and text.endswith("...)") and len(text) < 500
    assert describe_call(Loud, (), {}).endswith("Loud()") and "double" in describe_call(
        [tasks.double].append, (tasks.double,), {}
    )


def test_descriptions_name_the_function_behind_a_wrapper() -> None:
    """What a library or a decorator puts in a function's place is looked through."""
    from joblib import wrap_non_picklable_objects
    from loky import wrap_non_picklable_objects as wrap_for_loky

    wrapped: Any = [
        functools.lru_cache(tasks.add),
        functools.partial(functools.lru_cache(tasks.add)),
        keep_trace(tasks.add),
        wrap_non_picklable_objects(tasks.add),
        wrap_for_loky(tasks.add),
        Pickling(Pickling(tasks.add)),
    ]
    told = [describe_call(each, (1, 2), {}) for each in wrapped]
    assert set(told) == {"add(1, 2)", "partial(add)(1, 2)"}, told
    held_in_itself = Pickling(tasks.add)
    held_in_itself.__wrapped__ = held_in_itself
    assert "Pickling" in describe_call(held_in_itself, (), {})


class Pickling:
    def __init__(self, function: Any) -> None:
        self.__wrapped__ = function


TEXTS = {
    "one thread": ('Current thread 0x1 (most recent call first):\n  File "a.py", line 3 in f\n  File "b.py", line 9 in <module>\n', ["<module>", "f"]),
    "named": ('Current thread 0x1 [python] (most recent call first):\n  File "a.py", line 3 in f\n\nThread 0x2 (most recent call first):\n  File "c", line 1 in g\n', ["f"]),
    "newer first": ('Thread 0x2 (most recent call first):\n  File "c", line 1 in g\n\nCurrent thread 0x1 (most recent call first):\n  File "a.py", line 3 in f\n', ["f"]),
    "stack": ('Stack (most recent call first):\n  File "a b\\xe9.py", line ??? in f\n', ["f"]),
    "c stack": ("Current thread's C stack trace (most recent call first):\n  Binary file \"python\", at x [0x1]\n", None),
    "none": ("Fatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n  <no Python frame>\n", None),
    "cut": ('Current thread 0x1 (most recent call first):\n  File "a.py", line 3 in f\n  File "b', ["f"]),
    "empty": ("", None),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_parsing_of_faulthandler(name: str) -> None:
    """What faulthandler writes is read as a traceback, of any Python's form, whole or cut."""
    text, names = TEXTS[name]
    stack = stack_of(text)
    assert (stack and [frame.f_code.co_name for frame, _ in traceback.walk_tb(stack)]) == names


# -- workers that hang


def open_pool(kind: str, method: str) -> Any:
    context = multiprocessing.get_context(method)
    return (
        KeepTracePool(2, context=context)
        if kind == "pool"
        else KeepTraceProcessPoolExecutor(2, context)
    )


def start(pool: Any, *call: Any) -> Any:
    return (
        pool.apply_async(call[0], call[1:])
        if isinstance(pool, KeepTracePool)
        else pool.submit(*call)
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["pool", "executor"])
def test_stacks(kind: str, method: str, tmp_path: Path) -> None:
    """stacks() shows what each worker does, with the variables on request, and the worker goes on as if nothing was."""
    file = tmp_path / "here"
    with open_pool(kind, method) as pool:
        future = start(pool, tasks.hang, str(file))
        try:
            until(file.exists)
            busy = busy_one(pool)
            assert busy.tasks[0].startswith("hang('") and busy.why is None and not busy.threads
            assert names(busy.stack)[:2] == ["hang", "wait_for"]
            busy = busy_one(pool, locals=True)
            assert busy.stack.tb_frame.f_locals["secret"] == "seen"
            assert names(busy.threads["helper"])[-1] == "wait_for"
            assert "Thread helper" in str(busy) and "in hang" in str(busy)
        finally:
            file.unlink()
        assert (future.get(20) if kind == "pool" else future.result(20)) == "seen"


def busy_one(pool: Any, **asked: Any) -> Any:
    (busy,) = [found for found in pool.stacks(**asked) if found.tasks]
    return busy


def names(stack: Any) -> list[str]:
    return [frame.f_code.co_name for frame, _ in traceback.walk_tb(stack)]


@pytest.mark.parametrize("locals", [False, True])
def test_stacks_of_c_code(locals: bool, tmp_path: Path) -> None:
    """A worker in C code that holds the interpreter's lock answers with its frames; for variables it must come back first."""
    file = tmp_path / "here"
    with KeepTraceProcessPoolExecutor(1) as pool:
        future = pool.submit(tasks.hang_in_c, str(file))
        until(file.exists)
        time.sleep(0.05)
        (busy,) = pool.stacks(locals=locals, timeout=0.6)
        assert busy.stack.tb_frame.f_code.co_name == "hang_in_c"
        assert (busy.why is not None) == locals
        future.result(20)


def test_worker_that_does_not_answer(tmp_path: Path) -> None:
    """A stopped worker cannot answer: it is listed, with the reason, within the time."""
    file = tmp_path / "here"
    with KeepTraceProcessPoolExecutor(1) as pool:
        future = pool.submit(tasks.hang, str(file))
        until(file.exists)
        pid = next(iter(pool._processes))
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        (silent,) = pool.stacks(timeout=0.3)
        assert (
            silent.stack is None
            and "did not answer" in silent.why
            and "did not answer" in str(silent)
        )
        assert time.monotonic() - began < 20
        os.kill(pid, signal.SIGCONT)
        file.unlink()
        assert future.result(20) == "seen"
        assert pool.stacks()[0].tasks == ()
    assert pool.stacks() == []


# -- nothing left behind

ORPHANS = """
import multiprocessing, os, sys, time
sys.path.insert(0, {folder!r})
import pool_tasks as tasks
from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    if {kind!r} == "pool":
        pool = KeepTracePool(2, context=context)
        pids = {{pool.apply(tasks.pid)}} | {{process.pid for process in pool._pool}}
    else:
        pool = KeepTraceProcessPoolExecutor(2, context)
        pids = {{pool.submit(tasks.pid).result()}} | set(pool._processes)
    print(*pids, flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["pool", "executor"])
def test_no_orphans(kind: str, method: str, tmp_path: Path) -> None:
    """When the parent is killed, idle workers end; those of the stdlib's executor stay for ever."""
    script = tmp_path / "parent.py"
    script.write_text(ORPHANS.format(folder=os.path.dirname(__file__), method=method, kind=kind))
    found = subprocess.run(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=50,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    pids = [int(pid) for pid in found.stdout.split()]
    assert len(pids) >= 1

    def gone(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        status = Path(f"/proc/{pid}/stat")
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"

    until(lambda: all(map(gone, pids)))
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("pymp-")] == [
        "parent.py"
    ]


@pytest.mark.parametrize("method", METHODS)
def test_nothing_left_behind(method: str) -> None:
    """Neither processes nor file descriptors stay after executors whose tasks failed and whose workers died."""
    before = set(multiprocessing.active_children())
    with executor(method) as pool:  # what the start method itself keeps open
        pool.submit(tasks.double, 1).result(30)
    del pool
    gc.collect()
    open_files = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for _ in range(2):
        with executor(method, 2) as pool:
            futures = [pool.submit(tasks.divide, 1), pool.submit(tasks.die, "SIGSEGV")]
            wait(futures, 30, FIRST_COMPLETED)
            assert all(future.exception(30) for future in futures)
        del pool, futures
    gc.collect()
    assert set(multiprocessing.active_children()) <= before
    if open_files:
        assert len(os.listdir("/proc/self/fd")) <= open_files


LAST_OF_ITS_MODULE = """
import os
from keeptrace.concurrent.deaths import black_box
box = black_box.BlackBox()
if {is_open}:
    box.open()
fd = box.fd
os.fstat(fd)
for name in list(vars(black_box)):
    setattr(black_box, name, None)
del box
try:
    os.fstat(fd)
except OSError:
    print("closed")
"""


@pytest.mark.skipif(os.name != "posix", reason="a box has no file there")
@pytest.mark.parametrize("is_open", [False, True])
def test_a_pool_that_outlives_the_modules(is_open: bool) -> None:
    """A pool left open at exit may go after the names of its modules: its file is closed in silence."""
    program = LAST_OF_ITS_MODULE.format(is_open=is_open)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("closed\n", "")
