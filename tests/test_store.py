"""The directory of dumps: names, counts, bounds, many processes at once, and disks that fail."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from pathlib import Path

import pytest

import keeptrace
from keeptrace.format import files as _files
from keeptrace.format.reading import read_header
from keeptrace.store import Store, counts, fingerprint
from keeptrace.store import local as _store_local


def total(prices, divisor=0):
    return sum(prices) / divisor


def failing(function, *args):
    try:
        function(*args)
    except BaseException as exc:
        return exc
    raise AssertionError("it did not fail")


def distinct(number):
    """A failure unlike the others: its type is its own."""
    return failing(raise_it, type(f"Error{number}", (ValueError,), {})(number))


def raise_it(exc):
    raise exc


def dumps_in(directory):
    return sorted(name for name in os.listdir(directory) if name.endswith(".keeptrace"))


def test_a_dump_is_written_and_named_for_people(tmp_path):
    """The name sorts by time and says the type, the place and which failure; the file is a dump."""
    path = Store(tmp_path).write(failing(total, [1, 2]))
    assert re.fullmatch(
        r"\d{8}T\d{6}\.\d{6}Z-ZeroDivisionError-test_store\.total-[0-9a-f]{16}\.keeptrace",
        os.path.basename(path),
    )
    restored = keeptrace.load(path)
    assert type(restored) is ZeroDivisionError
    assert restored.__traceback__.tb_next.tb_frame.f_locals["prices"] == [1, 2]


@pytest.mark.parametrize("module", ["<string>", "über/α.py", "a b:c*.py", "x" * 300])
def test_names_are_plain_whatever_the_places_are_called(tmp_path, module):
    """Names hold letters, digits and dots only, and are short enough for every file system."""
    namespace = {}
    exec(compile("def f(): raise KeyError('k')", module, "exec"), namespace)
    name = os.path.basename(Store(tmp_path).write(failing(namespace["f"])))
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", name)


def test_repeats_are_counted(tmp_path):
    """Hundreds of failures of one defect are a few files and a count."""
    store = Store(tmp_path)
    paths = [store.write(failing(total, [number])) for number in range(300)]
    (entry,) = store.entries()
    assert entry.kept[0] == paths[0] and entry.kept[-1] == entry.path
    assert 2 <= len(entry.kept) <= 5 and len(dumps_in(tmp_path)) == len(entry.kept)
    assert (entry.count, entry.at_least) == (300, False)
    assert entry.type == "ZeroDivisionError" and entry.message == "division by zero"
    assert entry.where.endswith(" in total") and entry.size == os.path.getsize(entry.path)
    assert entry.time <= entry.last <= time.time() + 1
    assert entry.header["pid"] == os.getpid()


def test_a_count_is_bounded_and_says_so(tmp_path, monkeypatch):
    """The count's file does not grow for ever; from then on the count is "at least"."""
    monkeypatch.setattr(counts, "MAX_REPEATS", 5)
    store = Store(tmp_path)
    for _ in range(20):
        store.write(failing(total, [1]))
    (entry,) = store.entries()
    assert (entry.count, entry.at_least) == (6, True)


def test_without_deduplication_each_is_kept(tmp_path):
    """deduplicate=False keeps every failure."""
    store = Store(tmp_path, deduplicate=False)
    assert len({store.write(failing(total, [1])) for _ in range(3)}) == 3


def prices_in(path):
    return keeptrace.load(path).__traceback__.tb_next.tb_frame.f_locals["prices"]


def test_the_first_and_the_newest_are_kept(tmp_path):
    """Of failures that are alike, the first, the newest and three between have dumps, with their
    own variables.
    """
    store = Store(tmp_path)
    written = [store.write(failing(total, [number])) for number in range(12)]
    (entry,) = store.entries()
    assert entry.count == 12 and len(entry.kept) == len(dumps_in(tmp_path)) == 5
    assert prices_in(entry.kept[0]) == [0] and prices_in(entry.path) == [11]
    assert (entry.kept[0], entry.path) == (written[0], written[-1])
    Store(tmp_path).write(failing(total, [12]))
    assert prices_in(store.entries()[0].path) == [12]


def test_a_crash_loop_has_few_dumps(tmp_path, monkeypatch):
    """Dumps of repeats may take a small part of the time; what is beyond is counted, unless the
    program ends of it.
    """
    monkeypatch.setattr("keeptrace.store.repeats._BURST", 0.0)
    monkeypatch.setattr("keeptrace.store.repeats._SHARE", 0.0)
    store = Store(tmp_path)
    first = store.write(failing(total, [0]))
    counted = failing(total, [1])
    assert store.keep(counted) == (first, False) and store.write(failing(total, [2])) == first
    own = store.keep(counted, is_last=True)
    assert own.is_own and prices_in(own.path) == [1]
    assert [entry.count for entry in store.entries()] == [3]


def test_the_same_exception_is_written_once(tmp_path):
    """An exception that passes several hooks on its way up has one dump, and is no repeat of
    itself.
    """
    store = Store(tmp_path)
    exc = failing(total, [1])
    first = store.write(exc)
    again = failing(raise_it, exc)
    assert again is exc and store.write(again) == first
    assert [entry.count for entry in store.entries()] == [1]
    assert Store(tmp_path / "other").write(exc) != first


def recurse(depth):
    if depth:
        recurse(depth - 1)
    raise ValueError(depth)


def retried(times):
    error = None
    for _ in range(times):
        try:
            try:
                raise ConnectionError("down")
            finally:
                error and raise_it(error)
        except ConnectionError as exc:
            error = failing(raise_it, exc)
    raise error


def grouped(kinds):
    raise ExceptionGroup("several", [failing(raise_it, kind()) for kind in kinds])


def two_ways(first):
    if first:
        raise ValueError(1)
    raise ValueError(2)


def in_file(lines_before):
    namespace = {}
    exec(
        compile(
            "\n" * lines_before + "def f():\n    x = 1\n    raise ValueError(x)",
            "edited.py",
            "exec",
        ),
        namespace,
    )
    return failing(namespace["f"])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (lambda: failing(total, [1]), lambda: failing(total, [2, 3]), True),
        (lambda: failing(total, [1]), lambda: failing(total, ["a"]), False),
        (lambda: failing(recurse, 5), lambda: failing(recurse, 50), True),
        (lambda: failing(retried, 2), lambda: failing(retried, 7), True),
        (
            lambda: failing(grouped, [KeyError, OSError]),
            lambda: failing(grouped, [OSError, KeyError, OSError]),
            True,
        ),
        (
            lambda: failing(grouped, [KeyError]),
            lambda: failing(grouped, [KeyError, OSError]),
            False,
        ),
        (lambda: failing(two_ways, True), lambda: failing(two_ways, False), False),
        (lambda: in_file(1), lambda: in_file(40), True),
        (lambda: ValueError("never raised"), lambda: ValueError("another"), True),
        (lambda: ValueError("never raised"), lambda: KeyError("another"), False),
    ],
    ids=[
        "values",
        "types",
        "recursion",
        "retries",
        "order in a group",
        "other members",
        "two places",
        "moved",
        "no frames",
        "no frames, types",
    ],
)
def test_which_failures_are_the_same(one, other, same):
    """A fingerprint depends on types and code paths; not on values, depth, number of retries,
    order, or lines above.
    """
    assert (fingerprint(one()) == fingerprint(other())) is same


@pytest.mark.parametrize(
    "make",
    [
        lambda: failing(total, [1]),
        lambda: failing(recurse, 50),
        lambda: failing(retried, 7),
        lambda: ValueError("never raised"),
    ],
)
def test_a_dump_tells_the_fingerprint_that_the_directory_goes_by(make):
    """The header of a dump has the same fingerprint, though that one is made of the report."""
    exc = make()
    assert read_header(keeptrace.dumps(exc))["fingerprint"] == fingerprint(exc)


def test_a_fingerprint_of_a_long_chain_ends():
    """A chain that is a ring, or very long, is no trouble."""
    exc = last = ValueError(0)
    for number in range(5_000):
        last.__context__ = ValueError(number)
        last = last.__context__
    assert re.fullmatch("[0-9a-f]{16}", fingerprint(exc))


def write_many(directory, start, distinct_ones, repeats):
    store = Store(directory, max_files=1_000)
    start.wait()
    for number in range(repeats):
        assert store.write(failing(total, [number])) is not None
        if number < distinct_ones:
            assert store.write(distinct(number)) is not None


@pytest.mark.parametrize(("method", "processes"), [("fork", 8), ("spawn", 2)])
def test_processes_at_once(tmp_path, method, processes):
    """Processes fail in the same eleven ways at the same moment: eleven dumps, whole, and every
    repeat counted.
    """
    context = multiprocessing.get_context(method)
    start = context.Event()
    workers = [
        context.Process(target=write_many, args=(tmp_path, start, 10, 40)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * processes
    entries = Store(tmp_path).entries()
    assert len(entries) == 11
    counts = {entry.type.rpartition(".")[2]: entry.count for entry in entries}
    assert counts == {
        "ZeroDivisionError": 40 * processes,
        **{f"Error{number}": processes for number in range(10)},
    }
    for name in dumps_in(tmp_path):
        keeptrace.load(tmp_path / name)
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


def write_bounded(directory, which):
    store = Store(directory, max_files=20)
    for number in range(30):
        store.write(distinct(which * 100 + number))


def test_processes_keep_the_bounds_together(tmp_path):
    """Four processes with 120 different failures keep to one bound of 20, but for what they write
    at the same moment.
    """
    workers = [
        multiprocessing.get_context("fork").Process(target=write_bounded, args=(tmp_path, which))
        for which in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert 10 <= len(dumps_in(tmp_path)) <= 24


def test_threads_at_once(tmp_path):
    """Eight threads and one failure: one dump, every repeat counted."""
    store = Store(tmp_path)
    threads = [
        threading.Thread(target=lambda: [store.write(failing(total, [1])) for _ in range(10)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.count for entry in store.entries()] == [80]


# -- bounds


@pytest.mark.parametrize("most", [1, 5, 40])
def test_the_number_is_bounded(tmp_path, most):
    """Never more than max_files; the newest are kept."""
    store = Store(tmp_path, max_files=most)
    for number in range(most + 12):
        store.write(distinct(number))
        assert len(dumps_in(tmp_path)) <= most
    assert [entry.message for entry in store.entries()][-1] == str(most + 11)
    assert len(dumps_in(tmp_path)) >= most - most // 16 - 1


def test_the_bytes_are_bounded(tmp_path):
    """Never more than max_bytes, counts included."""
    size = os.path.getsize(Store(tmp_path / "probe").write(distinct(0)))
    directory = tmp_path / "dumps"
    store = Store(directory, max_bytes=size * 5)
    for number in range(12):
        store.write(distinct(number))
        assert sum(os.path.getsize(directory / name) for name in dumps_in(directory)) <= size * 5
    assert len(dumps_in(directory)) >= 3


def test_the_age_is_bounded(tmp_path):
    """What is older than max_age goes when something is written, by the time in its name."""
    store = Store(tmp_path)
    path = Path(store.write(distinct(1)))
    path.rename(tmp_path / re.sub(r"^\d{8}", "20200101", path.name))
    kept = store.write(distinct(2))
    assert store.prune() == 1
    assert dumps_in(tmp_path) == [os.path.basename(kept)]


def test_a_first_write_prunes_what_others_left(tmp_path):
    """A program that dies at once each time, in a new way, still keeps to the bounds."""
    for number in range(8):
        Store(tmp_path, max_files=4).write(distinct(number))
    assert len(dumps_in(tmp_path)) <= 4


def test_prune_removes_only_what_is_ours(tmp_path):
    """Foreign files stay; half-written files and counts without a dump go when they are old."""
    store = Store(tmp_path)
    path = store.write(distinct(1))
    old = time.time() - 7_200
    keep = ["notes.txt", "foreign.tmp", "20200101T000000.000000Z-X.keeptrace", ".hidden.count"]
    go = [
        f"{path}.12.ab.tmp",
        f"{path}.13.ab.tmp",
        str(tmp_path / ".0123456789abcdef.count"),
        str(tmp_path / ".journal.1.ab.tmp"),
        str(tmp_path / ".0123456789abcdef-7.count"),
    ]
    for name in (*(str(tmp_path / name) for name in keep), *go):
        Path(name).touch()
        os.utime(name, (old, old))
    os.utime(go[1])  # somebody is writing this one
    assert store.prune() == 0
    assert {os.path.basename(path), *keep, os.path.basename(go[1])} <= set(os.listdir(tmp_path))
    assert not any(os.path.exists(name) for name in go if name != go[1])


def test_a_dump_that_somebody_deleted_is_written_anew(tmp_path):
    """A count without its dump does not keep the failure from being dumped."""
    store = Store(tmp_path)
    first = store.write(failing(total, [1]))
    os.unlink(first)
    second = store.write(failing(total, [1]))
    assert os.path.exists(second) and [entry.count for entry in store.entries()] == [1]
    assert store.write(failing(total, [1])) != second and len(dumps_in(tmp_path)) == 2


def test_a_crash_loop_does_not_list_the_directory(tmp_path, monkeypatch):
    """Repeats never list it, and new dumps only every sixteenth of the bound."""
    listed = []
    original = _store_local.LocalDirectory.found
    monkeypatch.setattr(
        _store_local.LocalDirectory, "found", lambda self: listed.append(1) or original(self)
    )
    store = Store(tmp_path, max_files=160)
    for number in range(33):
        store.write(distinct(number))
        store.write(failing(total, [1]))
    assert len(listed) <= 8


def test_a_damaged_journal_is_no_trouble(tmp_path):
    """Whatever is in the journal, dumps are written and the bounds hold."""
    store = Store(tmp_path, max_files=4)
    for number in range(8):
        (tmp_path / f".{os.geteuid()}.journal").write_bytes(
            [b"", b"\xff\xfe", b"x y\n", b"1 2 3\n4\n"][number % 4]
        )
        assert store.write(distinct(number))
    assert len(dumps_in(tmp_path)) <= 4


# -- disks that fail


def told(capsys):
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_file_in_place_of_the_directory(tmp_path, capsys):
    """No dump, no exception of ours, one line that says why."""
    (tmp_path / "dumps").write_text("I am a file")
    assert Store(tmp_path / "dumps").write(failing(total, [1])) is None
    assert re.match(
        r"keeptrace: no dump of this ZeroDivisionError: (FileExists|NotADirectory)Error: .*dumps",
        told(capsys),
    )


def test_a_directory_that_vanishes_is_made_again(tmp_path):
    """Somebody removes the directory while the program runs: the next failure makes it anew."""
    store = Store(tmp_path / "deep" / "dumps")
    for _ in range(2):
        path = store.write(failing(total, [1]))
        assert os.path.exists(path)
        subprocess.run(["rm", "-r", str(tmp_path / "deep")], check=True)


def test_a_new_directory_is_private(tmp_path):
    """Dumps hold variables: a directory that keeptrace makes is its user's alone."""
    Store(tmp_path / "dumps").write(failing(total, [1]))
    assert os.stat(tmp_path / "dumps").st_mode & 0o077 == 0


FAILING = """
import keeptrace
try:
    1/0
except ZeroDivisionError as exc:
    assert keeptrace.Store(sys.argv[1]).write(exc) is None
    raise
"""


def run(setup, directory):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", "import sys\n" + setup + FAILING, str(directory)],
        capture_output=True,
        text=True,
        env=environment,
    )
    first, *_, last = done.stderr.splitlines()
    assert last == "ZeroDivisionError: division by zero" and done.stderr.count("Traceback") == 1
    return first


# root may write everywhere; the modules come first, because they may lie where nobody else may read
WITHOUT_RIGHTS = """
import os, keeptrace.store, keeptrace.redact.redactor, keeptrace.debug, encodings.idna
keeptrace.dumps(ValueError())
if os.getuid() == 0: os.setgid(65534); os.setuid(65534)
"""

# of all errors of a disk this is the one that can be had without filling one
SMALL_FILES = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
"""


def test_missing_rights():
    """In a directory that may not be written to: one line, and the program's own error is what the
    user sees.
    """
    directory = tempfile.mkdtemp()
    try:
        os.chmod(directory, 0o555)
        first = run(WITHOUT_RIGHTS, directory)
    finally:
        shutil.rmtree(directory)
    assert re.match(
        rf"keeptrace: no dump of this ZeroDivisionError: PermissionError: .*{re.escape(directory)}/",
        first,
    )


def test_a_full_disk(tmp_path):
    """No room for the dump: nothing half-written remains, one line says why, the program's own
    error is shown.
    """
    first = run(SMALL_FILES, tmp_path)
    assert re.match(
        rf"keeptrace: no dump of this ZeroDivisionError: OSError: \[Errno {errno.EFBIG}\]", first
    )
    assert dumps_in(tmp_path) == [] and not [
        name for name in os.listdir(tmp_path) if name.endswith(".tmp")
    ]


def test_a_disk_that_does_not_answer(tmp_path, monkeypatch, capsys):
    """A hanging network drive is left behind after a while, and the program goes on."""
    monkeypatch.setattr(_files, "MAX_WRITE_SECONDS", 0.2)
    monkeypatch.setattr(_store_local.LocalDirectory, "repeat", lambda self, key: time.sleep(60))
    started = time.monotonic()
    assert Store(tmp_path).write(failing(total, [1])) is None
    assert time.monotonic() - started < 20
    assert "TimeoutError: the file system did not answer" in told(capsys)


def test_a_dump_larger_than_the_directory_may_be(tmp_path, capsys):
    """A bound is a bound: the dump is not written, and that is said."""
    assert Store(tmp_path, max_bytes=100).write(failing(total, [1])) is None
    assert "max_bytes" in told(capsys)


def test_what_fails_while_a_dump_is_written_is_not_dumped(tmp_path):
    """A __repr__ that dumps its own failure does not recurse."""
    store = Store(tmp_path, run_reprs=True)
    inner = []

    class Loud:
        def __repr__(self):
            inner.append(store.write(failing(total, [1])))
            raise ValueError

    def use(value):
        raise KeyError(1)

    assert store.write(failing(use, Loud())) is not None
    assert inner and set(inner) == {None}
    assert len(dumps_in(tmp_path)) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"max_files": 0},
        {"max_bytes": -2},
        {"max_age": "1d"},
        {"max_files": True},
        {"no_such": 1},
        {"depth": "deep"},
        {"directory": b"x"},
        {"directory": ""},
    ],
)
def test_wrong_options_are_told_at_once(options):
    """A wrong option is an error where it is given, not when something fails."""
    with pytest.raises(keeptrace.OptionError):
        Store(**options)


def test_options_of_one_dump(tmp_path):
    """write() takes changes to the options, and a wrong one is the caller's error."""
    store = Store(tmp_path, depth=1, deduplicate=False)
    store.write(failing(total, [1]), include_source=False)
    with pytest.raises(keeptrace.OptionError):
        store.write(failing(total, [1]), no_such=1)


def test_no_directory_no_entries(tmp_path):
    """A directory that is not there holds nothing; making a store makes no directory."""
    assert Store(tmp_path / "none").entries() == [] and not (tmp_path / "none").exists()


def test_a_damaged_dump_is_listed(tmp_path):
    """What cannot be read is listed by its name."""
    path = Store(tmp_path).write(failing(total, [1]))
    Path(path).write_bytes(b"rubbish")
    (entry,) = Store(tmp_path).entries()
    assert (entry.type, entry.where, entry.header) == ("ZeroDivisionError", "test_store.total", {})


def test_nothing_of_the_program_is_kept_alive(tmp_path):
    """After the dump is written its frames and their variables go as soon as the exception does."""

    class Big:
        pass

    def use(value):
        raise KeyError(1)

    store = Store(tmp_path)
    value = Big()
    watch = weakref.ref(value)
    exc = failing(use, value)
    store.write(exc)
    del exc, value
    gc.collect()
    assert watch() is None


# -- URLs


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_urls(tmp_path, kind):
    """A directory may be any URL that fsspec knows; failures are kept once, bounded. Repeats are
    counted on this machine alone.
    """
    pytest.importorskip("fsspec")
    url = f"memory://{tmp_path.name}" if kind == "memory" else f"file://{tmp_path}/dumps"
    store = Store(url, max_files=10)
    path = store.write(failing(total, [1]))
    assert path.startswith(f"{url}/2") and path.endswith(".keeptrace")
    repeats = {store.write(failing(total, [2])), Store(url).write(failing(total, [3]))}
    assert repeats == {path} if kind == "memory" else len(repeats | {path}) == 3
    (entry,) = store.entries()
    assert (entry.type, entry.count, entry.at_least) == (
        "ZeroDivisionError",
        *((1, True) if kind == "memory" else (3, False)),
    )
    import fsspec

    with fsspec.open(path) as file:
        assert type(keeptrace.load(file)) is ZeroDivisionError
    for number in range(30):
        store.write(distinct(number))
        assert len(store.entries()) <= 10
    assert store.entries()[-1].message == "29"


def test_a_url_without_fsspec(monkeypatch):
    """One sentence says what to install."""
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(keeptrace.MissingExtraError, match=r"fsspec"):
        Store("s3://bucket/dumps")


class Gateway:
    """What pytest-xdist has of a worker, as far as keeptrace looks."""

    def __init__(self, code=None, name="gw0", child=True):
        self.id = name
        self._io = self
        if child:
            self.popen = subprocess.Popen(
                [sys.executable, "-c", f"import os, signal; {code or 'signal.pause()'}"]
            )


def test_the_death_of_a_worker(tmp_path, monkeypatch):
    """A worker that ended by itself, or left no record, has no death; nor has what is no child of
    ours.
    """
    from keeptrace.store import crashes

    monkeypatch.setattr(crashes, "_PATIENCE", 0.2)
    store = Store(tmp_path)
    living = Gateway()
    try:
        assert crashes.exit_code_of(living) is None
    finally:
        living.popen.kill()
    monkeypatch.undo()
    assert crashes.exit_code_of(living) == -9
    assert crashes.exit_code_of(object()) is None
    assert crashes.exit_code_of(Gateway(child=False)) is None
    ended = Gateway("os._exit(3)")
    assert crashes.exit_code_of(ended) == 3
    assert crashes.death_of_worker(store, ended) is None
    assert crashes.death_of_worker(store, object()) is None
    monkeypatch.setattr(crashes, "_PATIENCE", 0.2)
    assert crashes.death_of_worker(store, living) is None
