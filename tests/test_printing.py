"""What is restored can be printed: by str(), by `traceback`, and by the interpreter itself, as the original would be."""

from __future__ import annotations

import json
import linecache
import pickle
import subprocess
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Commands

import keeptrace
from keeptrace.format.reading import decode
from keeptrace.store.identity import place_of


class Text(str):
    """A str of the user's."""


class Number(int):
    """An int of the user's."""


class Notes(list):
    """A list of the user's."""


class Raising:
    """A sequence that raises."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> str:
        raise RuntimeError("no")


def syntax(*args: Any, **fields: Any) -> SyntaxError:
    exc = SyntaxError("bad", args or ("f.py", 3, 5, "x = (1,\n", 3, 6))
    for name, value in fields.items():
        setattr(exc, name, value)
    return exc


def noted(notes: Any) -> ValueError:
    exc = ValueError("boom")
    exc.__notes__ = notes
    return exc


def restored(exc: BaseException, **options: Any) -> BaseException:
    return keeptrace.loads(keeptrace.dumps(exc, redact=False, **options))


# What is restored prints letter for letter as the original.
ALIKE: dict[str, Callable[[], BaseException]] = {
    "errno None": lambda: OSError(None, "cannot connect"),
    "strerror None": lambda: OSError(3, None),
    "errno and strerror None": lambda: OSError(None, None),
    "all None but a second file": lambda: OSError(None, None, None, None, "absent"),
    "a name of no number": lambda: FileNotFoundError(None, None),
    "both None": lambda: OSError("alone"),
    "file": lambda: OSError(2, "no", "a", None, "b"),
    "errno None and a file": lambda: ConnectionError(None, "no", "a"),
    "syntax error": syntax,
    "syntax error without a place": lambda: SyntaxError("m", ("f.py", None, None, None)),
    "text of a subclass": lambda: syntax(text=Text("x = (1,\n")),
    "message and file of a subclass": lambda: syntax(msg=Text("m"), filename=Text("g.py")),
    "long line": lambda: syntax("f.py", 3, 5, "x" * 30_000, 3, 6),
    "decoding": lambda: UnicodeDecodeError("utf-8", b"abc" * 1_000, 3, 4, "bad"),
    "decoding 90 kB": lambda: UnicodeDecodeError(
        "utf-8", b"a" * 90_000, 89_000, 89_001, Text("bad")
    ),
    "notes": lambda: noted(["one", "two\nlines", 3]),
    "150 notes in a tuple": lambda: noted(tuple(f"note {number}" for number in range(150))),
    "150 notes in a list": lambda: noted([f"note {number}" for number in range(150)]),
    "150 notes in a list of the user's": lambda: noted(
        Notes(f"note {number}" for number in range(150))
    ),
    "notes that are a number": lambda: noted(5),
    "notes that are a text": lambda: noted("text"),
    "no notes": lambda: noted(()),
}


@pytest.mark.parametrize("make", ALIKE.values(), ids=ALIKE)
def test_prints_as_the_original(make: Callable[[], BaseException]) -> None:
    """str(), repr() and the traceback's text are those of the original."""
    own, found = make(), restored(make())
    assert str(found) == str(own)
    assert traceback.format_exception(found) == traceback.format_exception(own)


# Too large or too odd to be kept as they are.
ODD: dict[str, Callable[[], BaseException]] = {
    "numbers of a subclass": lambda: syntax(
        lineno=Number(3), offset=Number(5), end_offset=Number(6)
    ),
    "line of 300 kB": lambda: syntax("f.py", 3, 5, "x = " + "y" * 300_000, 3, 6),
    "message and file of 300 kB": lambda: syntax(msg="m" * 300_000, filename="f" * 300_000),
    "decoding 300 kB": lambda: UnicodeDecodeError("utf-8", b"a" * 300_000, 299_999, 300_000, "bad"),
    "encoding 300 kB": lambda: UnicodeEncodeError("utf-8", "a" * 300_000, 299_999, 300_000, "bad"),
    "translating 300 kB": lambda: UnicodeTranslateError("a" * 300_000, 299_999, 300_000, "bad"),
    "file's name of 300 kB": lambda: OSError(36, "too long", "f" * 300_000),
    "import of 300 kB": lambda: ImportError("m" * 300_000, name="n" * 300_000, path="p" * 300_000),
    "exit with 300 kB": lambda: SystemExit("e" * 300_000),
    "notes that are a long text": lambda: noted("n" * 300_000),
    "notes that are many bytes": lambda: noted(b"n" * 300_000),
    "notes that are a range": lambda: noted(range(100)),
    "notes that are a dict": lambda: noted({number: "note" for number in range(300)}),
    "notes that are a set": lambda: noted(set(range(300))),
    "notes that are a sequence that raises": lambda: noted(Raising()),
    "notes that are such sequences": lambda: noted([Raising(), Text("x" * 300_000)]),
}


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_can_be_printed(make: Callable[[], BaseException]) -> None:
    """It is of the same class, and str(), repr() and the traceback's text do not raise; a message says that it was cut."""
    own, found = make(), restored(make())
    assert isinstance(found, type(own))
    repr(found)
    assert str(found).startswith(str(own)[:8])
    assert type(own).__name__ in "".join(traceback.format_exception(found))


FIELDS: list[tuple[str, type]] = [
    ("text", str),
    ("msg", str),
    ("filename", str),
    ("lineno", int),
    ("offset", int),
]


@pytest.mark.parametrize(("name", "kind"), FIELDS)
def test_fields_keep_their_types(name: str, kind: type) -> None:
    """Long texts are texts, cut where they say so; numbers are numbers."""
    found = restored(syntax("f" * 300_000, Number(3), Number(5), "x" * 300_000, 3, 6))
    value = getattr(found, name)
    assert type(value) is kind
    if name in ("text", "filename"):
        assert "300000 in all" in value and len(value) < 200_000


def test_objects_of_unicode_errors_keep_their_types() -> None:
    """A cut `object` is still bytes, or str, and start and end are the numbers that they were."""
    for name, kind in (
        ("decoding 300 kB", bytes),
        ("encoding 300 kB", str),
        ("translating 300 kB", str),
    ):
        found: Any = restored(ODD[name]())
        assert type(found.object) is kind
        assert (found.start, found.end) == (299_999, 300_000)


# It imports little: whatever a process has imported, each fork takes down as it ends.
UNCAUGHT = """
import json, os, sys, keeptrace
for name, data in map(json.loads, sys.stdin):
    exc = keeptrace.loads(bytes.fromhex(data))
    if not os.fork():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        raise exc
    ended = os.waitstatus_to_exitcode(os.wait()[1])
    if ended != 1:
        print(name, ended, flush=True)
"""


def test_the_interpreter_prints_each() -> None:
    """Uncaught, each ends its process with a traceback, and not with a crash. One process forks
    for each."""
    lines = [
        json.dumps([name, keeptrace.dumps(make(), redact=False).hex()])
        for name, make in {**ALIKE, **ODD}.items()
    ]
    done = subprocess.run(
        [sys.executable, "-c", UNCAUGHT],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_syntax_error_shows_its_place(tmp_path: Path, call: Commands) -> None:
    """`show` and `html` have the file, the line and the mark, and the header names the place; it is not "never raised"."""
    with pytest.raises(SyntaxError) as caught:
        compile("x = 1\ndef f(:\n    pass\n", "/shop/prices.py", "exec")
    path = tmp_path / "a.keeptrace"
    exc = caught.value.with_traceback(None)
    keeptrace.dump(exc, path)
    for command in (["show"], ["html", "-o", str(tmp_path / "a.html")]):
        out = call.out(*command, path)
        shown = out if command == ["show"] else (tmp_path / "a.html").read_text()
        assert "prices.py" in shown and "def f(:" in shown and "^" in shown
        assert "never raised" not in shown
    assert decode(path.read_bytes()).header["where"] == "/shop/prices.py:2"
    assert place_of(exc) == "prices.line 2"


def test_a_class_whose_module_is_no_text() -> None:
    """It is told as tracebacks tell it."""
    cls = type("Odd", (Exception,), {"__module__": 42})
    assert traceback.format_exception(restored(cls("x"))) == traceback.format_exception(cls("x"))


class _Lib:
    """As libraries of cffi are in sys.modules: it says that it is a module."""

    __class__ = types.ModuleType  # type: ignore[assignment]


def test_what_only_looks_like_a_module_is_no_hindrance(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump of code without a file, and of a class of such a "module", is loaded while cffi's libraries are loaded."""
    monkeypatch.setitem(sys.modules, "lib_of_cffi", _Lib())  # type: ignore[arg-type]
    file = "<made>"
    linecache.cache[file] = 12, None, ["raise Odd()\n"], file
    namespace = {"Odd": type("Odd", (Exception,), {"__module__": "lib_of_cffi"})}
    with pytest.raises(Exception) as caught:
        exec(compile("raise Odd()", file, "exec"), namespace)
    data = keeptrace.dumps(caught.value)
    linecache.cache.pop(file)
    assert type(keeptrace.loads(data)).__name__ == type(pickle.loads(data)).__name__ == "Odd"


@pytest.mark.parametrize("held", [object(), {"row": object()}])
def test_an_error_told_by_its_arguments_is_of_the_very_class(held: Any) -> None:
    """A stand-in in a field that no message tells does not cost an AttributeError its class:
    Python's own printer suggests names for that very class alone."""
    exc = AttributeError("text", name="a", obj=held)
    loaded = keeptrace.loads(keeptrace.dumps(exc))
    assert type(loaded) is AttributeError and str(loaded) == "text"


class OddMeta(type):
    """Classes that cannot be compared."""

    def __eq__(cls, other: object) -> bool:
        raise RuntimeError("compared")

    __hash__ = None  # type: ignore[assignment]


class Incomparable(ValueError, metaclass=OddMeta):
    """An exception of such a class."""


class WithoutTraceback(ValueError):
    """An exception whose own property hides its traceback."""

    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("hidden")


@pytest.mark.parametrize("cls", [Incomparable, WithoutTraceback])
def test_plain_pickle_asks_no_class(cls: Any) -> None:
    """pickle.loads of a dump gives the exception, whatever its class or metaclass do when asked."""
    found = pickle.loads(keeptrace.dumps(cls("text")))
    assert isinstance(found, ValueError) and str(found) == "text"
