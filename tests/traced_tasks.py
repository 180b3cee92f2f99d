"""Tasks that fail, decorated and not, for the tests of engines: workers import them by name."""

from __future__ import annotations

import copy
import copyreg
import dataclasses
import functools
import threading
import traceback
import types
from pathlib import Path
from typing import Any

from waiting import until

import keeptrace
from keeptrace.concurrent import keep_trace


class Refused(Exception):
    """Cannot be rebuilt from its args."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class Holding(Exception):
    """Holds what cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("holding")
        self.lock = threading.Lock()
        self.made = (number for number in range(3))
        self.function = lambda: None


class Stubborn(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


class Falsy(Exception):
    def __bool__(self) -> bool:
        return False


class WithNotes(Exception):
    pass


class Worded(Exception):
    """Has a text of its own, made of what cannot be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def __str__(self) -> str:
        return f"locked: {self.lock.locked()}"


class Held:
    """Holds the exception that holds it."""

    def __init__(self, exc: BaseException) -> None:
        self.exc = exc


class Circular(Exception):
    """Has a text of its own, and an attribute that leads back to it."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.held = Held(self)

    def __str__(self) -> str:
        return f"circular {self.args[0]}"


class Sealed(Exception):
    """Refuses attributes, the ones that engines set among them."""

    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError(f"{name} cannot be set")


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


class WithoutCause(Exception):
    @property
    def __cause__(self) -> None:  # type: ignore[override]
        return None


class Ignoring(Exception):
    """Sets no attributes, and does not say so."""

    def __setattr__(self, name: str, value: object) -> None:
        pass


# kind -> an exception that refuses what engines set
SEALED: dict[str, Any] = {
    "sealed": lambda: Sealed(3),
    "ignoring": lambda: Ignoring(3),
    "frozen": lambda: Frozen(3),
    "property": lambda: WithoutCause(3),
}


class Harmless(Exception):
    """Has a `__setattr__` that sets everything."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)


class Exiting(Harmless):
    def __init_subclass__(cls, **arguments: Any) -> None:
        raise SystemExit("no subclasses, please")


# kind -> an exception that only looks as if it refused what engines set
OPEN: dict[str, Any] = {
    "harmless": lambda: Harmless(3),
    "exiting": lambda: Exiting(3),
}


class Interrupting(Exception):
    """Interrupts whoever reads an attribute that it lacks."""

    def __getattr__(self, name: str) -> Any:
        raise KeyboardInterrupt(name)


class Endless(Exception):
    """Asks an attribute for others that is not set yet."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.response, name)


class Nameless(type):
    def __getattribute__(cls, name: str) -> Any:
        if name == "__qualname__":
            raise LookupError(name)
        return super().__getattribute__(name)


class OfNameless(Exception, metaclass=Nameless):
    pass


class Causing(Exception):
    @property
    def __cause__(self) -> Any:
        raise RuntimeError("no cause")


class Noted(list[str]):
    def __iter__(self) -> Any:
        raise RuntimeError("no notes")


def noted() -> Exception:
    exc = ValueError(3)
    exc.__notes__ = Noted()
    return exc


def far_below(exc: Exception) -> Exception:
    """An exception with another one as the cause of its cause."""
    above, between = ValueError(3), KeyError("between")
    above.__cause__, between.__cause__ = between, exc
    return above


# kind -> an exception that cannot be printed, as engines do
UNPRINTABLE: dict[str, Any] = {
    "interrupts": lambda: Interrupting(3),
    "asks itself": lambda: Endless(3),
    "metaclass": lambda: OfNameless(3),
    "property": lambda: Causing(3),
    "line of bytes": lambda: SyntaxError(3, ("a.py", 1, 1, b"x = = 1\n")),
    "notes": noted,
    "cause of the cause": lambda: far_below(Interrupting(4)),
}


@keep_trace
def raise_unprintable(kind: str) -> None:
    marker = ["here", kind]
    raise UNPRINTABLE[kind]()


def check_sealed(exc: BaseException, kind: str) -> None:
    """Whether what raise_sealed(kind) raised arrived."""
    assert isinstance(exc, type((SEALED | OPEN)[kind]())) and exc.args == (3,)
    assert frames(exc)["raise_sealed"].f_locals["marker"] == ["here", kind]
    cause = BaseException.__dict__["__cause__"].__get__(exc)
    assert type(cause) is KeyError and list(frames(cause)) == ["raise_sealed"]


def raise_sealed(kind: str) -> None:
    marker = ["here", kind]
    try:
        {}[marker[1]]  # type: ignore[index]
    except KeyError as problem:
        raise (SEALED | OPEN)[kind]() from problem


def refuse(word: str) -> None:
    """An initializer that fails."""
    raise RuntimeError(word)


def accept(word: str) -> None:
    """An initializer that does not."""


def name_of_type(value: object) -> str:
    return type(value).__name__


def stay_until(path: Path) -> str:
    until(path.exists, 60)
    return "went on"


def nested(size: int) -> list[int]:
    """A call of joblib's within a task of joblib's."""
    import joblib

    return joblib.Parallel(n_jobs=2)(joblib.delayed(chained)(size) for _ in range(2))  # type: ignore[no-any-return]


def inner(rows: list[int], limit: int) -> int:
    total = sum(rows)
    return total // (limit - limit)


def chained(size: int) -> int:
    """Fails with a ValueError whose cause is a ZeroDivisionError, three frames deep."""
    rows = list(range(size))
    try:
        return inner(rows, 4)
    except ZeroDivisionError as problem:
        raise ValueError(f"cannot share {size}") from problem


def make(kind: str) -> BaseException:
    class Local(ValueError):
        pass

    kinds: dict[str, Any] = {
        "init": lambda: Refused(7, reason="full"),
        "attributes": Holding,
        "reduce": Stubborn,
        "local": lambda: Local("made here"),
        "falsy": Falsy,
        "worded": Worded,
        "group": lambda: ExceptionGroup(
            "both", [Refused(1, reason="a"), ExceptionGroup("deep", [Holding()])]
        ),
        "notes": lambda: WithNotes("noted"),
        "keyboard": lambda: KeyboardInterrupt("stop"),
        "exit": lambda: SystemExit(3),
        "stop": lambda: StopIteration(5),
        "os": lambda: OSError(2, "none", "a file"),
    }
    return kinds[kind]()


def fail_with(kind: str) -> None:
    marker = ["here", kind]
    exc = make(kind)
    exc.add_note("a note")
    raise exc


def recurse(depth: int) -> int:
    return recurse(depth + 1) + 1


# kind -> the name of the type that must arrive, and the one that catches it
KINDS = {
    "init": ("Refused", Refused),
    "attributes": ("Holding", Holding),
    "reduce": ("Stubborn", Stubborn),
    "local": ("Local", ValueError),
    "falsy": ("Falsy", Falsy),
    "group": ("ExceptionGroup", ExceptionGroup),
    "notes": ("WithNotes", WithNotes),
    "stop": ("StopIteration", StopIteration),
    "os": ("FileNotFoundError", OSError),
    "keyboard": ("KeyboardInterrupt", KeyboardInterrupt),
    "exit": ("SystemExit", SystemExit),
}
# Those that every engine's own code lets pass. The others end workers, or a generator in the
# parent.
PASSING = [kind for kind in KINDS if kind not in ("keyboard", "exit", "stop")]


def frames(exc: BaseException) -> dict[str, types.FrameType]:
    """The frames of an exception's traceback by the names of their functions."""
    assert exc.__traceback__ is None or type(exc.__traceback__) is types.TracebackType
    return {frame.f_code.co_name: frame for frame, _ in traceback.walk_tb(exc.__traceback__)}


def check_chained(exc: BaseException, size: int) -> None:
    """Whether chained()'s exception arrived with its frames, variables and original cause."""
    assert type(exc) is ValueError and exc.args == (f"cannot share {size}",)
    assert list(frames(exc))[-1] == "chained"
    assert frames(exc)["chained"].f_locals["rows"] == list(range(size))
    assert (
        type(exc.__cause__) is ZeroDivisionError
        and exc.__cause__ is exc.__context__
        and exc.__suppress_context__
    )
    assert list(frames(exc.__cause__)) == ["chained", "inner"]
    assert frames(exc.__cause__)["inner"].f_locals["total"] == sum(range(size))


def check_kind(exc: BaseException, kind: str) -> None:
    """Whether what fail_with(kind) raised arrived."""
    name, catches = KINDS[kind]
    assert type(exc).__name__ == name and isinstance(exc, catches)
    assert exc.__notes__ == ["a note"]
    assert exc.__cause__ is None and exc.__context__ is None
    assert frames(exc)["fail_with"].f_locals["marker"] == ["here", kind]
    if kind == "init":
        assert (exc.code, exc.reason) == (7, "full")  # type: ignore[attr-defined]  # Refused's own


def double(number: int) -> int:
    return number * 2


@keep_trace
def traced_chained(size: int) -> int:
    """A docstring."""
    return chained(size)


@keep_trace
def traced_fail_with(kind: str) -> None:
    fail_with(kind)


@keep_trace
def traced_raise_circular(code: int) -> None:
    raise Circular(code)


@keep_trace
def traced_raise_sealed(kind: str) -> None:
    raise_sealed(kind)


@keep_trace
def traced_recurse(depth: int) -> int:
    return recurse(depth)


@keep_trace(depth=5)
def traced_double(number: int) -> int:
    return number * 2


@keep_trace
async def traced_async(size: int) -> int:
    return chained(size)


def run_async(size: int) -> int:
    import asyncio

    return asyncio.run(traced_async(size))


def catching(size: int) -> str:
    """Catches in the worker what a decorated function raises, and tells what it caught."""
    try:
        traced_chained(size)
    except ValueError as exc:
        return f"{type(exc).__name__} from {type(exc.__cause__).__name__}"
    return "nothing"


def returning(size: int) -> BaseException:
    """Returns what a decorated function raised."""
    try:
        traced_chained(size)
    except ValueError as exc:
        return exc
    raise AssertionError


def fail_within(number: int) -> None:
    """Fails within a block of keeptrace.context, with a value that cannot be pickled."""
    with keeptrace.context(request_id=number, lock=threading.Lock()):
        raise ValueError(f"number {number}")


def noting(size: int) -> None:
    """Adds to what a decorated function raises, on its way out."""
    try:
        traced_chained(size)
    except ValueError as exc:
        exc.add_note("noted above")
        exc.code = 12  # type: ignore[attr-defined]
        raise


class Parser:
    def __init__(self, name: str) -> None:
        self.name = name

    @keep_trace
    def method(self, size: int) -> int:
        return chained(size)

    @keep_trace
    @classmethod
    def class_outside(cls, size: int) -> int:
        return chained(size)

    @classmethod
    @keep_trace
    def class_inside(cls, size: int) -> int:
        return chained(size)

    @keep_trace
    @staticmethod
    def static_outside(size: int) -> int:
        return chained(size)

    @staticmethod
    @keep_trace
    def static_inside(size: int) -> int:
        return chained(size)


class Counter:
    """A callable with state."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, size: int) -> int:
        self.count += 1
        return chained(size)


traced_partial = keep_trace(functools.partial(chained, 5))


@keep_trace
@functools.lru_cache
def traced_cached(size: int) -> int:
    return chained(size)


def plain(size: int) -> int:
    return chained(size)


plain = keep_trace(plain)  # the name is taken over afterwards


def register_for_pickling() -> None:
    """What tblib does for every class of exceptions, once Dask is imported: picklers ask this, and
    not the exception.
    """
    copyreg.pickle(ValueError, lambda exc: (ValueError, ("by another library",)))


def copied_above(size: int) -> str:
    """Copies what a decorated function raises."""
    try:
        traced_chained(size)
    except ValueError as exc:
        return str(copy.copy(exc))
    return "nothing"
