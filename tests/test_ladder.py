"""What a failure to read costs: one part of the report, marked there; and the report only at last."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import keeptrace
from keeptrace.capture import capture as _capture
from keeptrace.capture import chain as _chain
from keeptrace.capture import facts as _facts
from keeptrace.capture import frames as _frames
from keeptrace.capture.capture import capture
from keeptrace.capture.facts import CodeFacts
from keeptrace.concurrent import KeepTraceProcessPoolExecutor
from keeptrace.concurrent import crossing as _boundary
from keeptrace.core.options import Options
from keeptrace.live import keeping as _live
from keeptrace.restore.policy import POOL
from keeptrace.restore.restore import restore


class OrderError(ValueError):
    """An error with an attribute and a text of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "order")
        self.number = number

    def __str__(self) -> str:
        return f"order {self.number}"


def innermost(number: int) -> None:
    price = number * 2
    error = OrderError(number)
    error.add_note(f"note {price}")
    raise error


def outermost(number: int) -> None:
    customer = f"customer {number}"
    innermost(number + len(customer))


def caught(number: int) -> BaseException:
    try:
        outermost(number)
    except OrderError as exc:
        return exc
    raise AssertionError


def family() -> BaseException:
    """A group with a cause and a context, each of two frames and more."""
    cause, context, *children = map(caught, range(4))
    try:
        try:
            raise context
        except OrderError:
            raise ExceptionGroup("several", children) from cause  # type: ignore[type-var]
    except ExceptionGroup as exc:
        return exc


def all_of(exc: BaseException) -> list[BaseException]:
    found = [exc]
    for one in found:
        linked = [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        found += [other for other in linked if other is not None and other not in found]
    return found


def shown(item: tuple[str, Any]) -> str:
    name, value = item
    if isinstance(value, BaseException):
        return f"{name}: an exception"
    return f"{name}={value if isinstance(value, (int, str)) else type(value).__name__}"


def parts_of(exc: BaseException) -> dict[tuple[Any, ...], Any]:
    """Everything that a report tells of an exception, each part under a name."""
    parts: dict[tuple[Any, ...], Any] = {}
    for number, one in enumerate(all_of(exc)):
        parts[number, "type"] = type(one).__mro__[-2].__name__, type(one).__name__
        parts[number, "args"] = one.args if not isinstance(one, BaseExceptionGroup) else one.message
        parts[number, "text"] = str(one)
        parts[number, "attributes"] = {
            name: value for name, value in vars(one).items() if name != "__notes__"
        }
        parts[number, "notes"] = getattr(one, "__notes__", [])
        entry = one.__traceback__
        at = 0
        while entry is not None:
            frame = entry.tb_frame
            parts[number, at, "name"] = frame.f_code.co_qualname, frame.f_code.co_filename
            parts[number, at, "line"] = entry.tb_lineno
            parts[number, at, "column"] = list(frame.f_code.co_positions())[entry.tb_lasti // 2][1:]
            parts[number, at, "locals"] = sorted(map(shown, frame.f_locals.items()))
            entry, at = entry.tb_next, at + 1
    return parts


class FailingAt:
    """A function one call of which raises."""

    def __init__(self, function: Callable[..., Any], call: int) -> None:
        self.function = function
        self.left = call + 1

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise LookupError("the step failed")
        return self.function(*args, **kwargs)


# Each step of reading one frame or one exception, and what may be missing where it raises.
STEPS: dict[str, tuple[Any, str, set[str]]] = {
    "links": (_chain, "linked_to", {"chain"}),
    "class": (_chain, "facts_of_exception", {"attributes", "text"}),
    "type": (_chain.Chain, "_type", {"type", "args", "text"}),
    "cause": (_chain, "cause_of", {"chain"}),
    "children": (_chain, "children_of", {"chain", "type", "args", "text"}),
    "arguments": (_chain, "args_of", {"args", "text"}),
    "attributes": (_chain, "dict_of", {"attributes", "notes"}),
    "group's message": (_chain, "group_message_of", {"args", "text"}),
    "messages": (_chain.Chain, "_message_refs", {"args", "notes", "text"}),
    "text": (_capture.Messages, "_message", {"text"}),
    "notes' texts": (_capture.Messages, "_note_objects", set()),
    "traceback": (_frames, "traceback_of", {"traceback"}),
    "code": (_frames, "facts_of_code", {"frame"}),
    "position": (CodeFacts, "position", {"line", "column"}),
    "variables": (_frames, "read_locals", {"locals"}),
    "globals": (_frames, "_look_up", set()),
    "refs": (_frames.Frames, "_within_room", {"locals"}),
    "sources": (_capture, "snapshot", set()),
    "live objects": (_live, "keep", set()),
}  # fmt: skip
SHIFTS = {"chain", "traceback", "frame"}


def fresh_parts(exc: BaseException) -> tuple[dict[tuple[Any, ...], Any], Any]:
    report = capture(exc, Options(), _boundary._dumps)
    return parts_of(restore(pickle.loads(pickle.dumps(report)), POOL)), report


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_raises_costs_its_part_alone(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever step of reading one frame or exception raises, at whichever place: the rest is kept
    exactly, what is missing is marked, and no rung of the ladder is taken."""
    owner, name, may_miss = STEPS[step]
    exc = family()
    whole, _ = fresh_parts(exc)
    for call in range(100):
        _facts._facts.clear()  # they are looked up once
        failing = FailingAt(getattr(owner, name), call)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, failing)
            found, report = fresh_parts(exc)
        if failing.left > 0:
            break
        assert "fallback" not in report["cuts"]
        assert report["cuts"]["unreadable"] >= 1
        differing = {key for key in whole if found.get(key) != whole[key]}
        if may_miss & SHIFTS:  # what follows has other numbers then
            assert "could not be read" in repr(found) or "frames left out" in repr(found)
            continue
        for key in {key for key in differing if key[-1] == "notes"}:
            differing.discard(key)
            assert found[key][:-1] == whole[key] or "notes" in may_miss
            assert "could not be read" in found[key][-1] or "not kept" in repr(found[key])
        assert {key[-1] for key in differing} <= may_miss
        places = {whole.get((*key[:-1], "name"), key[0]) for key in differing}
        assert len(places) <= 1, "more than one frame or exception"
    assert call >= 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and bounds the address space")
@pytest.mark.parametrize("kind", ["MemoryError", "a subclass"])
@pytest.mark.parametrize("way", ["executor", "pool", "keep_trace", "dump"])
def test_a_memory_error_whose_frames_hold_the_memory(way: str, kind: str) -> None:
    """It arrives as itself, with its frames, though not a byte is left where it is captured."""
    program = Path(__file__).with_name("memory_program.py")
    done = subprocess.run(
        [sys.executable, program, way, kind], capture_output=True, text=True, timeout=60
    )
    name = "MemoryError" if kind == "MemoryError" else "ShortageError"
    assert json.loads(done.stdout or "[]") == [name, True, ["fill"]], done.stderr


FIRST_DUMP = """
import os, resource, sys, tempfile
import keeptrace

path = os.path.join(tempfile.mkdtemp(), "dump")
data = []
keep = {
    "dumps": lambda exc: data.append(keeptrace.dumps(exc)),
    "dump": lambda exc: keeptrace.dump(exc, path),
    "Store": lambda exc: os.rename(keeptrace.Store(os.path.dirname(path)).write(exc), path),
}[sys.argv[1]]
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
limit = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), limit[1]))

def fill():
    held, block, customer = [], 16 << 20, "Ada"
    while block >= 64:
        try:
            held.append(bytearray(block))
        except MemoryError:
            block //= 2
    raise KeyError("user")

try:
    fill()
except KeyError as exc:
    keep(exc)
resource.setrlimit(resource.RLIMIT_AS, limit)
found = keeptrace.loads(data[0]) if data else keeptrace.load(path)
frame = found.__traceback__.tb_next.tb_frame
print(repr(found), frame.f_locals["customer"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and bounds the address space")
@pytest.mark.parametrize("way", ["dumps", "dump", "Store"])
def test_the_first_dump_without_memory(way: str) -> None:
    """A program that dumps for the first time where not a byte is left can still import what that
    takes: a reserve is kept for it."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_DUMP, way], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "KeyError('user') Ada\n", done.stderr


def test_an_odd_mapping_costs_the_variables_of_its_frame() -> None:
    """exec() with a mapping of the program's own whose methods raise: the frames around it are
    whole, and its own variables are marked."""

    class Odd(dict):  # type: ignore[type-arg]
        def __getitem__(self, key: str) -> Any:
            raise RuntimeError(key)

        __delitem__ = __iter__ = keys = items = __getitem__  # type: ignore[assignment]

    customer = "Ada"
    try:
        exec("class Inner:\n    __class__\n    1 / 0", {"__name__": "odd"}, Odd())
    except (ZeroDivisionError, RuntimeError, NameError) as exc:
        found = keeptrace.loads(keeptrace.dumps(exc))
    frame = found.__traceback__.tb_frame  # type: ignore[union-attr]
    assert frame.f_locals["customer"] == customer
    assert "fallback" not in capture(found, Options())["cuts"]


# -- bounds of frames


def endless(level: int) -> int:
    return endless(level + 1) + 1


def recursion() -> BaseException:
    try:
        endless(0)
    except RecursionError as exc:
        return exc
    raise AssertionError


def group_of_recursions(count: int) -> BaseException:
    return ExceptionGroup("many", [recursion() for _ in range(count)])  # type: ignore[type-var]


def groups_of_groups() -> BaseException:
    inner = [group_of_recursions(10) for _ in range(10)]
    return ExceptionGroup("outer", inner)  # type: ignore[type-var]


def chain_of_recursions() -> BaseException:
    last = None
    for _ in range(100):
        exc = recursion()
        exc.__cause__ = last
        last = exc
    assert last is not None
    return last


def long_traceback() -> BaseException:
    exc = recursion()
    entry = exc.__traceback__
    assert entry is not None
    for _ in range(100_000):
        entry = types.TracebackType(entry, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return exc.with_traceback(entry)


def many_variables() -> BaseException:
    names = ", ".join(f"v{at}" for at in range(1_000))
    source = (
        f"def f(level):\n    {names} = range(1000)\n    return f(level - 1) if level else 1 / 0"
    )
    space: dict[str, Any] = {}
    exec(source, space)
    try:
        space["f"](300)
    except ZeroDivisionError as exc:
        return exc
    raise AssertionError


def large_code() -> BaseException:
    lines = "\n".join(f"    x = {at}" for at in range(50_000))
    space: dict[str, Any] = {}
    exec(f"def f(level):\n{lines}\n    return f(level - 1) if level else 1 / 0", space)
    try:
        space["f"](300)
    except ZeroDivisionError as exc:
        return exc
    raise AssertionError


def test_bounds_hold_for_frames_of_a_group() -> None:
    """Each exception of a group keeps the frame that raised, the first ones all; the gap is told."""
    exc = group_of_recursions(100)
    began = time.process_time()
    data = keeptrace.dumps(exc, include_source=False)
    assert time.process_time() - began < 3
    assert len(data) < 1 << 20
    found = keeptrace.loads(data)
    assert isinstance(found, BaseExceptionGroup)
    counts = [len(list(traceback.walk_tb(child.__traceback__))) for child in found.exceptions]
    whole = len(list(traceback.walk_tb(exc.exceptions[0].__traceback__)))  # type: ignore[attr-defined]
    assert len(counts) == 100
    assert counts[0] == whole
    assert min(counts) >= 10
    last = [
        frame.f_code.co_name for frame, _ in traceback.walk_tb(found.exceptions[-1].__traceback__)
    ]
    assert "frames left out" in " ".join(last)
    assert last[-1] == "endless"


@pytest.mark.parametrize(
    "make", [groups_of_groups, chain_of_recursions, long_traceback, many_variables, large_code]
)
def test_bounds_hold_for_frames(make: Callable[[], BaseException]) -> None:
    """However many frames there are, of whatever size: the report is bounded in time and bytes, and
    the innermost frame is there."""
    exc = make()
    began = time.process_time()
    report = capture(exc, Options(include_source=False))
    assert time.process_time() - began < 2
    assert len(json.dumps(report)) < 3 << 20
    is_cut = not {"max_bytes", "max_seconds", "limit"}.isdisjoint(report["cuts"])
    assert is_cut or make is large_code
    for record in report["exceptions"]:
        assert not record["traceback"] or record["traceback"][-1][0] >= 0


def test_a_pool_bounds_a_group_of_recursions() -> None:
    """Out of a worker, too, a group of RecursionErrors comes within bounds of time."""
    with KeepTraceProcessPoolExecutor(1) as pool:
        pool.submit(len, "").result(30)
        exc = pool.submit(raise_group, 50).exception(30)
    assert isinstance(exc, ExceptionGroup)
    assert len(exc.exceptions) == 50


def raise_group(count: int) -> None:
    raise group_of_recursions(count)


# -- near the recursion limit


NEAR_LIMIT = """
import functools, io, json, logging, operator, sys, tempfile
import keeptrace
from keeptrace.concurrent import keep_trace
from keeptrace.middleware import WSGIMiddleware

folder = tempfile.mkdtemp()
store = keeptrace.Store(folder)
file = io.BytesIO()
made = []  # the user's error, once it was raised

def fail():
    error = KeyError("user")
    made.append(error)
    raise error

fail_in_c = functools.partial(operator.getitem, {}, "user")

def excepting(keep):
    def target():
        error = KeyError("user")
        made.append(error)
        try:
            raise error
        except KeyError as exc:
            keep(exc)
            raise
    return target

def within(watching):
    def target():
        with watching:
            error = KeyError("user")
            made.append(error)
            raise error
    return target

def served(environ, start):
    return map(operator.getitem, [{}] * 1000, ["user"] * 1000)

handler = keeptrace.LoggingHandler(folder)
record = logging.LogRecord("n", logging.ERROR, "p", 1, "m", (), None)
try:
    raise KeyError("user")
except KeyError as exc:
    record.exc_info = (KeyError, exc, None)

class Empty:  # the same signatures
    def write(self, exc, **options): pass
    def write_as(self, exc, place=None, options=None): pass
    def record(self, record): pass

empty = Empty()
def no_dump(exc, path_or_file, *, trace=None, **options): pass

# An error on its way through ours: it leaves, whatever the depth.
passing = {
    "on_error": keeptrace.on_error(folder)(fail),
    "on_error with": within(keeptrace.on_error(folder)),
    "on_error file": within(keeptrace.on_error(folder + "/x.dump")),
    "WSGI": functools.partial(WSGIMiddleware(lambda environ, start: fail(), folder), {}, None),
    "keep_trace": keep_trace(fail),
}
# The same, raised by C: where no frame of Python's fits any more.
in_c = {
    "keep_trace": keep_trace(fail_in_c),
    "keep_trace function": keep_trace(lambda: operator.getitem({}, "user")),
    "WSGI": functools.partial(next, WSGIMiddleware(served, folder)({}, None)),
}
# Called by the program, which could call no other function in the place of ours either.
called = {
    "write": (excepting, store.write, empty.write),
    "write_as": (excepting, store.write_as, empty.write_as),
    "dump": (lambda keep: excepting(lambda exc: keep(exc, file)), keeptrace.dump, no_dump),
    "handle": (lambda keep: excepting(lambda exc: keep(record)), handler.handle, empty.record),
    "emit": (lambda keep: excepting(lambda exc: keep(record)), handler.emit, empty.record),
}

def down(left, target):
    return down(left - 1, target) if left else target()

def outcomes(target):
    found = []
    for left in range(LIMIT - 100, LIMIT):
        made.clear()
        try:
            down(left, target)
        except BaseException as exc:
            right = exc is made[0] if made else isinstance(exc, KeyError)
            found.append("user" if right else "lost" if made else "never raised")
        else:
            found.append("nothing")
    return found

makers = {name: (make(ours), make(stock)) for name, (make, ours, stock) in called.items()}
for target in [*passing.values(), *in_c.values(), *(ours for ours, _ in makers.values())]:
    try:
        target()  # what is imported on the first use
    except KeyError:
        pass
LIMIT = 200
sys.setrecursionlimit(LIMIT)
result = {
    "passing": {name: outcomes(target) for name, target in passing.items()},
    "in_c": {name: outcomes(target) for name, target in in_c.items()},
    "called": {name: outcomes(ours) for name, (ours, _) in makers.items()},
    "stock": {name: outcomes(stock) for name, (_, stock) in makers.items()},
    "plain": outcomes(fail_in_c),
    "dumps": outcomes(excepting(keeptrace.dumps)),
}
sys.setrecursionlimit(2000)
print(json.dumps(result))
"""


def test_near_the_recursion_limit_the_users_error_goes_its_way() -> None:
    """At every depth where the user's error can be raised it leaves, through all that stands in its
    way; and where ours is called, at every depth where an empty function can be called."""
    done = subprocess.run(
        [sys.executable, "-c", NEAR_LIMIT], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name, outcomes in found["passing"].items():
        assert set(outcomes) == {"user", "never raised"}, name
    for name, outcomes in found["in_c"].items():
        assert set(outcomes) == {"user", "never raised"}, name
        frames = 1 if name == "keep_trace" else 2  # of Python, that it needs before the error
        spare = 3 if sys.version_info < (3, 12) else frames  # C takes of the same room in 3.11
        assert outcomes.count("user") >= found["plain"].count("user") - spare, name
    for name, outcomes in found["called"].items():
        assert outcomes.count("lost") <= found["stock"][name].count("lost"), name
        assert set(outcomes) <= {"user", "lost", "never raised"}, name
    lost = found["dumps"].count("lost") - found["stock"]["write"].count("lost")
    assert lost <= 2  # where no thread can be started: dumps() has nothing to return there


class FailingFirst:
    """A function whose first calls raise."""

    def __init__(self, function: Callable[..., Any], *problems: BaseException) -> None:
        self.function = function
        self.problems = list(problems)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.problems:
            raise self.problems.pop(0)
        return self.function(*args, **kwargs)


class Wordless(BaseException):
    """What a program may raise from anywhere, such as from a handler of a signal."""

    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize("first", [MemoryError(), RecursionError()], ids=repr)
def test_a_second_attempt_keeps_everything(
    first: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If memory or the stack ends in the first attempt, the second keeps the whole report, and marks nothing."""
    exc = caught(7)
    monkeypatch.setattr(_capture, "_attempt", FailingFirst(_capture._attempt, first))
    report = capture(exc, Options())
    assert "fallback" not in report["cuts"]
    assert parts_of(restore(report, POOL))[0, 2, "locals"] == parts_of(exc)[0, 2, "locals"]


RUNGS = [
    ([LookupError("torn")], 1, "the capture failed (LookupError: torn); kept at depth 1"),
    (
        [LookupError("torn"), Wordless()],
        0,
        "the capture failed (LookupError: torn; then an error); kept at depth 0",
    ),
    (
        [MemoryError("1"), MemoryError("2"), MemoryError("3")],
        0,
        "the capture failed (MemoryError; then MemoryError: 2; then MemoryError: 3); kept at depth 0",
    ),
]


@pytest.mark.parametrize("problems, depth, told", RUNGS, ids=["one", "two", "three"])
def test_each_rung_keeps_less_and_says_so(
    problems: list[BaseException], depth: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failure that nothing foresaw, the report has frames, or the text of the traceback at least."""
    exc = caught(7)
    monkeypatch.setattr(_capture, "_attempt", FailingFirst(_capture._attempt, *problems))
    report = capture(exc, Options())
    assert report["cuts"]["fallback"] == 1
    found: Any = restore(report, POOL)
    assert type(found).__name__ == "OrderError" and str(found) == str(exc)
    assert told in "".join(found.__notes__)
    assert (found.__traceback__ is not None) == bool(depth)
    assert "in innermost" in report["exceptions"][0].get("text", "in innermost")


@pytest.mark.parametrize("is_text_lost", [False, True])
def test_the_last_rung_is_the_type(is_text_lost: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """If every attempt fails, the type arrives with the text of the traceback, if that can be had."""
    exc = caught(7)
    problems = [LookupError("torn") for _ in range(3)]
    monkeypatch.setattr(_capture, "_attempt", FailingFirst(_capture._attempt, *problems))
    if is_text_lost:
        failing = FailingFirst(traceback.format_exception, MemoryError())
        monkeypatch.setattr(_capture, "traceback_text", failing)
    found: Any = restore(capture(exc, Options()), POOL)
    assert type(found).__name__ == "OrderError"
    told = "".join(found.__notes__)
    assert "the capture failed (LookupError: torn; then LookupError: torn; then " in told
    assert ("in innermost" in told) != is_text_lost


class Coded(OSError):
    """Its text needs what __init__ sets."""

    def __init__(self, code: int) -> None:
        super().__init__("coded")
        self.code = code

    def __str__(self) -> str:
        return f"code {self.code}"


def test_a_type_without_its_attributes_has_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """If only the type arrives, str() is the recorded message, or says that there is none: the class's own would raise."""
    exc = Coded(3)
    sent: Any = restore(_capture.type_only(exc, "no room"), POOL)
    assert isinstance(sent, Coded) and str(sent) == "<its message was not kept>"
    assert "Coded: <its message was not kept>" in "".join(traceback.format_exception(sent))
    problems = [LookupError("torn") for _ in range(3)]
    monkeypatch.setattr(_capture, "_attempt", FailingFirst(_capture._attempt, *problems))
    found: Any = restore(capture(exc, Options()), POOL)
    assert isinstance(found, Coded) and str(found) == "code 3"
    monkeypatch.setattr(_capture, "_attempt", FailingFirst(_capture._attempt, *problems))
    assert str(restore(capture(ValueError(), Options()), POOL)) == ""
    monkeypatch.setattr(_capture, "_attempt", FailingFirst(_capture._attempt, *problems))
    group = ExceptionGroup("two", [exc])
    assert str(restore(capture(group, Options()), POOL)) == "two (1 sub-exception)"


def test_what_cannot_be_sent_arrives_as_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """If not even a report can be made for the parent, the type goes, and if that fails its name."""
    exc = caught(7)
    monkeypatch.setattr(_boundary, "capture", FailingFirst(capture, *[MemoryError()] * 2))
    found: Any = _boundary.from_bytes(_boundary.to_bytes(exc, Options()))
    assert type(found).__name__ == "OrderError"
    assert "could not send its frames: MemoryError" in found.__notes__[0]
    monkeypatch.setattr(_boundary, "type_only", FailingFirst(_capture.type_only, MemoryError()))
    found = _boundary.from_bytes(_boundary.to_bytes(exc, Options()))
    assert str(found) == "OrderError (keeptrace could not send its frames: MemoryError)"


def test_what_arrives_damaged_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are no report, and a report that the parent cannot restore, give a KeepTraceError that says why."""
    data = _boundary.to_bytes(caught(7), Options())
    found: Any = _boundary.from_bytes(data[:-9])
    assert isinstance(found, keeptrace.KeepTraceError)
    assert str(found).startswith("the worker's exception arrived damaged: ")
    monkeypatch.setattr(_boundary, "put_files", FailingFirst(print, RuntimeError("changed")))
    monkeypatch.setattr(_boundary, "restore", FailingFirst(restore, MemoryError("full")))
    found = _boundary.from_bytes(data)
    assert str(found) == "OrderError: order 17"
    assert found.__notes__ == [
        "keeptrace could not restore the worker's exception: MemoryError: full"
    ]


def test_an_exception_too_large_for_the_pipe_is_made_smaller() -> None:
    """Where the bytes of a report exceed the bounds, a smaller one goes, and at last its text alone."""
    exc = caught(7)
    exc.rows = [bytes([at % 256]) * 1000 for at in range(2000)]  # type: ignore[attr-defined]
    options = Options(max_bytes=20_000, max_live_bytes=0)
    data = _boundary.to_bounded_bytes(exc, options)
    assert len(data) <= 20_000
    found: Any = _boundary.from_bytes(data)
    assert (type(found).__name__, str(found)) == ("OrderError", str(exc))
    assert len(_boundary.to_bounded_bytes(exc, Options(max_bytes=0, max_live_bytes=0))) < 20_000
