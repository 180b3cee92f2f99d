"""Live objects: what owns something outside of the process is never brought to life, and loading a
dump changes nothing there.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from waiting import until

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parent)}

# (pickler, function): a pickler that ends in "()" is given as a callable, as dumps of earlier
# versions were written
WRITERS = [
    ("dill", "init"),
    ("cloudpickle", "dump"),
    ("pickle", "init"),
    ("dill()", "dump"),
    ("cloudpickle()", "dump"),
]

READER = """
import json, pickle, sys
if sys.argv[2] == "live":
    import keeptrace
    exc = keeptrace.load(sys.argv[1], live=True)
else:
    with open(sys.argv[1], "rb") as file:
        exc = pickle.load(file)
exc = exc[1] if type(exc) is tuple else exc
frame = exc.__traceback__.tb_next.tb_frame
local, held, contained = (frame.f_locals[name] for name in ("local", "held", "contained"))
beside = frame.f_locals["beside"]
def told(thing):
    slots = [cls.__dict__.get("__keeptrace_standin__") for cls in type(thing).__mro__]
    return {"type": type(thing).__name__, "stand-in": any(slots), "repr": repr(thing)}
found = {}
for name in local:
    thing = local[name]
    found[name] = {"local": told(thing), "global": told(frame.f_globals["THINGS"][name])}
    found[name]["attribute"] = told(held[name].thing)
    found[name]["elements"] = [told(contained[name][1]), told(contained[name][2]["key"])]
    found[name]["attributes"] = {at: getattr(thing, at, None) for at in ("name", "mode", "position", "buffer_position", "closed")
                                 if type(getattr(thing, at, None)) in (int, str, bool)}
    def call(what):
        try: return what()
        except Exception as problem: return f"{type(problem).__name__}: {problem}"
    found[name]["beside"] = [*map(call, (lambda: held[name].point.double(), lambda: contained[name][0].double(), lambda: held[name].total()))]
found["beside"] = [call(lambda: beside["point"].double()), call(beside["call"]), call(beside["finalized"]), call(lambda: beside["memory"].getvalue())]
print(json.dumps(found))
"""


class Written(NamedTuple):
    directory: Path
    # whether all that can live does: not with classes of __main__ by name, nor if the reader had to
    # refuse
    is_whole: bool
    found: dict[str, dict[str, Any]]  # by way of reading
    before: dict[str, Any]
    after: dict[str, Any]


def state(directory: Path, memories: list[str], pid: int) -> dict[str, Any]:
    """Everything that loading could have changed."""
    found: dict[str, Any] = {}
    for path in sorted(directory.rglob("*")):
        kind = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        found[path.name] = (stat.filemode(kind.st_mode), kind.st_mtime_ns, content)
    for name in memories:
        found[name] = Path("/dev/shm", name).read_bytes()
    found["running"] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return found


@pytest.fixture(scope="module", params=WRITERS, ids=lambda param: f"{param[0]}-{param[1]}")
def written(request: Any, tmp_path_factory: Any) -> Iterator[Written]:
    """A dump of a program that is still there, read in two processes by two ways."""
    directory = tmp_path_factory.mktemp("outside")
    command = [sys.executable, str(HERE / "outside_program.py"), str(directory), *request.param]
    ready = directory.parent / f"{directory.name}.ready"
    program = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=ENVIRONMENT
    )
    try:
        until(ready.exists, 90)
        *memories, pid = ready.read_text().split()
        before = state(directory, memories, int(pid))
        found = {}
        for way in ("plain", "live"):
            done = subprocess.run(
                [sys.executable, "-c", READER, str(directory / "dump"), way],
                capture_output=True, text=True, timeout=50, env=ENVIRONMENT, cwd=directory.parent, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            assert not done.returncode, done.stderr
            found[way] = json.loads(done.stdout)
        is_whole = request.param[0] in ("dill", "cloudpickle")
        yield Written(directory, is_whole, found, before, state(directory, memories, int(pid)))
    finally:
        program.terminate()
        program.wait(20)


def test_nothing_outside_changes(written: Written) -> None:
    """Files, their permissions, shared memory, databases and processes are after two loads what
    they were before.
    """
    assert written.before["dump"][2] == written.after["dump"][2]
    assert written.after == written.before


@pytest.mark.parametrize("way", ["plain", "live"])
def test_stand_ins_wherever_they_are(written: Written, way: str) -> None:
    """In a variable, a global, an attribute and in containers: none is alive."""
    alive = {
        (name, place["type"])
        for name, found in written.found[way].items() if name != "beside"
        for place in (found["local"], found["global"], found["attribute"], *found["elements"]) if not place["stand-in"]
    }  # fmt: skip
    # cloudpickle's own way with text files that can be read: a copy of the text
    assert alive <= {(name, "StringIO") for name in ("text_read", "closed", "fileinput")}


@pytest.mark.parametrize("way", ["plain", "live"])
def test_what_is_beside_them_lives(written: Written, way: str) -> None:
    """Objects in the same containers, and those that hold such things, are alive; what they hold is
    not.
    """
    if not written.is_whole:
        pytest.skip("a reader can only refuse what such a dump has")
    found = written.found[way]
    assert found["beside"] == [8, 42, 7, "in memory"]
    assert {
        name: told["beside"]
        for name, told in found.items()
        if name != "beside" and told["beside"] != [6, 10, 7]
    } == {}


# name → what its stand-in tells
FACTS: dict[str, dict[str, Any]] = {
    "text_write": {"mode": "w", "buffer_position": 5, "closed": False},
    "text_append": {"mode": "a", "buffer_position": 38},
    "text_read": {"mode": "r"},
    "text_exclusive": {"mode": "x", "buffer_position": 0},
    "binary_write": {"mode": "wb", "position": 5},
    "binary_read": {"mode": "rb", "position": 0},
    "random": {"mode": "rb+", "position": 7},
    "raw": {"mode": "wb", "position": 0},
    "unbuffered": {"mode": "wb", "position": 0},
    "closed": {"closed": True},
    "own_file": {"mode": "wb"},
    "tar_read": {"mode": "r"},
}


@pytest.mark.parametrize("name", FACTS)
def test_a_stand_in_tells_what_it_was(written: Written, name: str) -> None:
    """Name, mode and position of files are in the stand-in's text and attributes."""
    for way in ("plain", "live"):
        told = written.found[way][name]["attributes"]
        assert told["name"] == str(written.directory / name)
        assert FACTS[name].items() <= told.items()


@pytest.mark.parametrize(
    "name",
    [
        "text_write",
        "binary_write",
        "random",
        "shared_memory",
        "directory",
        "temporary",
        "zip_write",
        "handler",
    ],
)
def test_within_a_live_object_too(written: Written, name: str) -> None:
    """A stand-in that a live object holds tells what it was."""
    names = {"shared_memory": "psm_"}
    for way in ("plain", "live") if written.is_whole else ():
        assert (
            names.get(name, str(written.directory)) in written.found[way][name]["attribute"]["repr"]
        )


# what is data, though its class comes from a module of files and the like, or has methods that
# sound so
STILL_ALIVE = {
    "io.BytesIO(b'ab')": "value.read() == b'ab'",
    "io.StringIO('ab')": "value.read() == 'ab'",
    "OwnBuffer(b'ab')": "value.read() == b'ab' and type(value).__name__ == 'OwnBuffer'",
    "pathlib.Path('x')": "value.name == 'x'",
    "os.stat('.')": "value.st_size >= 0",
    "socket.AF_INET": "value is socket.AF_INET",
    "ssl.TLSVersion.TLSv1_2": "value is ssl.TLSVersion.TLSv1_2",
    "subprocess.CompletedProcess(['a'], 3)": "value.returncode == 3",
    "subprocess.CalledProcessError(3, 'a')": "value.returncode == 3",
    "zipfile.ZipInfo('a')": "value.filename == 'a'",
    "tarfile.TarInfo('a')": "value.name == 'a'",
    "logging.getLogger('a')": "value is logging.getLogger('a')",
    "collections.deque([Door()])": "value[0].close() == 'closed'",
    "functools.partial(Door().close)": "value() == 'closed'",
    "Door().close": "value() == 'closed'",
    "len": "value is len",
    "[].append": "value(1) is None",
    "Slots(3)": "value.x == 3",
    "Color.RED": "value.name == 'RED'",
    "Pair(1, Door())": "value.b.close() == 'closed'",
    "Data(1)": "value.a == 1 and value == Data(1)",
    "open": "value is open",
    "socket.socket": "value is socket.socket",
}
LIVE_PROGRAM = """
import collections, dataclasses, enum, functools, io, logging, os, pathlib, pickle, socket, ssl, subprocess, sys, tarfile, zipfile
import keeptrace
class Door:
    def close(self): return "closed"
class Slots:
    __slots__ = ("x",)
    def __init__(self, x): self.x = x
class OwnBuffer(io.BytesIO): pass
class Color(enum.Enum):
    RED = 1
Pair = collections.namedtuple("Pair", "a b")
@dataclasses.dataclass
class Data:
    a: int
"""


@pytest.mark.parametrize("pickler", ["dill", "cloudpickle"])
def test_data_is_still_alive(pickler: str, tmp_path: Path) -> None:
    """What owns nothing outside is brought to life as before, also from modules where most things
    do.
    """
    (tmp_path / "own_module.py").write_text(LIVE_PROGRAM)
    write = f"""
from own_module import *
import own_module
values = [{", ".join(STILL_ALIVE)}]
try: values; raise ValueError
except ValueError as exc: keeptrace.dump(exc, sys.argv[1], pickler="{pickler}", depth=-1, redact=False)
"""
    read = f"""
from own_module import *
values = keeptrace.load(sys.argv[1], live=True).__traceback__.tb_frame.f_globals["values"]
dead = []
for value, check in zip(values, {list(STILL_ALIVE.values())}):
    try: assert eval(check)
    except Exception as problem: dead.append((check, repr(problem)))
assert not dead, dead
"""
    for code in (write, read):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "dump")],
            env=ENVIRONMENT,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert not done.returncode, done.stderr
