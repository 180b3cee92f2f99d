"""One table of exceptions: what can be raised, and how. A case is a function without arguments that
raises; one more case is one more line.

tell(name) runs a case and, before the exception goes on, notes in TOLD what this process sees of
it: the text of `traceback.format_exception`, and the facts (types, args, attributes, links, frames,
variables). After a restore, here or in another process, text_of() and facts_of() of the restored
exception must give the same.

facts_of() reads stand-ins as it reads the objects: atoms are told by value, everything else by the
name of its type.
"""

from __future__ import annotations

import asyncio
import builtins
import collections.abc
import contextlib
import decimal
import functools
import hashlib
import importlib
import inspect
import linecache
import os
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import types
import warnings
from typing import Any, Callable, Final

CASES: Final[dict[str, Callable[[], object]]] = {}
# What tell() saw, by name of the case.
TOLD: Final[dict[str, tuple[str, Any]]] = {}


def case(
    function: Callable[[], object], name: str = "", since: tuple[int, int] = (3, 11)
) -> Callable[[], object]:
    if sys.version_info >= since:
        CASES[name or function.__name__] = function
    return function


def _named(name: str) -> Callable[[], object]:
    """Reads the table in a frame that has ended when the case raises: no report holds the table."""
    return CASES[name]


def run(name: str) -> object:
    return _named(name)()


def tell(name: str) -> object:
    """The task of the tests: raises what the case raises, and notes before that how it looks."""
    linecache.cache.pop(
        "<string>", None
    )  # since 3.13 it has what a worker was started with, for every eval()
    getattr(linecache, "_interactive_cache", {}).clear()
    try:
        return run(name)
    # not "as exc": the name would be a variable now, and none any more when the frame is captured
    except BaseException:
        TOLD[name] = (text_of(sys.exception()), facts_of(sys.exception()))
        raise


def told(name: str) -> tuple[str, Any]:
    """What the last tell() of this process noted."""
    return TOLD.pop(name)


# -- how an exception looks

_get: Final = {
    name: BaseException.__dict__[name].__get__
    for name in (
        "args",
        "__dict__",
        "__traceback__",
        "__cause__",
        "__context__",
        "__suppress_context__",
    )
}
_mro: Final = type.__dict__["__mro__"].__get__
_namespace: Final = type.__dict__["__dict__"].__get__
_CONTAINERS: Final = (list, tuple, set, frozenset, dict)
# The import system's names in a module's namespace are no variables.
NO_VARIABLES: Final = frozenset({"__builtins__", "__loader__", "__spec__", "__cached__"})


def text_of(exc: BaseException | None) -> str:
    try:
        return "".join(traceback.format_exception(exc))  # type: ignore[arg-type]
    except BaseException as problem:  # the exception's own methods may do so
        return f"formatting it raised {type(problem).__name__}"


def shape(value: Any, levels: int = 1) -> Any:
    cls = type(value)
    if value is None or cls in (bool, int, complex):
        return value
    if cls is float:
        return repr(value)
    if cls in (str, bytes, bytearray) and len(value) <= 1000:
        return value
    if cls.__name__ in ("str", "bytes", "bytearray"):
        return cls.__name__, len(value)
    if cls in _CONTAINERS and levels and len(value) <= 100:
        if cls is dict:
            return "dict", [
                (shape(key, levels - 1), shape(item, levels - 1)) for key, item in value.items()
            ]
        items = [shape(item, levels - 1) for item in value]
        return cls.__name__, sorted(items, key=repr) if cls in (set, frozenset) else items
    if cls.__name__ in [known.__name__ for known in _CONTAINERS] and cls.__module__ == "builtins":
        return cls.__name__, len(value)
    if type in _mro(cls):
        return "class", type.__dict__["__qualname__"].__get__(value)
    return "object", type.__dict__["__qualname__"].__get__(cls)


def _c_state(exc: BaseException) -> dict[str, Any]:
    """What the C types hold outside of __dict__."""
    found = {}
    for cls in _mro(type(exc)):
        if cls.__module__ == "builtins":
            for name, member in _namespace(cls).items():
                if (
                    type(member) in (types.MemberDescriptorType, types.GetSetDescriptorType)
                    and not name.startswith("_")
                    and name != "exceptions"
                ):
                    try:
                        found[name] = shape(member.__get__(exc))
                    except (AttributeError, TypeError):  # not set
                        found[name] = "not set"
    return found


def _attributes(exc: BaseException) -> dict[str, Any]:
    found = {
        name: shape(value) for name, value in _get["__dict__"](exc).items() if name != "__notes__"
    }
    for cls in _mro(type(exc)):
        for name, member in _namespace(cls).items():
            if (
                cls.__module__ != "builtins"
                and type(member) is types.MemberDescriptorType
                and not name.startswith("__")
            ):
                try:
                    found[name] = shape(member.__get__(exc))
                except AttributeError:  # a slot without a value
                    continue
    return found


def _bases(cls: type) -> list[str]:
    names = [parent.__qualname__ for parent in _mro(cls)]
    return [name for at, name in enumerate(names) if name not in names[:at]]


def _frame(frame: types.FrameType) -> dict[str, Any]:
    code = frame.f_code
    arguments = inspect.getargs(code)
    local = {
        name: shape(value) for name, value in frame.f_locals.items() if name not in NO_VARIABLES
    }
    return {
        "code": (code.co_name, code.co_qualname, code.co_filename, code.co_firstlineno),
        "arguments": (
            arguments.args,
            arguments.varargs,
            arguments.varkw,
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
        ),
        "locals": local,
    }


def facts_of(exc: BaseException | None) -> list[dict[str, Any]]:
    """One dict an exception of the chain; the links are numbers in this list."""
    assert exc is not None
    order = [exc]
    number = {id(exc): 0}
    facts: list[dict[str, Any]] = []

    def link(other: BaseException | None) -> int | None:
        if other is None:
            return None
        if id(other) not in number:
            number[id(other)] = len(order)
            order.append(other)
        return number[id(other)]

    while len(facts) < len(order):
        found = order[len(facts)]
        frames: list[dict[str, Any]] = []
        entry = _get["__traceback__"](found)
        while entry is not None:
            frames.append({**_frame(entry.tb_frame), "line": entry.tb_lineno})
            entry = entry.tb_next
        group = isinstance(found, BaseExceptionGroup)
        facts.append(
            {
                "type": (type(found).__module__, type(found).__qualname__, _bases(type(found))),
                "args": shape(_get["args"](found), 2) if not group else None,
                "state": _c_state(found),
                "attributes": _attributes(found),
                "notes": shape(_get["__dict__"](found).get("__notes__")),
                "suppress": _get["__suppress_context__"](found),
                "cause": link(_get["__cause__"](found)),
                "context": link(_get["__context__"](found)),
                "children": [link(child) for child in found.exceptions] if group else None,  # type: ignore[attr-defined]
                "frames": frames,
            }
        )
    return facts


# -- files and modules of a case's own


def written(name: str, text: str) -> str:
    """The path of a file with this text; the same at every call, so that it also stands when
    another process looks.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    folder = os.path.join(tempfile.gettempdir(), f"keeptrace-cases-{os.getuid()}", digest)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{path}.{os.getpid()}", path)
    return path


def imported(name: str, text: str) -> types.ModuleType:
    """Imports a module of this text; it is forgotten again, whatever happens."""
    folder = os.path.dirname(written(f"{name}.py", text))
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)
        sys.modules.pop(name, None)


def executed(
    text: str, name: str = "<executed>", registered: bool = False, **namespace: Any
) -> dict[str, Any]:
    """Runs text as exec() does; registered: linecache knows it, as a notebook's cell."""
    if registered:
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    namespace["__name__"] = "executed"
    exec(compile(text, name, "exec", dont_inherit=True), namespace)
    return namespace


# -- every builtin exception

_SAMPLES: Final[dict[str, tuple[Any, ...]]] = {
    "UnicodeDecodeError": ("utf-8", b"abc\xff", 3, 4, "invalid start byte"),
    "UnicodeEncodeError": ("ascii", "gr\xfc\xdf", 2, 4, "ordinal not in range(128)"),
    "UnicodeTranslateError": ("gr\xfc\xdf", 2, 3, "no translation"),
    "SyntaxError": ("invalid syntax", ("orders.py", 3, 5, "x = = 1\n", 3, 6)),
    "IndentationError": ("unexpected indent", ("orders.py", 2, 4, "    y = 1\n", 2, -1)),
    "TabError": ("inconsistent use of tabs", ("orders.py", 2, 9, "\tif x:\n", 2, -1)),
    "OSError": (5, "Input/output error", "/dev/disk", None, "/dev/other"),
    "BaseExceptionGroup": ("several", [KeyboardInterrupt(), ValueError(1)]),
    "ExceptionGroup": ("several", [ValueError(1), TypeError("two")]),
    "SystemExit": (3,),
    "KeyError": ("missing",),
    "StopIteration": (42,),
    "StopAsyncIteration": (),
    "KeyboardInterrupt": (),
    "MemoryError": (),
}


def _all_builtin_exceptions() -> list[type[BaseException]]:
    found = [
        value
        for value in vars(builtins).values()
        if isinstance(value, type) and issubclass(value, BaseException)
    ]
    return sorted(dict.fromkeys(found), key=lambda cls: cls.__name__)


def raise_builtin(cls: type[BaseException], args: tuple[Any, ...]) -> None:
    raise cls(*args)


for _cls in _all_builtin_exceptions():
    _args = _SAMPLES.get(_cls.__name__) or (
        (2, "No such thing", "/tmp/\xe4") if issubclass(_cls, OSError) else ("it failed", 7)
    )
    case(functools.partial(raise_builtin, _cls, _args), f"builtin {_cls.__name__}")

_OTHERS: Final[list[tuple[str, type[BaseException], tuple[Any, ...]]]] = [
    ("no args", ValueError, ()),
    ("one empty text", ValueError, ("",)),
    ("not a text", ValueError, (17,)),
    ("a tuple as argument", KeyError, ((1, "two", None),)),
    ("containers as arguments", RuntimeError, ([1, 2], {"a": {"b": [3]}}, {4}, frozenset({5}))),
    ("nan and inf", ArithmeticError, (float("nan"), float("inf"), -0.0, 1e400j)),
    ("bytes", ValueError, (b"\x00\xff", bytearray(b"ab"))),
    ("surrogates", ValueError, ("lone \udcff surrogate", "\x00 nul", "\U0001f40d")),
    ("many lines", ValueError, ("first\nsecond\n\n  fourth\n",)),
    ("a long message", ValueError, ("abc " * 5_000,)),
    ("a huge int", ValueError, (1 << 70, -(1 << 63), (1 << 63) - 1, 1 << 63)),
    ("exit with a text", SystemExit, ("usage: ...",)),
    ("exit with None", SystemExit, ()),
    ("os error of one argument", OSError, ("just a text",)),
    ("os error that becomes another", OSError, (2, "No such file", "/x")),
    ("syntax error without a place", SyntaxError, ("just a text",)),
    ("syntax error of odd parts", SyntaxError, ("odd", (None, None, None, None))),
    ("module not found", ModuleNotFoundError, ("No module named 'x'",)),
    ("subprocess", subprocess.CalledProcessError, (3, ["ls", "-l"], b"out", b"err")),
    ("timeout of a subprocess", subprocess.TimeoutExpired, (["sleep"], 0.5)),
    ("decimal", decimal.InvalidOperation, ([decimal.ConversionSyntax],)),
    ("socket", socket.gaierror, (-2, "Name or service not known")),
    ("cancelled", asyncio.CancelledError, ()),
    ("an exception as argument", RuntimeError, (ValueError("inner"),)),
    ("a class as argument", RuntimeError, (ValueError, int)),
    ("an object as argument", RuntimeError, (object,)),
]
for _name, _cls, _args in _OTHERS:
    case(functools.partial(raise_builtin, _cls, _args), _name)


# -- exceptions that the interpreter raises


@case
def zero_division() -> float:
    numerator, denominator = 1, 0
    return numerator / denominator


@case
def wrong_type() -> object:
    left, right = {"a": [1, 2]}, "b"
    return left["a"][0] + right["c":][0] * 2  # type: ignore[misc, operator, call-overload]


@case
def file_not_found() -> None:
    path = "/nonexistent/orders-17.csv"
    with open(path) as file:
        file.read()


@case
def rename_fails() -> None:
    os.rename("/nonexistent/from", "/nonexistent/to")


@case
def undecodable() -> None:
    b"caf\xe9 au lait".decode("utf-8")


@case
def unencodable() -> None:
    "caf\xe9".encode("ascii")


@case
def stop_iteration() -> None:
    next(iter([]))


@case
def warning_as_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.warn("do not do that", DeprecationWarning, stacklevel=1)


@case
def unpack() -> None:
    a, b = (1, 2, 3)


@case
def unbound_local() -> None:
    if not sys:
        later = 1
    print(later)


@case
def unbound_free_variable() -> None:
    def inner() -> None:
        print(later)

    inner()
    later = 1


@case
def exit_code() -> None:
    sys.exit("stopping")


@case
def assertion() -> None:
    rows = [1, 2]
    assert len(rows) == 3, f"{len(rows)} rows"


for _name, _text in {
    "unclosed": "x = (1,\ny = 2\n",
    "indent": "def f():\n    x = 1\n      y = 2\n",
    "no block": "if True:\nx = 1\n",
    "tab": "if True:\n        x = 1\n\ty = 2\n",
    "unicode": "gr\xf6\xdfe = 'stra\xdfe' +* 3\n",
    "keyword": "whille True:\n    pass\n",
    "range": "print(a b)\n",
    "many lines": "f(a for a in x,\n  b)\n",
    "string": "x = 'unfinished\n",
    "last line": "def f(:",
    "nul": "x = 1\0",
}.items():
    case(functools.partial(compile, _text, "<typed>", "exec"), f"syntax: {_name}")
case(functools.partial(imported, "broken_syntax", "x = 1\ny = = 2\n"), "syntax: in a module")


# -- did you mean


class Account:
    balance = 7

    def __init__(self) -> None:
        self.owner = "ann"
        self.number = 12

    def without_self(self) -> object:
        return owner  # type: ignore[name-defined]  # noqa: F821

    def misspelt(self) -> object:
        return self.nubmer  # type: ignore[attr-defined]


class Slotted:
    __slots__ = ("color", "height")

    def __init__(self) -> None:
        self.color = "red"


THRESHOLD = 0.5
case(lambda: Account().without_self(), "did you mean: self.x")
case(lambda: Account().misspelt(), "did you mean: an instance's attribute")
case(lambda: Account.balanse, "did you mean: a class's attribute")  # type: ignore[attr-defined]
case(lambda: Slotted().colour, "did you mean: a slot")  # type: ignore[attr-defined]
case(lambda: Slotted.colour, "did you mean: a class with slots")  # type: ignore[attr-defined]
case(lambda: os.pth, "did you mean: a module's attribute")  # type: ignore[attr-defined]
case(lambda: "text".uper(), "did you mean: a builtin's attribute")  # type: ignore[attr-defined]
case(lambda: THRESHOLDS, "did you mean: a global")  # type: ignore[name-defined]  # noqa: F821
case(lambda: pritn("x"), "did you mean: a builtin")  # type: ignore[name-defined]  # noqa: F821
case(lambda: statistics.mean([1]), "did you forget to import")  # type: ignore[name-defined]  # noqa: F821
case(lambda: [1, 2].apend(3), "did you mean: a list's")  # type: ignore[attr-defined]
case(lambda: [].frobnicate, "no suggestion")  # type: ignore[attr-defined]
case(functools.partial(executed, "from os import pth"), "did you mean: an import")
case(functools.partial(executed, "import asincio"), "module not found by import")
case(functools.partial(executed, "from . import x"), "relative import")
case(
    functools.partial(imported, "uses_a_name", "total_count = 3\nprint(totl_count)\n"),
    "did you mean: in a module's body",
)


@case
def did_you_mean_a_local() -> object:
    measured_value = 3
    return measured_valve  # type: ignore[name-defined]  # noqa: F821


@case
def attribute_of_inner() -> object:
    class Outer:
        def __init__(self) -> None:
            self.inner = Account()

    return Outer().owner  # type: ignore[attr-defined]


@case
def attribute_of_a_user_getattr() -> object:
    class Dynamic:
        known = 1

        def __getattr__(self, name: str) -> object:
            raise AttributeError(f"nothing called {name}")

    return Dynamic().knwon


# -- classes of the user's


class NeedsArguments(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class NeedsKeywords(Exception):
    def __init__(self, *, table: str, row: int = 0) -> None:
        super().__init__()
        self.table = table
        self.row = row

    def __str__(self) -> str:
        return f"{self.table}[{self.row}]"


class WithoutSuper(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


class WithSlots(ValueError):
    __slots__ = ("line", "column", "empty")

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class BadReduce(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("this will not be pickled")


class ExitingReduce(Exception):
    def __reduce__(self) -> Any:
        sys.exit(9)


class WrongReduce(Exception):
    def __reduce__(self) -> Any:
        return NeedsArguments, ()


class Falsy(Exception):
    def __bool__(self) -> bool:
        return False


class Empty(Exception):
    def __len__(self) -> int:
        return 0


class BadTruth(Exception):
    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")


class BadStr(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class BadRepr(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no words")


class WrongStr(Exception):
    def __str__(self) -> str:
        return 17  # type: ignore[return-value]  # noqa: PLE0307  # that is the case


class Meta(type):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        made.counted = True
        return made


class WithMeta(Exception, metaclass=Meta):
    pass


class Guarded(Exception):
    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("__"):
            raise RuntimeError(f"{name} was read")
        return super().__getattribute__(name)


class WithProperties(Exception):
    @property
    def status(self) -> int:
        raise RuntimeError("a property was run")

    @functools.cached_property
    def body(self) -> str:
        raise RuntimeError("a cached property was run")


class ReadOnly(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} cannot be set")


class EqualToAll(Exception):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Unequal(Exception):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")

    def __hash__(self) -> int:
        raise RuntimeError("not to be hashed")


class NewNeedsArguments(Exception):
    def __new__(cls, code: int) -> NewNeedsArguments:
        made = super().__new__(cls, code)
        made.code = code
        return made

    code: int


class OwnOSError(FileNotFoundError):
    def __init__(self, path: str) -> None:
        super().__init__(2, "no such order", path)
        self.path = path


class OwnKeyError(KeyError):
    def __str__(self) -> str:
        return f"no key {self.args[0]}"


class OwnSyntaxError(SyntaxError):
    pass


class OwnStopIteration(StopIteration):
    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.extra = value * 2


class Mixin:
    def helper(self) -> str:
        return "helped"


class WithMixin(Mixin, ValueError):
    pass


class Final_(LookupError):
    def __init_subclass__(cls, **kwargs: Any) -> None:
        raise TypeError("no subclasses")


class GenericError(Exception):
    def __class_getitem__(cls, item: Any) -> Any:
        return cls


class ArgsReplaced(Exception):
    def __init__(self, *args: Any) -> None:
        super().__init__("something else")


class ArgsProperty(Exception):
    @property
    def args(self) -> Any:  # type: ignore[override]
        raise RuntimeError("args was read")


class DictProperty(Exception):
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("__dict__ was read")


class LyingClass(Exception):
    __class__ = int  # type: ignore[assignment]


_CUSTOM: Final[dict[str, Callable[[], BaseException]]] = {
    "required arguments": lambda: NeedsArguments(7, "seven"),
    "keyword-only arguments": lambda: NeedsKeywords(table="orders", row=3),
    "__init__ without super": lambda: WithoutSuper(5),
    "slots": lambda: WithSlots("bad row", 3, 14),
    "__reduce__ that raises": lambda: BadReduce("x", 1),
    "__reduce__ that exits": lambda: ExitingReduce("x", 1),
    "__reduce__ that is wrong": lambda: WrongReduce("x", 1),
    "falsy": lambda: Falsy("still an error"),
    "empty": lambda: Empty("still an error"),
    "a truth that raises": lambda: BadTruth("still an error"),
    "__str__ that raises": lambda: BadStr("hidden"),
    "__repr__ that raises": lambda: BadRepr("shown"),
    "__str__ that is no str": lambda: WrongStr("hidden"),
    "metaclass": lambda: WithMeta("made"),
    "__getattribute__": lambda: Guarded("guarded"),
    "properties": lambda: WithProperties("unread"),
    "read-only": lambda: ReadOnly("fixed"),
    "equal to all": lambda: EqualToAll("unhashable"),
    "comparison that raises": lambda: Unequal("incomparable"),
    "__new__ with arguments": lambda: NewNeedsArguments(5),
    "an OSError of one's own": lambda: OwnOSError("/orders"),
    "a KeyError of one's own": lambda: OwnKeyError("k"),
    "a SyntaxError of one's own": lambda: OwnSyntaxError("odd", ("f.py", 1, 2, "x = = 1\n", 1, 3)),
    "a StopIteration of one's own": lambda: OwnStopIteration(4),
    "mixin": lambda: WithMixin("mixed"),
    "no subclasses": lambda: Final_("alone"),
    "no subclasses, its message lost": lambda: Final_(object()),
    "generic": lambda: GenericError("g"),
    "args replaced": lambda: ArgsReplaced(1, 2),
    "args is a property": lambda: ArgsProperty(1, 2),
    "__dict__ is a property": lambda: DictProperty(1, 2),
    "__class__ lies": lambda: LyingClass(1, 2),
    "subclass of a group": lambda: OwnGroup("mine", [ValueError(1), TypeError(2)]),
}


class OwnGroup(ExceptionGroup[Exception]):
    def __new__(cls, message: str, errors: Any, code: int = 9) -> OwnGroup:
        made = super().__new__(cls, message, errors)
        made.code = code
        return made

    code: int

    def derive(self, errors: Any) -> OwnGroup:
        return OwnGroup(self.message, errors, self.code)


def raise_made(make: Callable[[], BaseException]) -> None:
    exc = make()
    raise exc


for _name, _make in _CUSTOM.items():
    case(functools.partial(raise_made, _make), f"class: {_name}")


def _generator() -> Any:
    yield 1


def raise_with(make: Callable[[], object], where: str) -> None:
    held = make()
    if where == "argument":
        raise RuntimeError("it holds", held)
    exc = RuntimeError("it holds")
    exc.held = held  # type: ignore[attr-defined]
    raise exc


for _name, _made in {
    "lock": threading.Lock,
    "lambda": lambda: lambda: 1,
    "generator": _generator,
    "socket": lambda: socket.socket(),
    "module": lambda: os,
    "frame": sys._getframe,
    "a local class": lambda: type("Local", (), {})(),
    "100 MB": lambda: bytes(100_000_000),
    "an object": Account,
}.items():
    if _name != "100 MB":  # str() of that one takes seconds: see test_values.py
        case(functools.partial(raise_with, _made, "argument"), f"argument: {_name}")
    case(functools.partial(raise_with, _made, "attribute"), f"attribute: {_name}")


@case
def many_attributes() -> None:
    exc = NeedsArguments(1, "x")
    vars(exc).update(
        {f"field_{number}": [number] for number in range(50)}, deep={"a": [{"b": (1,)}]}, itself=exc
    )
    raise exc


@case
def local_class() -> None:
    class Local(ValueError):
        def __init__(self, row: int) -> None:
            super().__init__(f"row {row}")
            self.row = row

    raise Local(5)


@case
def local_class_with_str() -> None:
    class Local(KeyError):
        def __str__(self) -> str:
            return f"local {self.args}"

    raise Local("a", 2)


@case
def local_class_without_words() -> None:
    class Local(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    raise Local("a", 2)


@case
def local_os_error() -> None:
    class Local(PermissionError):
        pass

    raise Local(13, "no entry", "/door")


@case
def local_group() -> None:
    class Local(ExceptionGroup[Exception]):
        pass

    raise Local("here", [ValueError(1), KeyError(2)])


@case
def class_of_an_absent_module() -> None:
    module = types.ModuleType("never_imported.errors")
    exec(
        "class Base(LookupError): pass\nclass Absent(Base):\n    def __str__(self): return 'absent: ' + self.args[0]",
        vars(module),
    )
    raise module.Absent("x")


@case
def class_with_the_name_of_another() -> None:
    """Its module is there, and has a class of that name: but another one."""
    impostor = type(
        "NeedsArguments",
        (ZeroDivisionError,),
        {"__module__": __name__, "__qualname__": "NeedsArguments"},
    )
    raise impostor("not that one")


@case
def deleted_module_of_a_class() -> None:
    unnamed = type("Unnamed", (Exception,), {})
    unnamed.__module__ = 17  # type: ignore[assignment]
    raise unnamed("x")


@case
def class_made_by_type() -> None:
    raise type("odd name!", (ValueError,), {})("x")


@case
def multiple_bases() -> None:
    class Both(KeyError, AttributeError):
        pass

    raise Both("both")


@case
def diamond() -> None:
    class Left(ValueError): ...

    class Right(ValueError): ...

    class Bottom(Left, Right): ...

    raise Bottom("shape")


# -- chains


@case
def cause() -> None:
    try:
        {}["key"]
    except KeyError as missing:
        raise ValueError("bad order") from missing


@case
def context() -> None:
    try:
        {}["key"]
    except KeyError:
        raise ValueError("bad order")


@case
def suppressed() -> None:
    try:
        {}["key"]
    except KeyError:
        raise ValueError("bad order") from None


@case
def cause_and_context() -> None:
    try:
        {}["key"]
    except KeyError:
        raise ValueError("bad order") from TypeError("never raised")


@case
def context_shown_nevertheless() -> None:
    try:
        {}["key"]
    except KeyError:
        exc = ValueError("bad order")
        exc.__cause__ = None
        exc.__suppress_context__ = False
        raise exc


@case
def cyclic() -> None:
    first, second = ValueError("first"), TypeError("second")
    first.__cause__, second.__context__ = second, first
    raise first


@case
def cause_of_itself() -> None:
    exc = ValueError("me")
    exc.__cause__ = exc
    raise exc


@case
def cycle_of_three_in_a_group() -> None:
    inner = ValueError("inner")
    group = ExceptionGroup("outer", [inner])
    inner.__cause__ = group
    raise group


def nested(depth: int) -> None:
    if not depth:
        raise ValueError("the first")
    try:
        nested(depth - 1)
    except Exception:
        raise RuntimeError(f"level {depth}")


case(functools.partial(nested, 30), "deep chain")


@case
def very_deep_chain() -> None:
    exc = ValueError(0)
    for number in range(1, 400):
        above = ValueError(number)
        above.__cause__ = exc
        exc = above
    raise exc


@case
def shared_cause() -> None:
    shared = OSError(5, "disk")
    first, second = ValueError("a"), ValueError("b")
    first.__cause__ = second.__cause__ = shared
    raise ExceptionGroup("both for one reason", [first, second])


@case
def error_in_finally() -> None:
    try:
        open("/nonexistent")
    finally:
        1 / 0


@case
def error_in_exit() -> None:
    with contextlib.ExitStack() as stack:
        stack.callback(int, "x")
        stack.callback(int, "y")
        raise ValueError("body")


@case
def error_while_handling_in_a_generator() -> None:
    @contextlib.contextmanager
    def resource() -> Any:
        handle = 5
        try:
            yield handle
        except ValueError:
            raise RuntimeError("while cleaning up")

    with resource() as held:
        raise ValueError("in the body", held)


# -- groups and notes


def failing_parser(row: int) -> None:
    factor = row * 2
    raise ValueError(f"row {row}", factor)


def group_of(*rows: int) -> ExceptionGroup[Exception]:
    errors: list[Exception] = []
    for row in rows:
        try:
            failing_parser(row)
        except ValueError as error:
            error.add_note(f"in row {row}")
            errors.append(error)
    return ExceptionGroup(f"{len(errors)} rows", errors)


@case
def group() -> None:
    raise group_of(1, 2)


@case
def group_of_groups() -> None:
    inner = group_of(1, 2)
    inner.add_note("the inner one")
    outer = ExceptionGroup("outer", [inner, group_of(3), NeedsArguments(1, "x"), local_error()])
    outer.add_note("the outer one\nin two lines")
    try:
        raise outer
    except ExceptionGroup as caught:
        raise RuntimeError("wrapped") from caught


def local_error() -> Exception:
    class Local(Exception):
        pass

    return Local(3)


@case
def wide_group() -> None:
    raise group_of(*range(20))


@case
def deep_group() -> None:
    exc: Exception = ValueError("innermost")
    for number in range(15):
        exc = ExceptionGroup(f"level {number}", [exc])
    raise exc


@case
def same_child_twice() -> None:
    child = ValueError("twin")
    raise ExceptionGroup("twins", [child, child])


@case
def except_star() -> None:
    try:
        raise group_of(1, 2)
    except* ValueError as found:
        raise TypeError("instead") from found


@case
def except_star_leaves_some() -> None:
    try:
        raise ExceptionGroup("mixed", [ValueError(1), TypeError(2), OSError(3, "x")])
    except* ValueError:
        pass


@case
def group_with_base_exceptions() -> None:
    raise BaseExceptionGroup("base", [KeyboardInterrupt("x"), SystemExit(3), GeneratorExit()])


class Note:
    def __str__(self) -> str:
        return "a note that is an object"

    def __repr__(self) -> str:
        return "Note()"


class BadNote:
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Notes(collections.abc.Sequence):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 2

    def __getitem__(self, at: int) -> str:  # type: ignore[override]
        return ["first of my own", "second of my own"][at]


for _name, _notes in {
    "a list": ["one", "two\nlines", "", "\xfcn\xef\U0001f40d"],
    "a tuple": ("one", "two"),
    "a text": "not a list",
    "a number": 17,
    "None": None,
    "no texts in it": [1, None, ["x"]],
    "objects in it": [Note(), "a text"],
    "objects without words in it": [BadNote(), "a text"],
    "an object": Note(),
    "an object without words": BadNote(),
    "a dict": {"a": 1},
    "a sequence of one's own": Notes(),
    "an empty list": [],
    "a cycle": (_cycle := ["x"]).append(_cycle) or _cycle,  # type: ignore[arg-type, func-returns-value]
}.items():

    @functools.partial(case, name=f"notes: {_name}")
    @functools.partial(functools.partial, notes=_notes)
    def raise_noted(notes: object) -> None:
        exc = ValueError("with notes")
        exc.__notes__ = notes  # type: ignore[assignment]
        raise exc


# -- frames of every kind


def all_kinds_of_arguments(
    first: int,
    /,
    second: int,
    third: int = 3,
    *rest: int,
    named: str,
    other: str = "o",
    **others: object,
) -> None:
    local = first + second
    raise ValueError(local)


case(lambda: all_kinds_of_arguments(1, 2, 3, 4, 5, named="n", extra=[1]), "arguments")
case(lambda: all_kinds_of_arguments(1, 2, named="n"), "arguments by default")


@case
def deleted_argument() -> None:
    def inner(kept: int, gone: int, *rest: int, key: int = 1) -> None:
        local = 1
        del gone, local, rest
        raise ValueError(kept)

    inner(1, 2, 3)


@case
def argument_in_a_closure() -> None:
    def outer(cell: list[int], plain: int, *rest: int) -> None:
        def inner(row: int) -> int:
            nonlocal cell
            return cell[row] + plain + len(rest)

        inner(7)

    outer([1, 2], 3, 4)


@case
def free_variables() -> None:
    factor = 10

    def inner(value: int) -> float:
        twice = value * 2
        return factor / (twice - 2 * value)

    inner(4)


@case
def comprehension() -> list[float]:
    limit = 3
    return [1 / (limit - number) for number in range(5) if number > 1]


@case
def nested_comprehensions() -> object:
    rows = [[1, 2], [3, 0]]
    return {key: {value: [1 / value for _ in "a"] for value in row} for key, row in enumerate(rows)}


@case
def generator_expression() -> float:
    limit = 0
    return sum(1 / limit for limit in (1, 0))


@case
def class_body() -> None:
    class Broken:
        first = 1
        second = first / 0


@case
def nested_class_bodies() -> None:
    outer_local = 3

    class Outer:
        factor = 2

        class Inner:
            row = [1, 2]
            column = row[outer_local]


@case
def class_body_of_a_metaclass() -> None:
    class Namespace(dict):  # type: ignore[type-arg]
        def __getitem__(self, key: str) -> Any:
            return dict.__getitem__(self, key)

    class Prepared(type):
        @classmethod
        def __prepare__(mcs, *args: Any, **kwargs: Any) -> Any:
            return Namespace(given=1)

    class Broken(metaclass=Prepared):
        own = given / 0  # type: ignore[name-defined]  # noqa: F821


@case
def class_decorator() -> None:
    def decorator(cls: type) -> type:
        raise TypeError(cls.__name__)

    @decorator
    class Decorated:
        pass


@case
def method() -> None:
    class Service:
        def __init__(self) -> None:
            self.rows = [1]

        def load(self, at: int) -> int:
            return self.rows[at]

        @classmethod
        def make(cls, at: int) -> int:
            return cls().load(at)

        @staticmethod
        def start(at: int) -> int:
            return Service.make(at)

        @property
        def total(self) -> int:
            return self.start(9)

    Service().total


@case
def generator() -> None:
    def rows(count: int) -> Any:
        for row in range(count):
            got = yield row
            if row == 2:
                raise ValueError("in a generator", got)

    running = rows(5)
    for row in running:
        pass


@case
def generator_throw() -> None:
    def rows() -> Any:
        try:
            yield 1
        except KeyError:
            raise ValueError("thrown into")

    running = rows()
    next(running)
    running.throw(KeyError("x"))


@case
def yield_from() -> None:
    def inner() -> Any:
        yield 1
        raise ValueError("inside")

    def outer() -> Any:
        yield 0
        yield from inner()

    list(outer())


@case
def stop_iteration_in_a_generator() -> None:
    def rows() -> Any:
        yield next(iter(()))

    list(rows())


@case
def coroutine() -> None:
    async def leaf(depth: int) -> None:
        await asyncio.sleep(0)
        raise ValueError(depth)

    async def main() -> None:
        name = "main"
        await leaf(3)

    asyncio.run(main())


@case
def coroutine_by_hand() -> None:
    async def leaf() -> None:
        raise ValueError("leaf")

    async def main() -> None:
        await leaf()

    main().send(None)


@case
def task_group() -> None:
    async def work(row: int) -> None:
        await asyncio.sleep(0)
        raise ValueError(row)

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for row in range(3):
                tasks.create_task(work(row), name=f"task {row}")

    asyncio.run(main())


@case
def async_timeout() -> None:
    async def main() -> None:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(10)

    asyncio.run(main())


@case
def async_generator() -> None:
    async def rows() -> Any:
        yield 1
        raise ValueError("async")

    async def main() -> None:
        found = [row async for row in rows()]

    asyncio.run(main())


@case
def async_context_manager() -> None:
    @contextlib.asynccontextmanager
    async def opened() -> Any:
        try:
            yield 3
        finally:
            raise OSError(5, "closing")

    async def main() -> None:
        async with opened() as handle:
            raise ValueError(handle)

    asyncio.run(main())


@case
def thread() -> None:
    found: list[BaseException] = []

    def work() -> None:
        try:
            failing_parser(3)
        except ValueError as error:
            found.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    raise found[0]


case(
    functools.partial(
        imported,
        "failing_module",
        "rows = [1, 2]\ntotal = sum(rows)\n\ndef load(at):\n    return rows[at]\n\nload(7)\n",
    ),
    "module level",
)
case(
    functools.partial(
        imported,
        "layout",
        "# \xfcml\xe4ut\ndef f(w):\n\tif w:\n\t\tgr\xf6\xdfe = '\u4e2d\u6587\U0001f40d';  x = gr\xf6\xdfe[1] + w + len('\u4e2d' + gr\xf6\xdfe)\n\x0c\nf(3)\n",
    ),
    "tabs and unicode",
)
case(functools.partial(executed, "x = 1\ny = x / 0\n"), "exec without source")
case(
    functools.partial(
        executed, "def f(a, b=2):\n    return a / (b - 2)\nf(\n  1,\n)\n", "<cell 1>", True
    ),
    "exec with source in linecache",
)
case(
    functools.partial(executed, "raise ValueError(__name__)", "/nonexistent/generated.py"),
    "exec of an absent file",
)
case(functools.partial(executed, "\n" * 70_000 + "1/0", "<far>"), "exec of a far line")
case(functools.partial(eval, "1 / zero", {"zero": 0, "__name__": "evaluated"}), "eval")
case(
    functools.partial(
        executed, "def f():\n  return " + "(" * 40 + "1/0" + ")" * 40 + "\nf()", "<nested>", True
    ),
    "nested parentheses",
)
case(
    functools.partial(executed, "f = lambda: 1/0; f()" + " " * 300 + "; x = 1", "<wide>", True),
    "wide line",
)
case(
    functools.partial(
        executed,
        "def f[T](x: T) -> T:\n    class C[U](list[U]):\n        y = x / 0\n    return C\nf(1)\n",
        "<generic>",
        True,
    ),
    "type parameters",
    (3, 12),
)
case(
    functools.partial(executed, "type A[T] = T / 0\nA.__value__\n", "<alias>", True),
    "type alias",
    (3, 12),
)
case(
    functools.partial(executed, "x = 0\ny = f'{1 + 1} {'a' + f'{1 / x}'}'\n", "<f-string>", True),
    "nested f-strings",
    (3, 12),
)
case(
    functools.partial(
        executed, "def f(x: missing_name): pass\nf.__annotations__\n", "<annotations>", True
    ),
    "annotations",
    (3, 14),
)
case(
    functools.partial(executed, "x = 0\ny = t'{1 / x}'\n", "<t-string>", True), "t-string", (3, 14)
)


@case
def exec_with_a_mapping() -> None:
    class Namespace(collections.abc.MutableMapping):  # type: ignore[type-arg]
        def __init__(self) -> None:
            self.held: dict[str, Any] = {}

        def __getitem__(self, key: str) -> Any:
            return self.held[key]

        def __setitem__(self, key: str, value: Any) -> None:
            self.held[key] = value

        def __delitem__(self, key: str) -> None:
            del self.held[key]

        def __iter__(self) -> Any:
            return iter(self.held)

        def __len__(self) -> int:
            return len(self.held)

    exec("a = 1\nb = a / 0", {"__name__": "mapped"}, Namespace())


@case
def exec_with_locals() -> None:
    exec("a = given\nb = a / 0", {"given": 3, "__name__": "separate"}, {"mine": [1]})


def twice(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        attempts = 2
        return function(*args, **kwargs)

    return wrapper


@case
@twice
@twice
def decorated(value: int = 0) -> float:
    return 1 / value


case(functools.partial(functools.partial(all_kinds_of_arguments, 1), 2, named="p"), "partial")
case(lambda: (lambda x: (lambda y: x / y)(0))(1), "lambdas")
case(lambda: sorted([1, 2], key=lambda row: 1 / (row - 1)), "called back from C")
case(lambda: functools.reduce(lambda left, right: left / right, [1, 0]), "reduce")


@case
def operator_method() -> object:
    class Money:
        def __add__(self, other: object) -> object:
            raise TypeError("not money")

        def __repr__(self) -> str:
            return "Money(7)"

    price, tax = Money(), 3
    return price + tax


@case
def finally_moves_the_line() -> None:
    state = "open"
    try:
        raise ValueError(state)
    finally:
        state = "closing"
        state = "closed"


@case
def handler_moves_the_line() -> None:
    done = 0
    try:
        raise ValueError(done)
    except ValueError:
        done += 1
        done += 1
        raise


@case
def raised_twice_in_a_frame() -> None:
    exc = ValueError("again")
    try:
        raise exc
    except ValueError as caught:
        raise caught


@case
def raised_in_two_ways_in_a_frame() -> None:
    def inner(exc: BaseException) -> None:
        raise exc

    exc = ValueError("again")
    for call in (inner, inner):
        try:
            call(exc)
        except ValueError as caught:
            exc = caught
    raise exc


@case
def raised_again_in_a_loop() -> None:
    exc = ValueError("again and again")
    for number in range(40):
        try:
            raise exc
        except ValueError as caught:
            exc = caught
    raise exc


@case
def with_traceback_of_another() -> None:
    try:
        failing_parser(1)
    except ValueError as error:
        borrowed = error.__traceback__
    raise KeyError("borrowing").with_traceback(borrowed)


@case
def never_raised_cause() -> None:
    raise ValueError("x") from NeedsArguments(2, "never raised")


@case
def traceback_shortened() -> None:
    try:
        nested(0)
    except ValueError as error:
        assert error.__traceback__ is not None
        raise error.with_traceback(error.__traceback__.tb_next)


@case
def traceback_of_odd_numbers() -> None:
    frame = sys._getframe()
    raise ValueError("odd").with_traceback(types.TracebackType(None, frame, -1, 3))


@case
def many_lines() -> object:
    rows = {"a": [1, 2, 3]}
    return len(
        [
            rows["a"][0] + rows["b"][0],
            2,
        ]
    ) + max(
        1,
        2,
    )


@case
def one_line_of_many() -> object:
    values = {"first": {"second": None}}
    return (
        (values["first"]["second"]["third"] + 1) * len(str(values))
        if values
        else values["first"]["second"]
    )  # type: ignore[index]


@case
def lines_between() -> object:
    return sum(
        value / (value - 3)
        # a comment between
        for value in (1, 2, 3)
    )


@case
def wide_characters() -> object:
    名前 = {"キー": [1, 2]}
    return "日本語", 名前["キー"][0] + 名前["無い"][1], "🐍"


def recurse(depth: int) -> int:
    return recurse(depth + 1) + 1


def ping(depth: int) -> int:
    return pong(depth + 1)


def pong(depth: int) -> int:
    return ping(depth + 1)


def in_a_thread(function: Callable[[int], int]) -> None:
    """A thread has all of its stack, wherever it was started from: so the number of frames is
    always the same.
    """
    found: list[BaseException] = []

    def work() -> None:
        try:
            function(0)
        except RecursionError as error:
            found.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    raise found.pop()


case(functools.partial(in_a_thread, recurse), "recursion")
case(functools.partial(in_a_thread, ping), "mutual recursion")


@case
def recursion_in_repr() -> None:
    class Endless:
        def __repr__(self) -> str:
            return repr(self)

    def work(depth: int) -> int:
        return len(repr(Endless()))

    in_a_thread(work)


@case
def recursion_with_a_handler() -> None:
    def down(depth: int) -> int:
        try:
            if depth == 20:
                raise ValueError("bottom")
            return down(depth + 1)
        except ValueError as error:
            raise RuntimeError(depth) from error

    down(0)


@case
def large_global() -> None:
    """A name of the module stands for a dict that no report takes whole."""
    CASES["a case that the table lacks"]


@case
def repeated_lines() -> None:
    def down(depth: int) -> None:
        if depth:
            down(depth - 1)
        else:
            raise ValueError("bottom")

    down(10)
