"""Directories of dumps that others can write to: links, pipes, forged names, other users, wrong
clocks, full disks.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import keeptrace
from keeptrace.format import files as _files
from keeptrace.store import Store
from keeptrace.store.journal import Journal, write_times
from keeptrace.store.names import read_name

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, pipes and users")

# A write that meets junk waits for nothing. (seconds)
SOON = 5.0


def failure(number: int = 0) -> BaseException:
    """Another number is another failure."""
    space: dict[str, Any] = {}
    exec(
        compile(
            f"def f{number}():\n    raise ValueError({number})", f"generated{number}.py", "exec"
        ),
        space,
    )
    try:
        space[f"f{number}"]()
    except ValueError as exc:
        return exc
    raise AssertionError


def written(directory: Path, number: int = 0, **options: Any) -> str:
    """The path of a dump, which is there, and which was written soon."""
    began = time.monotonic()
    path = Store(directory, **options).write(failure(number))
    assert time.monotonic() - began < SOON
    assert path is not None and stat.S_ISREG(os.lstat(path).st_mode)
    return path


def dumps_in(directory: Path) -> list[str]:
    return sorted(name for name in os.listdir(directory) if name.endswith(".keeptrace"))


def state_names(tmp_path: Path) -> list[str]:
    """What a store keeps beside its dumps."""
    for _ in range(2):
        written(tmp_path / "probe")
    names = [name for name in os.listdir(tmp_path / "probe") if not name.endswith(".keeptrace")]
    assert len(names) == 2
    return names


# -- modes


def by_store(folder: Path) -> None:
    written(folder)


def by_dump(folder: Path) -> None:
    keeptrace.dump(failure(), folder / "one.dump")


def by_dump_over_another(folder: Path) -> None:
    (folder / "one.dump").touch(0o666)
    keeptrace.dump(failure(), folder / "one.dump")


def by_url(folder: Path) -> None:
    pytest.importorskip("fsspec")
    keeptrace.dump(failure(), f"file://{folder}/one.dump")
    Store(f"file://{folder}/deep/dumps").write(failure())


def by_hook(folder: Path) -> None:
    run_in(folder, "import keeptrace; keeptrace.install('dumps')\n1/0")


def by_on_error(folder: Path) -> None:
    with contextlib.suppress(ValueError), keeptrace.on_error(folder / "dumps"):
        raise ValueError
    with contextlib.suppress(ValueError), keeptrace.on_error(folder / "last.dump"):
        raise ValueError


def by_html(folder: Path) -> None:
    pytest.importorskip("jinja2")
    keeptrace.dump(failure(), folder / "one.dump")
    subprocess.run(
        [sys.executable, "-m", "keeptrace", "html", "one.dump"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=50,
    )


def run_in(folder: Path, code: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, timeout=50
    )


WRITERS: list[Callable[[Path], None]] = [
    by_store,
    by_dump,
    by_dump_over_another,
    by_url,
    by_hook,
    by_on_error,
    by_html,
]


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
def test_others_cannot_read_what_is_written(writer: Callable[[Path], None], tmp_path: Path) -> None:
    """Every file and directory that is made is its user's alone, whatever the umask, and whoever
    writes it.
    """
    before = os.umask(0)
    try:
        writer(tmp_path)
    finally:
        os.umask(before)
    made = [
        Path(folder, name)
        for folder, folders, names in os.walk(tmp_path)
        for name in (*folders, *names)
    ]
    assert (
        made
        and [(str(path), oct(path.stat().st_mode)) for path in made if path.stat().st_mode & 0o077]
        == []
    )


def test_others_cannot_read_a_dump_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary file is private from the moment that it is made."""
    modes = []
    replace = os.replace
    monkeypatch.setattr(
        os,
        "replace",
        lambda one, other: (modes.append(os.stat(one).st_mode & 0o777), replace(one, other)),
    )
    before = os.umask(0)
    try:
        written(tmp_path)
    finally:
        os.umask(before)
    assert modes and set(modes) == {0o600}


def test_devices_and_pipes_are_written_to(tmp_path: Path) -> None:
    """A dump or a report to /dev/null or a pipe goes there: what was there is not replaced by a
    file.
    """
    null = tmp_path / "null"
    null.symlink_to(os.devnull)
    keeptrace.dump(failure(), null)
    assert null.is_symlink() and stat.S_ISCHR(os.stat(os.devnull).st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError):  # nobody reads it: no wait
        keeptrace.dump(failure(), pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    keeptrace.dump(failure(), pipe)
    assert isinstance(keeptrace.loads(os.read(reading, 1 << 20)), ValueError)
    os.close(reading)


# -- what others have put there


def link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "victim")


def dangling(path: Path) -> None:
    path.symlink_to(path.parent.parent / "absent")


def hard_link(path: Path) -> None:
    os.link(path.parent.parent / "victim", path)


def link_to_folder(path: Path) -> None:
    path.symlink_to(path.parent.parent)


def folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").touch()


def a_socket(path: Path) -> None:
    before = os.getcwd()
    os.chdir(path.parent)  # a socket's path must be short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(before)


def hole(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(1 << 40)


def unreadable(path: Path) -> None:
    path.touch(0o000)


def of_another(path: Path) -> None:
    path.write_text("theirs")
    if os.geteuid() == 0:
        os.chown(path, 65533, 65533)


def rubbish(path: Path) -> None:
    path.write_bytes(os.urandom(5_000))


def ring(path: Path) -> None:
    path.symlink_to(path.name)


PLANTS: list[Callable[[Path], None]] = [
    link, dangling, hard_link, link_to_folder, folder, os.mkfifo, a_socket, hole, unreadable, of_another, rubbish, ring,  # type: ignore[list-item]
]  # fmt: skip


def as_it_was(tmp_path: Path) -> dict[str, object]:
    """The files outside of the directory of dumps."""
    victim = tmp_path / "victim"
    return {
        "names": sorted(os.listdir(tmp_path)),
        "text": victim.read_text(),
        "mode": victim.stat().st_mode,
    }


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory that everybody can write to, with a file beside it that nobody means to change."""
    (tmp_path / "victim").write_text("precious = 1\n")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    return tmp_path / "shared"


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_in_place_of_our_own_state(
    plant: Callable[[Path], None], shared: Path, tmp_path: Path
) -> None:
    """Whatever is in place of a count or a journal: dumps are written, soon, bounded, and nothing
    elsewhere is touched.
    """
    names = state_names(tmp_path)
    before = as_it_was(tmp_path)
    for name in names:
        plant(shared / name)
    store = Store(shared, max_files=4)
    began = time.monotonic()
    first = store.write(failure())
    repeats = [store.write(failure()) for _ in range(3)]
    assert first and repeats[-1] and os.path.exists(repeats[-1])
    for number in range(1, 9):
        assert store.write(failure(number))
    assert len(dumps_in(shared)) <= 4
    store.prune()
    assert time.monotonic() - began < SOON
    assert as_it_was(tmp_path) == before


@pytest.mark.parametrize("date", ["20200101", "29990101", "20261345", "00000000"])
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_with_a_dumps_name(
    plant: Callable[[Path], None], date: str, shared: Path, tmp_path: Path
) -> None:
    """Whatever has the name of a dump, of whichever date: it costs itself alone, in writing,
    listing and pruning.
    """
    first = written(shared)
    before = as_it_was(tmp_path)
    planted = shared / re.sub(r"^\d{8}", date, os.path.basename(first))
    plant(planted)
    second = written(shared, 1)
    began = time.monotonic()
    listed = [entry.path for entry in Store(shared).entries()]
    assert second in listed
    assert first in listed or date == "29990101"  # then a repeat, as far as its name tells
    Store(shared, max_files=2).prune()
    last = written(shared, 2, max_files=2)
    assert os.path.exists(last) and time.monotonic() - began < SOON
    assert as_it_was(tmp_path) == before
    regular = planted.name in os.listdir(shared) and not planted.is_symlink() and planted.is_file()
    assert (
        not regular
        or date in ("20261345", "00000000")
        or (plant is of_another and os.geteuid() == 0)
    )


def test_a_dump_that_is_a_link_is_not_read_as_one(shared: Path, tmp_path: Path) -> None:
    """read() and entries() follow no link and wait for no pipe."""
    name = os.path.basename(written(shared))
    linked, pipe = (name.replace("-ValueError-", f"-{kind}-") for kind in ("Linked", "Pipe"))
    (shared / linked).symlink_to(tmp_path / "victim")
    os.mkfifo(shared / pipe)
    for odd in (linked, pipe):
        with pytest.raises(OSError):
            Store(shared).read(odd)
    assert [entry.type for entry in Store(shared).entries()] == ["ValueError"]
    assert isinstance(keeptrace.loads(Store(shared).read(name)), ValueError)


@pytest.mark.parametrize(
    "text",
    ["{other}\n", "../victim\n", "{name}", "", "\n", "{name}\n" * 3, "\0" * 600, "/etc/passwd\n"],
)
def test_a_forged_count(text: str, shared: Path, tmp_path: Path) -> None:
    """A count that names another file, or none, is no way to give a wrong path: the failure has a
    dump of its own.
    """
    other = os.path.basename(written(shared, 7))
    name = os.path.basename(written(shared))
    (mark,) = [
        name
        for name in os.listdir(shared)
        if name.endswith(".count") and read_name(dumps_in(shared)[-1]).key in name
    ]  # type: ignore[union-attr]
    (shared / mark).write_text(text.format(other=other, name=name))
    path = written(shared)
    assert "generated0" in path and isinstance(keeptrace.load(path), ValueError)
    assert isinstance(keeptrace.load(written(shared)), ValueError)


def test_odd_names_and_many_files(shared: Path) -> None:
    """Thousands of foreign files, with newlines, escapes, undecodable and long names, cost little
    and stay.
    """
    odd = [
        b"a\nb.keeptrace",
        b"\x1b[2J",
        b"\xff\xfe.count",
        b"x" * 255,
        b".journal\n",
        b"\xe2\x80\xae.keeptrace",
    ]
    for name in (*odd, *(b"%d.tmp" % number for number in range(2_000))):
        os.close(os.open(os.path.join(os.fsencode(shared), name), os.O_CREAT))
    path = written(shared)
    began = time.monotonic()
    assert [entry.path for entry in Store(shared).entries()] == [path]
    assert Store(shared, max_files=1).prune() == 0
    assert time.monotonic() - began < SOON
    assert len(os.listdir(shared)) == 2_000 + len(odd) + 3


def test_a_directory_that_vanishes(tmp_path: Path) -> None:
    """One process removes the directory again and again while another one writes: each dump is
    written or told of.
    """
    folder = tmp_path / "dumps"
    remover = multiprocessing.get_context("fork").Process(target=removing, args=(folder,))
    remover.start()
    try:
        store = Store(folder)
        paths = [store.write(failure(number)) for number in range(40)]
    finally:
        remover.kill()
        remover.join()
    assert any(paths)
    assert written(folder, 99)


def removing(folder: Path) -> None:
    while True:  # in this process alone, so that nothing is removed after its end
        shutil.rmtree(folder, ignore_errors=True)


def test_nothing_is_told_twice_when_renaming_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """A network drive that refuses to rename: one line, nothing left behind."""
    monkeypatch.setattr(os, "replace", stale)
    assert Store(tmp_path).write(failure()) is None
    assert capsys.readouterr().err.count("\n") == 1
    assert os.listdir(tmp_path) == []


def stale(*_: Any) -> None:
    raise OSError(116, "Stale file handle")


# -- several users


@contextlib.contextmanager
def public_folder(mode: int = 0o1777) -> Iterator[Path]:
    """A directory as /tmp is; pytest's own may not be entered by others."""
    place = Path(tempfile.mkdtemp())
    try:
        place.chmod(mode)
        yield place
    finally:
        subprocess.run(["rm", "-rf", str(place)], check=True)


def as_user(user: int, action: Callable[[], Any]) -> Any:
    """What the action gives in a process of that user."""
    ours, theirs = multiprocessing.Pipe(False)

    def run() -> None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        theirs.send(action())

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root, to be two users")
@pytest.mark.parametrize("mode", [0o1777, 0o777])
def test_users_share_a_directory(mode: int) -> None:
    """Each user has dumps, counts and bounds of their own, for the same failure, too; nobody
    removes another's.
    """
    Store(tempfile.mkdtemp()).write(failure(50))  # what it imports may not be readable to them
    with public_folder(mode) as place:
        for user in (65534, 65533, 65534, 65533):
            path = as_user(user, lambda: Store(place).write(failure()))
            assert path and os.stat(path).st_uid == user and os.stat(path).st_mode & 0o077 == 0
        assert sorted(
            (os.stat(entry.path).st_uid, entry.count) for entry in Store(place).entries()
        ) == [(65533, 2), (65534, 2)]
        paths = as_user(
            65534,
            lambda: [Store(place, max_files=2).write(failure(number)) for number in range(1, 9)],
        )
        assert all(paths) and sorted(os.stat(place / name).st_uid for name in dumps_in(place)) == [
            65533,
            65533,
            65534,
            65534,
        ]
        assert as_user(65533, lambda: Store(place, max_files=2).prune()) == 0
        listed = as_user(
            65533, lambda: [(entry.type, bool(entry.header)) for entry in Store(place).entries()]
        )
        assert (
            sorted(listed) == [("ValueError", False)] * 2 + [("builtins.ValueError", True)]
            or len(listed) == 3
        )


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="needs root, to make files of another user"
)
def test_a_drive_that_gives_our_files_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where new files belong to another user (a network drive that maps root), ours are those:
    counted and bounded as ever.
    """
    create = _files.create

    def mapped(path: str) -> int:
        file = create(path)
        os.fchown(file, 65533, 65533)
        return file

    monkeypatch.setattr(_files, "create", mapped)
    monkeypatch.setattr("keeptrace.store.local.create", mapped)
    assert written(tmp_path) and written(tmp_path)
    assert [entry.count for entry in Store(tmp_path).entries()] == [2]
    for number in range(1, 9):
        written(tmp_path, number, max_files=3)
    assert len(dumps_in(tmp_path)) <= 3


# -- clocks


@contextlib.contextmanager
def clock_off_by(seconds: float, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real = time.time
    with monkeypatch.context() as patch:
        for module in ("pruning", "names", "local"):
            patch.setattr(f"keeptrace.store.{module}.now", lambda: real() + seconds)
        yield


@pytest.mark.parametrize("seconds", [-25 * 365 * 86_400.0, -3_600.0, -5.0, 25 * 365 * 86_400.0])
@pytest.mark.parametrize("max_files", [4, 40])
def test_the_last_written_are_kept_whatever_the_clock_says(
    seconds: float, max_files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that was set back or forward, and then right again: what was written last stays, what
    was written first goes.
    """
    for number in range(max_files):
        written(tmp_path, number, max_files=max_files)
    with clock_off_by(seconds, monkeypatch):
        odd = [written(tmp_path, number, max_files=max_files) for number in range(100, 103)]
        assert all(map(os.path.exists, odd))
        assert Store(tmp_path, max_files=max_files).prune() == 0
    assert os.path.exists(written(tmp_path, 200, max_files=max_files))
    if max_files == 40 and seconds < 0:
        assert all(map(os.path.exists, odd)), "they are not old: they were written after others"


def test_a_clock_set_back_without_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the order is not known, dumps of a future date go before those of today, but not for
    their age.
    """
    for number in range(6):
        written(tmp_path, number)
    (tmp_path / f".{os.geteuid()}.journal").unlink()
    with clock_off_by(-365 * 86_400.0, monkeypatch):
        assert Store(tmp_path).prune() == 0
        new = [written(tmp_path, number, max_files=4) for number in range(100, 103)]
        assert all(map(os.path.exists, new))


def test_files_from_the_future(tmp_path: Path) -> None:
    """Times of change that lie in the future, or far in the past, change nothing: the order is that
    of writing.
    """
    paths = [written(tmp_path, number) for number in range(4)]
    for path, when in zip(paths, (2e10, 0.0, 2e10, -1e6), strict=True):
        os.utime(path, (when, when))
    assert len(Store(tmp_path).entries()) == 4
    assert Store(tmp_path, max_files=2).prune() == 2
    assert [os.path.exists(path) for path in paths] == [False, False, True, True]


def test_the_order_of_writing() -> None:
    """No dump counts as older than one that was written before it; one that is not in the journal
    goes by its name.
    """
    names = {
        day: read_name(f"{day}T000000.000000Z-E-w-0123456789abcdef.keeptrace")
        for day in ("20200101", "20010101", "20200103", "29990101", "20190101")
    }
    journal = Journal(order=tuple(f"{day}T000000.000000Z" for day in ("20200101", "20010101")))
    times = write_times([name for name in names.values() if name], journal, names["20200103"].time)  # type: ignore[union-attr]
    order = sorted(names, key=lambda day: times[f"{day}T000000.000000Z"])
    assert order == ["29990101", "20190101", "20200101", "20010101", "20200103"]
