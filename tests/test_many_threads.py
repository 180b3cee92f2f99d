"""Many threads at once: they fail, capture, dump, store and restore while others change what they
share.

Meant for a free-threaded Python, where nothing takes turns; true on every other.
"""

from __future__ import annotations

import io
import linecache
import pickle
import random
import subprocess
import sys
import threading
import time
import traceback
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import keeptrace
from keeptrace import Store
from keeptrace.restore import sources
from keeptrace.store.names import make_name

THREADS = 8
DUMPS = 4  # of each thread
SECRET = "hunter2"
# On a busy machine each thread waits long for its turn, and no capture may be cut for that.
# (seconds)
PATIENT = 60.0
# Classes that no module has where the dump is loaded.
GONE = """
class Gone(ValueError):
    def __str__(self):
        return "gone"

class Kept:
    pass
"""
ALWAYS = [f"always {number}" for number in range(20)]


def at_once(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """What work(number) returns in each of the threads, which begin together. Raises what one
    raised.
    """
    found: list[Any] = [None] * count
    raised: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait(60)
            found[number] = work(number)
        except BaseException as exc:
            raised.append(exc)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert not any(thread.is_alive() for thread in threads)
    if raised:
        raise raised[0]
    return found


class Shared:
    """Containers that change all the time. A dict's values are its keys, reversed; ALWAYS stays.

    Of the kinds that a free-threaded Python lets many threads change: OrderedDict and bytearray are
    not among them in 3.13.
    """

    def __init__(self) -> None:
        self.turn = threading.Lock()  # as a program has one, which no capture knows of
        self.table = {name: name[::-1] for name in ALWAYS}
        self.names = set(ALWAYS)
        self.row = list(ALWAYS)
        self.queue = deque(ALWAYS)
        self.settings = {"user": "ada", "password": f"{SECRET}-0"}

    def change(self) -> None:
        """Grows, shrinks and rebinds everything once."""
        name = f"new {random.randrange(1000)}"
        self.table[name] = name[::-1]
        self.names.add(name)
        self.row.append(name)
        self.queue.append(name)
        self.settings["password"] = f"{SECRET}-{name}"
        setattr(self, name, name)
        if len(self.row) > 50:
            for name in [name for name in list(self.table) if name not in ALWAYS]:
                self.table.pop(name)
                self.names.discard(name)
                delattr(self, name)
            del self.row[len(ALWAYS) :]
            while len(self.queue) > len(ALWAYS):
                self.queue.pop()


@contextmanager
def changing(shared: Shared, count: int = 2) -> Iterator[None]:
    """Within, threads change what is shared all the time."""
    is_over = threading.Event()

    def change() -> None:
        while not is_over.is_set():
            for _ in range(20):
                with shared.turn:
                    shared.change()
            time.sleep(0.001)  # leaves the machine to the threads that capture

    threads = [threading.Thread(target=change) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join(60)


def fail(shared: Shared, number: int, times: int = 3) -> None:
    table, names, row = shared.table, shared.names, shared.row
    queue, settings = shared.queue, shared.settings
    own = {"number": number, "times": times}
    if times:
        return fail(shared, number, times - 1)
    raise LookupError(f"failure {number}", own)


def failed(shared: Shared, number: int) -> LookupError:
    try:
        fail(shared, number)
    except LookupError as exc:
        return exc
    raise AssertionError


def last_frame(exc: BaseException) -> dict[str, Any]:
    traceback = exc.__traceback__
    assert traceback is not None
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_locals


def check(exc: BaseException, number: int) -> None:
    """The own values are exact. The shared ones have everything that never changed, and no odd
    pair.
    """
    assert type(exc) is LookupError and exc.args[0] == f"failure {number}"
    found = last_frame(exc)
    assert found["own"] == {"number": number, "times": 0} and found["number"] == number
    table = dict(found["table"])
    assert set(ALWAYS) <= set(table), table
    assert all(value == name[::-1] for name, value in table.items())
    assert set(ALWAYS) <= set(found["names"]), found["names"]
    assert list(found["row"])[: len(ALWAYS)] == ALWAYS, found["row"]
    assert list(found["queue"])[: len(ALWAYS)] == ALWAYS, found["queue"]
    assert found["settings"]["user"] == "ada"
    assert type(found["shared"]).__name__ == "Shared" and found["shared"].row is found["row"]


def unpacked(data: bytes) -> bytes:
    """The dump's report as text."""
    parts: Any = {}

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            return lambda _, namespace: parts.update(namespace["payload"])

    Reader(io.BytesIO(data)).load()
    return zlib.decompress(parts["body"])


def test_dumps_while_others_change_the_values() -> None:
    """Every dump arrives with its own values exact, and shows no secret, whatever the others
    change.
    """
    shared = Shared()

    def work(number: int) -> list[bytes]:
        return [
            keeptrace.dumps(failed(shared, number), max_seconds=PATIENT, include_source=False)
            for _ in range(DUMPS)
        ]

    with changing(shared):
        found = at_once(work)
    for number, dumps in enumerate(found):
        for data in dumps:
            assert SECRET.encode() not in unpacked(data)
            check(keeptrace.loads(data), number)


def test_a_store_of_many_threads(tmp_path: Path) -> None:
    """Each write has its dump: of a failure that all have, one is kept and all are counted."""
    shared = Shared()
    every, counted = Store(tmp_path / "every", deduplicate=False), Store(tmp_path / "counted")

    def work(number: int) -> list[tuple[str | None, str | None]]:
        return [
            (every.write(failed(shared, number)), counted.write(failed(shared, number)))
            for _ in range(DUMPS)
        ]

    found = [pair for pairs in at_once(work) for pair in pairs]
    paths = {path for path, _ in found}
    assert len(paths) == len(found) == THREADS * DUMPS
    assert all(path is not None and Path(path).is_file() for path in paths)
    (entry,) = counted.entries()
    assert entry.count == len(found)
    assert last_frame(keeptrace.load(entry.path))["settings"]["user"] == "ada"


def test_the_classes_of_many_threads_are_one() -> None:
    """Threads that load the same dumps at once get the same classes, so that `except` knows them."""
    for kind in range(5):
        namespace: dict[str, Any] = {"__name__": f"gone_{kind}"}
        exec(GONE, namespace)
        exc = namespace["Gone"](namespace["Kept"]())
        data = keeptrace.dumps(exc)
        found = at_once(lambda number: keeptrace.loads(data))
        assert len({type(each) for each in found}) == 1
        assert len({type(each.args[0]) for each in found}) == 1


def dump_of_gone_file(number: int) -> bytes:
    """A dump with the source of a file that is nowhere."""
    file = f"/gone/{number}.py"
    text = f"def fail():\n    raise ValueError({number})\n" + "#" * 500
    linecache.cache[file] = len(text), None, text.splitlines(True), file
    namespace: dict[str, Any] = {}
    exec(compile(text, file, "exec"), namespace)
    try:
        namespace["fail"]()
    except ValueError as exc:
        assert exc.__traceback__ is not None
        return keeptrace.dumps(exc.with_traceback(exc.__traceback__.tb_next))
    finally:
        del linecache.cache[file]
    raise AssertionError


def test_sources_of_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that load dumps of files that are gone keep their sources, and remove old ones, at
    once.
    """
    monkeypatch.setattr(sources, "_MOST_KEPT", 5_000)
    dumps = [dump_of_gone_file(number) for number in range(3 * THREADS)]

    def work(number: int) -> None:
        for at in range(number, len(dumps) * 3, THREADS - 1):
            keeptrace.loads(dumps[at % len(dumps)])

    at_once(work)
    found = keeptrace.loads(dumps[5])
    assert traceback.extract_tb(found.__traceback__)[-1].line == "raise ValueError(5)"


def test_names_of_many_threads() -> None:
    """Dumps that are named in the same microsecond have different names."""
    made = at_once(lambda number: [make_name("E", "place", "0" * 16) for _ in range(300)])
    assert len({name for names in made for name in names}) == THREADS * 300


COLD = """
import sys, threading
sys.setswitchinterval(1e-5)
start = threading.Barrier(8)
problems = []

def run(number):
    start.wait(60)
    try:
        work(number)
    except BaseException as exc:
        import traceback
        problems.append("".join(traceback.format_exception(exc)))

def all_at_once():
    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not problems, problems[0]
"""
FIRST_USES = """
import keeptrace
from keeptrace import __all__ as names

def work(number):
    for name in names[number:] + names[:number]:
        getattr(keeptrace, name)
    try:
        password = "hunter2"
        {}[number]
    except KeyError as exc:
        data = keeptrace.dumps(exc)
    assert keeptrace.loads(data).args == (number,)
    assert keeptrace.concurrent.KeepTracePool and keeptrace.concurrent.KeepTraceProcessPoolExecutor

all_at_once()
"""
FIRST_LOADS = """
import pickle
with open(sys.argv[1], "rb") as file:
    data = file.read()

def work(number):
    found.append(pickle.loads(data))

found = []
all_at_once()
assert "keeptrace" not in sys.modules
assert len(found) == 8 and {str(exc) for exc in found} == {"gone"}, found
assert len({type(exc) for exc in found}) == len({type(exc.args[0]) for exc in found}) == 1
"""


def run_cold(program: str, *arguments: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLD + program, *map(str, arguments)],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert not done.returncode and not done.stderr, done.stderr


def test_first_uses_in_many_threads() -> None:
    """A cold process, whose threads all need everything at once, loads each module once."""
    run_cold(FIRST_USES)


def test_first_loads_in_many_threads(tmp_path: Path) -> None:
    """Plain pickle.load in many threads of a process without keeptrace: one restorer serves all."""
    namespace: dict[str, Any] = {"__name__": "gone"}
    exec(GONE, namespace)
    path = tmp_path / "dump"
    keeptrace.dump(namespace["Gone"](namespace["Kept"]()), path)
    run_cold(FIRST_LOADS, path)
