"""Live objects: real where they can be, a stand-in that says why where not, one object at a time."""

from __future__ import annotations

import sys
import threading
import types
from typing import Any

import pytest

import keeptrace


class Point:
    def __init__(self, x: int) -> None:
        self.x = x

    def double(self) -> int:
        return 2 * self.x


class BadState(Point):
    def __setstate__(self, state: Any) -> None:
        raise RuntimeError("no state here")


class ExitingLoad(Point):
    def __reduce__(self) -> Any:
        return sys.exit, (3,)


class ExitingDump(Point):
    def __reduce__(self) -> Any:
        sys.exit(3)


def failing(**variables: Any) -> BaseException:
    def inner(shared: Any) -> None:
        raise ValueError("live")

    try:
        inner(variables.get("first"))
    except ValueError as exc:
        return exc
    raise AssertionError


def read(live: bool, pickler: Any = "cloudpickle", **variables: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    exc = keeptrace.loads(keeptrace.dumps(failing(**variables), pickler=pickler, include_source=False), live=live)
    assert exc.__traceback__ is not None and exc.__traceback__.tb_next is not None
    return exc.__traceback__.tb_frame.f_locals["variables"], exc.__traceback__.tb_next.tb_frame.f_locals


@pytest.mark.parametrize("pickler", ["pickle", "cloudpickle", "dill"])
def test_alive(pickler: str) -> None:
    """Objects come alive, and are the same object in every variable and frame; cycles hold."""
    first = Point(3)
    first.itself = first  # type: ignore[attr-defined]
    outer, inner = read(True, pickler, first=first, again=first)
    assert type(outer["first"]) is Point and outer["first"].double() == 6
    assert outer["first"] is outer["again"] is inner["shared"] is outer["first"].itself


def test_not_asked_for() -> None:
    """Without live=True nothing comes alive: stand-ins, with their attributes."""
    outer, _ = read(False, first=Point(3))
    assert type(outer["first"]) is not Point and outer["first"].x == 3


@pytest.mark.parametrize("bad", [threading.Lock(), BadState(1), ExitingLoad(1), ExitingDump(1)], ids=lambda bad: type(bad).__name__)
def test_one_bad_object(bad: Any) -> None:
    """An object that cannot be pickled, or not be loaded, costs only itself."""
    outer, _ = read(True, first=Point(1), bad=bad, holder=[Point(2), bad])
    assert type(outer["first"]) is Point
    assert type(outer["holder"][0]) is Point
    assert type(outer["bad"]) is not type(bad)


def test_it_says_why() -> None:
    """What could not be loaded tells the reason when it is used."""
    outer, _ = read(True, bad=BadState(1))
    with pytest.raises(TypeError, match="no state here"):
        outer["bad"]()


def test_a_class_that_is_absent() -> None:
    """An object whose module is gone is a stand-in; the others live."""
    module = types.ModuleType("gone_module")
    exec("class Gone:\n    def __init__(self): self.a = 1\n", module.__dict__)
    sys.modules["gone_module"] = module
    try:
        data = keeptrace.dumps(failing(first=Point(1), gone=module.Gone()), pickler="pickle", include_source=False)
    finally:
        del sys.modules["gone_module"]
    exc = keeptrace.loads(data, live=True)
    assert exc.__traceback__ is not None
    variables = exc.__traceback__.tb_frame.f_locals["variables"]
    assert type(variables["first"]) is Point
    assert variables["gone"].a == 1
    with pytest.raises(TypeError, match="gone_module"):
        variables["gone"]()
