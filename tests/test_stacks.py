"""stacks() of workers whose program uses signals for itself: resets, blocks or handles them. No
task is harmed, no handler called.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import until

import keeptrace
from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor
from keeptrace.concurrent.deaths import fault_text
from keeptrace.core.signals import state_of

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="real-time signals, and what the system says of them"
)

CALLED: list[int] = []


def note(number: int, _: Any) -> None:
    CALLED.append(number)


def usable() -> list[int]:
    """The signals that a program may set, but for those that end or stop it, and those of children
    and of Ctrl-C.
    """
    kept = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGINT, signal.SIGTERM}
    return sorted(signal.valid_signals() - kept)


def nothing() -> None:
    pass


def reset_all() -> None:
    for number in usable():
        signal.signal(number, signal.SIG_DFL)


def ignore_all() -> None:
    for number in usable():
        signal.signal(number, signal.SIG_IGN)


def handle_all() -> None:
    for number in usable():
        signal.signal(number, note)


def handle_the_known() -> None:
    for number in (signal.SIGURG, signal.SIGRTMAX, signal.SIGRTMIN, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, note)


def handle_and_reset() -> None:
    handle_all()
    reset_all()


def handle_through_the_core() -> None:
    """As a library does that was imported before: by a reference of its own to the function."""
    EARLIER(signal.SIGURG, note)
    for number in range(signal.SIGRTMIN, signal.SIGRTMAX + 1):
        EARLIER(number, note)


def dump_on_all() -> None:
    """The program's own faulthandler.register()."""
    for number in (signal.SIGURG, *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)):
        faulthandler.register(number, open(os.devnull, "w"))


def block_all() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def reset_in_c() -> None:
    """By C code, of which Python knows nothing."""
    import ctypes

    libc = ctypes.CDLL(None)
    for number in (signal.SIGURG, *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)):
        libc.signal(number, ctypes.c_void_p(0))


EARLIER = signal.signal

# what the program does → whether there is an answer with and without variables
PROGRAMS: dict[Callable[[], None], tuple[bool, bool]] = {
    nothing: (True, True), handle_the_known: (True, True), reset_all: (False, False), ignore_all: (False, False),
    handle_all: (False, False), handle_and_reset: (False, False), handle_through_the_core: (False, False), dump_on_all: (False, False),
    block_all: (False, False), reset_in_c: (False, False),
}  # fmt: skip


def work(file: str, meanwhile: Callable[[], None]) -> list[int]:
    """A task. meanwhile: what the program does within it."""
    meanwhile()
    Path(file).touch()
    while os.path.exists(file):
        time.sleep(0.01)
    return CALLED


def asked(
    pool: Any,
    start: Callable[..., Any],
    file: Path,
    meanwhile: Callable[[], None],
    expected: tuple[bool, bool],
) -> None:
    """Asks a worker in its task; the task gives its result, and no handler of the program was
    called.
    """
    result = start(work, str(file), meanwhile)
    until(file.exists)
    for with_locals in (True, False):
        began = time.monotonic()
        (busy,) = pool.stacks(locals=with_locals, timeout=5 if expected[with_locals] else 0.4)
        took = time.monotonic() - began
        if expected[with_locals]:
            assert (
                busy.stack is not None
                and busy.stack.tb_frame.f_code.co_name == "work"
                and busy.why is None
            )
            assert not with_locals or busy.stack.tb_frame.f_locals["file"] == str(file)
        else:
            assert busy.stack is None and ("blocked" in busy.why or "uses the signal" in busy.why)
            assert took < 20
    file.unlink()
    assert result() == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_executor(program: Callable[[], None], method: str, tmp_path: Path) -> None:
    """An initializer that changes the signals, then a task that is asked for its stack."""
    if method == "spawn" and program not in (nothing, reset_all):
        pytest.skip("the same code")
    with KeepTraceProcessPoolExecutor(1, multiprocessing.get_context(method), program) as pool:
        asked(
            pool,
            lambda *call: pool.submit(*call).result,
            tmp_path / "here",
            nothing,
            PROGRAMS[program],
        )


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_pool_whose_task_changes_them(program: Callable[[], None], tmp_path: Path) -> None:
    """The task itself changes the signals, long after the worker has chosen its own."""
    with KeepTracePool(1, context=multiprocessing.get_context("fork")) as pool:
        asked(
            pool,
            lambda function, *args: pool.apply_async(function, args).get,
            tmp_path / "here",
            program,
            PROGRAMS[program],
        )


def test_a_handler_of_the_parent_is_inherited_and_left_alone(tmp_path: Path) -> None:
    """A signal that the program handles before it makes a pool is not the one that its workers
    choose.
    """
    numbers = [signal.SIGURG, signal.SIGRTMAX - 1]
    before = [signal.signal(number, note) for number in numbers]
    try:
        with KeepTraceProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            asked(
                pool,
                lambda *call: pool.submit(*call).result,
                tmp_path / "here",
                nothing,
                (True, True),
            )
            assert pool.submit(handlers, numbers).result(30) == ["note", "note"]
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def handlers(numbers: list[int]) -> list[str]:
    return [getattr(signal.getsignal(number), "__name__", "none") for number in numbers]


def test_a_pool_in_a_worker(tmp_path: Path) -> None:
    """A worker that was forked from another one answers for itself, and so does the other one
    afterwards.
    """
    with KeepTraceProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        assert pool.submit(inner, str(tmp_path / "inner")).result(30)
        asked(
            pool, lambda *call: pool.submit(*call).result, tmp_path / "here", nothing, (True, True)
        )


def inner(file: str) -> bool:
    with KeepTraceProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        asked(pool, lambda *call: pool.submit(*call).result, Path(file), nothing, (True, True))
    return True


def forks_and_resets() -> None:
    """A task's own child process resets its copies of the handlers: the worker's are as they were."""
    pid = os.fork()
    if not pid:
        reset_all()
        os._exit(0)
    os.waitpid(pid, 0)


def test_a_forked_child_gives_up_its_own_only(tmp_path: Path) -> None:
    """What a process that a task has forked does with its signals is not taken for the worker's
    doing.
    """
    with KeepTraceProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        asked(
            pool,
            lambda *call: pool.submit(*call).result,
            tmp_path / "here",
            forks_and_resets,
            (True, True),
        )


def test_what_the_system_says() -> None:
    """The masks of a process; None for one that is gone."""
    state = state_of(os.getpid())
    assert state is not None and state.catches(signal.SIGINT) and not state.blocks(signal.SIGINT)
    assert state_of(2**22 + 1) is None


def test_every_module_between_worker_and_task_exists() -> None:
    """Their frames are left out of a dead worker's stack by name: a module that moved would show
    its own.
    """
    ours = [name for name in fault_text._BETWEEN if name.startswith("keeptrace.")]
    assert ours
    root = Path(keeptrace.__file__).parent.parent  # a library that a module is about may be absent
    files = [root.joinpath(*name.split(".")).with_suffix(".py") for name in ours]
    assert [file for file in files if not file.is_file()] == []
