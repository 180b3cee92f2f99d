"""The peers: a pair of functions for each, dump and restore, used as the peer's documentation says.

A missing peer is left out, and named. A peer that can only write files writes to a RAM disk, if the
system has one. keepTrace 1.2.0 dumps nothing on Python 3.10 or newer, so keepTrace runs in a
separate process, under Python 3.9 if found.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ._measure import Timed
from .environment import oldest_python

OLDEST_NAME = "keepTrace 1.2.0"


@dataclass
class Peer:
    """dump(prepared) gives something whose size() can be told and which restore() takes;
    prepare(exc) is not timed.
    """

    name: str
    keeps: str
    dump: Callable[[Any], Any]
    restore: Callable[[Any], Any]
    needs: str = ""  # the distribution
    size: Callable[[Any], int] = len
    prepare: Callable[[BaseException], Any] = field(default=lambda exc: exc)
    keeps_data: bool = False  # the locals whole, not only a part or their text

    @property
    def version(self) -> str:
        return metadata.version(self.needs) if self.needs else ""

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}".strip() if self.name != OLDEST_NAME else self.name


# -- ours, imported when used, so that a broken peer of the past can be measured without us


def _ours() -> list[Peer]:
    from keeptrace.concurrent.crossing import from_bytes, to_bytes
    from keeptrace.core.options import Options
    from keeptrace.format.api import dumps, loads

    options = Options()
    return [
        Peer(
            "keeptrace in a pool",
            "frames and values within the bounds, as they cross a pool",
            lambda exc: to_bytes(exc, options),
            from_bytes,
        ),
        Peer(
            "keeptrace.dumps",
            "the same with sources, without secrets, compressed, with the restorer",
            dumps,
            loads,
        ),
    ]


# -- the floor


def picklable_locals(exc: BaseException) -> list[dict[str, Any]]:
    """The locals of each frame that pickle can write, one by one."""
    kept = []
    traceback = exc.__traceback__
    while traceback is not None:
        kept.append(
            {
                name: value
                for name, value in traceback.tb_frame.f_locals.items()
                if is_picklable(value)
            }
        )
        traceback = traceback.tb_next
    return kept


def is_picklable(value: Any) -> bool:
    try:
        pickle.dumps(value, 5)
    except BaseException:  # what the object's own reduction raises: then it is not
        return False
    return True


_FLOOR = Peer(
    "C pickle",
    "the picklable locals alone: no frames, no exception",
    lambda kept: pickle.dumps(kept, 5),
    pickle.loads,
    prepare=picklable_locals,
    keeps_data=True,
)


# -- tblib


def _tblib(locals_too: bool) -> Peer:
    import copyreg
    from functools import partial

    from tblib import pickling_support

    get_locals = (lambda frame: dict(frame.f_locals)) if locals_too else None
    reduce = partial(pickling_support.pickle_traceback, get_locals=get_locals)

    def prepare(exc: BaseException) -> BaseException:
        pickling_support.install(exc)
        return exc

    def dump(exc: BaseException) -> bytes:
        copyreg.dispatch_table[types.TracebackType] = (
            reduce  # what install(get_locals=...) does; both ways are measured in turn
        )
        return pickle.dumps(exc, 5)

    keeps = (
        "frames without source positions; every local by pickle"
        if locals_too
        else "frames without variables"
    )
    name = "tblib, all locals" if locals_too else "tblib, no locals"
    return Peer(name, keeps, dump, pickle.loads, "tblib", prepare=prepare, keeps_data=locals_too)


# -- those that write files


@cache
def _directory() -> Path:
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="benchmarks-", dir=memory if memory.is_dir() else None))


def _file(name: str) -> str:
    return str(_directory() / name)


def _coredumpy() -> Peer:
    from coredumpy import Coredumpy
    from coredumpy.config import config

    config.dump_all_threads = False  # the exception's own thread alone, as all the others do

    def prepare(exc: BaseException) -> types.FrameType:
        traceback = exc.__traceback__
        assert traceback is not None
        while traceback.tb_next is not None:
            traceback = traceback.tb_next
        return traceback.tb_frame

    def dump(frame: types.FrameType) -> str:
        return str(Coredumpy.dump(frame, path=_file("coredumpy.gz")))

    return Peer(
        "coredumpy",
        "frames and all values, as JSON",
        dump,
        Coredumpy.load_data_from_path,
        "coredumpy",
        size=os.path.getsize,
        prepare=prepare,
        keeps_data=True,
    )


def _pydumpling() -> Peer:
    from pydumpling import load_dumpling, save_dumping

    def dump(exc: BaseException) -> str:
        file = _file("pydumpling.gz")
        save_dumping(file, (type(exc), exc, exc.__traceback__), strict=True)
        return file

    return Peer(
        "pydumpling",
        "up to 64 frames, values within bounds",
        dump,
        load_dumpling,
        "pydumpling",
        size=os.path.getsize,
    )


def _debuglater() -> Peer:
    from debuglater.pydump import load_dump, save_dump

    def dump(exc: BaseException) -> str:
        file = _file("debuglater.gz")
        save_dump(file, exc.__traceback__)
        return file

    return Peer(
        "debuglater",
        "frames and values by dill",
        dump,
        load_dump,
        "debuglater",
        size=os.path.getsize,
        keeps_data=True,
    )


def _keeptrace_1() -> Peer:
    import keepTrace

    keepTrace.init()

    def dump(exc: BaseException) -> bytes:
        return pickle.dumps(exc.__traceback__, 4)

    return Peer(
        OLDEST_NAME,
        "up to 31 frames, values to depth 3; other mocks",
        dump,
        pickle.loads,
        "keepTrace",
    )


# -- in a process of their own


class Remote:
    """A peer in another process, which times its own runs. The peer may change its objects
    there.
    """

    def __init__(self, python: str, name: str) -> None:
        self._command = [python, "-m", "benchmarks._remote", name]
        self._process: subprocess.Popen[str] | None = None
        told = self._ask("about")
        self.name, self.label, self.keeps, self.keeps_data = (
            name,
            told["label"],
            told["keeps"],
            told["keeps_data"],
        )
        if "{}.{}".format(*sys.version_info) != told["python"]:
            self.label += f" on Python {told['python']}"

    def _ask(self, do: str, name: str = "") -> Any:
        if self._process is None:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                self._command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parents[1]
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps([do, name]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BaseException:  # out of time: a peer that goes on would slow the other peers
            self.close()
            raise
        if not line:
            self.close()
            raise RuntimeError("its process ended")
        told = json.loads(line)
        if "failed" in told:
            raise type(told["failed"], (Exception,), {})
        return told

    def work(self, do: str, name: str) -> Timed:
        """do: dump or restore. name: of an exception of the corpus."""
        return Timed(lambda: float(self._ask(do, name)["seconds"]))

    def size(self, name: str) -> int:
        return int(self._ask("size", name)["size"])

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def remote_peers(quick: bool) -> tuple[list[Remote], list[str]]:
    """The peers in processes of their own, and the names of missing peers.

    quick: the oldest peer alone.
    """
    found: list[Remote] = []
    absent: list[str] = []
    for name, python in [
        *((name, sys.executable) for name in _APART if not quick),
        (OLDEST_NAME, oldest_python()),
    ]:
        try:
            found.append(Remote(python or sys.executable, name))
        except RuntimeError:
            absent.append(name)
    return found, absent


# name → function that makes the peer, and raises ImportError if the peer is not installed
_OPTIONAL: dict[str, Callable[[], Peer]] = {
    "tblib, all locals": lambda: _tblib(True),
    "tblib, no locals": lambda: _tblib(False),
    "pydumpling": _pydumpling,
    "coredumpy": _coredumpy,
    "debuglater": _debuglater,
    OLDEST_NAME: _keeptrace_1,
}
# Measured apart from the other peers: they run properties of the dumped objects, leave threads
# behind, or take seconds.
_APART = ("coredumpy", "debuglater")


def by_name(name: str) -> Peer:
    """The peer of a name. Raises ImportError if it is not installed, LookupError for an unknown
    name.
    """
    if name in _OPTIONAL:
        return _OPTIONAL[name]()
    return next(peer for peer in all_peers()[0] if peer.name == name)


def apart() -> list[Peer]:
    """The installed peers to measure apart from the other peers."""
    found = []
    for name in _APART:
        try:
            found.append(by_name(name))
        except ImportError:
            continue
    return found


def all_peers() -> tuple[list[Peer], list[str]]:
    """The peers to measure side by side: ours, the floor, the installed peers; and the names of
    missing peers.
    """
    found = [*_ours(), _FLOOR]
    absent: list[str] = []
    for name in ("tblib, all locals", "tblib, no locals", "pydumpling"):
        try:
            found.append(by_name(name))
        except ImportError:
            absent.append(name)
    return found, absent
