"""Each exception of the table arrives as it was: type, arguments, attributes, links, frames, variables, and the text to the byte.

Once through capture and restore in this process, under each policy, and once through real workers of each start method.
"""

from __future__ import annotations

import builtins
import pickle
import sys
import types
from concurrent.futures import process as engine
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Iterator

import cases
import pytest

from keeptrace import Options
from keeptrace.capture.capture import capture
from keeptrace.concurrent import KeepTraceProcessPoolExecutor
from keeptrace.concurrent.crossing import without_frames_of
from keeptrace.restore.policy import BUILTINS, KNOWN, POOL
from keeptrace.restore.restore import restore

POLICIES = [BUILTINS, KNOWN, POOL]
METHODS = ["fork", "spawn", "forkserver"]
ENGINE = frozenset({engine.__file__})

# Cases whose text cannot be the same to the byte, and why.
OTHER_TEXT = {
    "class: a truth that raises": "the class's __bool__ is what breaks the formatting; where it is made anew, it is true",
    "class: no subclasses, its message lost": "no class can be made that tells the old message, with the old address",
    "notes: a sequence of one's own": "a stand-in of a sequence is shown by its repr",
    "notes: an object without words": "its stand-in has words",
    "argument: socket": "a socket that crosses live has another number",
    "deleted_module_of_a_class": "formatting it fails; what is restored has the module 'builtins'",
}
# Cases of which something else is not the same, and why.
OTHER_FACTS = {
    "deleted_module_of_a_class": "a module that is no text has no name",
    "exec_with_a_mapping": "reading the mapping would run the user's code; a stand-in of it is there instead",
}
if sys.version_info >= (3, 15):
    OTHER_FACTS["module not found by import"] = OTHER_TEXT["module not found by import"] = (
        "a suggestion would list the directories of sys.path: a stand-in takes name_from's place"
    )


def raised(name: str) -> BaseException:
    try:
        cases.tell(name)
    except BaseException as exc:
        raised_here = exc
    tb = BaseException.__dict__["__traceback__"]
    tb.__set__(raised_here, tb.__get__(raised_here).tb_next)  # without this function's own frame
    return raised_here


def same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Compares facts, one at a time, so that what differs is what is shown."""
    assert len(found) == len(expected)
    for number, (one, other) in enumerate(zip(found, expected)):
        for what in other:
            if what == "frames":
                assert [frame["code"] for frame in one[what]] == [
                    frame["code"] for frame in other[what]
                ], number
                for frame_here, frame_there in zip(one[what], other[what]):
                    assert frame_here == frame_there, number
            else:
                assert one[what] == other[what], (number, what)


def test_the_table_is_complete() -> None:
    """The table has every builtin exception of this Python, and many more kinds than sixty."""
    builtin = {
        value
        for value in vars(builtins).values()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    assert {f"builtin {cls.__name__}" for cls in builtin} <= set(cases.CASES)
    assert len(cases.CASES) > 200


@dataclass
class Captured:
    """A case that failed here, how it looked, and its report as bytes."""

    name: str
    exc: BaseException
    text: str
    facts: list[dict[str, Any]]
    report: bytes


@pytest.fixture(params=cases.CASES)
def captured(request: pytest.FixtureRequest) -> Captured:
    exc = raised(request.param)
    text, facts = cases.told(request.param)
    report = capture(exc, Options(max_seconds=20.0))
    return Captured(request.param, exc, text, facts, pickle.dumps(report))


def test_restored_here(captured: Captured) -> None:
    """capture → bytes → restore in one process keeps facts and text under each policy."""
    for policy in POLICIES:
        report = pickle.loads(captured.report)
        assert "fallback" not in report["cuts"]
        _is_as_it_was(restore(report, policy), captured)


def _is_as_it_was(restored: BaseException, captured: Captured) -> None:
    if captured.name not in OTHER_FACTS:
        same(cases.facts_of(restored), captured.facts)
    if captured.name not in OTHER_TEXT:
        assert cases.text_of(restored) == captured.text
    here, there = _frames(restored), _frames(captured.exc)
    for restored_frame, frame in zip(here, there, strict=True):
        named = {
            name: value
            for name, value in frame.f_globals.items()
            if name in frame.f_code.co_names and name not in cases.NO_VARIABLES
        }
        assert {name: cases.shape(restored_frame.f_globals[name]) for name in named} == {
            name: cases.shape(value) for name, value in named.items()
        }


def _frames(exc: BaseException) -> list[types.FrameType]:
    frames = []
    entry = BaseException.__dict__["__traceback__"].__get__(exc)
    while entry is not None:
        frames.append(entry.tb_frame)
        entry = entry.tb_next
    return frames


@pytest.fixture(scope="module")
def pools() -> Iterator[dict[str, KeepTraceProcessPoolExecutor]]:
    """A worker of each start method."""
    with ExitStack() as stack:
        yield {
            method: stack.enter_context(
                KeepTraceProcessPoolExecutor(
                    1, get_context(method), trace=Options(max_seconds=20.0)
                )
            )
            for method in METHODS
        }


@pytest.mark.parametrize("name", cases.CASES)
def test_from_a_worker(name: str, pools: dict[str, KeepTraceProcessPoolExecutor]) -> None:
    """What a worker raises arrives in the parent as the worker saw it, and the worker lives on."""
    futures = {
        method: (pool.submit(cases.tell, name), pool.submit(cases.told, name))
        for method, pool in pools.items()
    }
    for method, (failed, told) in futures.items():
        print(method)  # pytest shows it if something is not the same
        _has_arrived(failed.exception(timeout=50), name, *told.result(timeout=50))


def _has_arrived(
    exc: BaseException | None, name: str, text: str, facts: list[dict[str, Any]]
) -> None:
    assert exc is not None
    traceback = BaseException.__dict__["__traceback__"].__get__(exc)
    assert (
        without_frames_of(traceback, ENGINE) is traceback
    )  # the engine's frames are left out already
    if name not in OTHER_FACTS:
        same(cases.facts_of(exc), facts)
    if name not in OTHER_TEXT:
        assert cases.text_of(exc) == text
