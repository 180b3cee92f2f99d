"""Tasks for the tests of our pools: workers import them by name."""

from __future__ import annotations

import collections
import ctypes
import itertools
import os
import signal
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any


class Refused(Exception):
    """Cannot be rebuilt from its args: the engines hang or break on it."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


class Falsy(Exception):
    def __bool__(self) -> bool:
        return False


class CannotArrive:
    """Pickles, but cannot be unpickled."""

    def __reduce__(self) -> Any:
        return int, ("not a number",)


def double(number: int) -> int:
    return 2 * number


def add(left: int, right: int) -> int:
    return left + right


def divide(total: int, parts: int = 0) -> float:
    share = total / parts
    return share


def chained(total: int) -> float:
    try:
        return divide(total)
    except ZeroDivisionError as problem:
        raise LookupError(f"no share of {total}") from problem


def refuse() -> None:
    raise Refused(7, reason="no")


def falsy() -> None:
    raise Falsy("nothing")


def stop_at_two(number: int) -> int:
    if number == 2:
        raise StopIteration("two")
    return number


def raise_(problem: type[BaseException]) -> None:
    raise problem("out")


def fail_on_odd(number: int) -> int:
    if number % 2:
        raise ValueError(number)
    return number


def give_unarriving() -> CannotArrive:
    return CannotArrive()


def give_generator() -> Any:
    return (number for number in range(3))


def take(thing: Any) -> Any:
    return thing


def die(how: str, note: str = "") -> None:
    """Ends its process as `how` says: the name of a signal, or an exit code."""
    detail = f"dying of {how}"
    if how.isdigit():
        os._exit(int(how))
    if how == "SIGSEGV":
        ctypes.string_at(0)
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(10)


def die_if_three(number: int) -> int:
    if number == 3:
        os._exit(9)
    return number


def hang(file: str) -> str:
    """Waits, and so does a thread of it, which began before."""
    secret = "seen"
    helpers = file + ".helper"
    threading.Thread(target=wait_for, args=(helpers,), name="helper", daemon=True).start()
    while not os.path.exists(helpers):
        time.sleep(0.005)
    wait_for(file)
    os.unlink(helpers)
    return secret


def hang_in_c(file: str) -> None:
    """Holds the interpreter's lock in C code."""
    Path(file).touch()
    collections.deque(itertools.repeat(None, 500_000_000), 0)


def wait_for(file: str) -> None:
    """Says that it has begun, by a file, and waits for that file to go."""
    Path(file).touch()
    while os.access(file, os.F_OK):  # in C: this function is the innermost frame at any moment
        time.sleep(0.005)


def touch_and_die(folder: str) -> None:
    """An initializer that leaves a trace of each time that it ran."""
    handle, _ = __import__("tempfile").mkstemp(dir=folder)
    os.close(handle)
    raise Refused(3, reason="no licence")


def end_at_start() -> None:
    """An initializer that ends the worker without a word."""
    os._exit(4)


def no_faulthandler() -> None:
    """An initializer: undoes what pytest enabled, which a forked worker inherits."""
    import faulthandler

    from keeptrace.concurrent.deaths import worker as _worker

    faulthandler.disable()
    assert _worker._served is not None
    faulthandler.enable(_worker._served[0].fd)


def own_faulthandler(file: str) -> None:
    """An initializer: the user's own faulthandler."""
    import faulthandler

    faulthandler.enable(open(file, "w"))


def ended(*processes: Any) -> None:
    """Waits until processes that were killed from outside are gone for the system, too."""
    for process in processes:
        process.join(10)
        assert process.exitcode is not None


def pid() -> int:
    return os.getpid()


def exit_with(code: Any) -> None:
    sys.exit(code)


def big(megabytes: int) -> bytes:
    return b"x" * (megabytes << 20)


def _in_engines_loop(name: str) -> Any:
    """A variable of the loop of the stdlib's executor, in the worker."""
    frame: Any = sys._getframe()
    while frame.f_code.co_name != "_process_worker":
        frame = frame.f_back
    return frame.f_locals[name]


def die_after_header(body: int, pause: float) -> None:
    """Sends the header of a large result and so many bytes of its body, and dies."""
    queue = _in_engines_loop("result_queue")
    queue._wlock.__enter__()
    os.write(queue._writer.fileno(), struct.pack("!i", 200_000) + b"x" * body)
    time.sleep(pause)
    os.kill(os.getpid(), signal.SIGKILL)


def send_slowly(parts: int, pause: float) -> None:
    """Sends its result in parts, and never returns."""
    from concurrent.futures.process import _ResultItem
    from multiprocessing.reduction import ForkingPickler

    item = _ResultItem(_in_engines_loop("call_item").work_id, result=b"y" * 600_000)
    data = bytes(ForkingPickler.dumps(item))
    data = struct.pack("!i", len(data)) + data
    queue = _in_engines_loop("result_queue")
    size = len(data) // parts + 1
    with queue._wlock:
        for at in range(0, len(data), size):
            left = memoryview(data)[at : at + size]
            while left:
                left = left[os.write(queue._writer.fileno(), left) :]
            time.sleep(pause)
    time.sleep(1000)


def keep_the_lock() -> int:
    """Takes the lock of the queue of tasks, as a worker has it that waits for one."""
    _in_engines_loop("call_queue")._rlock.acquire()
    return os.getpid()


def die_after(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)
