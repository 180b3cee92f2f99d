"""A program with everything in its variables that owns something outside of the process. It fails,
is dumped, and waits.

usage: outside_program.py DIRECTORY PICKLER FUNCTION; PICKLER may end in "()": then its dumps is
given, as a callable.
"""

from __future__ import annotations

import bz2
import codecs
import concurrent.futures
import contextlib
import ctypes
import dbm.dumb
import faulthandler
import fileinput
import gzip
import importlib
import io
import logging
import logging.handlers
import lzma
import mmap
import multiprocessing
import multiprocessing.pool
import multiprocessing.shared_memory
import os
import pickle
import selectors
import shelve
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import weakref
import zipfile
from pathlib import Path
from typing import Any

import keeptrace


class Point:
    def __init__(self, x: int) -> None:
        self.x = x

    def double(self) -> int:
        return twice(self.x)


def twice(number: int) -> int:
    return 2 * number


class Deleting:
    """Deletes its file when it dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text("as it was")

    def __del__(self) -> None:
        if self.path is not None:
            os.unlink(self.path)


class Reopening:
    """Opens its file again when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = open(path, "w")
        self.file.write("as it was")
        self.file.flush()

    def __getstate__(self) -> Any:
        return self.path

    def __setstate__(self, path: Any) -> None:
        self.__init__(path)  # type: ignore[misc]


class Recreating:
    """Creates its file again when it is rebuilt."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = open(path, "w")

    def __reduce__(self) -> Any:
        return Recreating, (self.path,)


class Lazy:
    """Has no file yet, and writes one when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __setstate__(self, state: Any) -> None:
        self.path = state["path"]
        self.path.write_text("written by a load")


class Holder:
    def __init__(self, thing: Any) -> None:
        self.thing = thing
        self.point = Point(3)

    def total(self) -> int:
        return self.point.double() + 1


class OwnFile(io.TextIOWrapper):
    pass


def things(directory: Path) -> dict[str, Any]:
    def path(name: str) -> Path:
        (directory / name).write_bytes(b"0123456789\n" * 3)
        os.chmod(directory / name, 0o640)
        return directory / name

    def written(file: Any, data: Any) -> Any:
        file.write(data)
        file.flush()
        return file

    text = open(path("text_read"))
    text.readline()
    closed = open(path("closed"), "w")
    closed.close()
    random = open(path("random"), "r+b")
    random.seek(7)
    with zipfile.ZipFile(directory / "zip_read", "w") as archive:
        archive.writestr("a", "b")
    with tarfile.open(directory / "tar_read", "w") as tar:
        tar.add(directory / "text_read", "a")
    database = sqlite3.connect(directory / "database", isolation_level=None)
    database.execute("CREATE TABLE t (a)")
    cursor = database.execute("INSERT INTO t VALUES (1)")
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=16)
    memory.buf[:3] = b"abc"
    spooled = tempfile.SpooledTemporaryFile(1, dir=directory)
    spooled.write(b"more than one byte")
    one, other = socket.socketpair()
    handler = logging.FileHandler(directory / "handler.log", "w")
    stack = contextlib.ExitStack()
    stack.enter_context(open(path("stack"), "r+"))
    finalized = Holder(None)
    temporary = tempfile.NamedTemporaryFile("w", dir=directory)
    context = multiprocessing.get_context("fork")
    return {
        "text_write": written(open(path("text_write"), "w"), "hello"),
        "text_append": written(open(path("text_append"), "a"), "hello"),
        "text_read": text,
        "text_exclusive": open(directory / "text_exclusive", "x"),
        "binary_write": written(open(path("binary_write"), "wb"), b"hello"),
        "binary_read": open(path("binary_read"), "rb"),
        "random": random,
        "raw": io.FileIO(path("raw"), "w"),
        "unbuffered": open(path("unbuffered"), "wb", buffering=0),
        "closed": closed,
        "own_file": OwnFile(open(path("own_file"), "wb")),
        "gzip": gzip.open(path("gzip"), "wb"),
        "bz2": bz2.open(path("bz2"), "wt"),
        "lzma": lzma.open(path("lzma"), "wb"),
        "zip_read": zipfile.ZipFile(directory / "zip_read"),
        "zip_write": zipfile.ZipFile(path("zip_write"), "w"),
        "tar_read": tarfile.open(directory / "tar_read"),
        "tar_write": tarfile.open(path("tar_write"), "w"),
        "codecs": codecs.open(path("codecs"), "w", "utf-8")
        if sys.version_info < (3, 14)
        else codecs.getwriter("utf-8")(open(path("codecs"), "wb")),
        "temporary": temporary,
        "unnamed": tempfile.TemporaryFile(dir=directory),
        "spooled": spooled,
        "directory": tempfile.TemporaryDirectory(dir=directory),
        "fileinput": fileinput.input([path("fileinput")], inplace=False),
        "shared_memory": memory,
        "shareable_list": multiprocessing.shared_memory.ShareableList([1, 2]),
        "lock": context.Lock(),
        "semaphore": context.Semaphore(2),
        "queue": context.Queue(),
        "simple_queue": context.SimpleQueue(),
        "connection": context.Pipe()[0],
        "socket": one,
        "socket_file": other.makefile("rw"),
        "selector": selectors.DefaultSelector(),
        "mmap": mmap.mmap(os.open(path("mmap"), os.O_RDWR), 0),
        "database": database,
        "cursor": cursor,
        "dbm": dbm.dumb.open(str(directory / "dbm"), "n"),
        "shelf": shelve.Shelf(dbm.dumb.open(str(directory / "shelf"), "n")),
        "handler": handler,
        "rotating": logging.handlers.RotatingFileHandler(directory / "rotating.log", "w"),
        "stream_handler": logging.StreamHandler(open(path("streamed"), "w")),
        "popen": subprocess.Popen(["sleep", "100"]),
        "process": context.Process(target=print),
        "threads": concurrent.futures.ThreadPoolExecutor(1),
        "processes": concurrent.futures.ProcessPoolExecutor(1),
        "pool": multiprocessing.pool.ThreadPool(1),
        "thread": threading.Thread(target=print),
        "finalizer": (weakref.finalize(finalized, os.unlink, path("finalizer")), finalized)[0],
        "library": ctypes.CDLL(None),
        "scandir": os.scandir(directory),
        "stack": stack,
        "deleting": Deleting(directory / "deleting"),
        "reopening": Reopening(path("reopening")),
        "recreating": Recreating(path("recreating")),
        "lazy": Lazy(path("lazy")),
        "method": open(path("method"), "w").write,
        "kept": finalized,
    }


THINGS: dict[str, Any] = {}


def fail(local: Any, held: Any, contained: Any, beside: Any) -> None:
    assert THINGS
    raise ValueError("with everything open")


def main(directory: Path, pickler: Any, function: str) -> None:
    THINGS.update(things(directory))
    if pickler.endswith("()"):
        pickler = importlib.import_module(pickler[:-2]).dumps
        del THINGS[
            "socket_file"
        ]  # cloudpickle itself would read it, and wait for what nobody sends
    finalized = THINGS.pop("kept")
    beside = {"point": Point(4), "call": lambda: twice(21), "finalized": finalized.total}
    beside["memory"] = io.StringIO("in memory")
    held = {name: Holder(thing) for name, thing in THINGS.items()}
    contained = {name: [Point(5), thing, {"key": thing}] for name, thing in THINGS.items()}
    try:
        fail(dict(THINGS), held, contained, beside)
    except ValueError as exc:
        if function == "dump":
            keeptrace.dump(
                exc, directory / "dump", pickler=pickler, depth=-1, max_seconds=20, redact=False
            )
        else:
            with (
                open(directory / "dump", "wb") as f,
                keeptrace.init(pickler=pickler, depth=-1, max_seconds=20, redact=False),
            ):
                THINGS["dump"] = f
                pickle.dump(sys.exc_info(), f)
    memory, shared = THINGS["shared_memory"], THINGS["shareable_list"]

    def end(*_: Any) -> None:
        THINGS["popen"].kill()
        memory.unlink()
        shared.shm.unlink()
        os._exit(0)  # the end of the interpreter would wait for some of the things

    signal.signal(signal.SIGTERM, end)
    ready = directory.parent / f"{directory.name}.ready"
    ready.with_suffix(".part").write_text(f"{memory.name} {shared.shm.name} {THINGS['popen'].pid}")
    ready.with_suffix(".part").rename(ready)
    time.sleep(100)
    end()


if __name__ == "__main__":
    faulthandler.dump_traceback_later(100, exit=True)  # rather than hang
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
