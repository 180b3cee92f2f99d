"""Failed processes are held with their live objects: debuggers on real terminals, bounds, and nothing left behind."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pexpect
import pytest
from commands import Commands
from own_loky import own_loky
from waiting import until

import keeptrace
from keeptrace.concurrent import KeepTracePool, KeepTraceProcessPoolExecutor, keep_trace
from keeptrace.hold.memory import resident
from keeptrace.hold.peers import receive, send

if not hasattr(os, "fork"):
    pytest.skip("processes are held where they can fork", allow_module_level=True)

import held_program

PROGRAM = Path(__file__).with_name("held_program.py")
METHODS = ("fork", "spawn", "forkserver")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for this test's held processes alone. After the test none is left."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield tmp_path
    pids = [failure.pid for failure in keeptrace.held()]
    keeptrace.release(all=True)
    until(lambda: not any(map(is_alive, pids)))
    left = list((tmp_path / "keeptrace").glob("*"))
    assert left == []


def is_alive(pid: int) -> bool:
    """Not if only its exit code is left, for init to take."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, *arguments: str, prompt: str = r"\(Pdb\) ", **environment: str) -> None:
        env = {**os.environ, "TERM": "dumb", "NO_COLOR": "1", "PYTHON_COLORS": "0", **environment}
        self.prompt = prompt
        self.child = pexpect.spawn(
            sys.executable,
            list(arguments),
            env=env,
            encoding="utf-8",
            timeout=60,
            dimensions=(50, 200),
        )

    def expect(self, pattern: str) -> str:
        self.child.expect(pattern)
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.child.before or "").replace("\r", "")

    def ask(self, command: str) -> str:
        self.child.sendline(command)
        return self.expect(self.prompt).rpartition(command + "\n")[2].strip()  # without the echo

    def end(self, command: str) -> str:
        """The rest of the output after the last command."""
        self.child.sendline(command)
        return self.expect(pexpect.EOF)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.child.close(force=True)


def attach(number: int) -> Terminal:
    """By the function; the command takes a quarter of a second to start."""
    return Terminal("-c", f"import keeptrace; keeptrace.attach({number})")


def attach_by_command(number: int, *options: str, **environment: str) -> Terminal:
    return Terminal("-m", "keeptrace", "attach", str(number), *options, **environment)


def hold_one(hold: Any = True, method: str = "fork", path: str = "orders-17.csv") -> Any:
    """A failure that is held, of a pool that has ended."""
    with KeepTraceProcessPoolExecutor(1, get_context(method), hold=hold) as pool:
        return pool.submit(held_program.parse, path).exception()


@pytest.mark.parametrize("method", METHODS)
def test_the_parent_attaches(method: str) -> None:
    """pdb stands in the worker's live frames: its generator goes on in place, its database answers. Ctrl-C is the debugger's alone: the pool works on."""
    with Terminal(str(PROGRAM), method, "attach") as session:
        session.expect("ready")
        assert "raise ValueError" in session.expect(session.prompt)
        assert [session.ask("p next(gen)") for _ in range(2)] == ["1", "2"]
        assert session.ask("p database.execute('select * from amounts').fetchall()") == "[(42,)]"
        assert session.ask("p lock.locked(), file.readline()[:3]") == '(True, \'"""\')'
        assert "done" in session.end("quit")


def test_another_terminal_attaches_after_the_program_has_ended() -> None:
    """A held process outlives its program, even a killed one, and keeps its state from one attach to the next."""
    done = subprocess.run([sys.executable, str(PROGRAM), "fork", "die"], capture_output=True)
    assert done.returncode == -signal.SIGKILL and done.stdout == b"done\n", done.stderr
    for expected, attached in (("1", attach_by_command), ("2", attach)):
        with attached(1) as session:
            session.expect(session.prompt)
            assert session.ask("p next(gen)") == expected
            session.end("quit")


def test_ipdb(tmp_path: Path) -> None:
    """ipdb runs in the held process as well, on the attacher's terminal."""
    pytest.importorskip("ipdb")
    hold_one()
    with attach_by_command(1, "--debugger", "ipdb", HOME=str(tmp_path)) as session:
        session.prompt = "ipdb> "
        session.expect(session.prompt)
        assert "40 + 2" not in session.ask("p next(gen) + 41").splitlines()[-1]
        session.end("quit")


def test_pudb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does pudb, on the whole screen; quitting leaves the process held."""
    (tmp_path / "pudb").mkdir()
    (tmp_path / "pudb" / "pudb.cfg").write_text(
        "[pudb]\nseen_welcome = z\nprompt_on_quit = False\n"
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    pytest.importorskip("pudb")  # reads the variable
    hold_one()
    with attach_by_command(1, "--debugger", "pudb", TERM="xterm") as session:
        session.expect("Command line")
        session.child.send("q")
        session.expect(pexpect.EOF)
    assert [failure.number for failure in keeptrace.held()] == [1]


def test_ctrl_c_in_the_debugger() -> None:
    """Ctrl-C interrupts what the held process is doing, and nothing else: the debugger goes on."""
    hold_one()
    with attach(1) as session:
        session.expect(session.prompt)
        session.child.sendline("print('beg' + 'un'); [None for _ in iter(int, 1)]")
        session.expect("begun")
        session.child.sendintr()
        assert "KeyboardInterrupt" in session.expect(session.prompt)
        assert session.ask("p next(gen)") == "1"
        session.end("quit")


def test_the_terminal_is_the_users() -> None:
    """The debugger sees a terminal of the attacher's size, which follows a change of size; readline edits the line."""
    hold_one()
    with attach(1) as session:
        session.expect(session.prompt)
        assert session.ask("p __import__('os').get_terminal_size()[:]") == "(200, 50)"
        session.child.setwinsize(30, 100)
        session.child.sendline("p __import__('os').get_terminal_size()[:]")
        session.expect(r"\(100, 30\)")  # readline has written the prompt anew meanwhile
        session.expect(session.prompt)
        assert session.ask("p 'readline' in __import__('sys').modules") == "True"
        session.end("quit")


def test_the_second_attacher_is_told() -> None:
    """While somebody is attached, another one is told who, and since when; nor is the process released."""
    hold_one()
    with attach(1) as first:
        first.expect(first.prompt)
        told = rf"process {first.child.pid} is attached since \d\d:\d\d:\d\d"
        with pytest.raises(keeptrace.KeepTraceError, match=told):
            keeptrace.release(1)
        with attach(1) as second:
            assert re.search(told, second.expect(pexpect.EOF))
        assert [failure.attached for failure in keeptrace.held()] == [first.child.pid]
        first.end("quit")
    until(lambda: [failure.attached for failure in keeptrace.held()] == [None])
    (failure,) = keeptrace.held()
    open_files = Path(f"/proc/{failure.pid}/fd").iterdir()
    assert not [file for file in open_files if "/dev/pts" in os.readlink(file)]


def test_an_attacher_that_is_killed() -> None:
    """The held process notices the end of its attacher, and can be attached to again."""
    hold_one()
    with attach(1) as session:
        session.expect(session.prompt)
        session.ask("p next(gen)")
        session.child.kill(signal.SIGKILL)
    until(lambda: [failure.attached for failure in keeptrace.held()] == [None])
    with attach(1) as session:
        session.expect(session.prompt)
        assert session.ask("p next(gen)") == "2"
        session.end("quit")


def test_what_is_held(call: Commands) -> None:
    """held() and the command tell number, age, memory, exception, place and task."""
    exc = hold_one()
    (failure,) = keeptrace.held()
    assert (failure.number, failure.type, failure.where) == (1, "ValueError", "held_program.parse")
    assert failure.message == "no number in orders-17.csv"
    assert failure.task == "parse(path='orders-17.csv')"
    assert failure.memory > 1_000_000 and 3000 < failure.seconds_left <= 3600
    fields = call.out("held").rstrip("\n").split("\t")
    assert fields[0] == "1" and fields[3:6] == [
        "ValueError: no number in orders-17.csv",
        "held_program.parse",
        "parse(path='orders-17.csv')",
    ]
    assert "keeptrace attach 1" in exc.__notes__[0]


def test_the_words_for_a_failure() -> None:
    """A list has the call with its first arguments, and the message; what is absent is empty."""
    from keeptrace.hold.wording import message_of, task_of

    def fail(a: int, b: int, c: int, d: int, e: int, f: int, g: int, *, h: str = "h") -> None:
        del b
        raise ValueError(a, h)

    with pytest.raises(ValueError) as caught:
        fail(1, 2, 3, 4, 5, 6, 7)
    exc = caught.value
    exc.__traceback__ = exc.__traceback__.tb_next  # type: ignore[union-attr]
    name = "test_the_words_for_a_failure.<locals>.fail"
    assert task_of(exc) == f"{name}(a=1, c=3, d=4, e=5, f=6, ...)"
    assert message_of(exc) == "(1, 'h')"
    assert (message_of(ValueError()), task_of(ValueError())) == ("", "")


def test_what_is_held_in_a_terminal() -> None:
    """In a terminal the command prints a few lines for each, with who is attached; or that nothing is held."""
    command = ("-m", "keeptrace", "held")
    with Terminal(*command) as empty:
        assert "nothing is held" in empty.expect(pexpect.EOF)
    hold_one()
    with attach(1) as session:
        session.expect(session.prompt)
        until(lambda: keeptrace.held()[0].attached is not None)
        with Terminal(*command) as listed:
            text = listed.expect(pexpect.EOF)
        assert "ValueError: no number in orders-17.csv" in text
        assert "held_program.parse" in text and "parse(path='orders-17.csv')" in text
        assert f"attached: process {session.child.pid}" in text


@pytest.mark.parametrize(
    "seconds, told", [(None, "?"), (5, "5 s"), (150, "2 min"), (7300, "2 h 1 min")]
)
def test_ages(seconds: int | None, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An age has its two largest units at most, and is unknown of a process that is busy."""
    pytest.importorskip("typer")
    from keeptrace.tools.cli.holding import _age

    monkeypatch.setattr("keeptrace.core.clock.now", lambda: 1e6)
    since = 0.0 if seconds is None else 1e6 - seconds
    assert _age(since) == told


def test_the_mark_travels_with_the_exception() -> None:
    """An exception that is pickled once more can still be released by it; its own attributes are as ever."""
    exc = pickle.loads(pickle.dumps(hold_one()))
    assert keeptrace.release(exc) == 1
    with pytest.raises(keeptrace.KeepTraceError, match="has ended"):
        keeptrace.release(exc)
    with pytest.raises(keeptrace.KeepTraceError, match="is not held"):
        keeptrace.attach(ValueError())
    with pytest.raises(keeptrace.KeepTraceError, match="nothing is held as 7"):
        keeptrace.release(7)


def test_nothing_is_left_after_a_release(place: Path) -> None:
    """After release() there is no process, no socket, and the pool's processes have no more descriptors than before."""
    with KeepTraceProcessPoolExecutor(1, get_context("spawn"), hold=True) as pool:
        before = pool.submit(held_program.facts).result()
        assert before["modules"] == []
        descriptors = len(os.listdir("/proc/self/fd"))
        exc = pool.submit(held_program.parse, "orders.csv").exception()
        del exc
        (failure,) = keeptrace.held()
        assert keeptrace.release(1) == 1
        until(lambda: not is_alive(failure.pid))
        assert list((place / "keeptrace").iterdir()) == [] and keeptrace.held() == []
        after = pool.submit(held_program.facts).result()
        assert after["descriptors"] <= before["descriptors"] and after["threads"] == 1
        assert len(os.listdir("/proc/self/fd")) == descriptors


def test_the_first_of_each_kind() -> None:
    """A pool holds one process for each kind of failure, and `count` at most; a released one makes room."""
    hold = keeptrace.Hold(count=2)
    with KeepTraceProcessPoolExecutor(2, get_context("fork"), hold=hold) as pool:
        for _ in range(3):
            pool.submit(held_program.parse, "orders.csv").exception()
        assert [failure.type for failure in keeptrace.held()] == ["ValueError"]
        pool.submit(held_program.fail_otherwise, 1).exception()
        pool.submit(len, 1).exception()
        assert [failure.type for failure in keeptrace.held()] == ["ValueError", "LookupError"]
        keeptrace.release(1)
        pool.submit(len, 1).exception()
        assert [failure.type for failure in keeptrace.held()] == ["TypeError", "LookupError"]
    with KeepTraceProcessPoolExecutor(1, get_context("fork"), hold=hold) as other:
        other.submit(held_program.parse, "orders.csv").exception()
    assert [failure.number for failure in keeptrace.held()] == [1, 2, 3]


def test_a_failure_without_room_names_the_one_of_its_kind() -> None:
    """attach() and release() of a failure that was refused say which one of its kind is held, or that there was no room."""
    hold = keeptrace.Hold(count=1)
    with KeepTraceProcessPoolExecutor(1, get_context("fork"), hold=hold) as pool:
        first, second = (pool.submit(held_program.parse, "a").exception() for _ in range(2))
        other = pool.submit(len, 1).exception()
    assert second is not None and other is not None
    for use in (keeptrace.attach, keeptrace.release):
        with pytest.raises(keeptrace.KeepTraceError, match=r"failure 1 of .* is held: attach\(1\)"):
            use(second)
        with pytest.raises(keeptrace.KeepTraceError, match="as many failures as it may"):
            use(other)
    assert keeptrace.release(first) == 1
    with pytest.raises(keeptrace.KeepTraceError, match="has ended since"):
        keeptrace.attach(pickle.loads(pickle.dumps(second)))
    assert not hasattr(second, "__notes__")


def test_a_killed_process_makes_room() -> None:
    """The socket of a held process that was killed is removed, and counts no more."""
    hold = keeptrace.Hold(count=1)
    with KeepTraceProcessPoolExecutor(1, get_context("fork"), hold=hold) as pool:
        pool.submit(held_program.parse, "orders.csv").exception()
        (failure,) = keeptrace.held()
        os.kill(failure.pid, signal.SIGKILL)
        until(lambda: not is_alive(failure.pid))
        pool.submit(held_program.parse, "orders.csv").exception()
        (another,) = keeptrace.held()
        assert another.pid != failure.pid


def test_the_time_of_a_held_process() -> None:
    """It ends by itself when its time is up, and takes its socket with it."""
    hold_one(keeptrace.Hold(seconds=1))
    (failure,) = keeptrace.held()
    until(lambda: not is_alive(failure.pid))
    assert keeptrace.held() == []


def test_the_memory_of_held_processes() -> None:
    """What would be over max_rss is not held; a process that grows beyond it ends."""
    hold_one(keeptrace.Hold(max_rss=1_000))
    assert keeptrace.held() == []
    # The copy begins with the memory of its worker, and that with this process's.
    most = resident(os.getpid()) + 200_000_000
    hold_one(keeptrace.Hold(max_rss=most))
    (failure,) = keeptrace.held()
    with attach(1) as session:
        session.expect(session.prompt)
        session.ask(f"gen = bytearray({most})")
        session.end("quit")
    until(lambda: not is_alive(failure.pid), 40)


def test_a_held_process_that_ends_with_its_program() -> None:
    """with_parent=True: it ends when the program does, however that ends."""
    code = (
        "import held_program, keeptrace, os\n"
        "from multiprocessing import get_context\n"
        "pool = held_program.KeepTraceProcessPoolExecutor(1, get_context('fork'), hold=keeptrace.Hold(with_parent=True))\n"
        "pool.submit(held_program.parse, 'a').exception()\n"
        "print(keeptrace.held()[0].pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROGRAM.parent, capture_output=True)
    assert done.stdout, done.stderr
    until(lambda: not is_alive(int(done.stdout)))
    until(lambda: keeptrace.held() == [])


def test_the_kernel_ends_it_first() -> None:
    """A held process is the first that goes when memory is short, and is in a session of its own."""
    hold_one()
    (failure,) = keeptrace.held()
    status = Path(f"/proc/{failure.pid}")
    assert (status / "oom_score_adj").read_text() == "1000\n"
    assert os.getsid(failure.pid) == failure.pid


def test_a_directory_that_others_could_use(place: Path) -> None:
    """Neither a link nor a directory with another mode is used; the failure arrives, and says why it is not held."""
    (place / "keeptrace").mkdir(mode=0o755)
    exc = hold_one()
    assert type(exc) is ValueError and "yours alone" in exc.__notes__[0]
    (place / "keeptrace").rmdir()
    (place / "elsewhere").mkdir(mode=0o700)
    (place / "keeptrace").symlink_to(place / "elsewhere")
    exc = hold_one()
    assert type(exc) is ValueError and "not held" in exc.__notes__[0]
    assert list((place / "elsewhere").iterdir()) == []
    (place / "keeptrace").unlink()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to become another user"
)
def test_another_user_is_not_answered(place: Path) -> None:
    """Even in a directory that somebody opened to all, the held process answers its own user alone."""
    hold_one()
    directory = place / "keeptrace"
    (path,) = directory.iterdir()
    directory.chmod(0o711)
    path.chmod(0o777)
    code = (
        "import os, socket, sys\n"
        "os.chdir(sys.argv[1])\n"
        "os.seteuid(int(sys.argv[3]))\n"
        "connection = socket.socket(socket.AF_UNIX)\n"
        "connection.connect(sys.argv[2])\n"
        'connection.sendall(b\'{"do": "tell"}\\n\')\n'
        "print(len(connection.recv(100)))"
    )
    for user, is_told in (65534, False), (0, True):
        command = [sys.executable, "-c", code, str(directory), path.name, str(user)]
        done = subprocess.run(command, capture_output=True, text=True)
        told = done.stdout.strip() or "an error"
        assert (told not in ("0", "an error")) is is_told, done.stderr
    directory.chmod(0o700)


def through_pool(method: str) -> Any:
    with keeptrace.concurrent.get_context(method).Pool(1, hold=True) as pool:
        answer = pool.apply_async(held_program.parse, ("orders.csv",))
        try:
            return answer.get(60)
        except ValueError as exc:
            assert pool.map(held_program.double, range(100)) == [2 * n for n in range(100)]
            return exc


def through_process(method: str) -> Any:
    context = keeptrace.concurrent.get_context(method)
    process = context.Process(target=held_program.parse, args=("orders.csv",), hold=True)
    process.start()
    process.join()
    return process.exception()


def through_loky(method: str) -> Any:
    pytest.importorskip("loky")
    from keeptrace.concurrent.loky import get_reusable_executor

    with own_loky():
        pool = get_reusable_executor(1, hold=True)
        assert get_reusable_executor(1, hold=True) is pool
        exc = pool.submit(held_program.parse, "orders.csv").exception()
        pool.shutdown()
    return exc


def through_joblib(method: str) -> Any:
    joblib = pytest.importorskip("joblib")
    importlib.import_module("keeptrace.concurrent.joblib")

    with joblib.parallel_config(backend="keeptrace", n_jobs=2, hold=True):
        try:
            joblib.Parallel()(joblib.delayed(held_program.parse)(path) for path in ["orders.csv"])
        except ValueError as exc:
            joblib.externals.loky.get_reusable_executor().shutdown()
            return exc


def through_decorator(method: str) -> Any:
    with ProcessPoolExecutor(1, get_context(method)) as pool:
        return pool.submit(held_program.parse_held, "orders.csv").exception()


def through_wrap(method: str) -> Any:
    with keeptrace.concurrent.wrap(ProcessPoolExecutor(1, get_context(method)), hold=True) as pool:
        return pool.submit(held_program.parse, "orders.csv").exception()


@pytest.mark.parametrize("method", ("fork", "spawn"))
@pytest.mark.parametrize(
    "through",
    [through_pool, through_process, through_loky, through_joblib, through_decorator, through_wrap],
    ids=lambda through: through.__name__,
)
def test_other_engines(through: Any, method: str) -> None:
    """Whatever runs the task, its process is held, the engine goes on and ends, and the debugger stands in live frames."""
    if method == "spawn" and through in (through_loky, through_joblib):
        pytest.skip("loky has one way to start processes")
    exc = through(method)
    assert type(exc) is ValueError
    (failure,) = keeptrace.held()
    assert (failure.where, failure.message[:12]) == ("held_program.parse", "no number in")
    with attach(1) as session:
        session.expect(session.prompt)
        assert session.ask("p next(gen)") == "1"
        session.end("quit")
    assert keeptrace.release(exc) == 1


def test_a_program_under_run(tmp_path: Path) -> None:
    """`keeptrace run --hold`: the failed main program is held, and so is the worker of a stock pool whose failure is not the program's end."""
    program = tmp_path / "program.py"
    program.write_text(
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "import held_program\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(1, get_context('spawn')) as pool:\n"
        "        exc = pool.submit(held_program.parse, 'a').exception()\n"
        "    state = {'rows': 17}\n"
        "    held_program.fail_otherwise(4)\n"
    )
    command = [sys.executable, "-m", "keeptrace", "run", "--hold", str(program)]
    env = {**os.environ, "PYTHONPATH": f"{PROGRAM.parent}:{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "is held with its live objects" in done.stderr, done.stderr
    assert [failure.type for failure in keeptrace.held()] == ["ValueError", "LookupError"]
    with attach(2) as session:
        session.expect(session.prompt)
        session.ask("up")
        assert session.ask("p state") == "{'rows': 17}"
        session.end("quit")


def test_an_installed_hold(tmp_path: Path) -> None:
    """install(hold=...) holds what nobody caught, here in a thread."""
    code = (
        "import held_program, keeptrace, threading\n"
        "keeptrace.install(hold=keeptrace.Hold(count=1))\n"
        "for _ in range(2):\n"
        "    thread = threading.Thread(target=held_program.parse, args=('a',))\n"
        "    thread.start()\n"
        "    thread.join()\n"
    )
    env = {**os.environ, "PYTHONPATH": f"{PROGRAM.parent}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stderr.count("is held with its live objects") == 1, done.stderr
    with attach(1) as session:
        session.expect(session.prompt)
        assert session.ask("p next(gen)") == "1"
        session.end("quit")


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        *[(method, {}) for method in METHODS],
        *[(method, {"on_death": "replace", "max_deaths": 0}) for method in METHODS],
        # The failure is the worker's last task, and then not its last.
        ("spawn", {"max_tasks_per_child": 2}),
        ("spawn", {"max_tasks_per_child": 3}),
        ("spawn", {"max_tasks_per_child": 2, "on_death": "replace", "max_deaths": 0}),
    ],
)
def test_a_worker_that_is_held_itself(method: str, settings: Any, place: Path) -> None:
    """how="stop": the failure arrives, another worker takes over, and the pool ends without the one that is held."""
    hold = keeptrace.Hold(how="stop")
    start: Any = (get_context(method), held_program.use_place, (str(place),))
    with KeepTraceProcessPoolExecutor(1, *start, hold=hold, **settings) as pool:
        worker = pool.submit(os.getpid).result()
        exc = pool.submit(held_program.parse, "orders.csv").exception()
        assert type(exc) is ValueError and "__keeptrace_stopped__" not in vars(exc)
        assert pool.submit(os.getpid).result(60) != worker
        # One after the other: with max_tasks_per_child the engine itself may forget to start workers.
        answers = [pool.submit(held_program.double, number).result(60) for number in range(5)]
        assert answers == [0, 2, 4, 6, 8]
    (failure,) = keeptrace.held()
    assert failure.pid == worker
    if not settings:  # which say when the worker leaves the pool, not how it is held
        with attach(1) as session:
            session.expect(session.prompt)
            assert session.ask("p next(gen)") == "1"
            session.end("quit")
    assert keeptrace.release(exc) == 1


def test_a_program_that_ends_before_its_stopped_worker() -> None:
    """The program's end does not wait for a worker that is held itself."""
    code = (
        "import held_program, keeptrace\n"
        "hold = keeptrace.Hold(how='stop')\n"
        "with held_program.KeepTraceProcessPoolExecutor(2, hold=hold) as pool:\n"
        "    pool.submit(held_program.parse, 'a').exception()\n"
    )
    command = [
        sys.executable,
        "-c",
        f"if __name__ == '__main__':\n {code.replace(chr(10), chr(10) + ' ')}",
    ]
    done = subprocess.run(command, cwd=PROGRAM.parent, capture_output=True, timeout=50)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(keeptrace.held()) == 1


def make_loky(hold: Any) -> object:
    pytest.importorskip("loky")
    from keeptrace.concurrent.loky import KeepTraceLokyExecutor

    return KeepTraceLokyExecutor(1, hold=hold)


def test_a_worker_that_uses_cuda_is_held_itself(place: Path) -> None:
    """A worker in which CUDA is initialised is not forked: it is held itself, though nobody has asked for how="stop"."""
    start: Any = (get_context("spawn"), held_program.use_cuda, (str(place),))
    with KeepTraceProcessPoolExecutor(1, *start, hold=True) as pool:
        worker = pool.submit(os.getpid).result(60)
        exc = pool.submit(held_program.parse, "orders.csv").exception(60)
        assert type(exc) is ValueError
        assert pool.submit(os.getpid).result(60) != worker
    (failure,) = keeptrace.held()
    assert failure.pid == worker
    assert keeptrace.release(exc) == 1


def test_a_pool_that_cannot_hold_a_worker_that_uses_cuda(place: Path) -> None:
    """Where the worker cannot be held itself, its failure arrives, and says why it is not held."""
    start: Any = (held_program.use_cuda, (str(place),))
    with KeepTracePool(1, *start, hold=True, context=get_context("spawn")) as pool:
        with pytest.raises(ValueError) as caught:
            pool.apply(held_program.parse, ("orders.csv",))
    assert "KeepTraceProcessPoolExecutor alone" in "".join(caught.value.__notes__)
    assert keeptrace.held() == []


@pytest.mark.parametrize(
    "use",
    [
        lambda hold: keeptrace.concurrent.get_context("fork").Pool(1, hold=hold),
        lambda hold: keeptrace.concurrent.get_context("fork").Process(target=len, hold=hold),
        lambda hold: keep_trace(held_program.parse, hold=hold),
        lambda hold: keeptrace.concurrent.wrap(ProcessPoolExecutor(1), hold=hold),
        lambda hold: keeptrace.install("nowhere", hold=hold),
        make_loky,
    ],
)
def test_a_hold_that_cannot_stop_says_so(use: Any) -> None:
    """Where the worker itself cannot be held, how="stop" is an error that says where it can."""
    with pytest.raises(keeptrace.OptionError, match="KeepTraceProcessPoolExecutor alone"):
        use(keeptrace.Hold(how="stop"))


@pytest.mark.parametrize(
    "settings",
    [
        {"count": 0},
        {"count": 1.5},
        {"count": True},
        {"seconds": -1},
        {"seconds": "long"},
        {"seconds": float("nan")},
        {"max_rss": 0.5},
        {"how": "freeze"},
        {"with_parent": 1},
    ],
)
def test_wrong_settings(settings: dict[str, Any]) -> None:
    """A Hold says which setting is wrong."""
    with pytest.raises(keeptrace.OptionError, match=next(iter(settings))):
        keeptrace.Hold(**settings)


def test_a_hold_is_a_value() -> None:
    """Equal settings are equal Holds, also when they have travelled; nothing can be changed; what is no Hold is an error."""
    hold = keeptrace.Hold(count=2, max_rss=1 << 30)
    assert pickle.loads(pickle.dumps(hold)) == hold and hash(hold) == hash(
        pickle.loads(pickle.dumps(hold))
    )
    assert hold != keeptrace.Hold() and "count=2" in repr(hold)
    with pytest.raises(AttributeError):
        hold.count = 3
    with pytest.raises(keeptrace.OptionError, match="keeptrace.Hold"):
        KeepTraceProcessPoolExecutor(1, hold=3)
    with pytest.raises(keeptrace.OptionError, match="debugger"):
        keeptrace.attach(1, debugger="gdb")


def test_the_commands(call: Commands) -> None:
    """`keeptrace held --json` and `release` speak of what is held; a wrong number is one sentence."""
    hold_one()
    listed = call.out("held", "--json")
    assert [each["number"] for each in json.loads(listed)] == [1]
    wrong = call("release")
    assert wrong.code == 2 and "--all" in wrong.err
    assert call.out("release", "--all") == "released 1 process\n"
    gone = call("attach", "1")
    assert gone.code == 2 and "nothing is held as 1" in gone.err


def test_a_pool_that_replaces_its_workers() -> None:
    """An executor with on_death="replace" holds its failed tasks, too, and ends while one is held."""
    context = get_context("fork")
    with KeepTraceProcessPoolExecutor(1, context, hold=True, on_death="replace") as pool:
        exc = pool.submit(held_program.parse, "orders-17.csv").exception(60)
        assert pool.submit(os.getpid).result(60)
    assert isinstance(exc, ValueError)
    assert [failure.message for failure in keeptrace.held()] == [str(exc)]


def test_messages_that_arrive_together() -> None:
    """A debugger that ends at once has answered twice before the asker reads: each answer is read alone."""
    held, asker = socket.socketpair()
    with held, asker, open(os.devnull) as file:
        send(held, {"pid": 7}, [file.fileno()])
        send(held, {"error": "ä" * 5000})
        message, descriptors = receive(asker, most_descriptors=1)
        os.close(*descriptors)
        assert message == {"pid": 7} and len(descriptors) == 1
        assert receive(asker) == ({"error": "ä" * 5000}, [])
        held.close()
        with pytest.raises(EOFError):
            receive(asker)
