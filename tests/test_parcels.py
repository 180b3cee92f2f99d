"""Dumps in an engine's store of results: bounds, directories, and what reading them may find."""

from __future__ import annotations

import base64
import gzip
import os
import pickle
import random
import subprocess
import sys
import types

import pytest
import traced_tasks as tasks
from traced_tasks import KINDS, check_chained, check_kind

import keeptrace
from keeptrace import DumpError, Options
from keeptrace.concurrent import parcels as _parcels
from keeptrace.concurrent.parcels import MAX_INLINE, Parcels
from keeptrace.store import Store

PLAIN = Parcels(("traced_engine.",))


class Calling(Exception):
    """What tells about it calls what it holds."""

    made = 0

    def __init__(self, message, function, argument):
        Calling.made += 1
        super().__init__(message, function, argument)
        self.function = function
        self.argument = argument
        self.module = os
        self.cls = subprocess.Popen
        self.builtin = eval

    def __str__(self):
        return str(self.function(self.argument))


def raised(call, *args):
    with pytest.raises(BaseException) as info:
        call(*args)
    exc = info.value
    exc.__traceback__ = exc.__traceback__.tb_next  # without this function's own
    return exc


def throw(exc):
    raise exc


def noisy(size):
    text = random.Random(1).randbytes(size).hex()
    parts = [text[at : at + 5000] for at in range(0, len(text), 5000)]
    raise ValueError("too much")


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind):
    """Every exception, as itself, and its own traceback is left as it was."""
    exc = raised(tasks.fail_with, kind)
    before = exc.__traceback__
    check_kind(PLAIN.unpack(PLAIN.pack(exc)), kind)
    assert exc.__traceback__ is before
    check_chained(PLAIN.unpack(PLAIN.pack(raised(tasks.chained, 5))), 5)


def test_frames_of_the_engine():
    """Its outermost frames are left out; where there are no others they stay."""
    names = {"throw": throw}
    exec("def run(exc): throw(exc)", engine := {"__name__": "traced_engine.core", **names})
    exec("def run(exc): raise exc", alone := {"__name__": "traced_engine.core"})
    assert list(tasks.frames(PLAIN.unpack(PLAIN.pack(raised(engine["run"], ValueError(1)))))) == [
        "throw"
    ]
    assert list(tasks.frames(PLAIN.unpack(PLAIN.pack(raised(alone["run"], ValueError(1)))))) == [
        "run"
    ]
    assert PLAIN.pack(ValueError("never raised")) is None


def test_less_and_less(capsys):
    """A dump that is too large is made with less: without sources, with representations; then it
    stays out, and stderr says so.
    """
    exc = raised(tasks.chained, 5)
    sizes = []
    for bound in (MAX_INLINE, 2500, 1900):
        parcel = Parcels((), max_inline=bound).pack(exc)
        sizes.append(len(parcel))
        assert len(base64.b64decode(parcel[5:])) <= bound
        assert list(tasks.frames(PLAIN.unpack(parcel))) == ["chained"]
    assert sizes[0] > 2 * max(sizes[1:])  # those two are made alike, but for the date
    exc = raised(noisy, 60_000)
    assert (
        type(
            tasks.frames(PLAIN.unpack(Parcels((), max_inline=1 << 20).pack(exc)))["noisy"].f_locals[
                "parts"
            ]
        )
        is list
    )
    assert type(tasks.frames(PLAIN.unpack(PLAIN.pack(exc)))["noisy"].f_locals["parts"]) is not list
    assert Parcels((), max_inline=500).pack(exc) is None
    assert "no dump of this ValueError: its smallest dump has" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["path", "memory", "file"])
def test_directory(tmp_path, kind):
    """Large ones go to a directory, each to its own file, which is a whole dump; the store has the
    name alone.
    """
    if kind != "path":
        pytest.importorskip("fsspec")
    directory = {
        "path": tmp_path,
        "memory": f"memory://{tmp_path.name}",
        "file": f"file://{tmp_path}",
    }[kind]
    parcels = Parcels((), directory, 0)
    first, second = (parcels.pack(raised(tasks.chained, size)) for size in (5, 6))
    assert first != second and first.startswith("file:2") and "/" not in first
    check_chained(parcels.unpack(first), 5)
    check_chained(parcels.unpack(second), 6)
    check_chained(pickle.loads(Store(directory).read(first[5:])), 5)
    assert Parcels((), directory).pack(raised(tasks.chained, 5)).startswith("dump:")
    with pytest.raises(DumpError, match="pass the same directory= that the worker used"):
        PLAIN.unpack(first)
    with pytest.raises(FileNotFoundError):
        parcels.unpack(first[:5] + "1999" + first[9:])


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x", "", "memory://x", "a.keeptrace", "x" * 1000]
)
def test_names_from_outside(tmp_path, name):
    """What is no name of a dump is refused before any file is looked at."""
    with pytest.raises(DumpError, match="is not the name of a dump"):
        Parcels((), tmp_path).unpack(f"file:{name}")


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    "what", ["pickle", "gzip", "live", "text", "kind", "number", "nothing", "bytes"]
)
def test_what_others_wrote(tmp_path, what):
    """Nothing of it is run, and the error says that it is no dump."""
    path = tmp_path / "made"
    evil = pickle.dumps(Evil(path))
    live = keeptrace.dumps(raised(throw, ValueError(Evil(path))), pickler="pickle")
    parcels = {
        "pickle": "dump:" + base64.b64encode(evil).decode(), "gzip": "dump:" + base64.b64encode(gzip.compress(evil)).decode(),
        "live": "dump:" + base64.b64encode(live).decode(), "text": "dump:é%", "kind": "link:1", "number": 7, "nothing": None, "bytes": evil,
    }  # fmt: skip
    if what == "live":
        exc = PLAIN.unpack(parcels[what])
        assert isinstance(exc, ValueError) and type(exc.args[0]) is not Evil
    else:
        with pytest.raises(DumpError):
            PLAIN.unpack(parcels[what])
    assert not path.exists()


def test_classes_that_are_loaded():
    """Exception classes of loaded modules are found, without their constructors; functions, modules
    and other classes are not.
    """
    exc = raised(throw, Calling("message", os.fspath, "argument"))
    made = Calling.made
    arrived = PLAIN.unpack(PLAIN.pack(exc))
    assert isinstance(arrived, Calling) and Calling.made == made and arrived.argument == "argument"
    assert str(arrived) == "argument"  # as it was told there
    real = {os.fspath, os, subprocess.Popen, eval}
    assert all(
        getattr(arrived, name) not in real for name in ("function", "module", "cls", "builtin")
    )
    assert arrived.args[1] not in real


def test_nothing_is_imported(monkeypatch):
    """A class whose module is not loaded here is made up, with its name and a builtin base that
    catches it.
    """
    parcel = PLAIN.pack(raised(tasks.fail_with, "local"))
    lone = types.ModuleType("lone_module")
    exec("class Lone(KeyError): pass", vars(lone))
    monkeypatch.setitem(sys.modules, "lone_module", lone)
    parcel = PLAIN.pack(raised(throw, lone.Lone("k")))
    assert type(PLAIN.unpack(parcel)) is lone.Lone
    monkeypatch.delitem(sys.modules, "lone_module")
    arrived = PLAIN.unpack(parcel)
    assert (
        type(arrived).__name__ == "Lone"
        and isinstance(arrived, KeyError)
        and "lone_module" not in sys.modules
    )


def test_never_in_the_way(monkeypatch, capsys):
    """Whatever goes wrong with the dump, the engine goes on without one."""
    monkeypatch.setattr(_parcels, "encode", lambda *args, **how: 1 / 0)
    exc = raised(throw, ValueError(1))
    before = exc.__traceback__
    assert PLAIN.pack(exc) is None and exc.__traceback__ is before
    assert "no dump of this ValueError: ZeroDivisionError" in capsys.readouterr().err


def test_without_the_restorer():
    """These dumps are small, and read by keeptrace as every dump is."""
    exc = raised(tasks.chained, 5)
    data = base64.b64decode(PLAIN.pack(exc)[5:])
    assert len(data) + 8000 < len(keeptrace.dumps(exc))
    check_chained(keeptrace.loads(data), 5)


def test_options():
    """Wrong ones are refused with a word on what to do."""
    for how, told in (
        ({"max_inline": -1}, "max_inline"),
        ({"max_inline": 0}, "needs a directory"),
        ({"depth": "x"}, "depth"),
        ({"directory": ""}, "directory"),
    ):
        with pytest.raises(keeptrace.OptionError, match=told):
            Parcels((), **how)
    local = tasks.frames(
        PLAIN.unpack(Parcels((), trace=Options(depth=1)).pack(raised(tasks.chained, 5)))
    )["chained"].f_locals
    assert repr(local["rows"]) == "[0, 1, 2, 3, 4]" and type(local["rows"]) is not list


@pytest.mark.parametrize(
    "name, library, extra",
    [("celery", "celery", "celery"), ("rq", "rq.job", "rq"), ("mpi", "mpi4py", "mpi")],
)
def test_a_library_that_is_absent(monkeypatch, name, library, extra):
    """One sentence names the extra that brings it."""
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setitem(sys.modules, library.partition(".")[0], None)
    monkeypatch.delitem(sys.modules, f"keeptrace.concurrent.{name}", raising=False)
    with pytest.raises(keeptrace.MissingExtraError, match=rf"keeptrace-concurrent\[{extra}\]"):
        __import__(f"keeptrace.concurrent.{name}")
