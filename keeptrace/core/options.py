"""Options: every bound of a capture, validated once, each default with its reason.

A new option needs a line in _BOUNDS or _SWITCHES (another type: a check beside _checked_mark), an
annotation and a line of the docstring in Options, and a key in CommonOptions. mypy and
tests/test_options.py find what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Union

from .errors import OptionError
from .redaction import Redaction

Pickler: TypeAlias = Union[ModuleType, str, Callable[[Any], bytes], None]
Redact: TypeAlias = Union[bool, Redaction, Callable[[str, str], bool], None]

if TYPE_CHECKING:  # making the classes would cost each worker a millisecond
    from typing import TypedDict, Unpack

    class CommonOptions(TypedDict, total=False):
        """The options of all functions. The classes below add the rest."""

        limit: int
        max_items: int
        max_text: int
        max_message: int
        max_repr: int
        max_values: int
        max_seconds: float
        max_exceptions: int
        max_live_bytes: int
        run_reprs: bool | None
        outer_frames: bool
        memory_mark: int | float | None
        redact: Redact

    class InitOptions(CommonOptions, total=False):
        """The options of init(), beside its parameters."""

        max_bytes: int

    class StoreOptions(CommonOptions, total=False):
        """The options of a Store, whose own max_bytes bounds the directory."""

        depth: int
        include_source: bool
        pickler: Pickler

    class SingleOptions(StoreOptions, total=False):
        """All options: type checkers find a misspelt name, and editors offer the names."""

        max_bytes: int


_UNBOUNDED: Final = sys.maxsize

# name -> (default, least value allowed, meaning and reason). -1 stands for "no limit" where the
# least value is -1.
_BOUNDS: Final[dict[str, tuple[float, float, str]]] = {
    # At 6, the service of the benchmarks has all its values, for half a kilobyte more than at 3 and
    # in the same time. Trees that double with each level take longer only beyond 6. (levels)
    "depth": (6, -1, "levels"),
    # Twice CPython's default recursion limit, so a RecursionError is kept whole. (frames a
    # traceback)
    "limit": (2_000, -1, "frames"),
    # People read about this many elements in a debugger before they slice. (elements a container)
    "max_items": (100, -1, "elements"),
    # A few screens show where an SQL text or a JSON body is wrong. (characters or bytes a value)
    "max_text": (10_000, 0, "characters"),
    # People grep for messages, so only absurd messages are cut. (characters a message or note)
    "max_message": (100_000, 0, "characters"),
    # A line or ten of a debugger's output. (characters a representation)
    "max_repr": (1_000, 20, "characters"),
    # At ~3 microseconds a value, this bound stops before max_seconds does. (values a report)
    "max_values": (20_000, 0, "values"),
    # 64 failing workers stay below 64 MiB in the parent, and do not flood a scheduler. (bytes a
    # report)
    "max_bytes": (1 << 20, 0, "bytes"),
    # The worst cost of a failing task; a capture normally takes well below a millisecond. (seconds
    # a capture)
    "max_seconds": (1.0, 0, "seconds"),
    # A longer chain comes from a loop that wraps its own error. (exceptions a report)
    "max_exceptions": (1_000, 1, "exceptions"),
    # In a pool, args and attributes of the exception cross live, as without keeptrace. The bound
    # stops only absurd ones. (bytes)
    "max_live_bytes": (16 << 20, 0, "bytes"),
}
_PICKLERS: Final = ("pickle", "cloudpickle", "dill")
_SWITCHES: Final[dict[str, bool | None]] = {
    "include_source": True,
    # A repr may query a database, from another thread; facts that need no repr are enough.
    "run_reprs": None,
    "outer_frames": False,
}


def _checked_number(name: str, value: Any, default: float, least: float, unit: str) -> float:
    is_number = type(value) is int or (type(value) is float and type(default) is float)
    if not is_number:
        raise OptionError(f"{name} must be a number of {unit}, not {value!r}")
    if not value >= least:  # also false for nan
        raise OptionError(f"{name} must be at least {least} {unit}, not {value!r}")
    return value  # type: ignore[no-any-return]  # its exact type was looked at


def _checked_switch(name: str, value: object, default: bool | None) -> bool | None:
    if type(value) is bool or (value is None and default is None):
        return value
    choices = "True or False"
    if default is None:
        choices = "True, False or None"
    raise OptionError(f"{name} must be {choices}, not {value!r}")


def _checked_pickler(pickler: Any) -> str | Callable[[Any], bytes] | None:
    if isinstance(pickler, ModuleType):
        pickler = pickler.__name__
    if isinstance(pickler, str):
        is_known = pickler in _PICKLERS
    else:
        is_known = pickler is None or callable(pickler)
    if not is_known:
        choices = f"{', '.join(_PICKLERS)}, a dumps callable or None"
        raise OptionError(f"pickler must be {choices}, not {pickler!r}")
    return pickler  # type: ignore[no-any-return]  # as was just checked


def _checked_mark(mark: Any) -> int | float | None:
    is_bytes = type(mark) is int and mark > 0
    is_fraction = type(mark) is float and 0 < mark < 1
    if mark is None or is_bytes or is_fraction:
        return mark  # type: ignore[no-any-return]  # as was just checked
    raise OptionError(
        f"memory_mark must be a number of bytes, a fraction below 1.0 or None, not {mark!r}"
    )


def _checked_redact(redact: object) -> Redact:
    if redact is None or isinstance(redact, (bool, Redaction)) or callable(redact):
        return redact
    raise OptionError(
        "redact must be True, False, None, a keeptrace.Redaction, "
        f"or a callable (name, text) -> bool, not {redact!r}"
    )


class Options:
    """The contents and the cost of a capture. Immutable, hashable and picklable.

    depth: levels of values kept. 0 = only the text; 1 = variables as representations, with numbers,
        strings and other atoms exact; n = n-1 levels expanded; -1 = no limit of levels (the other
        bounds still hold).
    include_source: let whole source files of the frames travel in dumps. Pools of one machine never
        send the source of an existing file.
    pickler: keeps objects live: "pickle", "cloudpickle", "dill" (or the module itself), or a
        callable `dumps(obj) -> bytes`. None keeps everything as stand-ins.
    limit: frames kept a traceback. Of a longer traceback the outermost and the innermost frames are
        kept, with a mark in the gap.
    max_items: elements a container.
    max_text: characters (bytes) of one string (bytes) value.
    max_message: characters of exception messages and notes.
    max_repr: characters a representation.
    max_values: values a report.
    max_bytes: bytes a report, about.
    max_seconds: seconds a capture. Frames may take half of the bytes and half of the seconds; a few
        frames of each exception are kept in any case.
    max_exceptions: exceptions a report (chains, groups, arguments, attributes).
    max_live_bytes: bytes of the exception's own args and attributes that a pool keeps live.
    run_reprs: whether `__repr__` and `__str__` of the program's classes run. None (the default): no
        code with effects outside of the object. Generated and plain reprs (reprs that format stored
        attributes) read as ever; other objects show their type and their loaded attributes. An
        exception's own `__str__` makes the message, under guard, if the exception holds no lazy
        object. True runs all reprs, under guard. False runs no code of the program at all.
    redact: True hides secrets, False does not. A keeptrace.Redaction adds names and patterns to
        keep and to hide; a callable `(name, text) -> bool` finds more secrets. None means: on for
        dumps, off within a pool, because the data never leaves the machine.
    outer_frames: keep the callers of the frame with the `except`, too.
    memory_mark: for worker processes of our pools (POSIX): an amount of resident memory. Above the
        mark, a worker notes its stack, with variables, for the parent, in case the kernel kills the
        worker. Bytes, or as a float below 1.0 a fraction of the container's limit or of the
        machine's memory. None (the default): no watch.

    Raises OptionError for an unknown name or a value out of range.
    """

    __slots__ = (*_BOUNDS, *_SWITCHES, "memory_mark", "pickler", "redact")

    depth: int
    limit: int
    max_items: int
    max_text: int
    max_message: int
    max_repr: int
    max_values: int
    max_bytes: int
    max_seconds: float
    max_exceptions: int
    max_live_bytes: int
    include_source: bool
    run_reprs: bool | None
    outer_frames: bool
    memory_mark: int | float | None
    pickler: str | Callable[[Any], bytes] | None
    redact: Redact

    def __init__(self, **settings: Unpack[SingleOptions]) -> None:
        given: dict[str, Any] = {**settings}
        checked: dict[str, Any] = {}
        for name, (default, least, unit) in _BOUNDS.items():
            number = given.pop(name, default)
            checked[name] = _checked_number(name, number, default, least, unit)
        for name, switch in _SWITCHES.items():
            value = given.pop(name, switch)
            checked[name] = _checked_switch(name, value, switch)
        pickler = given.pop("pickler", None)
        redact = given.pop("redact", None)
        checked["memory_mark"] = _checked_mark(given.pop("memory_mark", None))
        for unknown in given:
            known = ", ".join(self.__slots__)
            raise OptionError(f"there is no option {unknown!r}; the options are {known}")
        checked["pickler"] = _checked_pickler(pickler)
        checked["redact"] = _checked_redact(redact)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Each option's name and value."""
        return ((name, getattr(self, name)) for name in self.__slots__)

    def replace(self, **changes: Unpack[SingleOptions]) -> Options:
        """A copy with some options changed. Raises OptionError like the constructor."""
        if changes:
            return Options(**{**dict(self.items()), **changes})
        return self

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Options cannot be changed; use .replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Options cannot be changed; {name} cannot be deleted")

    def __repr__(self) -> str:
        changed = (
            f"{name}={value!r}" for name, value in self.items() if value != getattr(DEFAULT, name)
        )
        return f"Options({', '.join(changed)})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Options):
            return tuple(self.items()) == tuple(other.items())
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (dict(self.items()),)


def _rebuild(settings: dict[str, Any]) -> Options:
    return Options(**settings)


def as_limit(number: int) -> int:
    """The bound as a number to compare with: -1 means no limit."""
    if number < 0:
        return _UNBOUNDED
    return number


DEFAULT: Final = Options()


def make_options(base: Options | None = None, **changes: Unpack[SingleOptions]) -> Options:
    """`base` (by default the defaults) with some options changed. Raises OptionError."""
    if base is not None and not isinstance(base, Options):
        raise OptionError(f"options must be a keeptrace.Options, not {type(base).__name__}")
    return (base or DEFAULT).replace(**changes)
