"""Snapshots: what a living process does now, as a dump that opens everywhere."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Commands
from test_dap import Client
from waiting import until

import keeptrace
from keeptrace.core.report import OF_SNAPSHOTS
from keeptrace.format.api import report_of
from keeptrace.format.process import report_with_threads
from keeptrace.format.writing import fingerprint_of
from keeptrace.snapshots import groups

SECRET = "hunter2xyzzy"
# max_seconds: no variable is left out on a busy machine. depth: this process runs pytest, whose own
# frames lead to all that pytest knows.
_OPTIONS: Any = {"max_seconds": 60.0, "depth": 2}
BARE = """
import pickle, sys, traceback
with open(sys.argv[1], "rb") as file:
    snapshot = pickle.load(file)
print(str(snapshot))
for member in snapshot.exceptions:
    print(type(member).__name__, member.name)
    entry = member.__traceback__
    while entry is not None and entry.tb_next:
        entry = entry.tb_next
    if entry is not None:  # a task that an earlier test dropped may still wait for its end
        print(sorted(entry.tb_frame.f_locals))
traceback.print_exception(snapshot)
"""


class Waiters:
    """Threads that stand in stand(number) until the block ends."""

    def __init__(self, count: int) -> None:
        self._go_on = threading.Event()
        self._standing = threading.Semaphore(0)
        self._threads = [
            threading.Thread(target=self.stand, args=(number,), name=f"waiter-{number}")
            for number in range(count)
        ]

    def stand(self, number: int) -> None:
        password = SECRET  # noqa: F841  # seen by the snapshot
        doubled = 2 * number
        self._standing.release()
        self._go_on.wait()
        assert doubled == 2 * number

    def __enter__(self) -> Waiters:
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            self._standing.acquire()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._go_on.set()
        for thread in self._threads:
            thread.join()


def taken(**options: Any) -> Any:
    """A snapshot of this process, there and back."""
    file = io.BytesIO()
    pause = keeptrace.snapshot(file, **{**_OPTIONS, "include_source": False, **options})
    assert pause > 0
    return keeptrace.loads(file.getvalue())


def by_name(snapshot: Any) -> dict[str, Any]:
    return {member.name: member for member in snapshot.exceptions}


def variables(member: Any, function: str) -> dict[str, Any]:
    """The variables of a member's frame of this function."""
    frames = [frame for frame, _ in traceback.walk_tb(member.__traceback__)]
    return next(frame.f_locals for frame in frames if frame.f_code.co_name == function)


async def fetch(number: int) -> None:
    wanted = {"number": number}
    await asyncio.sleep(60)
    assert wanted


async def numbers() -> Any:
    await asyncio.sleep(60)
    yield 1


async def iterate() -> None:
    async for _ in numbers():
        pass


async def in_group() -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(2):
            group.create_task(fetch(number), name=f"in group {number}")


async def gathered() -> None:
    await asyncio.gather(
        asyncio.create_task(fetch(3), name="gathered 3"),
        asyncio.create_task(iterate(), name="iterating"),
    )


async def shielded() -> None:
    await asyncio.shield(asyncio.create_task(fetch(4), name="behind a shield"))


async def timed() -> None:
    await asyncio.wait_for(asyncio.create_task(fetch(5), name="timed out some day"), 100)


async def waited() -> None:
    await asyncio.wait([asyncio.create_task(fetch(6), name="waited for")])


AWAITED = {
    "in group": ["in group 0", "in group 1"],
    "gathering": ["gathered 3", "iterating"],
    "shielding": ["behind a shield"],
    "timing": ["timed out some day"],
    "waiting": ["waited for"],
    "awaiting": ["in group"],
}


async def with_tasks(take: Callable[[], Any]) -> Any:
    """What take() gives while the tasks of AWAITED are there."""
    group = asyncio.create_task(in_group(), name="in group")
    kept = [
        group,
        asyncio.create_task(gathered(), name="gathering"),
        asyncio.create_task(shielded(), name="shielding"),
        asyncio.create_task(timed(), name="timing"),
        asyncio.create_task(waited(), name="waiting"),
        asyncio.create_task(awaits(group), name="awaiting"),
    ]
    for _ in range(5):  # until each waits for what it waits for
        await asyncio.sleep(0)
    found = take()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.gather(*kept, return_exceptions=True)
    return found


async def awaits(task: asyncio.Task[None]) -> None:
    await task


def test_each_thread_with_its_variables() -> None:
    """A snapshot has the stack of every thread, with variables, and goes on; secrets are hidden."""
    with Waiters(3):
        snapshot = taken()
    assert type(snapshot).__name__ == "Snapshot" and snapshot.pid == os.getpid()
    assert snapshot.pause > 0
    found = by_name(snapshot)
    assert {"MainThread", "waiter-0", "waiter-1", "waiter-2"} <= found.keys()
    assert variables(found["waiter-2"], "stand")["doubled"] == 4
    assert SECRET not in str(variables(found["waiter-2"], "stand"))
    # The thread that asks comes first, and ends where it asked.
    first = snapshot.exceptions[0]
    assert first.ident == threading.get_ident()
    assert traceback.extract_tb(first.__traceback__)[-1].name == "taken"


def test_each_task_with_what_it_awaits() -> None:
    """Tasks have their frames, what they await, and who awaits them; a tree shows all."""
    snapshot = asyncio.run(with_tasks(taken))
    found = by_name(snapshot)
    for name, awaited in AWAITED.items():
        assert sorted(found[name].awaits) == awaited, name
        assert found[name].state == "waiting"
        for other in awaited:
            assert name in found[other].awaited_by
    assert variables(found["in group 1"], "fetch")["wanted"] == {"number": 1}
    names = [frame.name for frame in traceback.extract_tb(found["iterating"].__traceback__)]
    assert names == ["iterate", "numbers", "sleep"]
    (tree,) = snapshot.__notes__
    lines = tree.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("  awaiting: awaits"))
    assert [line.split(":")[0] for line in lines[at : at + 4]] == [
        *("  awaiting", "    in group", "      in group 0", "      in group 1"),
    ]


def test_the_task_that_runs() -> None:
    """A running task has the frames that its thread runs within the task's coroutine."""

    async def main() -> Any:
        asyncio.current_task().set_name("runs")  # type: ignore[union-attr]
        return taken()

    task = by_name(asyncio.run(main()))["runs"]
    assert task.state == "running"
    assert [frame.name for frame in traceback.extract_tb(task.__traceback__)] == ["main", "taken"]


def test_loops_of_all_threads() -> None:
    """The tasks of every loop are there, whichever thread runs the loop and takes the snapshot."""
    loops = [asyncio.new_event_loop() for _ in range(2)]
    threads = [threading.Thread(target=loop.run_forever) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        futures = [
            asyncio.run_coroutine_threadsafe(fetch(number), loop)
            for number, loop in enumerate(loops)
        ]
        until(lambda: all(len(asyncio.all_tasks(loop)) == 1 for loop in loops))
        tasks = [each for each in taken().exceptions if type(each).__name__ == "TaskStack"]
        for future in futures:
            future.cancel()
        until(lambda: not any(asyncio.all_tasks(loop) for loop in loops))
    finally:
        for loop, thread in zip(loops, threads):
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
    found = [variables(each, "fetch")["wanted"]["number"] for each in tasks if each.__traceback__]
    assert sorted(found) == [0, 1]


class BareLoop(asyncio.AbstractEventLoop):
    """A loop of another library, which no frame leads to."""

    def get_debug(self) -> bool:
        return False

    def call_soon(self, *args: Any, **kwargs: Any) -> Any:
        return None


def test_tasks_of_loops_that_no_frame_runs() -> None:
    """The tasks of a loop that C code runs are there too (uvloop)."""
    loop = BareLoop()
    coroutine = fetch(7)
    task = asyncio.Task(coroutine, loop=loop, name="of a bare loop")
    assert by_name(taken())["of a bare loop"].state == "ready"
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # it never runs
    coroutine.close()


CIRCLE = """
import asyncio, os, sys, keeptrace

tasks = {}

async def on(other):
    await asyncio.sleep(0)
    await tasks[other]

async def main():
    tasks.update(a=asyncio.create_task(on("b"), name="a"))
    tasks.update(b=asyncio.create_task(on("a"), name="b"))
    for _ in range(5):
        await asyncio.sleep(0)
    keeptrace.snapshot(sys.argv[1])
    os._exit(0)  # cancelling such tasks would recurse for ever

asyncio.run(main())
"""


def test_tasks_that_wait_for_one_another(tmp_path: Path) -> None:
    """A deadlock of two tasks is shown: each awaits the other."""
    path = tmp_path / "circle.dump"
    subprocess.run([sys.executable, "-c", CIRCLE, str(path)], check=True, timeout=60)
    snapshot: Any = keeptrace.load(path)
    found = by_name(snapshot)
    assert found["a"].awaits == ("b",) and found["a"].awaited_by == ("b",)
    assert found["b"].awaits == ("a",) and found["b"].awaited_by == ("a",)
    assert [line.strip() for line in snapshot.__notes__[0].splitlines()[-2:]] == [
        *("a: on (waiting)", "b: on (waiting)"),
    ]


def test_none_of_the_programs_code_runs() -> None:
    """Neither a __repr__, nor a task's or a thread's own name is asked for."""
    ran: list[str] = []

    class Noisy:
        def __repr__(self) -> str:
            ran.append("repr")
            return "noisy"

    class Named(threading.Thread):
        @property
        def name(self) -> str:  # type: ignore[override]
            ran.append("name")
            return "named"

        def __repr__(self) -> str:
            ran.append("repr of a thread")
            return "thread"

    class OfTask(asyncio.Task):  # type: ignore[type-arg]
        def get_name(self) -> str:
            ran.append("get_name")
            return "named"

    async def main() -> None:
        noisy = Noisy()
        task = OfTask(fetch(1), loop=asyncio.get_running_loop())
        await asyncio.sleep(0)
        ran.clear()
        found = taken()
        during.append((list(ran), [each.name for each in found.exceptions]))
        task.cancel()
        del noisy

    during: list[tuple[list[str], list[str]]] = []
    thread = Named(target=lambda: asyncio.run(main()))
    thread.start()
    thread.join()
    ((what_ran, names),) = during
    assert what_ran == []
    assert len([name for name in names if name.startswith("Task-")]) == 2


def test_under_load() -> None:
    """A process with busy threads and tasks goes on through snapshots, and its answers stay right.
    `python tests/soak.py --snapshots 100` does the same with more of them, for longer.
    """
    take_under_load(2, threads=20, tasks=150)


def take_under_load(count: int, threads: int = 50, tasks: int = 1_000) -> None:
    stop = threading.Event()
    wrong: list[int] = []

    def compute(number: int) -> None:
        while not stop.is_set():
            total = 0
            for value in range(200):
                total += value * number
            if total != 19_900 * number:
                wrong.append(number)
            stop.wait(0.1)

    async def answer(number: int) -> int:
        steps = 0
        while not stop.is_set():
            await asyncio.sleep(0.2)
            steps += number
        return steps % number if number else 0

    async def main() -> list[int]:
        answers = [asyncio.create_task(answer(number)) for number in range(tasks)]
        await asyncio.sleep(0)
        for _ in range(count):
            file = io.BytesIO()
            await asyncio.to_thread(keeptrace.snapshot, file)
        stop.set()
        found: Any = keeptrace.loads(file.getvalue())
        assert len(found.exceptions) >= threads + tasks, found
        return await asyncio.gather(*answers)

    busy = [threading.Thread(target=compute, args=(number,)) for number in range(threads)]
    for thread in busy:
        thread.start()
    try:
        answers = asyncio.run(main())
    finally:
        stop.set()
        for thread in busy:
            thread.join()
    assert answers == [0] * tasks and wrong == []


def test_bounds_hold() -> None:
    """Without any time, a snapshot still has where each thread stands."""
    with Waiters(30):
        found = by_name(taken(max_seconds=0, max_bytes=0))
    assert all(found[f"waiter-{number}"].__traceback__ for number in range(30))


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot with a waiting thread and the tasks of AWAITED."""
    path = tmp_path_factory.mktemp("snapshot") / "now.dump"
    with Waiters(1):
        asyncio.run(with_tasks(lambda: keeptrace.snapshot(path, **_OPTIONS)))
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "keeptrace", *map(str, arguments)]


def said(*arguments: object, text: str = "") -> str:
    done = subprocess.run(
        command(*arguments), input=text, capture_output=True, text=True, timeout=60
    )
    assert not done.returncode, done.stderr
    return done.stdout


def test_without_keeptrace(dump: Path) -> None:
    """Plain pickle.load gives a group that can be printed, each member with its frames."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BARE, str(dump)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    assert "ThreadStack waiter-0" in done.stdout and "TaskStack in group 1" in done.stdout
    assert "in stand" in done.stderr
    assert pickle.loads(dump.read_bytes()).exceptions[0].__traceback__ is not None


def test_on_the_command_line(dump: Path, call: Commands) -> None:
    """show has the tree and the stacks, debug stands in a thread, html has all."""
    shown = call.out("show", dump, "--all")
    assert "awaiting: awaits (waiting)" in shown and "doubled = 0" in shown
    assert "never raised" not in shown
    assert "waiter-0" in call.out("html", dump, "-o", "-")
    exceptions = json.loads(call.out("show", dump, "--json"))["exceptions"]
    assert exceptions[1]["type"] == "keeptrace.ThreadStack"
    messages = [exc["message"] for exc in exceptions]
    number = 1 + messages.index("waiter-0")
    debugged = said("debug", dump, "-e", number, text="p locals()\nexceptions 1\nwhere\nq\n")
    assert f"-> [{number}]   keeptrace.ThreadStack: waiter-0" in debugged
    assert "'number': 0" in debugged and "with_tasks" in debugged.partition("'number': 0")[2]


def test_in_an_editor(dump: Path) -> None:
    """Over the Debug Adapter Protocol, each thread and task is a thread, with its frames."""
    with subprocess.Popen(
        command("dap", dump), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        client = Client(process.stdout, process.stdin)
        client.begin()
        stopped = client.event("stopped")
        threads = client.ask("threads")["threads"]
        names = {thread["name"]: thread["id"] for thread in threads}
        assert stopped["threadId"] in names.values()
        assert "Thread waiter-0" in names
        assert any(name.startswith("Task in group 1 (waiting)") for name in names)
        trace = client.ask("stackTrace", threadId=names["Thread waiter-0"])
        assert "Waiters.stand" in [frame["name"] for frame in trace["stackFrames"]]
        client.ask("disconnect")


def failure() -> BaseException:
    try:
        raise ValueError("at first")
    except ValueError:
        try:
            raise KeyError("then") from None
        except KeyError as exc:
            return exc


@pytest.mark.parametrize("number", [0, 1])
def test_an_exception_with_its_threads(number: int) -> None:
    """dump(threads=True) keeps the exception as ever, and a Snapshot of all others behind it."""
    exc = failure() if number else ValueError("never raised")
    file = io.BytesIO()
    with Waiters(2):
        keeptrace.dump(exc, file, threads=True)
    read = keeptrace.loads(file.getvalue())
    plain = keeptrace.loads(keeptrace.dumps(exc))
    assert traceback.format_exception(read) == traceback.format_exception(plain)
    assert type(read) is type(exc) and read.args == exc.args
    found: Any = read
    while found.__context__ is not None:
        found = found.__context__
    names = by_name(found)
    assert variables(names["waiter-1"], "stand")["doubled"] == 2
    assert "MainThread" not in names
    assert exc.__context__ is None or type(exc.__context__) is ValueError


def test_threads_do_not_change_the_fingerprint() -> None:
    """The same failure has the same fingerprint, whatever the other threads do."""
    exc = failure()
    options = keeptrace.Options()
    with Waiters(1):
        report = report_with_threads(exc, sys._getframe(), threading.get_ident(), options)
    assert fingerprint_of(report) == fingerprint_of(report_of(exc))


def test_contexts_in_a_circle() -> None:
    """An exception whose contexts lead in a circle is kept, without the threads."""
    first, second = ValueError("first"), ValueError("second")
    first.__context__ = second
    second.__context__ = first
    read = keeptrace.loads(keeptrace.dumps(first, threads=True))
    assert read.__context__ is not None and read.__context__.__context__ is read


def test_show_tells_the_threads_apart(tmp_path: Path, call: Commands) -> None:
    """show lists the threads below the exception, as what was at that time."""
    with Waiters(1):
        keeptrace.dump(failure(), tmp_path / "x.dump", threads=True)
    shown = call.out("show", tmp_path / "x.dump")
    assert "at that time: keeptrace.Snapshot" in shown and "waiter-0" in shown
    assert "(hidden by" not in shown


def test_reports_name_the_classes_of_a_snapshot() -> None:
    """The types by which a report's stacks are told apart are those of the classes."""
    classes = (groups.Snapshot, groups.TaskStack, groups.ThreadStack)
    assert {f"{cls.__module__}.{cls.__name__}" for cls in classes} == OF_SNAPSHOTS
