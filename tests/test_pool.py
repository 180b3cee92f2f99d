"""KeepTracePool, the drop-in for multiprocessing.Pool: what its tasks raise arrives; its workers may die."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import signal
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Iterator

import pool_tasks as tasks
import pytest
from waiting import ends, until

from keeptrace import OptionError, Options
from keeptrace.concurrent import KeepTracePool, WorkerDied, get_context
from keeptrace.concurrent.deaths.black_box import JOB, SENDING, STATE, box_of

# multiprocessing's own: loky registers two more when it is imported
METHODS = [
    method
    for method in ("fork", "spawn", "forkserver")
    if method in multiprocessing.get_all_start_methods()
]


@pytest.fixture(scope="module", params=METHODS)
def pool(request: pytest.FixtureRequest) -> Iterator[KeepTracePool]:
    with get_context(request.param).Pool(2, initializer=tasks.no_faulthandler) as pool:
        yield pool


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """The test ends without a process of its own."""
    before = set(multiprocessing.active_children())
    yield
    assert set(multiprocessing.active_children()) <= before


def raised_by(call: Callable[[], Any]) -> BaseException:
    with pytest.raises(BaseException) as info:
        call()
    return info.value


def task_frames(exc: BaseException) -> list[Any]:
    frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
    return [frame for frame in frames if frame.f_code.co_filename == tasks.__file__]


# every way to run a task, with one that fails
WAYS: dict[str, Callable[[Any], Any]] = {
    "apply": lambda pool: pool.apply(tasks.divide, (5,), {"parts": 0}),
    "apply_async": lambda pool: pool.apply_async(tasks.divide, (5,)).get(),
    "map": lambda pool: pool.map(tasks.divide, [5]),
    "map_async": lambda pool: pool.map_async(tasks.divide, range(5, 20), chunksize=15).get(),
    "imap": lambda pool: list(pool.imap(tasks.divide, range(5, 10))),
    "imap chunks": lambda pool: list(pool.imap(tasks.divide, range(5, 10), chunksize=2)),
    "imap_unordered": lambda pool: next(pool.imap_unordered(tasks.divide, [5])),
    "starmap": lambda pool: pool.starmap(tasks.divide, [(5, 0)]),
    "starmap_async": lambda pool: pool.starmap_async(tasks.divide, [(5, 0)]).get(),
}


@pytest.mark.parametrize("way", WAYS)
def test_frames_arrive(pool: KeepTracePool, way: str) -> None:
    """Whichever method ran the task, its exception arrives with the frames and variables, and with no frame of the engine's."""
    exc = raised_by(lambda: WAYS[way](pool))
    assert type(exc) is ZeroDivisionError
    (frame,) = task_frames(exc)
    assert frame.f_locals == {"total": 5, "parts": 0}
    assert [entry.name for entry in traceback.extract_tb(exc.__traceback__)].count("_work") == 0


def test_results(pool: KeepTracePool) -> None:
    """What succeeds gives what multiprocessing's pool gives."""
    assert pool.apply(tasks.add, (1, 2)) == 3
    assert pool.map(tasks.double, range(50)) == [2 * number for number in range(50)]
    assert pool.starmap(tasks.add, [(1, 2), [3, 4]]) == [3, 7]
    assert list(pool.imap(tasks.double, iter(range(9)), chunksize=4)) == list(range(0, 18, 2))
    assert sorted(pool.imap_unordered(tasks.double, range(9))) == list(range(0, 18, 2))
    assert pool.map(tasks.double, []) == [] and list(pool.imap(tasks.double, [])) == []
    assert (
        len(pool.apply(tasks.big, (3,)))
        == 3 << 20
        == len(pool.apply(tasks.take, (bytes(3 << 20),)))
    )


def test_callbacks(pool: KeepTracePool) -> None:
    """Callbacks get the results, error callbacks the restored exceptions."""
    got: list[Any] = []
    pool.apply_async(tasks.double, (4,), callback=got.append).wait(10)
    result = pool.map_async(tasks.fail_on_odd, range(4), error_callback=got.append)
    result.wait(10)
    assert (
        got[0] == 8
        and isinstance(got[1], ValueError)
        and task_frames(got[1])
        and not result.successful()
    )


def test_base_exceptions_cost_no_worker(pool: KeepTracePool) -> None:
    """BaseExceptions kill the stdlib's worker. Here the worker lives."""
    before = {process.pid for process in pool._pool}
    assert (
        type(raised_by(lambda: pool.apply(tasks.raise_, (KeyboardInterrupt,)))) is KeyboardInterrupt
    )
    assert {process.pid for process in pool._pool} == before


@pytest.mark.parametrize(
    "way", ["map", "starmap", "imap", "imap chunks", "imap_unordered", "apply"]
)
def test_stop_iteration_does_not_shorten(pool: KeepTracePool, way: str) -> None:
    """A StopIteration from a task silently cuts the results short in the stdlib's pool. Iterators tell it as a RuntimeError."""
    ways: dict[str, Callable[[], Any]] = {
        "map": lambda: pool.map(tasks.stop_at_two, range(4)),
        "starmap": lambda: pool.starmap(tasks.stop_at_two, [(number,) for number in range(4)]),
        "imap": lambda: list(pool.imap(tasks.stop_at_two, range(4))),
        "imap chunks": lambda: list(pool.imap(tasks.stop_at_two, range(4), chunksize=2)),
        "imap_unordered": lambda: list(pool.imap_unordered(tasks.stop_at_two, range(4))),
        "apply": lambda: pool.apply(tasks.stop_at_two, (2,)),
    }
    exc = raised_by(ways[way])
    origin = exc.__cause__ if way.startswith("imap") else exc
    assert isinstance(exc, RuntimeError) == way.startswith("imap")
    assert isinstance(origin, StopIteration) and task_frames(origin)[0].f_locals == {"number": 2}


def test_results_that_do_not_pickle(pool: KeepTracePool) -> None:
    """The error says where it was raised, and for a result that cannot be sent it is the engine's, with ours as its cause."""
    late = raised_by(lambda: pool.apply(tasks.give_unarriving))
    assert isinstance(late, ValueError) and "result" in late.__notes__[0]
    unsent = raised_by(lambda: pool.apply(tasks.give_generator))
    assert isinstance(unsent, multiprocessing.pool.MaybeEncodingError) and isinstance(
        unsent.__cause__, TypeError
    )


def test_iterable_that_raises(pool: KeepTracePool) -> None:
    """What the iterable raises in the parent is told with its own frames, also if it could not cross to a worker and back."""

    def numbers() -> Iterator[int]:
        yield 1
        raise tasks.Refused(1, reason="iterable")

    results = pool.imap(tasks.double, numbers())
    assert next(results) == 2
    exc = raised_by(lambda: next(results))
    assert isinstance(exc, tasks.Refused)
    assert "numbers" in [frame.f_code.co_name for frame, _ in traceback.walk_tb(exc.__traceback__)]


@pytest.mark.parametrize("how", ["SIGTERM", "SIGABRT", "0"])
def test_worker_that_dies(pool: KeepTracePool, how: str) -> None:
    """The caller of a task whose worker dies learns how, at which call and where; the stdlib's waits for ever."""
    exc = raised_by(lambda: pool.apply_async(tasks.die, (how,), {"note": "n" * 500}).get(30))
    assert isinstance(exc, WorkerDied)
    (death,) = exc.deaths
    assert (
        f"die({how!r}, note='nnn" in death.tasks[0]
        and len(death.tasks[0]) < 150
        and death.tasks[0] in str(exc)
    )
    assert death.signal == (None if how.isdigit() else how) and (
        how if how.isdigit() else how
    ) in str(exc)
    assert (death.stack is not None) == (how == "SIGABRT")
    if death.stack is not None:
        assert death.stack.tb_frame.f_code.co_name == "die"
        assert "Python stack at death" in exc.__notes__[0] and "in die" in exc.__notes__[0]
    assert pool.map(tasks.double, range(20)) == list(range(0, 40, 2))


def test_deaths_in_maps(pool: KeepTracePool) -> None:
    """A death within a chunk fails its map, or its place of an imap; the other calls are run."""
    exc = raised_by(lambda: pool.map(tasks.die_if_three, range(8), chunksize=4))
    assert isinstance(exc, WorkerDied)
    assert exc.deaths[0].tasks == (
        "die_if_three(0)",
        "die_if_three(1)",
        "die_if_three(2)",
        "1 more of this chunk",
    )
    exc = raised_by(lambda: pool.starmap(tasks.die_if_three, [(1,), [3]], chunksize=2))
    assert exc.deaths[0].tasks == ("die_if_three(1)", "die_if_three([3])")
    results = pool.imap(tasks.die_if_three, range(5))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert isinstance(raised_by(lambda: next(results)), WorkerDied)
    assert next(results) == 4


def test_idle_workers_killed(pool: KeepTracePool) -> None:
    """Killing all workers while they wait leaves locks held by the dead; the pool goes on all the same."""
    for _ in range(3):
        pool.map(tasks.double, range(8))
        killed = list(pool._pool)
        for process in killed:
            os.kill(process.pid, signal.SIGKILL)
        assert pool.map_async(tasks.double, range(8)).get(30) == list(range(0, 16, 2))


def test_workers_killed_at_any_moment() -> None:
    """Whatever a worker is at when it is killed, each call is answered: by its result, or by a WorkerDied."""
    with KeepTracePool(2, context=multiprocessing.get_context("fork")) as pool:
        for round in range(40):
            waiting = [pool.apply_async(tasks.take, (bytes(50_000),)) for _ in range(8)]
            time.sleep(0.0005 * (round % 7))
            workers = list(pool._pool)
            if workers:  # for a moment there may be none: the dead are gone, the new not there yet
                os.kill(workers[round % len(workers)].pid, signal.SIGKILL)
            for result in waiting:
                try:
                    assert result.get(20) == bytes(50_000)
                except WorkerDied:
                    if pool._traffic.broken:
                        return  # within a message: the pool says so, and ends


def test_worker_that_dies_within_a_message() -> None:
    """A worker that is killed as it sends leaves half a message: every call is told, none waits, the pool can be closed."""
    with KeepTracePool(1, context=multiprocessing.get_context("fork")) as pool:
        begun, blocked = threading.Event(), threading.Event()

        def nobody_reads(_: object) -> None:
            begun.set()
            blocked.wait(60)

        first = pool.apply_async(tasks.take, (1,), callback=nobody_reads)
        large = pool.apply_async(tasks.big, (8,))
        queued = pool.imap(tasks.double, range(3))
        assert begun.wait(30)
        assert pool._outqueue._reader.poll(30)  # the large one's first bytes
        assert box_of(pool._pool[0]).words[STATE] == SENDING
        os.kill(pool._pool[0].pid, signal.SIGKILL)
        time.sleep(1.5)
        blocked.set()
        assert "within a message" in str(raised_by(lambda: large.get(20)))
        assert isinstance(raised_by(lambda: next(queued)), WorkerDied)
        with pytest.raises(StopIteration):
            next(queued)
        assert isinstance(raised_by(lambda: pool.apply(tasks.double, (1,))), WorkerDied)
        assert first.get(20) == 1
        pool.close()
        pool.join()


@pytest.mark.parametrize("method", METHODS)
def test_failing_initializer(method: str, tmp_path: Path, no_process_left: None) -> None:
    """The stdlib's pool starts workers for ever when an initializer fails. Here the callers get what it raised."""
    with get_context(method).Pool(2, tasks.touch_and_die, (str(tmp_path),)) as pool:
        for _ in range(2):
            exc = raised_by(lambda: pool.map_async(tasks.double, range(4)).get(30))
            assert isinstance(exc, WorkerDied) and type(exc.__cause__) is tasks.Refused
            assert task_frames(exc.__cause__)[0].f_locals["folder"] == str(tmp_path)
        assert len(os.listdir(tmp_path)) <= 4
        pool.close()
        pool.join()


def test_workers_that_end_at_their_start() -> None:
    """Workers that end before they can take a task are not started for ever."""
    with KeepTracePool(2, tasks.end_at_start) as pool:
        exc = raised_by(lambda: pool.map_async(tasks.double, range(4)).get(30))
    assert isinstance(exc, WorkerDied) and exc.deaths[0].exitcode == 4 and "stderr" in str(exc)


class Full(type(multiprocessing.get_context("spawn"))):  # type: ignore[misc]
    """A context of a machine that has room for so many processes."""

    room = 0

    class Process(multiprocessing.get_context("spawn").Process):  # type: ignore[name-defined, misc]
        def start(self) -> None:
            if not Full.room:
                raise BlockingIOError(errno.EAGAIN, "there is no room")
            Full.room -= 1
            super().start()


def test_worker_that_cannot_be_started(tmp_path: Path, no_process_left: None) -> None:
    """No process in place of a dead one: the stdlib's pool hangs, as do its terminate() and the program's end. Here all callers are told."""
    Full.room = 2
    with KeepTracePool(2, context=Full()) as pool:
        lost = [
            pool.apply_async(tasks.hang, (str(tmp_path / "here"),)),
            pool.apply_async(tasks.die_after, (0.5,)),
            pool.map_async(tasks.double, [1]),
        ]
        for waiting in lost:
            exc = raised_by(lambda waiting=waiting: waiting.get(20))
            assert type(exc) is WorkerDied
        assert (
            "no room" in str(exc.__cause__)
            and "could not be started" in str(exc)
            and pool.stacks() == []
        )
        assert type(raised_by(lambda: pool.apply(tasks.double, (1,)))) is WorkerDied
    pool.join()


class Blocking:
    """A callback that holds the pool's thread of results until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, answer: Any) -> None:
        self.entered.set()
        assert self.let_go.wait(40)


def sending(pool: KeepTracePool) -> tuple[Blocking, Any]:
    """Has a worker within a result that nobody reads, and so it holds the lock of the results."""
    callback = Blocking()
    pool.apply_async(tasks.pid, callback=callback)
    assert callback.entered.wait(20)
    sent = pool.apply_async(tasks.big, (20,))
    until(lambda: any(is_sending(worker, sent) for worker in pool._traffic.workers))
    return callback, sent


def is_sending(worker: Any, waiting: Any) -> bool:
    box = box_of(worker)
    assert box is not None
    return box.words[STATE] == SENDING and box.words[JOB] == waiting._job


def test_terminated_within_a_result(no_process_left: None) -> None:
    """terminate() ends workers, be one in the midst of a result. The stdlib's waits for the lock that this one holds, and so for ever."""
    pool = KeepTracePool(2)
    callback, _ = sending(pool)
    workers = list(pool._traffic.workers)
    ending = threading.Thread(target=pool.terminate, daemon=True)
    ending.start()
    until(lambda: all(worker.exitcode is not None for worker in workers))
    callback.let_go.set()
    ending.join(20)
    assert not ending.is_alive()
    pool.join()


def test_terminated_in_a_callback(no_process_left: None) -> None:
    """terminate() in a callback, while a worker sends what then nobody will read. The stdlib's hangs."""
    pool = KeepTracePool(2)
    sent: list[Any] = []
    ended = threading.Event()

    def end(answer: Any) -> None:
        until(lambda: sent and any(is_sending(worker, sent[0]) for worker in pool._traffic.workers))
        pool.terminate()
        ended.set()

    pool.apply_async(tasks.pid, callback=end)
    sent.append(pool.apply_async(tasks.big, (20,)))
    assert ended.wait(20)
    pool.join()


def test_deaths_at_once(tmp_path: Path, no_process_left: None) -> None:
    """A worker dies that sends a result, and at the same time one that works: the caller of either is told."""
    with KeepTracePool(2) as pool:
        callback, sent = sending(pool)
        lost = pool.apply_async(tasks.hang, (str(tmp_path / "here"),))
        until((tmp_path / "here").exists)
        workers = sorted(pool._traffic.workers, key=lambda worker: is_sending(worker, sent))
        for worker in workers:
            worker.kill()
        until(lambda: all(worker.exitcode is not None for worker in workers))
        time.sleep(0.2)
        callback.let_go.set()
        for waiting in (lost, sent):
            assert type(raised_by(lambda waiting=waiting: waiting.get(20))) is WorkerDied


@pytest.mark.skipif("fork" not in METHODS, reason="a process that has the pipes of all others")
def test_terminated_with_tasks_on_their_way(tmp_path: Path, no_process_left: None) -> None:
    """Tasks wait for room in the pipe, whose end another process has, too: one that was forked meanwhile."""
    context = get_context("fork")
    pool = context.Pool(1)
    pool.apply_async(tasks.hang, (str(tmp_path / "here"),))
    until((tmp_path / "here").exists)
    pool.apply_async(len, (bytes(5_000_000),))
    until(lambda: pool._traffic._sending)
    other = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    other.start()
    try:
        assert ends(pool.terminate)
    finally:
        other.kill()
        other.join()
    pool.join()


def test_first_worker_that_cannot_be_started(no_process_left: None) -> None:
    """In the constructor the error is the caller's, as with the stdlib's pool."""
    Full.room = 1
    with pytest.raises(BlockingIOError, match="no room"):
        KeepTracePool(2, context=Full())


@pytest.mark.parametrize("method", METHODS)
def test_maxtasksperchild(method: str) -> None:
    """Workers that are replaced after some tasks are not taken for dead."""
    with get_context(method).Pool(1, maxtasksperchild=2) as pool:
        pids = [pool.apply(tasks.pid) for _ in range(5)]
        assert isinstance(raised_by(lambda: pool.apply(tasks.divide, (1,))), ZeroDivisionError)
        assert pids[0] == pids[1] and len(set(pids)) == 3
        pool.close()
        pool.join()


def test_options(no_process_left: None) -> None:
    """trace says what to keep; it is checked before anything is started."""
    with KeepTracePool(1, trace=Options(depth=0)) as pool:
        exc = raised_by(lambda: pool.apply(tasks.divide, (5,)))
        assert type(exc) is ZeroDivisionError and not task_frames(exc)
    with pytest.raises(OptionError):
        KeepTracePool(1, trace=5)  # type: ignore[arg-type]


def test_arguments_are_the_stdlibs() -> None:
    """The same mistakes are reported by the same errors."""
    with pytest.raises(ValueError):
        KeepTracePool(0)
    with pytest.raises(TypeError):
        KeepTracePool(1, 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        KeepTracePool(1, maxtasksperchild=0)
    with pytest.raises(ValueError):
        get_context("teleport")
    context = get_context("spawn")
    assert context.get_start_method() == "spawn" and context.get_context() is context
    with context.Pool(1) as pool:
        pool.close()
        with pytest.raises(ValueError, match="not running"):
            pool.apply(tasks.double, (1,))


@pytest.mark.parametrize("method", METHODS)
def test_nothing_left_behind(method: str, tmp_path: Path, no_process_left: None) -> None:
    """No process, file descriptor or temporary file stays after a pool whose tasks failed and whose workers died."""
    os.environ["TMPDIR"], before = str(tmp_path), os.environ.get("TMPDIR")
    try:
        with get_context(method).Pool(1) as warm:  # what the start method itself keeps open
            warm.apply(tasks.double, (1,))
            warm.close()
            warm.join()
        gc.collect()
        open_files = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
        for _ in range(2):
            with get_context(method).Pool(2) as pool:
                raised_by(lambda: pool.apply(tasks.divide, (1,)))
                raised_by(lambda: pool.apply(tasks.die, ("SIGSEGV",)))
                pool.close()
                pool.join()
        pool = warm = None
        gc.collect()
    finally:
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before
    assert not [name for name in os.listdir(tmp_path) if not name.startswith("pymp-")]
    if open_files:
        assert len(os.listdir("/proc/self/fd")) <= open_files


def test_a_start_method_of_another_library_is_refused() -> None:
    """A method that loky has registered with multiprocessing is no KeyError, but said not to be ours."""
    pytest.importorskip("loky")
    with pytest.raises(ValueError, match="cannot find context for 'loky'"):
        get_context("loky")
